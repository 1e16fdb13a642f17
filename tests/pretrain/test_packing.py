import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretrain.packing import efficiency, pack


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


def test_note_like_lengths_fill_published_rows_to_99_percent():
    draw = np.random.default_rng(1)
    lengths = np.clip(draw.lognormal(6.5, 1.0, size=20_000), 10, 8192).astype(int)
    assert lengths.max() == 8192
    assert efficiency(lengths, pack(lengths, 98_304), 98_304) >= 0.99


def test_document_longer_than_a_row_is_an_error():
    with pytest.raises(ValueError, match="BC708"):
        pack([3, 11], 10)
