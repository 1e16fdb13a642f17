"""Run a recurrence with a costly step over long sequences: all stretches side by side, then mend where they meet.

Where a step soon forgets its past, a stretch may start from a guess: it is wrong at first, and right from where it has
forgotten the guess. So a sequence is cut into stretches, all are run at once, one row each, and each is run again from
the true end of the one before, until its states no longer change. What is left is the one solution. The Python loop has
the length of a stretch, not of the sequence. (`models/settling.py` does the same with stretches of one step, for steps
so cheap that whole blocks of them cost as much as one.)
"""

from collections.abc import Callable

import numpy as np

# Rows done at once: numpy gives larger products to threads, which wait for each other where cores are shared.
MOST_ROWS = 64
MOST_CELLS = 200_000  # rows × width², the multiplications of one step


def scan(
    n_steps: int,
    guess: np.ndarray,
    advance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    tolerance: float = 0.0,
) -> np.ndarray:
    """Compute the states after each step of a recurrence.

    n_steps (int): the number of steps.
    guess (np.ndarray): a state to start from, shape (width,); also the state before step 0, if that matters.
    advance (Callable): takes states before some steps, (rows, width), and their numbers, (rows,); returns the states
        after them. Called more than once for some steps, the last time with what is true.
    tolerance (float): relative change that no longer counts; 0 for none. For positive recurrences that shrink
        differences, what is left out stays of that size.
    RETURNS (np.ndarray): float64 (n_steps, width).
    """
    width = len(guess)
    states = np.empty((n_steps, width))
    if not n_steps:
        return states
    n_rows = min(MOST_ROWS, max(1, MOST_CELLS // width**2), int(n_steps**0.5))
    size = -(-n_steps // n_rows)
    starts = np.arange(0, n_steps, size)
    ends = np.minimum(starts + size, n_steps)
    before = np.repeat(guess[None], len(starts), axis=0)
    for offset in range(size):
        steps = starts + offset
        steps = steps[steps < n_steps]  # the last stretch may be shorter
        before = advance(before[: len(steps)], steps)
        states[steps] = before
    stretches = np.arange(1, len(starts))
    while len(stretches):
        stretches = _mend(states, advance, tolerance, starts, ends, stretches)
    return states


def _mend(
    states: np.ndarray,
    advance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    tolerance: float,
    starts: np.ndarray,
    ends: np.ndarray,
    stretches: np.ndarray,
) -> np.ndarray:
    """Run stretches from the end of the one before until they agree; RETURNS those whose start has changed by it."""
    steps = starts[stretches]
    before = states[steps - 1]
    again: list[np.ndarray] = []
    while len(stretches):
        after, old = advance(before, steps), states[steps]
        differs = np.abs(after - old) > tolerance * after if tolerance else after != old
        changed = differs.any(axis=1)
        states[steps] = after
        is_last = steps + 1 == ends[stretches]
        again.append(stretches[changed & is_last] + 1)
        on = changed & ~is_last
        stretches, steps, before = stretches[on], steps[on] + 1, after[on]
    following = np.concatenate(again)
    return np.sort(following[following < len(starts)])
