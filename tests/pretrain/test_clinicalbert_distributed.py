"""Two processes on a CPU (gloo) compute, on sentence pairs, what one computes with the same rows.

KIND=fsdp in the environment for sharded weights instead of data-parallel ones.
"""

import csv
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from pretrain.recipes import get_recipe
from pretrain.train import pretrain
from tests.pretrain.bert_folders import write_bert_folder

REPOSITORY = Path(__file__).parents[2]
KIND = os.environ.get("KIND", "ddp")
SCRIPT = """
import pickle, sys
from pathlib import Path
from pretrain.devices import join_team, leave_team
from pretrain.train import pretrain
recipe, notes, folder, output = pickle.loads(Path(sys.argv[1]).read_bytes())
team = join_team("cpu")
assert (team.world, team.kind) == (2, sys.argv[2])
progress, _ = pretrain(recipe, [notes], folder, output, is_quiet=True, team=team, stop_after=1)
assert progress.interrupted == 0
progress, _ = pretrain(recipe, [notes], folder, output, is_quiet=True, team=team)
assert progress.step == 3
leave_team(team)
"""


def losses(work):
    with (work / "steps.csv").open(encoding="utf8", newline="") as file:
        return [
            (float(row["loss"]), float(row["grad_norm"]), int(row["rows"])) for row in csv.DictReader(file)
        ]


def test_two_processes_equal_one(notes_folder, tmp_path):
    folder = write_bert_folder(tmp_path / "bert", dropout=0.0)
    # Three rows a step: the second process has one row less, and must not be waited for in vain.
    recipe = replace(
        get_recipe("bio_clinicalbert").for_steps(3), row_pieces=4 * 128, rows_per_step=3, lr=1e-3
    )
    pretrain(recipe, [notes_folder], folder, tmp_path / "one", is_quiet=True, device="cpu")
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((recipe, notes_folder, folder, tmp_path / "two")))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf8")
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    environment["ACCELERATE_USE_FSDP"] = "true" if KIND == "fsdp" else "false"
    done = subprocess.run(
        [*line, str(script), str(job), KIND], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-9000:]
    one, two = losses(tmp_path / "one.work"), losses(tmp_path / "two.work")
    assert [row[2] for row in two] == [3] * 3
    np.testing.assert_allclose(two, one, rtol=1e-5)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    assert "cls.seq_relationship.weight" in weights[0]
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, atol=2e-6, rtol=0, msg=name)
