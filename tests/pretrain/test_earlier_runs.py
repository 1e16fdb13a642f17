"""Another run's checkpoints are refused, deleted or set aside; a branch of a trunk that was replaced is stale."""

import json
from dataclasses import replace

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from pretrain.earlier_runs import delete_run, set_run_aside
from pretrain.evaluation_command import _open
from pretrain.train import pretrain


@pytest.fixture(scope="module")
def run(notes_folder, tokenizer_folder):
    def run(recipe, output, **settings):
        settings = {"is_from_scratch": True, "is_quiet": True, "device": "cpu", **settings}
        return pretrain(recipe, [notes_folder], tokenizer_folder, output, **settings)[0]

    return run


def weights(folder):
    return {name: tensor.tolist() for name, tensor in load_file(folder / "model.safetensors").items()}


def test_another_run_is_set_aside_whole_and_its_own_is_gone_on_with(run, recipe, tmp_path):
    other = replace(recipe, seed=recipe.seed + 1)
    run(other, tmp_path / "clean")
    run(recipe, tmp_path / "out", stop_after=3)
    before = (tmp_path / "out.work" / "steps.csv").read_bytes()
    with pytest.raises(ValueError, match=r"BC714.*seed.*--set-aside"):
        run(other, tmp_path / "out")
    run(other, tmp_path / "out", sets_aside=True, stop_after=4)
    earlier = tmp_path / "out.work" / "earlier-1"
    assert (earlier / "steps.csv").read_bytes() == before
    assert (earlier / "checkpoints" / "step-0000000003").is_dir()
    run(other, tmp_path / "out", sets_aside=True)  # goes on: nothing of another run is in the way
    assert not (tmp_path / "out.work" / "earlier-2").exists()
    assert weights(tmp_path / "out") == weights(tmp_path / "clean")
    # What was set aside can be taken up again.
    work = tmp_path / "again.work"
    work.mkdir()
    for part in ("checkpoints", "steps.csv"):
        (earlier / part).rename(work / part)
    run(recipe, tmp_path / "again")
    run(recipe, tmp_path / "whole")
    assert weights(tmp_path / "again") == weights(tmp_path / "whole")


def test_branch_of_a_trunk_that_was_replaced_is_no_branch_of_the_new_one(run, recipe, tmp_path):
    constant = replace(recipe.schedule, kind="constant_with_warmup", warmup=0)
    trunk = replace(recipe, schedule=constant, duration=4)
    twig = replace(recipe, duration=4, restart_override=True)
    run(trunk, tmp_path / "trunk")
    branch = {"branch_from": str(tmp_path / "trunk.work"), "is_from_scratch": False}
    run(twig, tmp_path / "twig", **branch)
    first = weights(tmp_path / "twig")
    run(replace(trunk, seed=7), tmp_path / "trunk", sets_aside=True)
    with pytest.raises(ValueError, match=r"BC714.*start"):
        run(twig, tmp_path / "twig", **branch)
    run(twig, tmp_path / "twig", sets_aside=True, **branch)
    run(twig, tmp_path / "new", **branch)
    assert weights(tmp_path / "twig") == weights(tmp_path / "new") != first


def test_branch_goes_on_while_its_trunk_goes_on_and_when_it_is_gone(run, recipe, tmp_path):
    constant = replace(recipe.schedule, kind="constant_with_warmup", warmup=0)
    trunk = replace(recipe, schedule=constant)
    twig = replace(recipe, duration=6, restart_override=True)
    run(trunk, tmp_path / "trunk", stop_after=4)
    branch = {"branch_from": str(tmp_path / "trunk.work"), "is_from_scratch": False}
    run(twig, tmp_path / "whole", **branch)
    run(twig, tmp_path / "twig", stop_after=2, **branch)
    run(trunk, tmp_path / "trunk")
    run(twig, tmp_path / "twig", stop_after=2, **branch)
    delete_run(tmp_path / "trunk.work")
    assert not list((tmp_path / "trunk.work").glob("*.csv"))
    run(twig, tmp_path / "twig", **branch)
    assert weights(tmp_path / "twig") == weights(tmp_path / "whole")


def test_nothing_is_set_aside_where_nothing_is(tmp_path):
    assert set_run_aside(tmp_path, {"seed": 0}) is None
    assert list(tmp_path.iterdir()) == []


def test_evaluation_finds_the_shards_of_the_encoders_run_among_several(run, recipe, make_note, tmp_path):
    run(recipe, tmp_path / "out")
    mine = _open(tmp_path / "out.work", tmp_path / "out").meta["data_hash"]
    (tmp_path / "other.txt").write_text(make_note(99, 60) * 3, encoding="utf8")
    place = tmp_path / "out.work"
    found = next(place.glob("shards-*"))
    (place / "shards-0000000000000000").mkdir()
    (place / "shards-0000000000000000" / "meta.json").write_text("{}", encoding="utf8")
    assert _open(place, tmp_path / "out").meta["data_hash"] == mine
    assert found.name.removeprefix("shards-") == mine[:16]
    record = tmp_path / "out" / "pretraining.json"
    record.write_text(json.dumps({"run": {"data": "f" * 64}}), encoding="utf8")
    with pytest.raises(ValueError, match="BC766"):
        _open(place, tmp_path / "out")


def test_command_takes_the_option(notes_folder, tokenizer_folder, tmp_path):
    from typer import Typer

    from pretrain.train import main

    app = Typer()
    app.command()(main)
    words = [
        "--recipe",
        "tiny",
        "--encoder",
        str(tokenizer_folder),
        "--from-scratch",
        "--text",
        str(notes_folder),
    ]
    words += ["--output", str(tmp_path / "out"), "--max-steps", "2", "--device", "cpu", "--quiet"]
    assert CliRunner().invoke(app, words).exit_code == 0
    refused = CliRunner().invoke(app, [*words, "--seed", "3"])
    assert refused.exit_code == 1
    assert "BC714" in refused.output
    assert CliRunner().invoke(app, [*words, "--seed", "3", "--set-aside"]).exit_code == 0
    assert (tmp_path / "out.work" / "earlier-1").is_dir()
