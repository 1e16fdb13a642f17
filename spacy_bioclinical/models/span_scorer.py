"""The model of `bioclinical_spans`: for each label, which tokens start and end a mention, and which pairs are one.

Boundaries first: logits of starts and ends for every token and label, all documents in one product. They choose the
candidates (`span_candidates.py`), which are then scored as pairs (`span_pairs.py`). Every label is decided on its own,
so several labels on the same tokens, nested and crossing mentions, of any length, are all outputs of it.

White-space tokens are left out: a mention may run over a line break, and none starts or ends on one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, Ops, glorot_uniform_init, uniform_init
from thinc.types import Floats2d

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.head_dropout import head_dropout
from spacy_bioclinical.models.label_rows import NEW_LABEL_BIAS, grow_labels
from spacy_bioclinical.models.products import thin_product
from spacy_bioclinical.models.span_candidates import Candidates, likely_boundaries, pair_boundaries
from spacy_bioclinical.models.span_pairs import LENGTH_CLASSES, PairInputs, backprop_pairs, score_pairs

# Boundaries are rare: starting from 2 % spares the first steps, which would only teach that. Their weights start small,
# so that chance lifts none above the threshold: the first batches would be full of candidates.
_BOUNDARY_BIAS = -4.0
_BOUNDARY_WEIGHTS = 0.2


@dataclass
class SpanScores:
    """What the model says about a batch: logits of boundaries at once, of pairs when asked.

    visible (List[np.ndarray]): for each document, the indices of its tokens that are not white space. The rows of
        all documents follow each other; "row" below is a place in this flat batch.
    starts, ends (Floats2d): logits, (rows, labels).
    """

    visible: list[np.ndarray]
    starts: Any
    ends: Any
    pairs: PairInputs | None
    ops: Ops
    boundary_threshold: float
    nearest: int

    @property
    def lengths(self) -> list[int]:
        """RETURNS (List[int]): rows of each document."""
        return [len(tokens) for tokens in self.visible]

    @property
    def offsets(self) -> list[int]:
        """RETURNS (List[int]): first row of each document, and the number of rows at the end."""
        return [0, *accumulate(self.lengths)]

    def candidates(
        self, also_starts: np.ndarray | None = None, also_ends: np.ndarray | None = None
    ) -> Candidates:
        """Choose the pairs that may be mentions.

        also_starts, also_ends (np.ndarray | None): bool, (rows, labels): boundaries taken whatever the model says.
        RETURNS (Candidates): see `pair_boundaries`.
        """
        is_start, is_end = (
            likely_boundaries(self.ops.to_numpy(logits), self.lengths, self.boundary_threshold)
            for logits in (self.starts, self.ends)
        )
        if also_starts is not None:
            is_start |= also_starts
        if also_ends is not None:
            is_end |= also_ends
        return pair_boundaries(is_start, is_end, self.lengths, self.nearest)

    def score(self, candidates: Candidates) -> Any:
        """RETURNS (Floats1d): logits of the pairs, (candidates,), float32."""
        if self.pairs is None or not len(candidates):
            return self.ops.alloc1f(0)
        return score_pairs(self.ops, self.pairs, candidates)


@dataclass
class SpanGradient:
    """The gradient of a loss: of the logits of boundaries, (rows, labels), and of these candidates' logits."""

    starts: Any
    ends: Any
    candidates: Candidates
    pairs: Any


