"""Batch-size warm-up: the published thresholds, and rows of a step as a pure function of its number."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.batch_warmup import BatchWarmup, rank_thresholds
from pretrain.recipes import get_recipe

PUBLISHED = (416_666_667, 1_250_000_000, 2_500_000_000, 4_166_666_667, 6_250_000_000)


def test_rank_thresholds_equal_the_published_ones():
    assert rank_thresholds(1, 6, 50_000_000_000, 8) == PUBLISHED


def test_one_counter_for_all_ranks_has_the_same_thresholds():
    warmup = BatchWarmup(8, 48, 50_000_000_000, increment=8)
    for ours, rank in zip(warmup.thresholds, PUBLISHED, strict=True):
        assert 0 <= 8 * rank - ours < 8  # each rank rounds up
    assert warmup.thresholds[-1] == 50_000_000_000


def test_published_recipes_climb_as_published():
    base, large = get_recipe("modernbert_pretrain_base"), get_recipe("modernbert_pretrain_large")
    assert base.batch_warmup == BatchWarmup(8, 48, 50_000_000_000, increment=8)
    assert large.batch_warmup == BatchWarmup(8, 88, 10_000_000_000, increment=8)
    for recipe in (base, large):
        per_size = recipe.full_steps  # each size gets the same number of steps, give or take one
        counts = {}
        step = 0
        while (rows := recipe.rows_of_step(step)) < recipe.rows_per_step:
            last = step
            while recipe.rows_of_step(last) == rows:
                last += 1
            counts[rows], step = last - step, last
        assert set(counts) == set(range(8, recipe.rows_per_step, 8))
        assert max(counts.values()) - min(counts.values()) <= 2 < per_size


def test_rows_change_exactly_at_the_thresholds():
    warmup = BatchWarmup(1, 4, 60)
    assert (warmup.sizes, warmup.thresholds) == ((1, 2, 3), (10, 30, 60))
    seen = [warmup.rows_at(n) for n in (0, 9, 10, 29, 30, 59, 60, 10**12)]
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4]


@settings(max_examples=150, deadline=None)
@given(
    first=st.integers(1, 5),
    climbs=st.integers(1, 6),
    increment=st.integers(1, 4),
    pieces=st.integers(1, 3000),
    row_pieces=st.integers(1, 50),
)
def test_rows_of_a_step_equal_walking_there(first, climbs, increment, pieces, row_pieces):
    warmup = BatchWarmup(first, first + climbs * increment, pieces, increment)
    done = 0
    for step in range(60):
        rows = warmup.rows_at(done * row_pieces)
        assert warmup.first_row_of_step(step, row_pieces) == done
        assert warmup.rows_of_step(step, row_pieces) == rows
        assert warmup.steps_for(done, row_pieces) == pytest.approx(step)
        done += rows


def test_recipe_counts_its_steps_with_the_climb():
    recipe = replace(
        get_recipe("tiny"),
        unit="pieces",
        duration=100_000,
        rows_per_step=4,
        batch_warmup=BatchWarmup(1, 4, 50_000),
    )
    step = pieces = 0
    while pieces < recipe.duration:
        assert recipe.first_row_of_step(step) * recipe.row_pieces == pieces
        pieces += recipe.rows_of_step(step) * recipe.row_pieces
        step += 1
    assert recipe.full_steps == step > 100_000 / recipe.step_pieces


def test_recipe_without_warm_up_has_equal_steps():
    recipe = get_recipe("phase1_base")
    assert [recipe.rows_of_step(n) for n in (0, 9, 10**6)] == [48] * 3
    assert recipe.first_row_of_step(1000) == 48_000


def test_cut_recipe_keeps_the_climb_and_the_rate_at_each_step():
    long = get_recipe("modernbert_pretrain_base")
    short = long.for_steps(long.full_steps // 100)
    assert short.unit == "steps"
    for share in (0.0, 0.02, 0.04, 0.06, 0.5):
        step = round(share * short.duration)
        assert short.rows_of_step(step) == long.rows_of_step(100 * step)
    elapsed = long.first_row_of_step(1000) * long.row_pieces  # within the warm-up of the rate
    assert 0.2 < long.schedule.multiplier(elapsed, long.duration) < 0.3
    assert short.learning_rate(10) == pytest.approx(long.learning_rate(elapsed), rel=0.02)


@pytest.mark.parametrize(
    "change", [{"first_rows": 0}, {"last_rows": 8}, {"pieces": 0}, {"increment": 0}, {"increment": 3}]
)
def test_impossible_warm_up_is_an_error(change):
    with pytest.raises(ValueError, match="BC731"):
        replace(BatchWarmup(8, 16, 1000), **change)


def test_warm_up_to_another_batch_than_the_recipe_s_is_an_error():
    with pytest.raises(ValueError, match=r"BC731.*rows_per_step is 1"):
        replace(get_recipe("tiny"), batch_warmup=BatchWarmup(1, 3, 1000))
