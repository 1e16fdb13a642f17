"""Runs spaCy's own commands as child processes: on the device asked for, with a clear error if one fails.

spaCy's `--gpu-id` needs cupy. The packed transformer does not: it takes the CUDA device that torch sees. So
a GPU is chosen by what the child may see (CUDA_VISIBLE_DEVICES), which works with and without cupy; -1 hides
them all.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from pathlib import Path

from spacy_bioclinical.errors import Errors


def device_environment(gpu_id: int) -> dict[str, str]:
    """Environment of a child process that may use one GPU or none.

    gpu_id (int): -1 for the CPU, else the number of a device among those visible now.
    RETURNS (dict): A copy of this process's environment with CUDA_VISIBLE_DEVICES set.
    RAISES (ValueError): BC511 if torch sees no such device.
    """
    # OpenMP's threads spin while they wait, which starves them as soon as another process wants a core (measured:
    # seven times slower beside one busy neighbour on two cores). Sleeping threads share.
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
    if gpu_id < 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""
        return environment
    import torch

    n_devices = torch.cuda.device_count()
    if gpu_id >= n_devices:
        raise ValueError(Errors.BC511.format(gpu_id=gpu_id, torch=torch.__version__, n_devices=n_devices))
    visible = [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    environment["CUDA_VISIBLE_DEVICES"] = visible[gpu_id] if visible else str(gpu_id)
    return environment


def spacy_gpu_id(gpu_id: int) -> int:
    """Number to give to spaCy's `--gpu-id` inside `device_environment`: 0 if cupy can use the GPU, else -1.

    gpu_id (int): As for `device_environment`.
    RETURNS (int): 0 or -1.
    """
    return 0 if gpu_id >= 0 and importlib.util.find_spec("cupy") else -1


def run_python(
    arguments: list[str],
    *,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
    quiet: bool = False,
    python: str | Path = sys.executable,
) -> list[str]:
    """Run a python command line, show what it prints as it prints it, and fail if it fails.

    arguments (list[str]): E.g. ["-m", "spacy", "train", …].
    environment (dict): The child's environment, this process's own if not given.
    folder (Path): Working folder, the present one if not given.
    quiet (bool): Show what it prints only if it fails.
    python (str | Path): The interpreter.
    RETURNS (list[str]): The lines it printed to standard output.
    RAISES (ValueError): BC512 with the command line and its exit code.
    """
    print("$", shlex.join(["python", *arguments]), flush=True)
    lines: list[str] = []
    with subprocess.Popen(
        [str(python), *arguments],
        env={**(os.environ if environment is None else environment), "PYTHONUNBUFFERED": "1"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        encoding="utf8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not quiet:
                print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
    if process.returncode:
        if quiet:
            print("\n".join(lines), flush=True)
        raise ValueError(
            Errors.BC512.format(command=shlex.join(["python", *arguments]), code=process.returncode)
        )
    return lines