def build_span_scorer_v1(
    *,
    tok2vec: Model[list[Doc], list[Floats2d]],
    hidden: int = 64,
    boundary_threshold: float = 0.05,
    nearest: int = 64,
    dropout: float = 0.0,
    nO: int | None = None,
) -> Model[list[Doc], Any]:
    """Build the model. Per batch: O(tokens · width · (5 · labels + 2 · hidden) + candidates · hidden²).

    tok2vec (Model[List[Doc], List[Floats2d]]): token vectors, e.g. a TransformerListener.
    hidden (int): width of the states that the biaffine product compares.
    boundary_threshold (float): a token is considered as a start, or an end, of a label from this probability on.
        0 considers every pair of tokens (brute force, for short documents).
    nearest (int): how many ends of its label each start is paired with, and each end with starts.
    dropout (float): dropout on the token vectors, in training only; `training.dropout` does not change it.
    nO (int | None): the number of labels; leave it out, initialization sets it.
    RETURNS (Model[List[Doc], SpanScores]): its backprop takes a SpanGradient. References "tok2vec", "output_layer".
    RAISES (ValueError): BC425 if a setting is out of range.
    """
    for what, value, fits, want in (
        ("hidden", hidden, hidden >= 1, "1 or more"),
        ("boundary_threshold", boundary_threshold, 0 <= boundary_threshold < 1, "from 0 to less than 1"),
        ("nearest", nearest, nearest >= 1, "1 or more"),
    ):
        if not fits:
            raise ValueError(Errors.BC425.format(what=what, value=value, want=want))
    states: Model[Any, Any] = Model(
        "span_states",
        _forward_states,
        init=_init_states,
        dims={"nI": None, "nH": hidden},
        params={"W": None, "b": None},
    )
    labels: Model[Any, Any] = Model(
        "span_labels",
        _forward_labels,
        init=_init_labels,
        dims={"nO": nO, "nI": None, "nH": hidden},
        params=dict.fromkeys(_FILLS),
    )
    model: Model[list[Doc], Any] = Model(
        "span_scorer",
        _forward,
        init=_init,
        layers=[tok2vec, head_dropout(dropout), states, labels],
        dims={"nO": nO},
        refs={"tok2vec": tok2vec, "output_layer": labels},
        attrs={
            "boundary_threshold": boundary_threshold,
            "nearest": nearest,
            "resize_output": resize_span_scorer,
        },
    )
    return model


# Per-label parameters, each with a row per label, and the values of the rows of a label added after training.
_LINEAR = ("S", "E", "A", "C", "V")  # start, end; of a pair: first, last, between
_FILLS = {
    **dict.fromkeys((*_LINEAR, "U", "n"), 0.0),
    **dict.fromkeys(("bS", "bE", "b"), NEW_LABEL_BIAS),
}


def resize_span_scorer(model: Model, new_nO: int) -> Model:
    """Give a span scorer more labels, in place: known labels keep their weights.

    model (Model): as built by `build_span_scorer_v1`.
    new_nO (int): the new number of labels.
    RETURNS (Model): the same model.
    """
    return grow_labels(model, new_nO, _FILLS)


def visible_tokens(doc: Doc) -> np.ndarray:
    """RETURNS (np.ndarray): the indices of the tokens that are not white space, int64, ascending."""
    return np.flatnonzero(doc.to_array(["IS_SPACE"]) == 0)


def _init(model: Model, X: list[Doc] | None = None, Y: Any = None) -> None:
    tok2vec, _, states, labels = model.layers
    tok2vec.initialize(X=X)
    widths = [x.shape[1] for x in tok2vec.predict(X) if len(x)] if X else []
    width = widths[0] if widths else tok2vec.maybe_get_dim("nO")
    for layer in (states, labels):
        if width is not None:
            layer.set_dim("nI", width)
        layer.initialize()


def _forward(model: Model, docs: list[Doc], is_train: bool) -> tuple[SpanScores, Callable]:
    tok2vec, dropout, states, labels = model.layers
    ops, settings = model.ops, (model.ops, model.attrs["boundary_threshold"], model.attrs["nearest"])
    rows, backprop_rows = tok2vec(docs, is_train)
    visible = [visible_tokens(doc) for doc in docs]
    if not any(map(len, visible)):
        nothing = ops.alloc2f(0, labels.get_dim("nO"))
        zeros = [ops.alloc2f(*row.shape) for row in rows]
        return SpanScores(visible, nothing, nothing, None, *settings), lambda gradient: backprop_rows(zeros)
    X = ops.xp.concatenate([row[ops.xp.asarray(tokens)] for row, tokens in zip(rows, visible) if len(tokens)])
    X, backprop_dropout = dropout(X, is_train)
    H, backprop_states = states(X, is_train)
    (starts, ends, pairs), backprop_labels = labels((X, H), is_train)

    def backprop(gradient: SpanGradient) -> Any:
        dX, dH = backprop_labels(gradient)
        dX = backprop_dropout(dX + backprop_states(dH))
        d_rows, begin = [], 0
        for row, tokens in zip(rows, visible):
            d_row = ops.alloc2f(*row.shape)
            if len(tokens):
                d_row[ops.xp.asarray(tokens)] = dX[begin : begin + len(tokens)]
            begin += len(tokens)
            d_rows.append(d_row)
        return backprop_rows(d_rows)

    return SpanScores(visible, starts, ends, pairs, *settings), backprop


