"""`python -m spacy bioclinical train`: spaCy's training on the device asked for, which can stop and go on.

The work is done by a child process (`train_process.py`): devices and threads are chosen by its environment. Signals are
handed on to it, so that ending this process ends the training after a checkpoint; so does killing it.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.processes import device_environment, spacy_gpu_id
from spacy_bioclinical.errors import Errors

CHILD = "spacy_bioclinical.cli.train_process"


@bioclinical.command("train", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train_cli(
    ctx: typer.Context,  # holds the overrides
    config: Path = typer.Argument(..., help="A complete config, as `compose` writes it", exists=True),
    output: Path = typer.Option(
        ..., "--output", "-o", help="Folder for model-best, model-last and checkpoint"
    ),
    report: Path | None = typer.Option(
        None, "--report", "-r", help="JSON file for minutes, device and dev scores"
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU; needs no cupy"),
    checkpoint_minutes: float = typer.Option(
        10.0, "--checkpoint-minutes", min=0.0, help="Time between checkpoints; evaluations write one too"
    ),
    checkpoint_steps: int = typer.Option(
        0, "--checkpoint-steps", min=0, help="Steps between checkpoints; 0: by time only"
    ),
    restart: bool = typer.Option(False, "--restart", help="Throw an unfinished training in the folder away"),
    code: Path | None = typer.Option(None, "--code", "-c", help="Python file with registered functions"),
) -> None:
    """Train a config; an interrupted training goes on with the same command.

    Single values can be set last, in spaCy's way: --training.max_steps 100
    """
    arguments = ["-m", CHILD, str(config), "--output", str(output)]
    arguments += [
        "--checkpoint-minutes",
        str(checkpoint_minutes),
        "--checkpoint-steps",
        str(checkpoint_steps),
    ]
    arguments += ["--restart"] if restart else []
    arguments += ["--code", str(code)] if code else []
    try:
        arguments += ["--gpu-id", str(spacy_gpu_id(gpu_id)), *ctx.args]
        environment = device_environment(gpu_id)
        start = time.perf_counter()
        returned = run_with_signals(arguments, environment)
    except ValueError as error:
        msg.fail("Training did not finish", str(error), exits=1)
    if returned > 128:
        raise typer.Exit(returned)
    if returned:
        command = shlex.join(["python", *arguments])
        msg.fail("Training did not finish", Errors.BC512.format(command=command, code=returned), exits=1)
    minutes = (time.perf_counter() - start) / 60
    device = "cpu" if gpu_id < 0 else f"cuda:{gpu_id}"
    if report is not None:
        meta = json.loads((output / "model-best" / "meta.json").read_text(encoding="utf8"))
        performance = {key: value for key, value in meta["performance"].items() if isinstance(value, float)}
        write_json(report, {"minutes": round(minutes, 2), "device": device, "dev": performance})
    msg.good(f"Trained in {minutes:.1f} minutes on {device}: {output / 'model-best'}")


def run_with_signals(arguments: list[str], environment: dict[str, str]) -> int:
    """Run a python command line; SIGTERM and SIGINT go to it, and it is waited for.

    arguments (list[str]): E.g. ["-m", …].
    environment (dict): The child's environment.
    RETURNS (int): Its exit code; 128 + the number of the signal that ended it.
    """
    print("$", shlex.join(["python", *arguments]), flush=True)
    with subprocess.Popen(
        [sys.executable, *arguments], env={**environment, "PYTHONUNBUFFERED": "1"}, start_new_session=True
    ) as process:

        def hand_on(number: int, frame: FrameType | None) -> None:
            os.kill(process.pid, number)

        before = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            returned = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return returned if returned >= 0 else 128 - returned
