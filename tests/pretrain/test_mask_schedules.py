"""Mask rates over a run: constant, as Clinical ModernBERT's card says, and as its code ran."""

import pytest

from pretrain.mask_schedules import MaskSchedule, published_epochs
from pretrain.recipes import get_recipe


def test_advertised_rate_falls_over_the_run():
    recipe = get_recipe("clinical_modernbert")
    assert recipe.mask_rate_of_step(0) == pytest.approx(0.30)
    assert recipe.mask_rate_of_step(recipe.full_steps // 2) == pytest.approx(0.225, abs=1e-4)
    assert recipe.mask_rate_of_step(recipe.full_steps) == pytest.approx(0.15)
    assert recipe.mask_rate_of_step(10 * recipe.full_steps) == pytest.approx(0.15)


def test_rate_as_run_is_laid_out_for_50_epochs():
    recipe = get_recipe("clinical_modernbert_as_run")
    for epoch in (0, 1, 11, 49):
        assert recipe.mask_rate_of_step(7, epoch) == pytest.approx(0.30 - 0.15 * epoch / 49)
    lowest = recipe.mask_rate_of_step(7, published_epochs(25_398_443) - 1)
    assert lowest == pytest.approx(0.266, abs=5e-4)


def test_rate_as_run_stays_where_something_can_still_be_predicted():
    schedule = get_recipe("clinical_modernbert_as_run").mask_schedule
    last = schedule.rate(0.30, 0.5, epoch=97)
    assert last == pytest.approx(0.30 - 0.15 * 97 / 49)
    assert [schedule.rate(0.30, 0.5, epoch) for epoch in (98, 99, 10_000)] == [last] * 3
    rates = [schedule.rate(0.30, 0.5, epoch) for epoch in range(120)]
    assert rates == sorted(rates, reverse=True)
    assert 0 < min(rates) == last
    assert MaskSchedule("linear_epochs", last=0.9, epochs=2).rate(0.3, 0.0, epoch=5) == pytest.approx(0.9)


@pytest.mark.parametrize(
    "n_samples, epochs", [(9_999, 100), (10_000, 50), (99_999, 50), (100_000, 25), (1_000_000, 12)]
)
def test_epochs_follow_from_the_samples_as_published(n_samples, epochs):
    assert published_epochs(n_samples) == epochs


def test_linear_stays_when_its_share_is_over():
    schedule = MaskSchedule("linear", last=0.10, share=0.5)
    assert [schedule.rate(0.30, share) for share in (0.0, 0.25, 0.5, 0.9)] == pytest.approx(
        [0.3, 0.2, 0.1, 0.1]
    )


def test_constant_stays():
    assert {get_recipe("phase1_base").mask_rate_of_step(n, epoch=n) for n in range(0, 40_000, 999)} == {0.30}


def test_cut_recipe_has_the_same_rates_at_the_same_shares():
    long = get_recipe("clinical_modernbert")
    short = long.for_steps(100)
    for step in (0, 10, 50, 100):
        wanted = long.mask_rate_of_step(round(step / 100 * long.full_steps))
        assert short.mask_rate_of_step(step) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"kind": "stairs"}, "BC730"),
        ({"last": 0.0}, "BC709"),
        ({"share": 0.0}, "BC709"),
        ({"epochs": 1}, "BC709"),
    ],
)
def test_impossible_mask_schedule_is_an_error(settings, code):
    with pytest.raises(ValueError, match=code):
        MaskSchedule(**{"kind": "linear", **settings})