def _init_states(model: Model, X: Any = None, Y: Any = None) -> None:
    shape = (2 * model.get_dim("nH"), model.get_dim("nI"))
    model.set_param("W", glorot_uniform_init(model.ops, shape))
    model.set_param("b", model.ops.alloc1f(shape[0]))


def _forward_states(model: Model, X: Any, is_train: bool) -> tuple[Any, Callable]:
    """(rows, width) to (rows, 2 · hidden): tanh of a linear layer; each token as first, then as last one."""
    W, b = cast(Floats2d, model.get_param("W")), model.get_param("b")
    H = model.ops.xp.tanh(thin_product(X, W) + b)

    def backprop(dH: Any) -> Any:
        d_linear = dH * (1 - H * H)
        model.inc_grad("W", model.ops.gemm(d_linear, X, trans1=True))
        model.inc_grad("b", d_linear.sum(axis=0))
        return model.ops.gemm(d_linear, W)

    return H, backprop


def _init_labels(model: Model, X: Any = None, Y: Any = None) -> None:
    ops, n_labels = model.ops, model.get_dim("nO")
    width, hidden = model.get_dim("nI"), model.get_dim("nH")
    for name in _LINEAR:
        W = cast(Floats2d, glorot_uniform_init(ops, (n_labels, width)))
        model.set_param(name, W * _BOUNDARY_WEIGHTS if name in ("S", "E") else W)
    # States are about ±0.6, so sums over hidden² products of them stay below 1.
    model.set_param("U", uniform_init(ops, (n_labels, hidden, hidden), lo=-2 / hidden, hi=2 / hidden))
    model.set_param("n", ops.alloc2f(n_labels, LENGTH_CLASSES))
    for name, value in (("bS", _BOUNDARY_BIAS), ("bE", _BOUNDARY_BIAS), ("b", 0.0)):
        model.set_param(name, ops.alloc1f(n_labels) + value)


def _forward_labels(model: Model, XH: tuple[Any, Any], is_train: bool) -> tuple[Any, Callable]:
    """Logits of boundaries and what pairs are scored from; the backprop of both takes a SpanGradient."""
    X, H = XH
    ops, hidden = model.ops, model.get_dim("nH")
    W = ops.xp.concatenate([model.get_param(name) for name in _LINEAR])
    starts, ends, firsts, lasts, insides = ops.xp.split(thin_product(X, W), len(_LINEAR), axis=1)
    rest = (model.get_param(name) for name in ("U", "n", "b"))
    pairs = PairInputs(firsts, lasts, insides, H[:, :hidden], H[:, hidden:], *rest)

    def backprop(gradient: SpanGradient) -> tuple[Any, Any]:
        d = backprop_pairs(ops, pairs, gradient.candidates, gradient.pairs)
        dY = ops.xp.concatenate((gradient.starts, gradient.ends, d.firsts, d.lasts, d.insides), axis=1)
        for name, dW in zip(_LINEAR, ops.xp.split(ops.gemm(dY, X, trans1=True), len(_LINEAR))):
            model.inc_grad(name, dW)
        sums = {"bS": gradient.starts.sum(axis=0), "bE": gradient.ends.sum(axis=0), "b": d.bias}
        for name, value in {**sums, "U": d.U, "n": d.by_length}.items():
            model.inc_grad(name, value)
        return ops.gemm(dY, W), ops.xp.concatenate((d.as_first, d.as_last), axis=1)

    return (starts + model.get_param("bS"), ends + model.get_param("bE"), pairs), backprop
