"""Learning-rate schedules against their formulas, and what cutting and counting in steps does to them."""

import math

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from pretrain.schedules import SCHEDULES, Schedule


def test_constant_with_warmup_rises_and_stays():
    schedule = Schedule("constant_with_warmup", warmup=10)
    assert [schedule.multiplier(n, 20) for n in (0, 5, 10, 20, 99)] == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_warmup_stable_decay_rises_stays_and_falls():
    schedule = Schedule("warmup_stable_decay", warmup=10, decay=20, floor=0.1)
    values = [schedule.multiplier(n, 100) for n in (0, 5, 10, 80, 90, 100)]
    assert values == pytest.approx([1e-10, 0.5, 1.0, 1.0, 0.55, 0.1])


def test_no_decay_stays_until_the_end():
    schedule = Schedule("warmup_stable_decay", warmup=10, decay=0, floor=0.1)
    assert schedule.multiplier(100, 100) == 1.0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.51, 0.6, 0.9, 1.0])
def test_one_minus_sqrt_equals_its_formula(share):
    schedule = Schedule("one_minus_sqrt", decay=500, floor=0.001)
    fallen = max(0.0, (share - 0.5) / 0.5)
    wanted = 0.001 + 0.999 * (1 - math.sqrt(fallen))
    assert schedule.multiplier(round(share * 1000), 1000) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "kind, make",
    [
        ("cosine_with_warmup", get_cosine_schedule_with_warmup),
        ("linear_decay_with_warmup", get_linear_schedule_with_warmup),
    ],
)
def test_fall_to_zero_equals_that_of_transformers(kind, make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = make(optimizer, num_warmup_steps=7, num_training_steps=50)
    ours = Schedule(kind, warmup=7)
    for step in range(51):
        assert ours.multiplier(step, 50) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("kind", ["cosine_with_warmup", "linear_decay_with_warmup"])
def test_fall_with_a_floor_ends_there_and_passes_the_middle_half_way(kind):
    schedule = Schedule(kind, warmup=20, floor=0.1)
    assert [schedule.multiplier(n, 120) for n in (20, 70, 120, 500)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_google_bert_steps_down_where_its_warm_up_ends():
    schedule = Schedule("linear_decay_bert", warmup=10_000)
    assert schedule.multiplier(9_999, 150_000) == pytest.approx(0.9999)
    assert schedule.multiplier(10_000, 150_000) == pytest.approx(14 / 15)
    assert schedule.multiplier(150_000, 150_000) == 0.0


def test_cosine_inverse_sqrt_equals_its_formula():
    floor, cosine = 0.1, 250
    schedule = Schedule("cosine_inverse_sqrt", warmup=50, floor=floor, cosine=cosine)
    delta = cosine * (1 + floor - math.pi * (1 - floor)) / (math.pi * (1 - floor))
    gamma = (1 + floor) / 2 * math.sqrt(cosine + delta)
    assert schedule.multiplier(25, 1000) == pytest.approx(0.5)
    wanted = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * 0.5 * 100 / cosine))
    assert schedule.multiplier(150, 1000) == pytest.approx(wanted)
    assert schedule.multiplier(50 + cosine, 1000) == pytest.approx((1 + floor) / 2)
    assert schedule.multiplier(900, 1000) == pytest.approx(gamma / math.sqrt(850 + delta))


def test_cosine_inverse_sqrt_has_neither_step_nor_corner():
    schedule = Schedule("cosine_inverse_sqrt", warmup=10_000, floor=0.05)  # the cosine takes a quarter
    at = 10_000 + 100_000
    before, here, after = (schedule.multiplier(at + n, 400_000) for n in (-100, 0, 100))
    assert before - here == pytest.approx(here - after, rel=1e-2)
    assert before > here > after


@pytest.mark.parametrize("cooldown", ["linear", "cosine"])
def test_cosine_inverse_sqrt_cools_down_to_the_floor(cooldown):
    schedule = Schedule("cosine_inverse_sqrt", warmup=10, decay=100, floor=0.05, cooldown=cooldown)
    top = schedule.multiplier(900, 1000)
    assert schedule.multiplier(950, 1000) == pytest.approx(0.05 + (top - 0.05) / 2)
    assert schedule.multiplier(1000, 1000) == pytest.approx(0.05)
    assert top > 0.15
    linear = schedule.multiplier(925, 1000) - (0.05 + (top - 0.05) * 0.75)
    assert (abs(linear) < 1e-12) == (cooldown == "linear")


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_keeps_its_shape_at_another_length(kind):
    schedule = Schedule(kind, warmup=100, decay=300, floor=0.02, cosine=200)
    longer = schedule.scaled(7.0)
    for elapsed in range(0, 1001, 50):
        wanted = schedule.multiplier(elapsed, 1000)
        assert 0.0 <= wanted <= 1.0
        assert longer.multiplier(7 * elapsed, 7000) == pytest.approx(wanted)


def test_span_breaks_the_curve_off():
    whole = Schedule("cosine_with_warmup", warmup=40)
    part = Schedule("cosine_with_warmup", warmup=40, span=400)
    assert part.multiplier(100, 100) == whole.multiplier(100, 400) > 0.9
    assert part.scaled(0.5).multiplier(50, 50) == pytest.approx(part.multiplier(100, 100))


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"kind": "nonesuch"}, "BC710"),
        ({"warmup": -1}, "BC709"),
        ({"decay": -5}, "BC709"),
        ({"span": 0}, "BC709"),
        ({"cosine": 0}, "BC709"),
        ({"floor": 1.5}, "BC709"),
        ({"start": -0.1}, "BC709"),
        ({"kind": "cosine_inverse_sqrt", "floor": 1.0}, "BC709"),
        ({"cooldown": "sudden"}, "BC730"),
    ],
)
def test_impossible_schedule_is_an_error(settings, code):
    with pytest.raises(ValueError, match=code):
        Schedule(**{"kind": "one_minus_sqrt", **settings}).check()
