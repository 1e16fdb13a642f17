"""What belongs beside every figure: the machine, the versions, the settings. Without it a number says nothing."""

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    *("spacy-bioclinical", "spacy", "spacy-transformers", "thinc", "torch", "transformers"),
    *("tokenizers", "numpy", "flash-attn"),
)
CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "sve")


def signature(
    command: str, settings: dict[str, Any], environment: dict[str, str], gpu_id: int = -1
) -> dict[str, Any]:
    """Describe a run so that figures of another can be told to be comparable or not.

    command (str): e.g. "benchmark speed".
    settings (dict): every option that shapes the figures.
    environment (dict): the contestants' environment.
    gpu_id (int): the GPU that they compute on, -1 for the CPU.
    RETURNS (dict): with "date", which no comparison looks at.
    """
    import torch

    machine: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _cpu("model name") or platform.processor() or "unknown",
        "features": [name for name in CPU_FEATURES if name in (_cpu("flags") or _cpu("Features")).split()],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": int(environment.get("OMP_NUM_THREADS") or torch.get_num_threads()),
        "waiting threads": environment.get("OMP_WAIT_POLICY", "system default"),
        "memory_gb": _memory_gb(),
    }
    if gpu_id >= 0:
        machine["gpu"] = torch.cuda.get_device_name(gpu_id)
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "settings": settings,
        "machine": machine,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def one_line(signed: dict[str, Any]) -> str:
    """The signature in one line, to be printed below a table."""
    machine, versions = signed["machine"], signed["versions"]
    parts = [f"{key}:{_short(value)}" for key, value in signed["settings"].items()]
    features = "+".join(machine["features"]) or "none"
    parts += [f"cpu:{machine['processor']} ({features})", f"threads:{machine['threads']}"]
    parts += [f"gpu:{machine['gpu']}"] if "gpu" in machine else []
    parts += [f"{name}:{version}" for name, version in versions.items() if version]
    return " | ".join(parts)


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _cpu(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == key), "")


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
