"""How many cells this machine can train at once, and which machine it is.

A child needs its weights about six times over (weights, gradients, two moments of the optimizer, activations and what
torch itself takes), and two cores each give more than one child with four: children share no batch and never wait.
"""

import os
from pathlib import Path
from typing import Any

BYTES_PER_WEIGHT_BYTE = 6
BASE_BYTES = 1_500_000_000  # python, torch, spaCy and a batch
CORES_PER_CELL = 2


def cores() -> int:
    """RETURNS (int): cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes() -> int | None:
    """RETURNS (int | None): memory that new processes can have; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf8").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return 1024 * int(line.split()[1])
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def default_jobs(n_cells: int, weight_bytes: int, gpu_ids: list[int], n_cores: int, free: int | None) -> int:
    """Choose how many cells run at once.

    n_cells (int): cells to run. weight_bytes (int): size of the largest encoder's weights.
    gpu_ids (list[int]): one cell for each GPU; empty: on the CPU.
    n_cores (int), free (int | None): of this machine.
    RETURNS (int): at least 1.
    """
    if gpu_ids:
        return max(1, min(n_cells, len(gpu_ids)))
    by_memory = n_cells
    if free is not None:
        by_memory = free // (BASE_BYTES + BYTES_PER_WEIGHT_BYTE * weight_bytes)
    return max(1, min(n_cells, n_cores // CORES_PER_CELL, by_memory))


def weight_bytes(folder: Path) -> int:
    """RETURNS (int): bytes of the weights in an encoder folder."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def describe_machine(threads: int, gpu_id: int = -1) -> dict[str, Any]:
    """RETURNS (dict): processor, cores, threads of a child, memory, GPU; see `benchmark/signature.py`."""
    from spacy_bioclinical.cli.benchmark.signature import signature

    return signature("evaluate-suite", {}, {"OMP_NUM_THREADS": str(threads)}, gpu_id)["machine"]


def versions() -> dict[str, str | None]:
    """RETURNS (dict): versions of the plugin and of what it computes with."""
    from spacy_bioclinical.cli.benchmark.signature import signature

    return signature("evaluate-suite", {}, {})["versions"]
