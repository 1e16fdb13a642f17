"""Run a recurrence over a long sequence without a Python loop over its steps.

For s(t+1) = f(t, s(t)) where a step soon forgets its past, all steps are computed at once from a guess, then again
those whose input has changed, until none has. What is left is the one solution: s(0) is right from the start, and
s(t+1) is right once s(t) is. The number of rounds is that of the longest memory in the sequence. Stretches that do
not forget are finished one step at a time, at a few times the cost of a plain loop. States stand in columns, so that
sums and maxima over a state run along memory.
"""

from collections.abc import Callable

import numpy as np

Steps = int | slice | np.ndarray
BLOCK = 1024  # steps settled together: few enough to stay in the processor's cache
MAX_ROUNDS = 16
FEW = 4  # so few steps that a round over them costs as much as doing them one by one


def settle(state: np.ndarray, advance: Callable[[Steps], np.ndarray], tolerance: float = 0.0) -> None:
    """Fill in the states of a recurrence, in place.

    state (np.ndarray): shape (width, steps + 1); the first column is given, the others hold a guess.
    advance (Callable): takes step numbers (one, a slice, or an array of them); returns the states after them from
        what `state` holds before them, shape (width,) or (width, n).
    tolerance (float): relative change that no longer counts; 0 for none. For positive recurrences that shrink
        differences, what is left out stays of that size.
    """
    n_steps = state.shape[1] - 1
    for start in range(0, n_steps, BLOCK):
        _settle_block(state, advance, tolerance, start, min(start + BLOCK, n_steps))


def _settle_block(
    state: np.ndarray, advance: Callable[[Steps], np.ndarray], tolerance: float, start: int, end: int
) -> None:
    """Settle the steps [start, end); the state before them is final."""
    after = advance(slice(start, end))
    changed = _differ(after, state[:, start + 1 : end + 1], tolerance)
    state[:, start + 1 : end + 1] = after
    steps = np.flatnonzero(changed) + start + 1
    for _ in range(MAX_ROUNDS):
        steps = steps[steps < end]
        if len(steps) <= FEW:
            break
        after = advance(steps)
        changed = _differ(after, state[:, steps + 1], tolerance)
        state[:, steps + 1] = after
        steps = steps[changed] + 1
    for step in steps.tolist():
        while step < end:
            after = advance(step)
            changed = _differ(after, state[:, step + 1], tolerance)
            state[:, step + 1] = after
            if not changed:
                break
            step += 1


def _differ(new: np.ndarray, old: np.ndarray, tolerance: float) -> np.ndarray:
    """Say which states differ by more than the tolerance."""
    if not tolerance:
        return (new != old).any(axis=0)
    return (np.abs(new - old) > tolerance * new).any(axis=0)
