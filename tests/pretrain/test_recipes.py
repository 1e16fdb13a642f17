"""The published figures, as golden values (sources: the recipes' own `source`)."""

from dataclasses import replace

import pytest

from pretrain.plan import count_parameters, describe
from pretrain.recipes import RECIPES, get_recipe
from pretrain.schedules import Schedule

GOLDEN_RATES = [
    ("phase2_base", 0.0, 3.0e-4),
    ("phase2_base", 0.01, 2.70030e-4),
    ("phase2_base", 0.1, 2.05227e-4),
    ("phase2_base", 0.25, 1.50150e-4),
    ("phase2_base", 0.5, 8.8080e-5),
    ("phase2_base", 0.75, 4.0452e-5),
    ("phase2_base", 0.9, 1.5680e-5),
    ("phase2_base", 1.0, 3.0e-7),
    ("phase2_large", 0.5, 5e-5),
    ("phase2_large", 2 / 3, 5e-5),
    ("phase2_large", 0.70, 3.42044e-5),
    ("phase2_large", 0.75, 2.5025e-5),
    ("phase2_large", 0.80, 1.84088e-5),
    ("phase2_large", 0.90, 8.2088e-6),
    ("phase2_large", 0.95, 3.9484e-6),
    ("phase2_large", 1.0, 5e-8),
    ("phase1_base", 0.0, 3e-4),
    ("phase1_base", 1.0, 3e-4),
    ("phase1_large", 0.3, 5e-5),
    ("phase2_bio_base", 0.5, 8.8080e-5),
]
GOLDEN_RUNS = [
    # name, pieces, most pieces of a step, steps at full packing (rounded as published), mask rate, seed
    ("phase1_base", 160_453_000_000, 4_718_592, 34_004, 0.30, 17),
    ("phase1_large", 160_453_000_000, 5_046_272, 31_796, 0.30, 314),
    ("phase2_base", 8_247_337_000, 4_718_592, 1_748, 0.15, 17),
    ("phase2_large", 8_247_337_000, 5_046_272, 1_634, 0.15, 314),
    ("phase2_bio_base", 50_735_000_000, 4_718_592, 10_752, 0.15, 17),
    ("phase2_bio_large", 50_735_000_000, 5_046_272, 10_054, 0.15, 314),
]


@pytest.mark.parametrize("name, share, rate", GOLDEN_RATES)
def test_learning_rate_equals_the_published_one(name, share, rate):
    recipe = get_recipe(name)
    assert recipe.learning_rate(round(share * recipe.duration)) == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize("name, pieces, step_pieces, steps, mask_rate, seed", GOLDEN_RUNS)
def test_run_equals_the_published_one(name, pieces, step_pieces, steps, mask_rate, seed):
    recipe = get_recipe(name)
    assert (recipe.unit, recipe.duration, recipe.step_pieces) == ("pieces", pieces, step_pieces)
    assert abs(recipe.full_steps - steps) <= 1
    assert (recipe.mask_rate, recipe.eval_mask_rate, recipe.seed) == (mask_rate, 0.15, seed)
    assert (recipe.betas, recipe.eps, recipe.max_length) == ((0.9, 0.98), 1e-6, 8192)
    assert recipe.weight_decay == (1e-5 if name.endswith("base") else 1e-6)
    assert recipe.attention_out_dropout == 0.1


@pytest.mark.parametrize(
    "name, encoder, whole",
    [("phase1_base", 149_014_272, 149_655_232), ("phase2_large", 394_781_696, 395_881_664)],
)
def test_shape_has_the_published_number_of_parameters(name, encoder, whole):
    assert count_parameters(get_recipe(name)) == (encoder, whole)


def test_constant_with_warmup_rises_and_stays():
    schedule = Schedule("constant_with_warmup", warmup=10)
    assert [schedule.multiplier(n, 20) for n in (0, 5, 10, 20, 99)] == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_warmup_stable_decay_rises_stays_and_falls():
    schedule = Schedule("warmup_stable_decay", warmup=10, decay=20, floor=0.1)
    values = [schedule.multiplier(n, 100) for n in (0, 5, 10, 80, 90, 100)]
    assert values == pytest.approx([1e-10, 0.5, 1.0, 1.0, 0.55, 0.1])


def test_schedule_keeps_its_shape_in_a_shorter_run():
    long = get_recipe("phase2_large")
    short = long.for_steps(300)
    assert (short.unit, short.duration, short.full_steps) == ("steps", 300, 300)
    for share in (0.1, 0.7, 0.8, 0.95, 1.0):
        expected = long.learning_rate(round(share * long.duration))
        assert short.learning_rate(round(share * 300)) == pytest.approx(expected, rel=1e-2)


def test_fingerprint_follows_what_shapes_a_run():
    recipe = get_recipe("tiny")
    assert replace(recipe, summary="other words", save_every=7).fingerprint == recipe.fingerprint
    for change in ({"lr": 1e-9}, {"mask_rate": 0.2}, {"duration": 9}, {"max_length": 99}):
        assert replace(recipe, **change).fingerprint != recipe.fingerprint


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_describes_itself(name):
    recipe = get_recipe(name)
    assert recipe.name == name
    assert f"{recipe.full_steps:,}" in describe(recipe)


@pytest.mark.parametrize(
    "change, code",
    [
        ({"mask_rate": 1.0}, "BC709"),
        ({"max_length": 99_999}, "BC709"),
        ({"precision": "fp8"}, "BC709"),
        ({"schedule": Schedule("cosine")}, "BC710"),
    ],
)
def test_impossible_recipe_is_an_error(change, code):
    with pytest.raises(ValueError, match=code):
        replace(get_recipe("tiny"), **change)


def test_unknown_recipe_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"BC712.*phase1_base"):
        get_recipe("huge")
