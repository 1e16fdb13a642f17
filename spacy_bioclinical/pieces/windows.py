"""Cut a long document into overlapping windows at good places, and say from which window each piece is read.

A document that fits is one window. A longer one is cut at the strongest boundary in the last quarter of each
window (so at most a quarter of the encoder's context goes unused), and the next window goes back by about
`overlap` pieces. Each piece is then read where it sees most context, a token's pieces always together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.alignment import continues


@dataclass(frozen=True)
class Window:
    """The pieces [start, end) given to the encoder at once, without the special pieces around them."""

    start: int
    end: int


def plan_windows(
    n_pieces: int, capacity: int, overlap: int, strengths: np.ndarray | None = None
) -> list[Window]:
    """Plan the windows of one document.

    n_pieces (int): pieces of the document. 0 gives one empty window, Window(0, 0), so that the encoder still
        sees the special pieces and tokens without a piece have a row to read.
    capacity (int): most pieces in a window, special ones not counted.
    overlap (int): pieces that consecutive windows share, roughly: the next window begins at the strongest
        boundary within a quarter of `overlap` of the wanted place. 0 shares none.
    strengths (int8 (n_pieces,)): boundary_strengths(); None: any piece is as good as any other.
    RETURNS (list[Window]): in order; together they cover every piece, starts and ends both grow, none is
        longer than capacity. No token that fits a window is cut, unless its pieces are glued to others that
        do not fit.
    RAISES: ValueError BC210 impossible capacity or overlap, BC211 strengths of another document.
    """
    if capacity < 1 or not 0 <= overlap < capacity:
        raise ValueError(Errors.BC210.format(capacity=capacity, overlap=overlap))
    if strengths is None:
        strengths = np.zeros(n_pieces, dtype=np.int8)
    if len(strengths) != n_pieces:
        message = Errors.BC211.format(
            n_values=len(strengths), what="boundary strengths", n_expected=n_pieces, per="pieces"
        )
        raise ValueError(message)
    if n_pieces <= capacity:
        return [Window(0, n_pieces)]
    whole = np.append(np.flatnonzero(strengths >= 0), n_pieces)  # cuts that split no token
    windows = []
    start = previous_end = 0
    while start + capacity < n_pieces:
        end = _choose_end(start, previous_end, capacity, strengths, whole)
        windows.append(Window(start, end))
        start = _choose_start(start, end, capacity, overlap, strengths, whole)
        previous_end = end
    windows.append(Window(start, n_pieces))
    return windows


def _choose_end(
    start: int, previous_end: int, capacity: int, strengths: np.ndarray, whole: np.ndarray
) -> int:
    """Cut at the strongest, then latest boundary of the last quarter, leaving the rest at least a quarter.

    Failing that at the latest boundary of the window; failing that, in the middle of a token.
    """
    full = start + capacity
    quarter = capacity // 4
    low = max(previous_end + 1, full - quarter)
    for high in (min(full, len(strengths) - quarter), full):
        if low <= high:
            best = high - int(np.argmax(strengths[low : high + 1][::-1]))
            if strengths[best] >= 0:
                return best
    latest = int(whole[np.searchsorted(whole, full, side="right") - 1]) if whole[0] <= full else 0
    return latest if latest > previous_end else full


def _choose_start(
    start: int, end: int, capacity: int, overlap: int, strengths: np.ndarray, whole: np.ndarray
) -> int:
    """Begin the next window at the strongest boundary near end - overlap, then nearest, then earliest.

    The window must reach the next boundary after `end`, if any window can; so before a token of nearly a
    whole window the overlap shrinks.
    """
    low = start + 1
    following = int(whole[np.searchsorted(whole, end, side="right")])
    if following - end <= capacity:
        low = max(low, following - capacity)
    target = min(max(end - overlap, low), end)
    slack = overlap // 4
    near = np.arange(max(low, target - slack), min(end, target + slack) + 1)
    grades = strengths[near]
    if grades.max() < 0:  # a long token lies there: any boundary will do, the nearest is best
        near = np.arange(max(low, end - 2 * overlap), end + 1)
        grades = np.minimum(strengths[near], 0)
    order = np.lexsort((near, np.abs(near - target), -grades.astype(np.int64)))
    return int(near[order[0]])


def owners(
    windows: list[Window], n_pieces: int, align_lengths: np.ndarray, align_indices: np.ndarray
) -> np.ndarray:
    """Choose the window from which each piece is read.

    The pieces of one token, and of tokens that share a piece, are read from one window if any window holds
    them all: the one where they see most context, i.e. whose nearer cut edge is farthest away. The document's
    own beginning and end are no cut edges. Ties go to the earlier window. Where no window holds them all,
    each token for itself, and where none holds the token, each piece for itself.

    windows (list[Window]): from plan_windows().
    n_pieces (int): pieces of the document.
    align_lengths, align_indices: from align().
    RETURNS (int32 (n_pieces,)): index of a window that holds the piece.
    RAISES: ValueError BC212 if a piece lies in no window.
    """
    pieces = np.arange(n_pieces)
    chosen = _best_window(windows, n_pieces, pieces, pieces)
    if (chosen < 0).any():
        index = int(np.argmin(chosen))
        raise ValueError(Errors.BC212.format(index=index, n_pieces=n_pieces, n_windows=len(windows)))
    if len(windows) == 1 or n_pieces == 0:
        return chosen
    firsts = np.flatnonzero(~continues(align_lengths, align_indices, n_pieces))
    lasts = np.append(firsts[1:], n_pieces) - 1
    together = _best_window(windows, n_pieces, firsts, lasts)
    sizes = lasts - firsts + 1
    per_piece = np.repeat(together, sizes)
    chosen = np.where(per_piece >= 0, per_piece, chosen)
    if (together < 0).any():
        _settle_tokens(windows, n_pieces, align_lengths, align_indices, per_piece < 0, chosen)
    return chosen.astype(np.int32)


def _best_window(windows: list[Window], n_pieces: int, firsts: np.ndarray, lasts: np.ndarray) -> np.ndarray:
    """Return the window with most context for each run of pieces [first, last], or -1 where none holds it.

    firsts and lasts ascend. O(pieces in all windows).
    """
    best = np.full(len(firsts), -1, dtype=np.int32)
    context = np.full(len(firsts), -1, dtype=np.int64)
    for number, window in enumerate(windows):
        low = np.searchsorted(firsts, window.start, side="left")
        high = max(low, np.searchsorted(lasts, window.end, side="left"))
        left = firsts[low:high] - window.start if window.start > 0 else np.full(high - low, n_pieces)
        right = window.end - 1 - lasts[low:high] if window.end < n_pieces else np.full(high - low, n_pieces)
        seen = np.minimum(left, right)
        better = seen > context[low:high]
        context[low:high][better] = seen[better]
        best[low:high][better] = number
    return best


def _settle_tokens(
    windows: list[Window],
    n_pieces: int,
    align_lengths: np.ndarray,
    align_indices: np.ndarray,
    unsettled: np.ndarray,
    chosen: np.ndarray,
) -> None:
    """Give the tokens of a run longer than any window one window each, first come first served; in place."""
    lengths = np.asarray(align_lengths, dtype=np.int64)
    stops = np.cumsum(lengths)
    taken = np.zeros(n_pieces, dtype=bool)
    for token in np.flatnonzero(lengths > 0):
        own = np.asarray(align_indices[stops[token] - lengths[token] : stops[token]])
        if not unsettled[own[0]] or taken[own].any():
            continue
        window = _best_window(windows, n_pieces, own[:1], own[-1:])[0]
        if window >= 0:
            chosen[own] = window
            taken[own] = True
