"""Attention that drops weights, on a CPU, where torch has no fused kernel for it and computes bf16 in fp32.

Bio_ClinicalBERT, BioBERT, Longformer and others were made with attention dropout and are fine-tuned with it, so this is
most of what training them on a CPU costs. Products stay in the precision of the inputs; backward computes weights and
mask again from a seed, so that memory stays O(rows * length) of one block. Scores leave the product in that precision,
as in transformers' eager attention.
Shape letters: B documents, N heads, H head width, Q queries of the block, K keys.
"""

import math
from typing import Any

import torch
from torch import Tensor

_LEVELS = 2**16  # a weight is dropped by 16 random bits: a probability of 0.1 is 0.100006


class DroppedAttention(torch.autograd.Function):
    """softmax(q k^T / sqrt(H)), each weight dropped with the given probability and the others scaled up, times v."""

    @staticmethod
    def forward(ctx: Any, q_BNQH: Tensor, k_BNKH: Tensor, v_BNKH: Tensor, dropout: float) -> Tensor:
        """Attend; keeps the inputs and one seed, drawn from torch's generator."""
        ctx.seed = int(torch.randint(2**62, ()))
        ctx.dropout = dropout
        ctx.save_for_backward(q_BNQH, k_BNKH, v_BNKH)
        weights = attention_weights(q_BNQH, k_BNKH)
        kept, scale = kept_weights(weights.shape, dropout, ctx.seed)
        return torch.matmul(weights.mul_(kept), v_BNKH).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of queries, keys and values."""
        q, k, v = ctx.saved_tensors
        weights = attention_weights(q, k)
        kept, scale = kept_weights(weights.shape, ctx.dropout, ctx.seed)
        d_out = gradients[0] * scale
        d_v = torch.matmul((weights * kept).transpose(-1, -2), d_out)
        d_weights = torch.matmul(d_out, v.transpose(-1, -2)).mul_(kept)
        d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)
        d_scores.mul_(q.shape[-1] ** -0.5)
        return torch.matmul(d_scores, k), torch.matmul(d_scores.transpose(-1, -2), q), d_v, None


def attention_weights(q_BNQH: Tensor, k_BNKH: Tensor) -> Tensor:
    """RETURNS (Tensor): softmax over keys, (B, N, Q, K), in the precision of the inputs."""
    return torch.matmul(q_BNQH * q_BNQH.shape[-1] ** -0.5, k_BNKH.transpose(-1, -2)).softmax(dim=-1)


def kept_weights(shape: tuple[int, ...], dropout: float, seed: int) -> tuple[Tensor, float]:
    """Draw what is kept, four weights from each 64-bit number.

    shape (tuple): of the weights. dropout (float): probability of dropping one, in [0, 1). seed (int): of the draw.
    RETURNS (tuple[Tensor, float]): bool of that shape; what the kept ones are multiplied by.
    """
    n_weights, n_dropped = math.prod(shape), min(round(dropout * _LEVELS), _LEVELS - 1)
    draws = torch.empty(-(-n_weights // 4), dtype=torch.int64)
    draws.random_(-(2**63), None, generator=torch.Generator().manual_seed(seed))
    levels = draws.view(torch.int16)[:n_weights].view(shape)
    return levels >= n_dropped - _LEVELS // 2, _LEVELS / (_LEVELS - n_dropped)
