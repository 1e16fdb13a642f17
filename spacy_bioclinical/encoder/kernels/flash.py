"""Kernel "flash": flash-attn's un-padded attention on CUDA (Dao 2023, arXiv 2307.08691), where it is installed."""

from functools import cache

from torch import Tensor

from ..layout import Layout


def attend(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, window: int | None, dropout: float
) -> Tensor:
    """Attend within each document; see `packed_attention`."""
    from flash_attn import flash_attn_varlen_func

    starts = layout.cumulative()
    longest = max(layout.lengths)
    sides = (-1, -1) if window is None else (window, window)
    out_TNH = flash_attn_varlen_func(
        q_TNH, k_TNH, v_TNH, starts, starts, longest, longest, dropout_p=dropout, window_size=sides
    )
    return out_TNH.flatten(1)


@cache
def missing() -> str | None:
    """Say why flash-attn cannot be used, None if it can."""
    try:
        from flash_attn import flash_attn_varlen_func  # noqa: F401
    except ImportError as error:
        return f"the package flash-attn cannot be imported ({type(error).__name__})"
    return None
