"""The published figures, as golden values (sources: the recipes' own `source`)."""

import math
from dataclasses import replace

import pytest

from pretrain.batch_warmup import BatchWarmup
from pretrain.mask_schedules import MaskSchedule
from pretrain.plan import count_parameters, describe
from pretrain.recipes import RECIPES, ClinicalBertInstances, get_recipe
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
GOLDEN_STAGES = [
    # name, pieces, sequences of a step, sequences of a row, length, lr, weight decay, RoPE base of global layers
    ("modernbert_pretrain_base", 1_719_000_000_000, 4608, 96, 1024, 8e-4, 1e-5, 10_000),
    ("modernbert_pretrain_large", 1_719_000_000_000, 4928, 56, 1024, 5e-4, 1e-5, 10_000),
    ("modernbert_context_base", 250_000_000_000, 576, 12, 8192, 3e-4, 1e-5, 160_000),
    ("modernbert_context_large", 250_000_000_000, 616, 7, 8192, 5e-5, 1e-6, 160_000),
    ("modernbert_decay_base", 50_000_000_000, 576, 12, 8192, 3e-4, 1e-5, 160_000),
    ("modernbert_decay_large", 50_000_000_000, 624, 6, 8192, 5e-5, 1e-6, 160_000),
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


@pytest.mark.parametrize("name, pieces, batch, micro, length, lr, decay, theta", GOLDEN_STAGES)
def test_modernbert_stage_equals_the_published_one(name, pieces, batch, micro, length, lr, decay, theta):
    recipe = get_recipe(name)
    assert (recipe.unit, recipe.duration, recipe.max_length) == ("pieces", pieces, length)
    assert (recipe.row_pieces, recipe.rows_per_step) == (micro * length, batch // micro)
    assert recipe.step_pieces == batch * length
    assert (recipe.lr, recipe.weight_decay) == (lr, decay)
    assert (recipe.shape.global_rope_theta, recipe.shape.local_rope_theta) == (theta, 10_000)
    assert (recipe.batch_warmup is not None) == ("pretrain" in name)


def test_modernbert_rates_rise_stay_and_fall_as_published():
    base, large = get_recipe("modernbert_pretrain_base"), get_recipe("modernbert_pretrain_large")
    assert base.learning_rate(1_500_000_000) == pytest.approx(4e-4)
    assert large.learning_rate(1_000_000_000) == pytest.approx(2.5e-4)
    assert [base.learning_rate(n) for n in (3_000_000_000, base.duration)] == [8e-4, 8e-4]
    assert get_recipe("modernbert_decay_large").learning_rate(50_000_000_000) == pytest.approx(5e-8)


@pytest.mark.parametrize(
    "name, steps, tolerance",
    [
        ("modernbert_context_base", 52_988, 10),
        ("modernbert_context_large", 49_552, 12),
        ("modernbert_decay_base", 10_598, 2),
    ],
)
def test_stage_ends_where_its_published_checkpoint_was_written(name, steps, tolerance):
    assert 0 <= steps - get_recipe(name).full_steps <= tolerance  # rows were not quite full


def test_published_runs_read_their_text_so_often():
    for name, epochs in (("phase1_large", 3), ("phase2_base", 3), ("phase2_bio_large", 1)):
        recipe = get_recipe(name)
        assert recipe.epoch_pieces is not None
        assert recipe.duration / recipe.epoch_pieces == pytest.approx(epochs, rel=1e-5)


def test_clinical_modernbert_reads_the_advertised_pieces_in_the_advertised_steps():
    recipe = get_recipe("clinical_modernbert")
    assert recipe.duration == 13_004_002_816
    assert recipe.full_steps == pytest.approx(150_000, rel=1e-4)
    assert (recipe.masking, recipe.mask_rate, recipe.mask_schedule.last) == ("terms", 0.30, 0.15)
    assert recipe.weight_decay / recipe.lr == pytest.approx(
        0.01
    )  # decoupled here, multiplied by the rate there


def test_clinical_modernbert_as_run_traverses_a_quarter_of_its_curve():
    recipe = get_recipe("clinical_modernbert_as_run")
    assert (recipe.max_length, recipe.row_pieces, recipe.rows_per_step) == (128, 128 * 128, 1)
    assert (recipe.optimizer, recipe.betas, recipe.eps) == ("adamw", (0.9, 0.999), 1e-8)
    assert (recipe.masking, recipe.held_out, recipe.lr) == ("uniform", 0.0, 5e-4)
    assert recipe.learning_rate(30_000) == pytest.approx(
        2.5e-4
    )  # the warm-up takes 60,000 steps, a tenth of 600,000
    rest = (recipe.duration - 60_000) / 540_000
    assert recipe.learning_rate(recipe.duration) == pytest.approx(5e-4 * 0.5 * (1 + math.cos(math.pi * rest)))
    assert recipe.bert is not None
    assert (recipe.bert.num_hidden_layers, recipe.bert.max_position_embeddings) == (22, 8192)


@pytest.mark.parametrize(
    "name, steps, starts_from, text",
    [
        ("bio_clinicalbert", 150_000, "BioBERT", "all categories"),
        ("bio_discharge_summary_bert", 100_000, "BioBERT", "discharge"),
        ("clinicalbert", 150_000, "BERT base", "all categories"),
        ("discharge_summary_bert", 100_000, "BERT base", "discharge"),
    ],
)
def test_clinicalbert_equals_the_published_one(name, steps, starts_from, text):
    recipe = get_recipe(name)
    assert (recipe.unit, recipe.duration, recipe.step_pieces) == ("steps", steps, 32 * 128)
    assert starts_from in recipe.continues
    assert text in recipe.text
    assert (recipe.lr, recipe.weight_decay, recipe.optimizer) == (5e-5, 0.01, "adamw")
    assert (recipe.save_every, recipe.keep, recipe.schedule.warmup) == (50_000, 15, 10_000)
    rates = [recipe.learning_rate(n) for n in (5_000, steps // 2, steps)]
    assert rates == pytest.approx([2.5e-5, 2.5e-5, 0.0])
    assert recipe.instances == ClinicalBertInstances(
        max_length=128,
        dupe_factor=5,
        max_predictions=20,
        masked_lm_prob=0.15,
        short_seq_prob=0.1,
        seed=12345,
        next_sentence=True,
    )


def test_small_recipe_has_two_phases_of_one_shape():
    first, second = get_recipe("small_phase1"), get_recipe("small_phase2")
    assert first.shape == second.shape
    assert second.continues == first.name
    assert first.learning_rate(first.duration) == second.learning_rate(0) == first.lr
    assert second.learning_rate(second.duration) == pytest.approx(0.001 * first.lr)
    assert (first.mask_rate, second.mask_rate) == (0.30, 0.15)


def test_schedule_keeps_its_shape_in_a_shorter_run():
    long = get_recipe("phase2_large")
    short = long.for_steps(300)
    assert (short.unit, short.duration, short.full_steps) == ("steps", 300, 300)
    for share in (0.1, 0.7, 0.8, 0.95, 1.0):
        expected = long.learning_rate(round(share * long.duration))
        assert short.learning_rate(round(share * 300)) == pytest.approx(expected, rel=1e-2)


def test_fingerprint_follows_what_shapes_a_run():
    recipe = get_recipe("tiny")
    assert (
        replace(
            recipe, summary="other words", notes=("more",), text="any", epoch_pieces=9, save_every=7
        ).fingerprint
        == recipe.fingerprint
    )
    changes = (
        *({"lr": 1e-9}, {"mask_rate": 0.2}, {"duration": 9}, {"max_length": 99}),
        {"rows_per_step": 3, "batch_warmup": BatchWarmup(1, 3, 999)},
        {"rows_per_step": 3, "batch_warmup": BatchWarmup(2, 3, 999)},
        *({"mask_schedule": MaskSchedule("linear")}, {"masking": "terms"}, {"packing": "published"}),
        *({"grad_clip": 1.0}, {"optimizer": "adamw"}, {"restart_override": True}),
        *({"activation_checkpointing": True}, {"instances": ClinicalBertInstances(max_length=1024)}),
        {"schedule": replace(recipe.schedule, span=5000)},
    )
    fingerprints = {replace(recipe, **change).fingerprint for change in changes}
    assert len(fingerprints | {recipe.fingerprint}) == len(changes) + 1


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
        ({"schedule": Schedule("one_minus_sqrt", floor=2.0)}, "BC709"),
        ({"lr": 0.0}, "BC709"),
        ({"grad_clip": 0.0}, "BC709"),
        ({"epoch_pieces": 0}, "BC709"),
        ({"instances": ClinicalBertInstances()}, "BC709"),  # 128 pieces in a recipe of 1,024
        ({"masking": "loud"}, "BC730"),
        ({"packing": "tight"}, "BC730"),
        ({"optimizer": "sgd"}, "BC730"),
        ({"unit": "epochs"}, "BC730"),
    ],
)
def test_impossible_recipe_is_an_error(change, code):
    with pytest.raises(ValueError, match=code):
        replace(get_recipe("tiny"), **change)


@pytest.mark.parametrize(
    "change",
    [
        *({"max_length": 4}, {"dupe_factor": 0}, {"max_predictions": 0}, {"masked_lm_prob": 0.0}),
        *({"short_seq_prob": 1.1}, {"seed": -1}),
    ],
)
def test_impossible_instances_are_an_error(change):
    with pytest.raises(ValueError, match=r"BC709.*instances"):
        ClinicalBertInstances(**change)


def test_unknown_recipe_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"BC712.*phase1_base"):
        get_recipe("huge")


def test_the_tiny_phases_cost_and_learn_as_much_as_tiny():
    tiny, first, second = (get_recipe(name) for name in ("tiny", "tiny_phase1", "tiny_phase2"))
    assert first.duration + second.duration == tiny.duration
    assert first.shape == second.shape == tiny.shape
    assert (second.continues, second.restart_override) == (first.name, True)
    for step in (0, 40, 80, 599, 600, 601, 900, 1199):
        phase, own = (first, step) if step < first.duration else (second, step - first.duration)
        assert phase.learning_rate(own) == pytest.approx(tiny.learning_rate(step))
        assert phase.mask_rate == tiny.mask_rate
