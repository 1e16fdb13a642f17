"""The CRF's layer: puts learned transition scores beside the logits of a batch, and takes their gradient back.

Loss and decoding need the whole distribution, so the scores go to the component as they are (`models/crf.py` computes
with them), and the gradient comes back the same way. So transitions are parameters like others: trained by the
optimizer, averaged, stored, resized.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
from thinc.api import Model
from thinc.types import Floats2d, FloatsXd

from spacy_bioclinical.models.crf import Transitions


class CrfScores(list[Floats2d]):
    """Logits, (tokens, tags) per document, and the transition scores they belong to; or the gradients of both."""

    def __init__(self, logits: Iterable[Floats2d], transitions: Transitions) -> None:
        """Keep the transitions with the logits.

        logits (Iterable[Floats2d]): per document.
        transitions (Transitions): float64, on the host.
        """
        super().__init__(logits)
        self.transitions = transitions


def transitions_of(scores: Sequence[Floats2d]) -> Transitions | None:
    """RETURNS (Transitions | None): those that come with the logits of a batch, None if they are no CRF's."""
    return scores.transitions if isinstance(scores, CrfScores) else None


def crf_layer(gain: float, *, nO: int | None = None) -> Model[list[Floats2d], list[Floats2d]]:
    """Build the layer.

    gain (float): transition scores are this times the parameters "start" (tags,), "pairs" (tags, tags), "end" (tags,).
    nO (int | None): the number of tags.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): takes logits, returns `CrfScores`; wants `CrfScores` as gradient.
    """
    return Model(
        "crf",
        _forward,
        init=_init,
        params=dict.fromkeys(Transitions._fields),
        dims={"nO": nO},
        attrs={"transition_gain": gain},
    )


def grow_crf_layer(layer: Model, new_nO: int) -> Model:
    """Give the layer more tags: scores between known tags stay, those of new tags are 0.

    layer (Model): as built by `crf_layer`.
    new_nO (int): the new number of tags.
    RETURNS (Model): the same layer if it has no weights yet or nothing changes, otherwise a new one.
    """
    old_nO = layer.maybe_get_dim("nO")
    if old_nO == new_nO:
        return layer
    if not layer.has_param("pairs"):
        layer.set_dim("nO", new_nO, force=True)
        return layer
    new = crf_layer(layer.attrs["transition_gain"], nO=new_nO)
    new.ops = layer.ops
    new.initialize()
    for name in Transitions._fields:
        larger, smaller = cast(Any, new.get_param(name)), cast(Any, layer.get_param(name))
        larger[tuple(slice(0, size) for size in smaller.shape)] = smaller
        new.set_param(name, larger)
    return new


def _forward(
    model: Model, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    gain = model.attrs["transition_gain"]
    parameters = (model.ops.to_numpy(model.get_param(name)) for name in Transitions._fields)
    transitions = Transitions(*(np.asarray(values, dtype=np.float64) * gain for values in parameters))

    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        d_transitions = cast(CrfScores, dY).transitions.scaled(gain)
        for name, gradient in d_transitions._asdict().items():
            model.inc_grad(name, cast(FloatsXd, model.ops.asarray(gradient, dtype="float32")))
        return list(dY)

    return CrfScores(X, transitions), backprop


def _init(model: Model, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
    if Y:
        model.set_dim("nO", Y[0].shape[-1])
    if model.has_dim("nO"):
        n_tags = model.get_dim("nO")
        for name, shape in zip(Transitions._fields, [(n_tags,), (n_tags, n_tags), (n_tags,)]):
            model.set_param(name, model.ops.alloc(shape))
