"""Peak memory of this process above what it held once its weights were loaded. Standard library only.

On Linux the kernel's own high-water mark is read and reset (`/proc/self/status`, `/proc/self/clear_refs`), so each
measurement stands alone; freed heap is handed back before it, or it would hide in the base. Elsewhere only the
peak since the start is to be had (`ru_maxrss`): a bound from above, and the reason why each configuration has a
process of its own. On CUDA: torch's count of allocated bytes.
"""

import contextlib
import ctypes
import gc
import sys
from pathlib import Path
from typing import Any

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMeter:
    """Measures peaks against a base.

    device (str): "cpu" or "cuda".
    """

    def __init__(self, device: str = "cpu"):
        self.is_cuda = device.startswith("cuda")
        self.base = 0

    def settle(self) -> None:
        """Take what is held now (weights, their casts, libraries) as the base."""
        self._let_go()
        self.base = self._cuda().memory_allocated() if self.is_cuda else resident_bytes()

    def start(self) -> None:
        """Begin a measurement: forget earlier peaks."""
        self._let_go()
        if self.is_cuda:
            self._cuda().reset_peak_memory_stats()
            return
        with contextlib.suppress(OSError):  # not Linux, or not allowed: the peak since the start remains
            _CLEAR.write_text("5", encoding="ascii")

    def above(self) -> int:
        """RETURNS (int): bytes that the peak since `start` lies above the base."""
        peak = self._cuda().max_memory_allocated() if self.is_cuda else peak_bytes()
        return max(0, peak - self.base)

    def _let_go(self) -> None:
        gc.collect()
        if self.is_cuda:
            self._cuda().empty_cache()
        elif sys.platform == "linux":
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
            if trim is not None:
                trim(0)

    @staticmethod
    def _cuda() -> Any:
        import torch

        return torch.cuda


def resident_bytes() -> int:
    """RETURNS (int): memory that this process holds now; its peak where the system does not tell."""
    return _status("VmRSS") or peak_bytes()


def peak_bytes() -> int:
    """RETURNS (int): most memory that this process held, since the last reset where there is one."""
    found = _status("VmHWM")
    if found:
        return found
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _status(key: str) -> int:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)
