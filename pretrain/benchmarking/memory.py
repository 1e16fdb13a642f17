"""Peak memory of a step above what was held before it: the kernel's high-water mark on Linux, torch's on CUDA.

Freed heap is handed back before, or it would hide in the base. Elsewhere nothing is measured (0).
"""

import contextlib
import ctypes
import gc
import sys
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMeter:
    """Measures one peak; see the head of this file."""

    def __init__(self, device: torch.device):
        self.device, self.base = device, 0

    def start(self) -> None:
        """Take what is held now as the base and forget earlier peaks."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
            self.base = torch.cuda.memory_allocated(self.device)
            return
        if sys.platform == "linux":
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
            if trim is not None:
                trim(0)
        with contextlib.suppress(OSError):
            _CLEAR.write_text("5", encoding="ascii")
        self.base = _status("VmRSS")

    def above(self) -> int:
        """RETURNS (int): bytes of the peak above the base."""
        if self.device.type == "cuda":
            return max(0, torch.cuda.max_memory_allocated(self.device) - self.base)
        return max(0, _status("VmHWM") - self.base)


def _status(key: str) -> int:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)
