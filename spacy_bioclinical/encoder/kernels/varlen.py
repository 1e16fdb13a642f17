"""Kernel "varlen": `torch.nn.attention.varlen` on CUDA, un-padded flash attention that comes with torch."""

import inspect
from functools import cache
from typing import cast

from torch import Tensor

from ..layout import Layout


def attend(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, window: int | None, dropout: float
) -> Tensor:
    """Attend within each document; see `packed_attention`."""
    from torch.nn.attention.varlen import varlen_attn

    starts = layout.cumulative()
    longest = max(layout.lengths)
    sides = (-1, -1) if window is None else (window, window)
    q, k, v = (x.contiguous() for x in (q_TNH, k_TNH, v_TNH))
    out_TNH = varlen_attn(q, k, v, starts, starts, longest, longest, window_size=sides)
    return cast(Tensor, out_TNH).flatten(1)


@cache
def missing() -> str | None:
    """Say why this torch has no such kernel, None if it has."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return "this torch has no torch.nn.attention.varlen"
    if "window_size" not in inspect.signature(varlen_attn).parameters:
        return "this torch's varlen_attn has no sliding window"
    return None
