"""Pack documents of different lengths into rows of at most `budget` pieces: greedy best fit, one pass.

Each document goes to the open row with the least space that still holds it; if none does, a row is opened. At
most `open_rows` rows stay open, the fullest is closed first, so memory stays bounded and each document costs
O(log open_rows). Our encoder is un-padded: a row is nothing but a batch, lengths tell the documents apart,
and the free space of a row is never computed. A full row therefore buys batches of even size (and, on a GPU,
even load), not less padding. The published packer fills rectangles and does compute their rest (reference:
ModernBERT's sequence packer).
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np

from spacy_bioclinical.errors import Errors

OPEN_ROWS = 512


def pack(lengths: Sequence[int] | np.ndarray, budget: int, open_rows: int = OPEN_ROWS) -> list[list[int]]:
    """Assign documents to rows.

    lengths (Sequence[int]): pieces of each document, in the order in which they arrive.
    budget (int): most pieces of a row.
    open_rows (int): rows that wait for more documents at the same time.
    RETURNS (list[list[int]]): for each row, in the order in which rows were opened, the indices of its
        documents.
    RAISES (ValueError): BC708 if a document is longer than the budget.
    """
    rows: list[list[int]] = []
    free: list[
        tuple[int, int]
    ] = []  # (space left, row) of open rows, sorted; ties go to the row opened first
    for index, length in enumerate(int(length) for length in lengths):
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


def efficiency(lengths: Sequence[int] | np.ndarray, rows: Sequence[Sequence[int]], budget: int) -> float:
    """Return the share of the rows' budget that holds pieces, 0 to 1."""
    filled = sum(int(lengths[index]) for row in rows for index in row)
    return filled / (budget * len(rows)) if rows else 1.0
