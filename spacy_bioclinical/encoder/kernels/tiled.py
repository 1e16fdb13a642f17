"""Kernel "tiled": global attention as three plain products per tile, for CPUs whose bf16 units torch's own
attention leaves idle (AVX512-BF16 without AMX: measured 0.45 against 0.19 TFLOP/s on two cores).

A tile of queries meets a tile of keys: scores = q k^T, weights = exp(scores), sums = weights [v, 1]; tiles of
keys add up in fp32 and the column of ones gives the softmax's denominator. It is the softmax of flash attention
(Dao et al. 2022, arXiv 2205.14135, algorithm 1) with one difference: scores leave the product rounded to bf16, so
each query's shift is folded into the product itself (a further column of q against -1 in k). A score near the
maximum is then near 0 and loses nothing; one far below it loses relative precision of a weight that hardly counts.
The shift is the maximum over every n-th key: any shift gives the same softmax, and an overflow (a score 88 above
it) is caught and computed again with the true maximum. Backward (algorithm 4 there) computes the weights again,
tile by tile, from the stored log of the sums. Local layers and attention dropout are left to "banded".
Shape letters: T packed pieces, N heads, H head width, L length, Z documents x heads, Q, K queries and keys of a
tile, E = H + 2.
"""

import math
from typing import Any

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
    if window is not None or dropout:
        return banded.attend(q_TNH, k_TNH, v_TNH, layout, window, dropout)
    if torch.is_grad_enabled() and any(x.requires_grad for x in (q_TNH, k_TNH, v_TNH)):
        return TiledAttention.apply(q_TNH, k_TNH, v_TNH, layout).flatten(1)  # type: ignore[no-untyped-call]
    out_TNH = layout.scratch("mixed", q_TNH.shape, q_TNH.dtype)
    _attend_all(q_TNH, k_TNH, v_TNH, layout, out_TNH, None)
    return out_TNH.flatten(1)


