"""The interface every encoder offers: packed ids in, one fp32 row per piece out."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import Errors
from . import kernels
from .precision import best_precision

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
KERNELS = ("auto", *kernels.KERNELS)


class Encoder(nn.Module):
    """A transformer without a head.

    config (dict): the encoder's `config.json`.
    width (int): D, width of a row.
    context (int): most pieces of one window, special pieces included.
    precision (str): "fp32" or "bf16" for matrix products and attention; weights, norms and outputs stay fp32.
    kernel (str): attention kernel, a name of `encoder.kernels.KERNELS`; "auto" takes the best one for the device.
    """

    config: dict[str, Any]
    width: int
    context: int
    precision: str = "fp32"
    kernel: str = "auto"

    def forward(self, ids_T: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode a packed row of windows.

        ids_T (Tensor): piece ids (T,), the windows one after the other, special pieces included.
        lengths (Sequence[int]): pieces of each window; they sum to T.
        RETURNS (Tensor): (T, D), fp32.
        """
        raise TypeError(f"{type(self).__name__} does not implement forward.")

    def set_compute(self, *, precision: str = "auto", kernel: str = "auto") -> "Encoder":
        """Choose precision and attention kernel for the device that the weights are on.

        precision (str): "fp32", "bf16", or "auto": bf16 where the device computes it faster, else fp32.
        kernel (str): a name of `KERNELS`; "auto" is resolved at each call, since it follows the element type.
        RETURNS (Encoder): itself; `precision` then holds what was chosen.
        RAISES (ValueError): BC102 for a precision or kernel that does not exist, BC108 for a kernel that cannot be
            used on this device or in this precision.
        """
        if precision != "auto" and precision not in PRECISIONS:
            known = ", ".join(("auto", *PRECISIONS))
            raise ValueError(Errors.BC102.format(what="precision", given=precision, known=known))
        device = next(self.parameters()).device
        if precision == "auto":
            precision = best_precision(device, self.width)[0]
        if kernel != "auto":
            kernels.choose(kernel, device, PRECISIONS[precision])
        self.precision, self.kernel = precision, kernel
        return self

    def forget_casts(self) -> None:
        """Drop cached low-precision copies of weights; call after the weights have changed in place."""
        for module in self.modules():
            if isinstance(module, CastLinear):
                module.forget_cast()


class CastLinear(nn.Linear):
    """A linear layer that computes in the dtype of its input while its weights stay fp32.

    Without gradients the cast weights are kept, so that inference casts each weight once, not once per call.
    """

    _cast: tuple[tuple, Tensor, Tensor | None] | None = None

    def forget_cast(self) -> None:
        """Drop the cached copy."""
        self._cast = None

    def forward(self, x: Tensor) -> Tensor:
        """Return x @ weight.T + bias in x's dtype, (…, out)."""
        if x.dtype == self.weight.dtype:
            return nn.functional.linear(x, self.weight, self.bias)
        if torch.is_grad_enabled():
            return nn.functional.linear(x, self.weight.to(x.dtype), _to(self.bias, x.dtype))
        key = (x.dtype, self.weight.data_ptr(), self.weight._version)
        if self._cast is None or self._cast[0] != key:
            self._cast = (key, self.weight.detach().to(x.dtype), _to(self.bias, x.dtype))
        return nn.functional.linear(x, self._cast[1], self._cast[2])

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_cast"}


def _to(bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if bias is None else bias.to(dtype)
