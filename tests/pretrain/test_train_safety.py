"""What a run does when things go wrong (bad losses, a full disk, damaged files), and runs that branch off."""

import csv
import errno
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from pretrain import run as run_module
from pretrain.branching import find_branch, restarted_rate
from pretrain.compute import checkpoint_activations
from pretrain.flops import flops_per_piece
from pretrain.loggers import open_loggers
from pretrain.loop import Options
from pretrain.optimizer import make_optimizer
from pretrain.recovery import Patience
from pretrain.start import starting_model
from pretrain.train import pretrain


@pytest.fixture(scope="module")
def run(notes_folder, tokenizer_folder):
    def run(recipe, output, **settings):
        settings = {"is_from_scratch": True, "is_quiet": True, "device": "cpu", **settings}
        return pretrain(recipe, [notes_folder], tokenizer_folder, output, **settings)[0]

    return run


def rows(work):
    with (work / "steps.csv").open(encoding="utf8", newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in ("pieces_per_second", "mfu")}
            for row in csv.DictReader(file)
        ]


@pytest.fixture
def spoil(monkeypatch):
    """Make the loss of given steps (counted from 0) not a number while the learning rate is at least `above`."""
    compute = run_module.compute_step

    def spoil(*numbers, above=0.0):
        def spoiled(*arguments):
            figures = compute(*arguments)
            is_bad = arguments[3] in numbers and arguments[4] >= above
            return replace(figures, loss=float("nan")) if is_bad else figures

        monkeypatch.setattr("pretrain.run.compute_step", spoiled)

    return spoil


def test_bad_step_is_left_out_and_counted_also_when_resumed(run, recipe, spoil, tmp_path):
    spoil(3, 5)
    with pytest.warns(UserWarning, match="BC756"):
        progress = [run(recipe, tmp_path / "whole")]
    run(recipe, tmp_path / "apart", stop_after=5)
    progress.append(run(recipe, tmp_path / "apart"))
    assert [each.skipped for each in progress] == [2, 2]
    assert rows(tmp_path / "apart.work") == rows(tmp_path / "whole.work")
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "apart"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_too_many_bad_steps_go_back_with_a_lower_rate_or_stop(run, recipe, spoil, tmp_path):
    spoil(6, 7, 8, above=recipe.lr * 0.7)
    with pytest.warns(UserWarning, match="BC756"), pytest.raises(ValueError, match=r"BC716.*step 7:"):
        run(recipe, tmp_path / "stop")
    options = Options(Patience(back_off=0.5))
    with pytest.warns(UserWarning, match="BC762"):
        progress = run(recipe, tmp_path / "back", options=options)
    assert (progress.step, progress.lr_scale, progress.back_offs) == (12, 0.5, 1)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "back.work")]
    assert rates == [recipe.learning_rate(n) * (1.0 if n < 5 else 0.5) for n in range(12)]


def test_full_disk_is_told_and_harms_nothing(run, recipe, tmp_path, monkeypatch):
    save = run_module.save_checkpoint

    def full(folder, model, optimizer, state, **settings):
        if state["step"] in fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(folder, model, optimizer, state, **settings)

    monkeypatch.setattr("pretrain.run.save_checkpoint", full)
    fails = {5}
    with pytest.warns(UserWarning, match=r"BC755.*step 5 .*No space left"):
        assert run(recipe, tmp_path / "on").step == 12
    fails = {12}
    with pytest.raises(ValueError, match=r"BC755.*step 12 .*No space left"):
        run(recipe, tmp_path / "stop")
    assert (tmp_path / "stop.work" / "latest").resolve().name == "step-0000000010"
    fails = set()
    run(recipe, tmp_path / "stop")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("on", "stop")]
    assert weights[0] == weights[1]


def test_damaged_checkpoint_is_passed_over_with_a_warning(run, recipe, tmp_path):
    run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "out", stop_after=11)
    file = tmp_path / "out.work" / "latest" / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.warns(UserWarning, match=r"BC761.*step-0000000011.*step 10"):
        run(recipe, tmp_path / "out")
    assert rows(tmp_path / "out.work") == rows(tmp_path / "whole.work")


