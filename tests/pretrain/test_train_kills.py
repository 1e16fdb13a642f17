"""kill -9 at random moments of a run, resume each time: nothing is lost, and the bytes are those of a run left alone.

Three kills by default; KILLS=20 in the environment for more.
"""

import multiprocessing
import os
import random
import time
from dataclasses import replace

from pretrain.checkpoints import latest_checkpoint
from pretrain.train import pretrain

N_KILLS = int(os.environ.get("KILLS", "3"))


def test_killed_runs_end_in_the_same_bytes(recipe, notes_folder, tokenizer_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pretrain.train"])
    often = replace(recipe.for_steps(60), eval_every=10, save_every=2, keep=2)

    def start(name):
        arguments = (often, [notes_folder], tokenizer_folder, tmp_path / name)
        settings = {"is_from_scratch": True, "is_quiet": True, "device": "cpu"}
        process = context.Process(target=pretrain, args=arguments, kwargs=settings)
        process.start()
        return process

    def finish(name):
        process = start(name)
        process.join(120)
        assert process.exitcode == 0

    finish("warm-up")
    begun = time.monotonic()
    finish("whole")
    seconds = time.monotonic() - begun
    draw = random.Random()
    checkpoints, steps = tmp_path / "killed.work" / "checkpoints", []
    for _ in range(N_KILLS):
        process = start("killed")
        time.sleep(draw.uniform(0.05, 1.0) * seconds * min(1.0, 4 / N_KILLS))
        process.kill()
        process.join(60)
        checkpoint = latest_checkpoint(checkpoints)
        if checkpoint is not None:
            assert not checkpoint.passed_over
            steps.append(checkpoint.state["step"])
    finish("killed")
    assert steps == sorted(steps)
    print(f"\nkilled behind the checkpoints of steps {steps} of 60")
    names = sorted(file.name for file in (tmp_path / "whole").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "killed").iterdir())
    assert {"README.md", "curves"} < set(names)  # these two tell the folder's name, and times
    for name in set(names) - {"README.md", "curves"}:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    logs = [(tmp_path / f"{name}.work" / "evaluations.csv").read_bytes() for name in ("killed", "whole")]
    assert logs[0] == logs[1]
