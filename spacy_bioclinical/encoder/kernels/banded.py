"""Kernel "banded": torch's scaled-dot-product attention on overlapping blocks; every device, precision and gradient.

Local layers read overlapping blocks of keys as strided views of the packed row (Q queries against Q + 2w keys),
one call for the whole batch: cost O(T * w). Global layers run one maskless call per run of documents of equal
length; torch's fused kernels keep only running sums, so memory stays O(T).
Shape letters: T packed pieces, N heads, H head width, Q query block, K key block, B documents, L length.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..layout import Layout

# Queries that a global layer handles at once when attention dropout rules out the fused kernels.
_DROPOUT_ROWS = 256


def attend(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, window: int | None, dropout: float
) -> Tensor:
    """Attend within each document; see `packed_attention`."""
    if window is None:
        return attend_globally(q_TNH, k_TNH, v_TNH, layout, dropout)
    return attend_locally(q_TNH, k_TNH, v_TNH, layout, window, dropout)


def attend_globally(q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, dropout: float) -> Tensor:
    """Attend to the whole document."""
    outputs = []
    for start, n_docs, length in layout.runs:
        rows = slice(start, start + n_docs * length)
        outputs.append(attend_run(q_TNH[rows], k_TNH[rows], v_TNH[rows], n_docs, length, dropout))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def attend_run(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, n_docs: int, length: int, dropout: float = 0.0
) -> Tensor:
    """Attend to the whole document in a run of documents of one length; (n_docs * length, N, H) to (…, N * H)."""
    q, k, v = (x.unflatten(0, (n_docs, length)).transpose(1, 2) for x in (q_TNH, k_TNH, v_TNH))
    if dropout > 0:
        out_BNLH = _attend_with_dropout(q, k, v, dropout)
    else:
        out_BNLH = F.scaled_dot_product_attention(q, k, v)
    return out_BNLH.transpose(1, 2).flatten(2).flatten(0, 1)


def _attend_with_dropout(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """Attend block by block, recomputing each block in backward, since no fused kernel drops weights on CPU."""

    def attend_block(block: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(block, k, v, dropout_p=dropout)

    blocks = q.split(_DROPOUT_ROWS, dim=2)
    return torch.cat([checkpoint(attend_block, block, k, v, use_reentrant=False) for block in blocks], dim=2)


def attend_locally(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, window: int, dropout: float
) -> Tensor:
    """Attend to `window` pieces on either side."""
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
