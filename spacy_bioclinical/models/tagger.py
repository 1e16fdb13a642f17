"""The BIO taggers: one linear layer from token vectors to a logit per tag. Beside an encoder it costs nothing.

They return logits, not probabilities: the component takes the softmax with its loss (one stable formula) and
decodes under the BIO constraints (`models/viterbi.py`). Columns: O, B-0, I-0, B-1, I-1, … The CRF tagger returns its
learned transition scores beside the logits (`models/crf_layer.py`), for `models/crf.py`.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import cast

from spacy.tokens import Doc
from thinc.api import Linear, Model, chain
from thinc.types import Floats1d, Floats2d

from spacy_bioclinical.models.crf_layer import crf_layer, grow_crf_layer
from spacy_bioclinical.models.head_dropout import head_dropout
from spacy_bioclinical.models.label_rows import NEW_LABEL_BIAS, grow_labels
from spacy_bioclinical.models.products import thin_product


def build_bio_tagger_v1(
    *,
    tok2vec: Model[list[Doc], list[Floats2d]],
    dropout: float = 0.0,
    nO: int | None = None,
) -> Model[list[Doc], list[Floats2d]]:
    """Build the model of `bioclinical_ner`: token vectors, dropout, linear layer (Glorot uniform, zero bias).

    tok2vec (Model[List[Doc], List[Floats2d]]): token vectors, e.g. a TransformerListener.
    dropout (float): dropout on the token vectors, in training only; `training.dropout` does not change it.
    nO (int | None): the number of tags; leave it out, initialization sets it to 1 + 2 · labels.
    RETURNS (Model[List[Doc], List[Floats2d]]): logits, (tokens, tags) per document; references "tok2vec" and
        "output_layer".
    """
    output_layer: Model[Floats2d, Floats2d] = Linear(nO=nO)
    head = _each_token(chain(head_dropout(dropout), output_layer))
    model: Model[list[Doc], list[Floats2d]] = chain(tok2vec, head)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.attrs["resize_output"] = resize_tagger
    if nO is not None:
        model.set_dim("nO", nO)
    return model


def build_crf_tagger_v1(
    *,
    tok2vec: Model[list[Doc], list[Floats2d]],
    dropout: float = 0.0,
    transition_gain: float = 1.0,
    nO: int | None = None,
) -> Model[list[Doc], list[Floats2d]]:
    """Build a model of `bioclinical_ner` with a CRF: the BIO tagger, and a score for each tag after each other.

    The scores of transitions, of the first and of the last tag start at 0, where the model equals the BIO tagger but
    for its loss: that of whole sequences.

    tok2vec (Model[List[Doc], List[Floats2d]]): token vectors, e.g. a TransformerListener.
    dropout (float): dropout on the token vectors, in training only; `training.dropout` does not change it.
    transition_gain (float): a transition score is this times its parameter. Adam moves every parameter by about the
        learn rate per step: at an encoder's 5e-5 a transition would hardly move, with a gain of 100 it does.
    nO (int | None): the number of tags; leave it out, initialization sets it to 1 + 2 · labels.
    RETURNS (Model[List[Doc], List[Floats2d]]): logits as `CrfScores`; references "tok2vec", "output_layer" and
        "transitions".
    """
    output_layer: Model[Floats2d, Floats2d] = Linear(nO=nO)
    head = _each_token(chain(head_dropout(dropout), output_layer))
    transitions = crf_layer(transition_gain, nO=nO)
    model: Model[list[Doc], list[Floats2d]] = chain(tok2vec, head, transitions)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.set_ref("transitions", transitions)
    model.attrs["resize_output"] = resize_crf_tagger
    if nO is not None:
        model.set_dim("nO", nO)
    return model


def resize_crf_tagger(model: Model, new_nO: int) -> Model:
    """Give a CRF tagger more tags, in place: known tags and transitions keep their weights.

    model (Model): as built by `build_crf_tagger_v1`.
    new_nO (int): the new number of tags.
    RETURNS (Model): the same model.
    """
    old = model.get_ref("transitions")
    new = grow_crf_layer(old, new_nO)
    if new is not old:
        model.replace_node(old, new)
    return resize_tagger(model, new_nO)


def resize_tagger(model: Model, new_nO: int) -> Model:
    """Give a tagger more tags, in place: known tags keep their weights.

    model (Model): as built by `build_bio_tagger_v1`.
    new_nO (int): the new number of tags.
    RETURNS (Model): the same model.
    """
    return grow_labels(model, new_nO, {"W": 0.0, "b": NEW_LABEL_BIAS})


def _each_token(layer: Model[Floats2d, Floats2d]) -> Model[list[Floats2d], list[Floats2d]]:
    """Apply a layer to the rows of all documents at once.

    Documents without tokens may have any width, 0 included. (thinc's `with_array` fails where a whole batch
    is empty: a listener then returns rows of width 0.)
    """
    return Model("each_token", _forward_each, init=_init_each, layers=[layer], dims={"nO": None})


def _forward_each(
    model: Model, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    layer, ops = model.layers[0], model.ops
    if not is_train:
        return [_logits(layer.layers[-1], x) for x in X], lambda dY: []
    filled = [x for x in X if len(x)]
    if not filled:
        return [ops.alloc2f(0, model.get_dim("nO")) for _ in X], lambda dY: list(X)
    flat, backprop_layer = layer(ops.xp.concatenate(filled), is_train)
    ends = [0]
    for x in X:
        ends.append(ends[-1] + len(x))

    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        d_flat = backprop_layer(ops.xp.concatenate([dy for dy, x in zip(dY, X) if len(x)]))
        return [d_flat[start:end] for start, end in pairwise(ends)]

    return [flat[start:end] for start, end in pairwise(ends)], backprop


def _logits(linear: Model[Floats2d, Floats2d], x: Floats2d) -> Floats2d:
    """Apply the linear layer to one document, (tokens, width) to (tokens, tags), without copying its rows."""
    W, b = cast(Floats2d, linear.get_param("W")), cast(Floats1d, linear.get_param("b"))
    if not len(x):
        return linear.ops.alloc2f(0, len(b))
    return thin_product(x, W) + b


def _init_each(model: Model, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
    ops = model.ops
    filled = [x for x in X or [] if len(x)]
    d_filled = [y for y in Y or [] if y.shape[-1]]
    model.layers[0].initialize(
        X=ops.xp.concatenate(filled) if filled else None, Y=ops.xp.concatenate(d_filled) if d_filled else None
    )
    if model.layers[0].has_dim("nO"):
        model.set_dim("nO", model.layers[0].get_dim("nO"))
