"""Packed self-attention: one entry point, several kernels; documents never mix, nothing of size length x length is
ever stored.

It replaces transformers' padded path, whose local layers cost as much as global ones and keep a length x length mask.
Shape letters: T packed pieces, N heads, H head width.
"""

import torch
from torch import Tensor

from .kernels import KERNELS, choose
from .layout import Layout


def rotate(qk: Tensor, cos: Tensor, sin: Tensor, out: Tensor | None = None) -> Tensor:
    """Turn queries and keys by their positions (RoPE, rotate-half form); computed in fp32, returned in their dtype.

    qk (Tensor): (T, 2, N, H).
    cos, sin (Tensor): (T, 1, 1, H/2), fp32.
    out (Tensor | None): where to write, without gradients.
    RETURNS (Tensor): (T, 2, N, H).
    """
    first, second = qk.float().chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(qk.dtype) if out is None else out.copy_(turned)


def packed_attention(
    q_TNH: Tensor,
    k_TNH: Tensor,
    v_TNH: Tensor,
    layout: Layout,
    *,
    window: int | None,
    dropout: float = 0.0,
    kernel: str = "auto",
) -> Tensor:
    """Attend within each document of a packed row.

    q_TNH, k_TNH, v_TNH (Tensor): queries, keys and values, (T, N, H).
    layout (Layout): the documents of the row.
    window (int | None): pieces seen on either side; None for the whole document.
    dropout (float): probability of dropping an attention weight (0 outside training).
    kernel (str): a name of `kernels.KERNELS` or "auto".
    RETURNS (Tensor): (T, N * H). Without gradients it may lie in the layout's scratch memory, which the next call
        with the same layout writes over.
    RAISES (ValueError): BC102 for an unknown kernel, BC108 for one that cannot be used here.
    """
    chosen = KERNELS[choose(kernel, q_TNH.device, q_TNH.dtype)]
    if dropout > 0 and not chosen.dropout:
        chosen = KERNELS["banded"]
    return chosen.attend(q_TNH, k_TNH, v_TNH, layout, window, dropout)
