"""Pack documents of different lengths into rows of at most `budget` pieces: greedy best fit.

Each document goes to the open row with the least space that still holds it; if none does, a row is opened. At
most `open_rows` rows stay open, the fullest is closed first, so memory stays bounded and each document costs
O(log open_rows). Documents may be looked at some thousand ahead, the longest first: short ones then fill what
long ones leave (rows of 8,192 and notes of 3,000 pieces: 96 % full in the order of arrival, 99 % so).

Our encoder is un-padded: a row is nothing but a batch, lengths tell the documents apart, and the free space of
a row is never computed. A full row therefore buys batches of even size (and, on a GPU, even load), not less
padding. The published packer fills rectangles and does compute their rest (published_packing.py).
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

import numpy as np

from spacy_bioclinical.errors import Errors

OPEN_ROWS = 512
LOOK_AHEAD = 2048


def pack(
    lengths: Sequence[int] | np.ndarray, budget: int, open_rows: int = OPEN_ROWS, look_ahead: int = 1
) -> list[list[int]]:
    """Assign documents to rows; a pure function.

    lengths (Sequence[int]): pieces of each document, in the order in which they arrive.
    budget (int): most pieces of a row.
    open_rows (int): rows that wait for more documents at the same time.
    look_ahead (int): documents taken together, longest first. Memory and delay of a stream grow with it, and
        the same long documents come together ever more often; some thousand are enough.
    RETURNS (list[list[int]]): for each row, in the order in which rows were opened, the indices of its
        documents.
    RAISES (ValueError): BC708 if a document is longer than the budget.
    """
    rows: list[list[int]] = []
    free: list[
        tuple[int, int]
    ] = []  # (space left, row) of open rows, sorted; ties go to the row opened first
    for index, length in _arrivals(np.asarray(lengths, dtype=np.int64), look_ahead):
        if length > budget:
            raise ValueError(Errors.BC708.format(length=length, budget=budget))
        place = bisect_left(free, (length, -1))
        if place < len(free):
            space, row = free.pop(place)
        else:
            space, row = budget, len(rows)
            rows.append([])
        rows[row].append(index)
        if space > length:
            insort(free, (space - length, row))
        if len(free) > open_rows:
            free.pop(0)
    return rows


def _arrivals(lengths: np.ndarray, look_ahead: int) -> Iterator[tuple[int, int]]:
    """Yield indices and lengths, each `look_ahead` of them with the longest first (ties as they arrive)."""
    if look_ahead <= 1:
        yield from enumerate(lengths.tolist())
        return
    for start in range(0, len(lengths), look_ahead):
        part = lengths[start : start + look_ahead]
        order = np.argsort(-part, kind="stable")
        yield from zip((order + start).tolist(), part[order].tolist())


def efficiency(lengths: Sequence[int] | np.ndarray, rows: Sequence[Sequence[int]], budget: int) -> float:
    """Return the share of the rows' budget that holds pieces, 0 to 1."""
    filled = sum(int(lengths[index]) for row in rows for index in row)
    return filled / (budget * len(rows)) if rows else 1.0