class TiledAttention(torch.autograd.Function):
    """Tiled attention with a backward that computes the weights again instead of storing them: memory O(T)."""

    @staticmethod
    def forward(ctx: Any, q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout) -> Tensor:
        """Attend; keeps the inputs, the result and one number per query and head."""
        out_TNH = torch.empty_like(q_TNH, memory_format=torch.contiguous_format)
        log_sums_TN = torch.empty(q_TNH.shape[:2], dtype=torch.float32)
        _attend_all(q_TNH, k_TNH, v_TNH, layout, out_TNH, log_sums_TN)
        ctx.save_for_backward(q_TNH, k_TNH, v_TNH, out_TNH, log_sums_TN)
        ctx.layout = layout
        return out_TNH

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of queries, keys and values."""
        (d_out_TNH,) = gradients
        q, k, v, out, log_sums = ctx.saved_tensors
        d_q, d_k, d_v = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v))
        for start, n_docs, length in ctx.layout.runs:
            if length < _SHORT:
                rows = slice(start, start + n_docs * length)
                with torch.enable_grad():
                    inputs = [x[rows].detach().requires_grad_() for x in (q, k, v)]
                    mixed = banded.attend_run(inputs[0], inputs[1], inputs[2], n_docs, length)
                found = torch.autograd.grad(mixed, inputs, d_out_TNH[rows].flatten(1))
                for d_x, part in zip((d_q, d_k, d_v), found, strict=True):
                    d_x[rows] = part
                continue
            for rows in _document_groups(start, n_docs, length, q.shape[1]):
                seen = [x[rows] for x in (q, k, v, out, log_sums, d_out_TNH)]
                _group_backward(seen, [x[rows] for x in (d_q, d_k, d_v)], length, ctx.layout)
        return d_q, d_k, d_v, None


def _attend_all(
    q_TNH: Tensor, k_TNH: Tensor, v_TNH: Tensor, layout: Layout, out_TNH: Tensor, log_sums_TN: Tensor | None
) -> None:
    for start, n_docs, length in layout.runs:
        if length < _SHORT:
            rows = slice(start, start + n_docs * length)
            q, k, v = q_TNH[rows], k_TNH[rows], v_TNH[rows]
            out_TNH[rows] = banded.attend_run(q, k, v, n_docs, length).view(q.shape)
            continue
        for rows in _document_groups(start, n_docs, length, q_TNH.shape[1]):
            log_sums = None if log_sums_TN is None else log_sums_TN[rows]
            _group(q_TNH[rows], k_TNH[rows], v_TNH[rows], out_TNH[rows], log_sums, length, layout)


def _tile_sizes(length: int) -> tuple[int, int]:
    """Queries and keys of a tile."""
    n_threads = min(torch.get_num_threads(), _MOST_THREADS)
    return min(n_threads * _QUERIES, length), min(_KEYS, length)


def _document_groups(start: int, n_docs: int, length: int, n_heads: int) -> list[slice]:
    """Cut a run of documents of one length into groups whose tiles are computed together."""
    n_threads = min(torch.get_num_threads(), _MOST_THREADS)
    step = length * max(1, n_threads * _TILE_SCORES // (n_heads * math.prod(_tile_sizes(length))))
    stop = start + n_docs * length
    return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]


def _group(
    q: Tensor, k: Tensor, v: Tensor, out: Tensor, log_sums: Tensor | None, length: int, layout: Layout
) -> None:
    """Attend in documents of one length; q, k, v, out are (documents * length, N, H)."""
    n_heads, width = q.shape[1:]
    n_queries, n_keys = _tile_sizes(length)
    q_tiles, k_tiles, v_tiles = (
        _tiles(x, length, size, layout, name)
        for name, x, size in (("q", q, n_queries), ("k", k, n_keys), ("v", v, n_keys))
    )
    for keys, values in zip(k_tiles, v_tiles, strict=True):
        keys[..., width], values[..., width] = -1, 1
    sample = _sample(k, length)
    scores = layout.scratch("scores", (len(k_tiles[0]) * n_queries * n_keys,), q.dtype)
    start = 0
    for block in q_tiles:
        rows = slice(start, start + block.shape[1])
        block[..., :width] *= width**-0.5
        block[..., width] = torch.bmm(block[..., :width], sample).amax(dim=-1)
        sums = _attend_block(block, k_tiles, v_tiles, scores)
        if not bool(sums.isfinite().all()):
            block[..., width] = _true_maximum(block, k_tiles)
            sums = _attend_block(block, k_tiles, v_tiles, scores)
        total = sums[..., width : width + 1]
        _head_minor(out, length)[:, rows] = (
            (sums[..., :width] / total).unflatten(0, (-1, n_heads)).transpose(1, 2)
        )
        if log_sums is not None:
            logs = block[..., width].float() + total[..., 0].log()
            log_sums.unflatten(0, (-1, length))[:, rows] = logs.unflatten(0, (-1, n_heads)).transpose(1, 2)
        start = rows.stop


def _head_minor(x: Tensor, length: int) -> Tensor:
    """View (documents * length, N, H) as (documents, length, N, H)."""
    return x.unflatten(0, (-1, length))


def _tiles(x: Tensor, length: int, size: int, layout: Layout, name: str) -> list[Tensor]:
    """Copy (documents * length, N, H) into head-major tiles of `size` rows, each (Z, size, E) and contiguous."""
    x_BNLH = _head_minor(x, length).transpose(1, 2)
    n_docs, n_heads, _, width = x_BNLH.shape
    flat = layout.scratch(f"{name} tiles", (n_docs * n_heads * length * (width + 2),), x.dtype)
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


def _sample(k: Tensor, length: int) -> Tensor:
    """Every n-th key, at most `_SAMPLE` of a document, (Z, H, keys)."""
    sample = _head_minor(k, length)[:, :: -(-length // _SAMPLE)]
    return sample.permute(0, 2, 3, 1).flatten(0, 1).contiguous()


def _attend_block(block: Tensor, k_tiles: list[Tensor], v_tiles: list[Tensor], scores: Tensor) -> Tensor:
    """Sum exp(scores) [v, 1] of one block of queries over all keys, (Z, Q, E), fp32."""
    sums = torch.zeros(block.shape)
    for keys, values in zip(k_tiles, v_tiles, strict=True):
        weights = scores[: len(block) * block.shape[1] * keys.shape[1]].view(*block.shape[:2], -1)
        torch.bmm(block, keys.transpose(1, 2), out=weights).exp_()
        sums += torch.bmm(weights, values)
    return sums


def _true_maximum(block: Tensor, k_tiles: list[Tensor]) -> Tensor:
    """Each query's greatest score, (Z, Q)."""
    unshifted = block.clone()
    unshifted[..., -2:] = 0
    maxima = [torch.bmm(unshifted, keys.transpose(1, 2)).amax(dim=-1) for keys in k_tiles]
    return torch.stack(maxima).amax(dim=0)


