"""Packed self-attention: one entry point, documents never mix, nothing of size length x length is ever stored.

Local layers read overlapping blocks of keys as strided views of the packed row (64 queries against 64 + 2w keys),
one scaled-dot-product call for the whole batch: cost O(T * w). Global layers run one maskless call per run of
documents of equal length; torch's fused kernels keep only running sums, so memory stays O(T).
It replaces transformers' padded path, whose local layers cost as much as global ones and keep a length x length mask.
Shape letters: T packed pieces, N heads, H head width, Q query block, K key block, B documents, L length.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .layout import Layout

_DROPOUT_ROWS = (
    256  # queries a global layer handles at once when attention dropout rules out the fused kernels
)


def rotate_(qk: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries and keys by their positions (RoPE, rotate-half form); computed in fp32, returned in their dtype.

    qk (Tensor): (T, 2, N, H).
    cos, sin (Tensor): (T, 1, 1, H/2), fp32.
    """
    first, second = qk.float().chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(qk.dtype)


def packed_attention(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, *, window: int | None, dropout: float = 0.0
) -> Tensor:
    """Attend within each document of a packed row.

    q_TNH, k_TNH, v_TNH (Tensor): queries, keys and values, (T, N, H).
    layout (Layout): the documents of the row.
    window (int | None): pieces seen on either side; None for the whole document.
    dropout (float): probability of dropping an attention weight (0 outside training).
    RETURNS (Tensor): (T, N * H).
    """
    if window is None:
        return _global_attention(q_TNH, k_TNH, v_TNH, layout, dropout)
    return _local_attention(q_TNH, k_TNH, v_TNH, layout, window, dropout)


def _global_attention(q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, dropout: float) -> Tensor:
    outputs = []
    for start, n_docs, length in layout.runs:
        rows = slice(start, start + n_docs * length)
        q, k, v = (x[rows].unflatten(0, (n_docs, length)).transpose(1, 2) for x in (q_TNH, k_TNH, v_TNH))
        if dropout > 0:
            out_BNLH = _attend_with_dropout(q, k, v, dropout)
        else:
            out_BNLH = F.scaled_dot_product_attention(q, k, v)
        outputs.append(out_BNLH.transpose(1, 2).flatten(2).flatten(0, 1))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _attend_with_dropout(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """Attend block by block, recomputing each block in backward, since no fused kernel drops weights on CPU."""

    def attend(block: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(block, k, v, dropout_p=dropout)

    blocks = q.split(_DROPOUT_ROWS, dim=2)
    return torch.cat([checkpoint(attend, block, k, v, use_reentrant=False) for block in blocks], dim=2)


def _local_attention(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, window: int, dropout: float
) -> Tensor:
    n_pieces, n_heads, head_width = q_TNH.shape
    band = layout.band(window, q_TNH.dtype)
    behind = band.n_blocks * band.block - n_pieces
    q = F.pad(q_TNH, (0, 0, 0, 0, 0, behind)).unflatten(0, (band.n_blocks, band.block)).transpose(1, 2)
    k, v = (_overlapping_blocks(x, band.window, behind, band.block, band.n_keys) for x in (k_TNH, v_TNH))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=band.mask, dropout_p=dropout)
    return out.transpose(1, 2).reshape(-1, n_heads * head_width)[:n_pieces]


def _overlapping_blocks(x_TNH: Tensor, window: int, behind: int, block: int, n_keys: int) -> Tensor:
    """View (T, N, H) as overlapping key blocks (n_blocks, N, K, H) without copying the overlaps."""
    padded = F.pad(x_TNH, (0, 0, 0, 0, window, behind + window))
    return padded.unfold(0, n_keys, block).permute(0, 1, 3, 2)
