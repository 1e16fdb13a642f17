"""The table of attention kernels: where each runs, and which one "auto" takes, with the reason in words.

On CUDA in bf16 the fused un-padded kernels come first. On a CPU in bf16 the choice is measured once per process
(about a fifth of a second), because it turns on the processor: torch's attention wins where AMX exists, "tiled"
elsewhere. All kernels compute the same attention; tests compare each pair that a machine has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from ...errors import Errors
from ..layout import Layout
from ..stopwatch import cpu_seconds
from . import banded, flash, tiled, varlen

Attend = Callable[[Tensor, Tensor, Tensor, Layout, int | None, float], Tensor]

# "tiled" must beat torch's attention by this factor to be chosen, so that noise does not decide.
_WORTH = 1.2
_PROBE = (12, 1024, 64)  # heads, length, head width


@dataclass(frozen=True)
class Kernel:
    """One implementation of packed attention.

    attend (Attend): the function.
    devices (tuple[str, …]): device types it runs on.
    dtypes (tuple[dtype, …]): element types it computes in.
    dropout (bool): whether it can drop attention weights; "banded" stands in where it cannot.
    missing (Callable): says why this installation lacks it, None if it has it.
    """

    attend: Attend
    devices: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...]
    dropout: bool
    missing: Callable[[], str | None]

    def unusable(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Say why it cannot compute in `dtype` on `device`, None if it can."""
        if device.type not in self.devices:
            return f"needs {' or '.join(self.devices)}"
        if dtype not in self.dtypes:
            return (
                f"computes in {' or '.join(str(known).removeprefix('torch.') for known in self.dtypes)} only"
            )
        return self.missing()


KERNELS: dict[str, Kernel] = {
    "banded": Kernel(
        banded.attend,
        ("cpu", "cuda", "mps", "xpu"),
        (torch.float32, torch.bfloat16, torch.float16),
        True,
        lambda: None,
    ),
    "tiled": Kernel(tiled.attend, ("cpu",), (torch.float32, torch.bfloat16), False, lambda: None),
    "varlen": Kernel(varlen.attend, ("cuda",), (torch.bfloat16, torch.float16), False, varlen.missing),
    "flash": Kernel(flash.attend, ("cuda",), (torch.bfloat16, torch.float16), True, flash.missing),
}


def choose(name: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return the name of the kernel to compute with.

    name (str): a name of `KERNELS`, or "auto".
    RAISES (ValueError): BC102 for an unknown name, BC108 if the kernel asked for cannot be used here.
    """
    if name == "auto":
        return _best(device.type, dtype)[0]
    if name not in KERNELS:
        raise ValueError(Errors.BC102.format(what="kernel", given=name, known=", ".join(("auto", *KERNELS))))
    why_not = KERNELS[name].unusable(device, dtype)
    if why_not is not None:
        raise ValueError(Errors.BC108.format(kernel=name, device=device, why=why_not))
    return name


def kernel_report(device: torch.device, dtype: torch.dtype) -> tuple[str, str]:
    """Return the kernel that "auto" takes and the reason.

    RETURNS (tuple): its name; a sentence, measured figures included.
    """
    return _best(device.type, dtype)


@cache
def _best(device_type: str, dtype: torch.dtype) -> tuple[str, str]:
    device = torch.device(device_type)
    if device_type == "cuda":
        reasons: list[str] = []
        for name in ("flash", "varlen"):
            why_not = KERNELS[name].unusable(device, dtype)
            if why_not is None:
                return name, "; ".join((*reasons, "fused and un-padded"))
            reasons.append(f"{name}: {why_not}")
        return "banded", "; ".join(reasons)
    if device_type != "cpu":
        return "banded", "the only one for this device"
    if dtype != torch.bfloat16:
        return "banded", "torch's own attention computes fp32 at the speed of the matrix products"
    theirs, ours = measure_on_cpu()
    name = "tiled" if theirs > _WORTH * ours else "banded"
    return name, f"measured on one core: tiled {1000 * ours:.1f} ms, torch's attention {1000 * theirs:.1f} ms"


def measure_on_cpu() -> tuple[float, float]:
    """Time global attention in bf16 on one core. RETURNS (tuple): seconds of "banded", seconds of "tiled"."""
    n_heads, length, width = _PROBE
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(length, n_heads, width, generator=generator).to(torch.bfloat16) for _ in range(3))
    layout = Layout((length,), torch.device("cpu"))
    theirs, ours = cpu_seconds(
        [partial(KERNELS[name].attend, q, k, v, layout, None, 0.0) for name in ("banded", "tiled")]
    )
    return theirs, ours
