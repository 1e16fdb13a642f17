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
from .dropped import DroppedAttention

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
    blocks = q.split(_DROPOUT_ROWS, dim=2)
    if q.device.type == "cpu":
        return torch.cat([DroppedAttention.apply(block, k, v, dropout) for block in blocks], dim=2)  # type: ignore[no-untyped-call]

    def attend_block(block: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(block, k, v, dropout_p=dropout)

    return torch.cat([checkpoint(attend_block, block, k, v, use_reentrant=False) for block in blocks], dim=2)


def attend_locally(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, window: int, dropout: float
) -> Tensor:
    """Attend to `window` pieces on either side."""
    n_pieces, n_heads, head_width = q_TNH.shape
    band = layout.band(window, q_TNH.dtype)
    behind = band.n_blocks * band.block - n_pieces
    q = _padded(q_TNH, 0, behind, layout, "q")
    k, v = (_padded(x, window, behind + window, layout, name) for name, x in (("k", k_TNH), ("v", v_TNH)))
    q = q.unflatten(0, (band.n_blocks, band.block)).transpose(1, 2)
    k, v = (x.unfold(0, band.n_keys, band.block).permute(0, 1, 3, 2) for x in (k, v))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=band.mask, dropout_p=dropout)
    return out.transpose(1, 2).reshape(-1, n_heads * head_width)[:n_pieces]


def _padded(x_TNH: Tensor, before: int, behind: int, layout: Layout, name: str) -> Tensor:
    """Put zeros before and behind the row: all blocks are whole then, and overlapping ones are views."""
    if not before and not behind:
        return x_TNH
    if torch.is_grad_enabled():
        return F.pad(x_TNH, (0, 0, 0, 0, before, behind))
    n_rows = before + len(x_TNH) + behind
    padded = layout.scratch(f"{name} padded", (n_rows, *x_TNH.shape[1:]), x_TNH.dtype)
    padded[:before] = 0
    padded[before : n_rows - behind] = x_TNH
    padded[n_rows - behind :] = 0
    return padded
