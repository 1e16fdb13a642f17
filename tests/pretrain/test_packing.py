import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretrain.packing import LOOK_AHEAD, efficiency, pack


def best_fit_by_looking_at_every_row(lengths, budget):
    rows: list[list[int]] = []
    for index, length in enumerate(lengths):
        space = [budget - sum(lengths[i] for i in row) for row in rows]
        fitting = [(left, row) for row, left in enumerate(space) if left >= length]
        if fitting:
            rows[min(fitting)[1]].append(index)
        else:
            rows.append([index])
    return rows


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120))
def test_packing_equals_brute_force_best_fit(lengths, budget):
    assert pack(lengths, budget, open_rows=1000) == best_fit_by_looking_at_every_row(lengths, budget)


@given(st.lists(st.integers(1, 50), max_size=80), st.integers(50, 120), st.integers(1, 5))
def test_every_document_lies_in_one_row_and_no_row_overflows(lengths, budget, open_rows):
    rows = pack(lengths, budget, open_rows)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[index] for index in row) <= budget for row in rows)


def test_few_open_rows_change_the_plan():
    lengths = np.random.default_rng(0).integers(1, 100, size=300).tolist()
    assert pack(lengths, 120, open_rows=1) != pack(lengths, 120, open_rows=300)


@pytest.mark.parametrize("look_ahead", [2, 7, 1000])
@given(st.lists(st.integers(1, 50), max_size=80), st.integers(50, 120))
def test_looking_ahead_sorts_windows_and_nothing_else(look_ahead, lengths, budget):
    order = [
        index
        for start in range(0, len(lengths), look_ahead)
        for index in sorted(
            range(start, min(start + look_ahead, len(lengths))), key=lambda index: -lengths[index]
        )
    ]
    expected = best_fit_by_looking_at_every_row([lengths[index] for index in order], budget)
    rows = pack(lengths, budget, open_rows=1000, look_ahead=look_ahead)
    assert rows == [[order[place] for place in row] for row in expected]


def note_like(median: int, sigma: float) -> np.ndarray:
    draw = np.random.default_rng(1)
    return np.clip(draw.lognormal(np.log(median), sigma, size=20_000), 10, 8192).astype(int)


@pytest.mark.parametrize("budget", [8192, 16_384, 57_344, 98_304])
@pytest.mark.parametrize("look_ahead", [1, LOOK_AHEAD])
def test_note_like_lengths_fill_rows_to_99_percent(budget, look_ahead):
    lengths = note_like(600, 1.0)
    assert lengths.max() == 8192
    assert efficiency(lengths, pack(lengths, budget, look_ahead=look_ahead), budget) >= 0.99


def test_looking_ahead_fills_rows_that_two_long_notes_leave_half_empty():
    lengths = note_like(3000, 0.5)
    assert efficiency(lengths, pack(lengths, 8192), 8192) < 0.97
    assert efficiency(lengths, pack(lengths, 8192, look_ahead=LOOK_AHEAD), 8192) >= 0.99


def test_document_longer_than_a_row_is_an_error():
    with pytest.raises(ValueError, match="BC708"):
        pack([3, 11], 10)