def _group_backward(seen: list[Tensor], found: list[Tensor], length: int, layout: Layout) -> None:
    """Write the gradients of one group of documents; all tensors are (documents * length, N, H), log_sums without H.

    seen (list[Tensor]): q, k, v, out, log_sums, d_out.
    found (list[Tensor]): d_q, d_k, d_v, to write to.

    Two columns fold what each query subtracts into the products, as a number in two parts of the element type:
    weights = exp(q k - log_sums), and d_scores = weights * (d_out v - sum(d_out * out)).
    """
    q, k, v, out, log_sums, d_out = seen
    d_q, d_k, d_v = found
    n_heads, width = q.shape[1:]
    n_queries, n_keys = _tile_sizes(length)
    q_tiles, d_out_tiles = (
        _tiles(x, length, n_queries, layout, name) for name, x in (("q", q), ("d_out", d_out))
    )
    k_tiles, v_tiles = (_tiles(x, length, n_keys, layout, name) for name, x in (("k", k), ("v", v)))
    for tile in (*k_tiles, *v_tiles):
        tile[..., width:] = -1
    subtracted = (d_out.float() * out.float()).sum(dim=-1)
    buffers = [
        layout.scratch(name, (len(k_tiles[0]) * n_queries * n_keys,), q.dtype)
        for name in ("scores", "d_scores")
    ]
    d_keys, d_values = ([torch.zeros(tile.shape) for tile in k_tiles] for _ in range(2))
    start = 0
    for block, d_block in zip(q_tiles, d_out_tiles, strict=True):
        rows = slice(start, start + block.shape[1])
        block[..., :width] *= width**-0.5
        for tile, numbers in ((block, log_sums), (d_block, subtracted)):
            part = numbers.unflatten(0, (-1, length))[:, rows].transpose(1, 2).flatten(0, 1)
            tile[..., width] = part
            tile[..., width + 1] = part - tile[..., width].float()
        d_queries = torch.zeros(block.shape)
        for keys, values, d_key, d_value in zip(k_tiles, v_tiles, d_keys, d_values, strict=True):
            shape = (*block.shape[:2], keys.shape[1])
            weights, d_scores = (buffer[: math.prod(shape)].view(shape) for buffer in buffers)
            torch.bmm(block, keys.transpose(1, 2), out=weights).exp_()
            torch.bmm(d_block, values.transpose(1, 2), out=d_scores).mul_(weights)
            d_value += torch.bmm(weights.transpose(1, 2), d_block)
            d_key += torch.bmm(d_scores.transpose(1, 2), block)
            d_queries += torch.bmm(d_scores, keys)
        d_block_q = d_queries[..., :width].mul_(width**-0.5).unflatten(0, (-1, n_heads))
        _head_minor(d_q, length)[:, rows] = d_block_q.transpose(1, 2)
        start = rows.stop
    for d_x, parts in ((d_k, d_keys), (d_v, d_values)):
        d_all = torch.cat(parts, dim=1)[..., :width].unflatten(0, (-1, n_heads))
        _head_minor(d_x, length).copy_(d_all.transpose(1, 2))
