"""The score of a pair of tokens as a mention of a label: biaffine, with the mean of what lies between, and the length.

After Yu et al. (2020, "Named Entity Recognition as Dependency Parsing", arXiv 2005.07150): for first token i, last
token j, label l, with token rows x, and p, r their states as first and as last token,

    z(i, j, l) = a_l·x_i + c_l·x_j + v_l·mean(x_i … x_j) + p_iᵀ U_l r_j + n_l[length] + b_l

The mean is ours: two boundaries of a mention of 50 tokens say little of what it is about. Being linear in x it is a
difference of two running sums of v_l·x, so it costs the same for all lengths. The gradient is written out below.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from thinc.api import Ops

from spacy_bioclinical.models.span_candidates import Candidates

LENGTH_CLASSES = 32
_PAIRS_AT_ONCE = 65_536


@dataclass
class PairInputs:
    """What pairs are scored from; all arrays on the model's device, float32.

    firsts, lasts, insides: (rows, labels), the products of token rows with a_l, c_l, v_l.
    as_first, as_last: (rows, hidden), states of each token as first and as last one.
    U: (labels, hidden, hidden). by_length: (labels, LENGTH_CLASSES). bias: (labels,).
    """

    firsts: Any
    lasts: Any
    insides: Any
    as_first: Any
    as_last: Any
    U: Any
    by_length: Any
    bias: Any


def length_class(lengths: np.ndarray) -> np.ndarray:
    """Sort lengths into classes: 1, 2, 3, 4–5, 6–7, 8–11, 12–15, … two for each doubling.

    lengths (np.ndarray): tokens, ≥ 1.
    RETURNS (np.ndarray): int64; the last class begins at about 55,000 tokens.
    """
    exponents = np.floor(np.log2(lengths)).astype(np.int64)
    upper = lengths * 2 >= 3 * 2**exponents  # the upper half of an octave
    return np.minimum(2 * exponents + upper, LENGTH_CLASSES - 1)


def score_pairs(ops: Ops, inputs: PairInputs, candidates: Candidates) -> Any:
    """Score candidates.

    ops (Ops): the model's.
    inputs (PairInputs): see there.
    candidates (Candidates): sorted by label.
    RETURNS (Floats1d): logits, (candidates,), float32.
    """
    xp = ops.xp
    starts, ends, labels = (xp.asarray(array) for array in _arrays(candidates))
    lengths = candidates.ends - candidates.starts + 1
    sums = _running_sums(xp, inputs.insides)
    mean = (sums[ends + 1, labels] - sums[starts, labels]) / xp.asarray(lengths)
    scores = inputs.firsts[starts, labels] + inputs.lasts[ends, labels] + mean.astype("f")
    scores += inputs.by_length[labels, xp.asarray(length_class(lengths))] + inputs.bias[labels]
    for label, part in _by_label(candidates):
        products = ops.gemm(inputs.as_first[starts[part]], inputs.U[label])
        scores[part] += (products * inputs.as_last[ends[part]]).sum(axis=1)
    return scores


def backprop_pairs(ops: Ops, inputs: PairInputs, candidates: Candidates, gradient: Any) -> PairInputs:
    """Compute the gradient of the inputs of `score_pairs`.

    gradient (Floats1d): of the logits, (candidates,).
    RETURNS (PairInputs): of each input, in its shape.
    """
    xp = ops.xp
    starts, ends, labels = (xp.asarray(array) for array in _arrays(candidates))
    lengths = candidates.ends - candidates.starts + 1
    n_rows, n_labels = inputs.firsts.shape
    share = gradient / xp.asarray(lengths)
    # All tokens inside have the same part in a mean: add it at the first, take it away after the last, sum up.
    steps = _add_cells(xp, starts, labels, share, (n_rows + 1, n_labels))
    steps -= _add_cells(xp, ends + 1, labels, share, (n_rows + 1, n_labels))
    classes = xp.asarray(length_class(lengths))
    d_first, d_last, dU = (xp.zeros_like(array) for array in (inputs.as_first, inputs.as_last, inputs.U))
    for label, part in _by_label(candidates):
        P, R, g = inputs.as_first[starts[part]], inputs.as_last[ends[part]], gradient[part][:, None]
        U = inputs.U[label]
        ops.scatter_add(d_first, starts[part].astype("i"), g * ops.gemm(R, U, trans2=True))
        ops.scatter_add(d_last, ends[part].astype("i"), g * ops.gemm(P, U))
        dU[label] += ops.gemm(g * P, R, trans1=True)
    return PairInputs(
        firsts=_add_cells(xp, starts, labels, gradient, (n_rows, n_labels)).astype("f"),
        lasts=_add_cells(xp, ends, labels, gradient, (n_rows, n_labels)).astype("f"),
        insides=xp.cumsum(steps, axis=0)[:-1].astype("f"),
        as_first=d_first,
        as_last=d_last,
        U=dU,
        by_length=_add_cells(xp, labels, classes, gradient, inputs.by_length.shape).astype("f"),
        bias=xp.bincount(labels, weights=gradient, minlength=n_labels).astype("f"),
    )


def _arrays(candidates: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return candidates.starts, candidates.ends, candidates.labels


def _running_sums(xp: Any, values: Any) -> Any:
    """Sums of the rows before each row, float64: the difference of two is exact to the last digits of a float32."""
    sums = xp.zeros((len(values) + 1, values.shape[1]), dtype="float64")
    xp.cumsum(values, axis=0, out=sums[1:], dtype="float64")
    return sums


def _add_cells(xp: Any, rows: Any, columns: Any, values: Any, shape: tuple[int, ...]) -> Any:
    """RETURNS: float64 of the shape, each value added to its cell."""
    cells = rows * shape[1] + columns
    return xp.bincount(cells, weights=values, minlength=shape[0] * shape[1]).reshape(shape)


def _by_label(candidates: Candidates) -> list[tuple[int, slice]]:
    """RETURNS: for each label that occurs, the slices of its candidates, none longer than `_PAIRS_AT_ONCE`."""
    found, first = np.unique(candidates.labels, return_index=True)
    parts = []
    for label, begin, end in zip(found.tolist(), first.tolist(), [*first[1:].tolist(), len(candidates)]):
        for part in range(begin, end, _PAIRS_AT_ONCE):
            parts.append((label, slice(part, min(part + _PAIRS_AT_ONCE, end))))
    return parts
