"""Kernel "tiled": global attention as three plain products per tile, for CPUs whose bf16 units torch's own
attention leaves idle (AVX512-BF16 without AMX: measured 0.45 against 0.19 TFLOP/s).

A tile of queries meets a tile of keys: scores = q k^T, weights = exp(scores), sums = weights [v, 1]; tiles of
keys add up in fp32 and the column of ones gives the softmax's denominator. It is the softmax of flash attention
(Dao et al. 2022, arXiv 2205.14135, algorithm 1) with one difference: scores leave the product rounded to bf16, so
each query's shift is folded into the product itself (a further column of q against -1 in k). A score near the
maximum is then near 0 and loses nothing; one far below it loses relative precision of a weight that hardly counts.
The shift is the maximum over every n-th key: any shift gives the same softmax, and an overflow (a score 88 above
it) is caught and computed again with the true maximum. Local layers and everything with gradients are left to
"banded". Shape letters: T packed pieces, N heads, H head width, L length, Z documents x heads, E = H + 2.
"""

import math

import torch
from torch import Tensor

from ..layout import Layout
from . import banded

_QUERIES, _KEYS = 512, 512  # of a tile, for each thread
_TILE_SCORES = 3 * 2**20  # scores in one tile for each thread, all heads together: 6 MiB in bf16
_MOST_THREADS = 8  # tiles grow with the number of threads up to here: 48 MiB
_SHORT = 192  # documents below this length are not worth the tiles
_SAMPLE = 512  # keys that a query's shift is taken from, at most


def attend(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, window: int | None, dropout: float
) -> Tensor:
    """Attend within each document; see `packed_attention`."""
    needs_grad = torch.is_grad_enabled() and any(x.requires_grad for x in (q_TNH, k_TNH, v_TNH))
    if window is not None or dropout or needs_grad:
        return banded.attend(q_TNH, k_TNH, v_TNH, layout, window, dropout)
    out_TNH = layout.scratch("mixed", q_TNH.shape, q_TNH.dtype)
    for start, n_docs, length in layout.runs:
        rows = slice(start, start + n_docs * length)
        q, k, v = q_TNH[rows], k_TNH[rows], v_TNH[rows]
        if length < _SHORT:
            out_TNH[rows] = banded.attend_run(q, k, v, n_docs, length).view(q.shape)
        else:
            _attend_run(q, k, v, n_docs, length, out_TNH[rows], layout)
    return out_TNH.flatten(1)


def _attend_run(
    q: Tensor, k: Tensor, v: Tensor, n_docs: int, length: int, out: Tensor, layout: Layout
) -> None:
    """Attend in a run of documents of one length; q, k, v, out are (n_docs * length, N, H)."""
    n_heads, width = q.shape[1:]
    out_BLNH = out.view(n_docs, length, n_heads, width)
    n_threads = min(torch.get_num_threads(), _MOST_THREADS)
    n_queries, n_keys = min(n_threads * _QUERIES, length), min(_KEYS, length)
    step = max(1, n_threads * _TILE_SCORES // (n_heads * n_queries * n_keys))
    for first in range(0, n_docs, step):
        docs = slice(first, min(first + step, n_docs))
        rows = slice(docs.start * length, docs.stop * length)
        q_tiles, k_tiles, v_tiles = (
            _tiles(x[rows], docs.stop - docs.start, size, layout, name)
            for name, x, size in (("q", q, n_queries), ("k", k, n_keys), ("v", v, n_keys))
        )
        for keys, values in zip(k_tiles, v_tiles, strict=True):
            keys[..., width], values[..., width] = -1, 1
        sample = _sample(k[rows], docs.stop - docs.start)
        tile = layout.scratch("scores", ((docs.stop - docs.start) * n_heads * n_queries * n_keys,), q.dtype)
        start = 0
        for block in q_tiles:
            block[..., :width] *= width**-0.5
            block[..., width] = torch.bmm(block[..., :width], sample).amax(dim=-1)
            sums = _attend_block(block, k_tiles, v_tiles, tile)
            mixed = (sums[..., :width] / sums[..., width : width + 1]).unflatten(0, (-1, n_heads))
            out_BLNH[docs, start : start + block.shape[1]] = mixed.transpose(1, 2)
            start += block.shape[1]


def _tiles(x: Tensor, n_docs: int, size: int, layout: Layout, name: str) -> list[Tensor]:
    """Cut (n_docs * length, N, H) into head-major tiles of `size` rows, each (Z, size, E) and contiguous."""
    n_heads, width = x.shape[1:]
    x_BNLH = x.unflatten(0, (n_docs, -1)).transpose(1, 2)
    flat = layout.scratch(f"{name} tiles", (n_docs, n_heads, x_BNLH.shape[2], width + 2), x.dtype).flatten()
    tiles, start = [], 0
    for part in x_BNLH.split(size, dim=2):
        shape = (n_docs, n_heads, part.shape[2], width + 2)
        n_items = math.prod(shape)
        tile = flat[start : start + n_items].view(shape)
        tile[..., :width] = part
        tile[..., width:] = 0
        tiles.append(tile.flatten(0, 1))
        start += n_items
    return tiles


def _sample(k: Tensor, n_docs: int) -> Tensor:
    """Every n-th key, at most `_SAMPLE` of a document, (Z, H, keys)."""
    k_BNLH = k.unflatten(0, (n_docs, -1)).transpose(1, 2)
    return k_BNLH[:, :, :: -(-k_BNLH.shape[2] // _SAMPLE)].flatten(0, 1).transpose(1, 2).contiguous()


def _attend_block(
    block: Tensor, k_tiles: list[Tensor], v_tiles: list[Tensor], scores: Tensor, exact: bool = False
) -> Tensor:
    """Sum exp(scores) [v, 1] of one block of queries over all keys, (Z, Q, E), fp32."""
    n_batch, n_queries, extent = block.shape
    sums: Tensor | None = None
    for keys, values in zip(k_tiles, v_tiles, strict=True):
        weights = scores[: n_batch * n_queries * keys.shape[1]].view(n_batch, n_queries, -1)
        torch.bmm(block, keys.transpose(1, 2), out=weights).exp_()
        part = torch.bmm(weights, values).float()
        sums = part if sums is None else sums.add_(part)
    assert sums is not None
    if not exact and not bool(sums[..., extent - 2].isfinite().all()):
        return _attend_block(_with_true_maximum(block, k_tiles), k_tiles, v_tiles, scores, exact=True)
    return sums


def _with_true_maximum(block: Tensor, k_tiles: list[Tensor]) -> Tensor:
    """The block with each query's shift taken from all keys."""
    block = block.clone()
    shift = block[..., -2]
    shift.zero_()
    maxima = [torch.bmm(block, keys.transpose(1, 2)).amax(dim=-1) for keys in k_tiles]
    shift.copy_(torch.stack(maxima).amax(dim=0))
    return block
