"""Which precision "auto" means on a device: bf16 where the hardware computes it faster, measured, else fp32.

On a CPU both precisions multiply one matrix of the base size (about a tenth of a second, once per process):
AVX512-BF16 and AMX give factors of 5 and 7, emulated bf16 is slower than fp32. Narrow encoders stay in fp32: their
products are too small to pay for the casts.
"""

from functools import cache, partial

import torch

from .stopwatch import cpu_seconds

# bf16 must be this much faster to be chosen, so that noise does not decide.
_WORTH = 1.5
_NARROW = 256  # encoders below this width compute in fp32 on a CPU
_PROBE = (512, 768, 2304)  # rows, width in, width out


def best_precision(device: torch.device, width: int) -> tuple[str, str]:
    """Return the precision that "auto" takes on a device, and the reason.

    device (torch.device): where the encoder computes.
    width (int): D, width of the encoder's rows.
    RETURNS (tuple): "fp32" or "bf16"; a sentence, measured figures included.
    """
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device)[0] >= 8:
            return "bf16", "the GPU computes bf16"
        return "fp32", "the GPU has no bf16 units"
    if device.type != "cpu":
        return "fp32", "bf16 is not measured on this device"
    if width < _NARROW:
        return "fp32", f"an encoder {width} wide is too narrow for bf16 to pay on a CPU"
    full, half = measure_products()
    name = "bf16" if full > _WORTH * half else "fp32"
    rows, n_in, n_out = _PROBE
    rates = [2e-12 * rows * n_in * n_out / seconds for seconds in (half, full)]
    return (
        name,
        f"measured on one core: matrix products {rates[0]:.2f} TFLOP/s in bf16, {rates[1]:.2f} in fp32",
    )


@cache
def measure_products() -> tuple[float, float]:
    """Time one matrix product on one core. RETURNS (tuple): seconds in fp32, seconds in bf16."""
    rows, n_in, n_out = _PROBE
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(rows, n_in, generator=generator), torch.randn(n_out, n_in, generator=generator)
    pairs = [(x.to(dtype), weight.to(dtype)) for dtype in (torch.float32, torch.bfloat16)]
    full, half = cpu_seconds([partial(torch.nn.functional.linear, *pair) for pair in pairs])
    return full, half
