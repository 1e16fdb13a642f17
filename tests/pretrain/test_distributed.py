"""Two processes on a CPU (gloo) compute what one computes with the same global batch: DDP and FSDP."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pretrain.batches import Row
from pretrain.devices import Team, join_team
from pretrain.train import pretrain

REPOSITORY = Path(__file__).parents[2]
SCRIPT = """
import pickle, sys
from pathlib import Path
from pretrain.devices import join_team, leave_team
from pretrain.train import pretrain
recipe, notes, tokenizer, output = pickle.loads(Path(sys.argv[1]).read_bytes())
team = join_team("cpu")
assert (team.world, team.kind) == (2, sys.argv[2])
settings = dict(is_from_scratch=True, is_quiet=True, team=team)
progress, _ = pretrain(recipe, [notes], tokenizer, output, stop_after=2, **settings)
assert progress.interrupted == 0
progress, _ = pretrain(recipe, [notes], tokenizer, output, **settings)
assert progress.step == 4
leave_team(team)
"""


def losses(work):
    with (work / "steps.csv").open(encoding="utf8", newline="") as file:
        return [
            (float(row["loss"]), float(row["grad_norm"]), int(row["rows"])) for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_equal_one(kind, recipe, notes_folder, tokenizer_folder, tmp_path):
    import pickle

    # Three rows a step: the second process has one row less, and must not be waited for in vain.
    few = replace(recipe.for_steps(4), rows_per_step=3, attention_out_dropout=0.0, eval_every=2, lr=1e-3)
    pretrain(few, [notes_folder], tokenizer_folder, tmp_path / "one", is_from_scratch=True, is_quiet=True)
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((few, notes_folder, tokenizer_folder, tmp_path / "two")))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf8")
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    environment["ACCELERATE_USE_FSDP"] = "true" if kind == "fsdp" else "false"
    done = subprocess.run(
        [*line, str(script), str(job), kind], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-9000:]
    one, two = losses(tmp_path / "one.work"), losses(tmp_path / "two.work")
    assert [row[2] for row in two] == [3] * 4
    np.testing.assert_allclose(two, one, rtol=1e-5)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, atol=1e-6, rtol=0, msg=name)


def test_without_a_launcher_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    team = join_team("cpu")
    assert team == Team(torch.device("cpu"))
    assert (team.is_main, team.sums(3.0, 4.0), team.largest(1.0)) == (True, [3.0, 4.0], [1.0])
    module = torch.nn.Linear(1, 1)
    assert team.wrap(module) is module


def test_empty_row_gives_every_parameter_a_zero_gradient(recipe, tokenizer, tokenizer_folder):
    from pretrain.start import starting_model
    from pretrain.step import _nothing

    model, _ = starting_model(recipe, tokenizer_folder, tokenizer, is_from_scratch=True)
    row: Row = _nothing()
    output = model(torch.from_numpy(row.ids), row.lengths, torch.from_numpy(row.labels))
    output.loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())
