"""What belongs beside every figure: machine, versions, threads; and what the machine's matrix products do at most."""

import datetime
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from pretrain.flops import peak_flops
from spacy_bioclinical.encoder.base import PRECISIONS

PACKAGES = ("spacy-bioclinical", "torch", "transformers", "torch-optimi", "numpy", "flash-attn")


def signature(settings: dict[str, Any], device: torch.device, data_hash: str) -> dict[str, Any]:
    """Describe a run so that figures of another can be told to be comparable or not.

    settings (dict): every option that shapes the figures. data_hash (str): of the documents.
    RETURNS (dict): with "date", which no comparison looks at.
    """
    return {
        "command": "python -m pretrain.benchmark",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "settings": settings,
        "data_sha256": data_hash,
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "threads": torch.get_num_threads(),
            "waiting threads": os.environ.get("OMP_WAIT_POLICY", "system default"),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def device_peak(device: torch.device, precision: str, clock: str) -> tuple[float, str]:
    """Most operations a second that a device does in a precision, and where that figure is from.

    On a GPU in bf16 the maker's figure, if its name is known; else square matrix products are measured, by the
    race's own clock.
    """
    known = peak_flops(device) if precision == "bf16" else None
    if known is not None:
        return known, "data sheet, dense bf16"
    size = 8192 if device.type == "cuda" else 1024
    one = torch.ones(size, size, dtype=PRECISIONS[precision], device=device)
    best = 0.0
    for _ in range(4):
        begun = _now(device, clock)
        for _ in range(4):
            one @ one
        best = max(best, 4 * 2.0 * size**3 / max(_now(device, clock) - begun, 1e-9))
    return best, f"measured product of {size} x {size} matrices"


def _now(device: torch.device, clock: str) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.process_time() if clock == "processor" else time.perf_counter()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
