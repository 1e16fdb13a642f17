"""The figures of --dry-run: operations, memory, time and landmarks, against arithmetic and the published days."""

from dataclasses import replace

import pytest
import torch

from pretrain.estimates import (
    ASSUMED_SHARE,
    PEAKS,
    PUBLISHED_DAYS,
    PUBLISHED_SHARE,
    SECONDS_PER_DAY,
    count_parameters,
    flops_per_piece,
    memory,
    most_pieces,
    seconds,
)
from pretrain.plan import describe, figures
from pretrain.recipes import RECIPES, get_recipe
from spacy_bioclinical.encoder.bert import Bert
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM


def days(size: str, share: float) -> float:
    speed = PEAKS["8 x H100"] * share
    return sum(seconds(get_recipe(f"phase{n}_{size}"), speed) for n in (1, 2)) / SECONDS_PER_DAY


@pytest.mark.parametrize("size", PUBLISHED_DAYS)
def test_time_says_how_far_it_is_from_the_published_days(size):
    # the formula at 40 % of peak is five to six times too fast; at the share named for them it is close
    assert 4 < PUBLISHED_DAYS[size] / days(size, ASSUMED_SHARE) < 7
    assert days(size, PUBLISHED_SHARE) == pytest.approx(PUBLISHED_DAYS[size], rel=0.2)


def test_operations_of_base_equal_arithmetic():
    recipe = get_recipe("phase1_base")
    layers = 22 * (4 * 768**2 + 3 * 768 * 1152)
    head = 768**2 + 50368 * 768
    attention = 12 * 768 * (8 * 1000 + 14 * 129)
    wanted = 6 * layers + 6 * 0.30 * head + attention
    assert flops_per_piece(recipe, mean_length=1000) == pytest.approx(wanted)
    dearer = replace(recipe, activation_checkpointing=True)
    assert flops_per_piece(dearer, 1000) == pytest.approx(wanted + (6 * layers + attention) / 3)
    assert flops_per_piece(recipe, 100) < wanted < flops_per_piece(recipe)


def test_operations_count_what_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    recipe = replace(get_recipe("tiny"), row_pieces=1024)
    model = ModernBertForMaskedLM(recipe.shape).init_weights(0).train()
    ids, labels = torch.arange(256), torch.full((256,), -100)
    labels[: round(0.30 * 256)] = 7
    with FlopCounterMode(display=False) as counter:
        model(ids, [64] * 4, labels).loss.backward()
    # one product less: nothing has to be known of the gradient of what embeddings were looked up from
    assert flops_per_piece(recipe, 64) * 256 == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_parameters_of_bert_equal_the_model_s():
    for name, whole in (("clinical_modernbert_as_run", 136.6e6), ("bio_clinicalbert", 108.3e6)):
        recipe = get_recipe(name)
        assert recipe.bert is not None
        with torch.device("meta"):
            model = Bert(recipe.bert)
        encoder, with_head = count_parameters(recipe)
        assert encoder == sum(parameter.numel() for parameter in model.parameters())
        assert with_head == pytest.approx(whole, abs=0.06e6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_are_about_what_autograd_keeps(precision):
    recipe = replace(get_recipe("tiny"), precision=precision)
    model = ModernBertForMaskedLM(recipe.shape).init_weights(0).train()
    model.model.set_compute(precision=precision)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}  # holding on to them keeps addresses from being used again

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model.model(torch.arange(1024), [512, 512])
    assert output.requires_grad
    n_bytes = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    assert memory(recipe).activations == pytest.approx(n_bytes, rel=0.25)


def test_memory_of_base_fits_what_it_was_trained_on():
    need = memory(get_recipe("phase1_base"))
    assert need.state == 16 * 149_655_232
    assert 60e9 < need.state + need.activations + need.logits < 80e9  # an H100 has 80 GB
    assert need.checkpointed < need.activations / 5


def test_pieces_of_a_run_in_steps_are_those_of_full_rows():
    recipe = get_recipe("tiny")
    assert most_pieces(recipe) == 1200 * 1024
    assert most_pieces(get_recipe("phase2_base")) == 8_247_337_000


def test_plan_tells_epochs_and_time_of_what_is_given():
    recipe = get_recipe("phase1_base")
    assert "3.00 of 53,484,112,000 pieces" in dict(figures(recipe))["epochs"]
    assert dict(figures(recipe, data_pieces=160_453_000))["epochs"].startswith("1000.00 of")
    tiny = get_recipe("tiny")
    assert "not known" in dict(figures(tiny))["epochs"]
    wanted = 1200 * 1024 * flops_per_piece(tiny) / 1e9
    assert f"{wanted / 3600:.1f} hours at 1e+09" in describe(tiny, flops_per_second=1e9)


def test_landmarks_tell_rate_masking_and_rows():
    text = describe(get_recipe("modernbert_pretrain_base")).splitlines()
    rows = [line.split(" rows")[0].split()[-1] for line in text if line.startswith("  at ")]
    assert rows == ["8", "24", *["48"] * 6]
    text = describe(get_recipe("clinical_modernbert")).splitlines()
    rates = [line.split()[3] for line in text if line.startswith("  at ")]
    assert (rates[0], rates[4], rates[-1]) == ("30.00%", "22.50%", "15.00%")


@pytest.mark.parametrize("name", RECIPES)
def test_plan_of_every_recipe_names_its_source_and_its_notes(name):
    recipe = get_recipe(name)
    text = describe(recipe)
    assert recipe.source in text
    assert all(note in text for note in recipe.notes)
