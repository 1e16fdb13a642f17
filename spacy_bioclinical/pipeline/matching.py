"""Match predicted mentions with gold ones in the four ways of SemEval 2013, task 9.1, and count five outcomes.

The rules are those of nervaluate 1.2 (a test compares the counts): predictions are taken in the order given, each takes
a gold mention that no other has taken; an overlap counts if it covers at least 1 % of the gold mention.

    strict   correct: same range, same type; incorrect: any other overlap
    exact    correct: same range, any type; incorrect: any other overlap
    partial  correct: same range, any type; partial: any other overlap
    type     correct: overlap, same type (of several, the one with the closest ends); incorrect: overlap, other type

What no prediction takes is missed; predictions that take nothing are spurious. With overlapping mentions a prediction
may there take a gold mention that a later one matches exactly, so that the result depends on the order; `exact_first`
pairs equal ones before all others. For mentions that do not overlap each other both give the same.
"""

from collections.abc import Sequence

import numpy as np

SCHEMES = ("strict", "exact", "partial", "type")
OUTCOMES = ("correct", "incorrect", "partial", "missed", "spurious")
CORRECT, INCORRECT, PARTIAL, MISSED, SPURIOUS = range(5)
MIN_OVERLAP = 0.01
Place = tuple[int, int, str]  # start, end (exclusive), type


def match_counts(
    gold: Sequence[Place],
    predicted: Sequence[Place],
    *,
    min_overlap: float = MIN_OVERLAP,
    exact_first: bool = True,
) -> np.ndarray:
    """Count the outcomes of one document.

    gold, predicted (Sequence[tuple]): (start, end, type), the end exclusive; characters or tokens.
    min_overlap (float): least part of the gold mention that an overlap has to cover, above 0.
    exact_first (bool): see above; False is nervaluate's way.
    RETURNS (int64 (4, 5)): rows as SCHEMES, columns as OUTCOMES.
    """
    counts = np.zeros((len(SCHEMES), len(OUTCOMES)), dtype=np.int64)
    candidates = _overlaps(gold, predicted, min_overlap)
    for row, scheme in enumerate(SCHEMES):
        typed = scheme in ("strict", "type")
        matched, taken = _equal_pairs(gold, predicted, typed) if exact_first else ({}, set())
        counts[row, CORRECT] = len(matched)
        for index, here in enumerate(predicted):
            if index in matched:
                continue
            free = [number for number in candidates[index] if number not in taken]
            number, outcome = _choose(scheme, here, gold, free)
            counts[row, outcome] += 1
            if number is not None:
                taken.add(number)
        counts[row, MISSED] = len(gold) - len(taken)
    return counts


def precision_recall_f(counts: np.ndarray) -> np.ndarray:
    """Compute precision, recall and F1 from outcomes; a partial match is worth half.

    counts (… , 5): columns as OUTCOMES.
    RETURNS (float64 (…, 3)): 0 where there is nothing to divide by.
    """
    counts = np.asarray(counts, dtype=np.float64)
    worth = counts[..., CORRECT] + 0.5 * counts[..., PARTIAL]
    shared = counts[..., CORRECT] + counts[..., INCORRECT] + counts[..., PARTIAL]
    p = divide(worth, shared + counts[..., SPURIOUS])
    r = divide(worth, shared + counts[..., MISSED])
    return np.stack([p, r, divide(2 * p * r, p + r)], axis=-1)


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """RETURNS (float64): the quotient; 0 where the denominator is."""
    numerator, denominator = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    return np.divide(numerator, denominator, out=np.zeros(denominator.shape), where=denominator != 0)


def _overlaps(gold: Sequence[Place], predicted: Sequence[Place], min_overlap: float) -> list[list[int]]:
    """For each prediction the gold mentions, in their order, of which it covers enough."""
    starts = np.array([place[0] for place in gold], dtype=np.int64)
    ends = np.array([place[1] for place in gold], dtype=np.int64)
    found = []
    for start, end, _ in predicted:
        shared = np.minimum(ends, end) - np.maximum(starts, start)
        found.append(np.flatnonzero((shared > 0) & (shared >= min_overlap * (ends - starts))).tolist())
    return found


def _equal_pairs(
    gold: Sequence[Place], predicted: Sequence[Place], typed: bool
) -> tuple[dict[int, int], set[int]]:
    """Pair mentions of the same range (and type); of the same range, those of the same type first."""
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for n_parts in (3,) if typed else (3, 2):
        waiting: dict[tuple, list[int]] = {}
        for number in reversed(range(len(gold))):
            if number not in taken:
                waiting.setdefault(gold[number][:n_parts], []).append(number)
        for index, place in enumerate(predicted):
            numbers = waiting.get(place[:n_parts]) if index not in matched else None
            if numbers:
                matched[index] = numbers.pop()
                taken.add(matched[index])
    return matched, taken


def _choose(scheme: str, here: Place, gold: Sequence[Place], free: list[int]) -> tuple[int | None, int]:
    """Choose one of the free gold mentions that overlap; RETURNS its number and the outcome."""
    if not free:
        return None, SPURIOUS
    if scheme == "type":
        same = [number for number in free if gold[number][2] == here[2]]
        if not same:
            return free[0], INCORRECT
        distances = [abs(gold[n][0] - here[0]) + abs(gold[n][1] - here[1]) for n in same]
        return same[distances.index(min(distances))], CORRECT
    n_parts = 3 if scheme == "strict" else 2
    for number in free:
        if gold[number][:n_parts] == here[:n_parts]:
            return number, CORRECT
    return free[0], PARTIAL if scheme == "partial" else INCORRECT
