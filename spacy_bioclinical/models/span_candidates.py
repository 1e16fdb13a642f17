"""Which pairs of tokens are scored as mentions: likely starts with likely ends, so that cost grows with the text.

All pairs of 8,192 tokens are 67 million, for each label. A mention needs a token that starts and one that ends it, and
those are few, so the pair scorer sees only pairs whose two boundaries each have a chance. Length is not limited.

What is approximate: a mention is found only if both boundaries reach the threshold, and if its end is among the
`nearest` likely ends of its label after its start, or its start among as many before its end. Both hold for all pairs
with threshold 0 and `nearest` as large as the document (then it is brute force). Its score is exact in any case.
What is bounded: of all labels together, at most BOUNDARIES_PER_TOKEN starts and as many ends per token (the likeliest,
and always 64), so at most 2 · nearest · BOUNDARIES_PER_TOKEN candidates per token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOUNDARIES_PER_TOKEN = 2
_BOUNDARIES_FREE = 64


@dataclass(frozen=True)
class Candidates:
    """Pairs to score: first and last row of each in the flat batch, and label; sorted by label, start, end, no doubles.

    starts, ends, labels (np.ndarray): int64, (candidates,); ends are inclusive.
    """

    starts: np.ndarray
    ends: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def keys(self, n_rows: int) -> np.ndarray:
        """RETURNS (np.ndarray): one number for each candidate, ascending, unique in a batch of `n_rows` rows."""
        return (self.labels * n_rows + self.starts) * n_rows + self.ends


def candidates_of(starts: np.ndarray, ends: np.ndarray, labels: np.ndarray, n_rows: int) -> Candidates:
    """Sort pairs and take each once.

    starts, ends, labels (np.ndarray): integers, (pairs,), in any order.
    n_rows (int): rows of the flat batch.
    RETURNS (Candidates): the pairs.
    """
    keys = (labels.astype(np.int64) * n_rows + starts) * n_rows + ends
    keys, first = np.unique(keys, return_index=True)
    return Candidates(*(array[first].astype(np.int64) for array in (starts, ends, labels)))


def likely_boundaries(logits: np.ndarray, lengths: Sequence[int], threshold: float) -> np.ndarray:
    """Choose the cells whose probability reaches the threshold, of each document at most its budget, likeliest first.

    logits (np.ndarray): (rows, labels), the documents one after the other.
    lengths (Sequence[int]): rows of each document.
    threshold (float): least probability, in [0, 1]. At 0 everything is chosen, budget or not.
    RETURNS (np.ndarray): bool, (rows, labels). Among equal logits the earlier cell is likelier.
    """
    if threshold <= 0:
        return np.ones(logits.shape, dtype=bool)
    chosen = logits >= np.log(threshold / (1 - threshold)) if threshold < 1 else np.zeros(logits.shape, bool)
    begin = 0
    for length in lengths:
        part = chosen[begin : begin + length]
        budget = BOUNDARIES_PER_TOKEN * length + _BOUNDARIES_FREE
        if part.sum() > budget:
            order = np.argsort(-logits[begin : begin + length], axis=None, kind="stable")
            part[:] = False
            part.flat[order[:budget]] = True
        begin += length
    return chosen


def pair_boundaries(
    is_start: np.ndarray, is_end: np.ndarray, lengths: Sequence[int], nearest: int
) -> Candidates:
    """Pair each start with the nearest ends of its label from it on, and each end with the nearest starts up to it.

    is_start, is_end (np.ndarray): bool, (rows, labels).
    lengths (Sequence[int]): rows of each document; no pair crosses documents.
    nearest (int): how many partners each boundary looks for.
    RETURNS (Candidates): at most `nearest` times the number of boundaries.
    """
    n_rows, n_labels = is_start.shape
    document = np.repeat(np.arange(len(lengths)), lengths)
    start_rows, start_labels = np.nonzero(is_start)
    end_rows, end_labels = np.nonzero(is_end)
    # One number for (document, label) and row: partners are neighbours in the sorted numbers.
    start_groups = document[start_rows] * n_labels + start_labels
    end_groups = document[end_rows] * n_labels + end_labels
    start_keys = np.sort(start_groups * n_rows + start_rows)
    end_keys = np.sort(end_groups * n_rows + end_rows)
    begin = np.searchsorted(end_keys, start_keys, side="left")
    limit = np.searchsorted(end_keys, (start_keys // max(n_rows, 1) + 1) * n_rows, side="left")
    which_start, which_end = _ranges(begin, np.minimum(limit, begin + nearest))
    limit = np.searchsorted(start_keys, end_keys, side="right")
    begin = np.searchsorted(start_keys, end_keys // max(n_rows, 1) * n_rows, side="left")
    other_end, other_start = _ranges(np.maximum(begin, limit - nearest), limit)
    first = start_keys[np.concatenate((which_start, other_start))]
    last = end_keys[np.concatenate((which_end, other_end))]
    if not len(first):
        empty = np.zeros(0, dtype=np.int64)
        return Candidates(empty, empty, empty)
    return candidates_of(first % n_rows, last % n_rows, first // n_rows % n_labels, n_rows)


def _ranges(begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RETURNS (Tuple): for all ranges [begin, end) in turn: the range's number, and each of its integers."""
    counts = np.maximum(ends - begins, 0)
    owners = np.repeat(np.arange(len(counts)), counts)
    steps = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owners, begins[owners] + steps