def test_branch_takes_weights_and_moments_and_begins_at_zero(run, recipe, tmp_path):
    trunk = replace(recipe, schedule=replace(recipe.schedule, kind="constant_with_warmup", warmup=0), keep=0)
    run(trunk, tmp_path / "trunk")
    place = f"{tmp_path / 'trunk.work'}@10"
    saved = torch.load(find_branch(place).folder / "optimizer.pt", weights_only=True)
    twig = replace(recipe, lr=recipe.lr / 2, weight_decay=1e-3, restart_override=True)
    settings = {"branch_from": place, "is_from_scratch": False}
    run(twig, tmp_path / "twig", stop_after=3, **settings)
    progress = run(twig, tmp_path / "twig", **settings)
    assert progress.step == 12
    groups = torch.load(tmp_path / "twig.work" / "latest" / "optimizer.pt", weights_only=True)["param_groups"]
    assert [group["weight_decay"] for group in groups] == [1e-3, 0.0]
    assert {group["max_lr"] for group in groups} == {twig.lr}
    assert int(groups[0]["step"]) == int(saved["param_groups"][0]["step"]) + 12
    assert float(rows(tmp_path / "twig.work")[3]["learning_rate"]) == twig.learning_rate(3)
    run(twig, tmp_path / "kept", keeps_max_lr=True, stop_after=1, **settings)
    kept = torch.load(tmp_path / "kept.work" / "latest" / "optimizer.pt", weights_only=True)
    assert {group["max_lr"] for group in kept["param_groups"]} == {trunk.lr}
    with pytest.raises(ValueError, match="BC758"):
        run(twig, tmp_path / "none", branch_from=f"{tmp_path / 'trunk.work'}@11", is_from_scratch=False)


def test_rate_of_a_restart_is_the_published_one():
    rates = {"saved_base": 8e-4, "saved_lr": 6e-4}
    assert restarted_rate("constant_with_warmup", 3e-4, **rates) == 3e-4
    assert restarted_rate("one_minus_sqrt", 3e-4, **rates) == pytest.approx(4e-4)
    assert restarted_rate("one_minus_sqrt", 3e-4, saved_base=8e-4, saved_lr=8e-4) == 3e-4
    assert restarted_rate("one_minus_sqrt", 3e-4, is_override=False, **rates) == 8e-4
    with pytest.raises(ValueError, match="BC758"):
        restarted_rate("one_minus_sqrt", 3e-4, saved_base=8e-4, saved_lr=8e-7)


def test_recomputed_activations_give_equal_gradients(recipe, tokenizer, tokenizer_folder):
    gradients = []
    for is_recomputed in (False, True):
        model, _ = starting_model(recipe, tokenizer_folder, tokenizer, is_from_scratch=True)
        if is_recomputed:
            checkpoint_activations(model)
        ids = torch.arange(10, 70)
        model(ids, [40, 20], ids).loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


def test_clipping_and_adamw_change_the_run(run, recipe, tmp_path):
    for name, change in (("clip", {"grad_clip": 1e-3}), ("adamw", {"optimizer": "adamw"})):
        run(replace(recipe.for_steps(4), **change), tmp_path / name)
    a, b = (rows(tmp_path / f"{name}.work") for name in ("clip", "adamw"))
    assert a[0]["loss"] == b[0]["loss"]
    assert a[-1]["loss"] != b[-1]["loss"]


def test_adamw_step_is_torchs_and_spares_norms():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2))
    settings = {"lr": 0.1, "betas": (0.9, 0.98), "eps": 1e-6, "weight_decay": 0.5}
    optimizer = make_optimizer(model, kind="adamw", **settings)
    before = [p.detach().clone() for p in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(model[0].weight, before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(model[1].weight, before[2])


def test_operations_of_the_base_shape_are_about_six_a_parameter(recipe):
    settings = replace(recipe.shape, hidden_size=768, intermediate_size=1152, num_hidden_layers=22)
    per_piece = flops_per_piece(settings, mean_length=1.0, predicted=0.0)
    assert per_piece == pytest.approx(6 * 22 * (4 * 768**2 + 3 * 768 * 1152), rel=0.01)
    assert flops_per_piece(settings, 8192.0) > flops_per_piece(settings, 512.0)


def test_logger_that_is_not_there_says_what_to_type(recipe, tmp_path, monkeypatch):
    settings = {"work": tmp_path, "recipe": recipe, "identity": {}, "after": 0}
    for module, name in (("wandb", "wandb"), ("torch.utils.tensorboard", "tensorboard")):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(ImportError, match=rf"BC760.*pip install {name}"):
            open_loggers([name], **settings)
    with pytest.raises(ValueError, match=r"BC760.*--log tensorboard"):
        open_loggers(["paper"], **settings)
