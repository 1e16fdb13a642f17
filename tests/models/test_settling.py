"""Recurrences over all steps at once, against a plain loop. Run: pytest tests/models/test_settling.py"""

import numpy as np
import pytest

from spacy_bioclinical.models.settling import BLOCK, FEW, MAX_ROUNDS, settle

WIDTH = 3


def looped(start, keep, add):
    states = [start]
    for k, a in zip(keep, add):
        states.append(np.maximum(a, states[-1] - k))
    return np.stack(states, axis=1)


def settled(start, keep, add, guess=0.0, tolerance=0.0):
    """max(a(t), s(t) - k(t)): where a is large the past is forgotten."""
    state = np.full((WIDTH, len(keep) + 1), guess)
    state[:, 0] = start
    sizes = []

    def advance(steps):
        now = state[:, steps]
        sizes.append(now.shape[1] if now.ndim > 1 else 1)
        return np.maximum(add.T[:, steps], now - keep.T[:, steps])

    settle(state, advance, tolerance)
    return state, sizes


@pytest.mark.parametrize("n_steps", [1, 2, 50, BLOCK, 2 * BLOCK + 7])
@pytest.mark.parametrize("forgetting", [0.0, 0.5, 50.0])
@pytest.mark.parametrize("guess", [-np.inf, 0.0, 100.0])
def test_settled_states_are_those_of_a_loop(n_steps, forgetting, guess):
    rng = np.random.default_rng(n_steps)
    keep = rng.random((n_steps, WIDTH))
    add = rng.normal(size=(n_steps, WIDTH)) - 20 + forgetting
    start = np.array([3.0, -1.0, 40.0])
    state, _ = settled(start, keep, add, guess)
    np.testing.assert_array_equal(state, looped(start, keep, add))


def test_a_sequence_that_forgets_takes_few_passes():
    keep, add = np.ones((BLOCK, WIDTH)), np.full((BLOCK, WIDTH), 5.0)
    _, sizes = settled(np.zeros(WIDTH), keep, add, guess=5.0)
    assert sizes == [BLOCK], "a guess that is right is only checked"
    rng = np.random.default_rng(0)
    _, sizes = settled(np.zeros(WIDTH), keep, rng.normal(size=(BLOCK, WIDTH)), guess=0.0)
    assert sum(sizes) < 6 * BLOCK


def test_a_sequence_that_never_forgets_costs_no_more_than_a_loop():
    n_steps = 2 * BLOCK
    keep, add = np.full((n_steps, WIDTH), 1e-3), np.full((n_steps, WIDTH), -100.0)
    state, sizes = settled(np.ones(WIDTH), keep, add, guess=-np.inf)
    assert state[0, -1] == pytest.approx(1 - 1e-3 * n_steps)
    assert sum(sizes) <= n_steps * 2 + (MAX_ROUNDS + FEW) * 2 * BLOCK
    assert sizes.count(1) > n_steps // 2


def test_small_changes_may_be_left_out():
    """s' = 1 + s / 8 leaves an eighth of every difference."""
    state, passes = np.ones((1, 401)), []

    def advance(steps):
        passes.append(steps)
        return 1 + state[:, steps] / 8

    settle(state, advance, tolerance=1e-6)
    few = len(passes)
    assert few < 10
    np.testing.assert_allclose(state[0, 20:], 8 / 7, rtol=2e-6)
    state[:] = 1
    settle(state, advance)
    assert len(passes) - few > few
    np.testing.assert_allclose(state[0, 20:], 8 / 7, rtol=1e-15)
