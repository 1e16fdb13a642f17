"""Attention with dropped weights on a CPU: its gradients, what it drops, and that blocks and precisions agree."""

import math

import pytest
import torch
from torch.nn import functional as F

from spacy_bioclinical.encoder.kernels.banded import attend_run
from spacy_bioclinical.encoder.kernels.dropped import DroppedAttention, kept_weights


def inputs(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for _ in range(3)]


def drawn_kept(shape: tuple[int, ...], dropout: float, seed: int) -> tuple[torch.Tensor, float]:
    """What the next call after `torch.manual_seed(seed)` keeps."""
    torch.manual_seed(seed)
    return kept_weights(shape, dropout, int(torch.randint(2**62, ())))


def test_gradients_equal_finite_differences():
    def attend(*parts: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return DroppedAttention.apply(*parts, 0.3)

    assert torch.autograd.gradcheck(attend, inputs(2, 3, 5, 4))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.bfloat16, 0.05)])
def test_equals_plain_attention_with_the_same_mask(dtype, tolerance):
    q, k, v = inputs(2, 3, 37, 8)
    kept, scale = drawn_kept((2, 3, 37, 37), 0.2, seed=5)
    weights = (q @ k.transpose(-1, -2) / math.sqrt(8)).softmax(-1)
    expected = (weights * kept * scale) @ v
    expected.sum().backward()
    mine = [x.detach().to(dtype).requires_grad_() for x in (q, k, v)]
    torch.manual_seed(5)
    found = DroppedAttention.apply(*mine, 0.2)
    found.sum().backward()
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=tolerance)
    for x, y in zip(mine, (q, k, v), strict=True):
        torch.testing.assert_close(x.grad.double(), y.grad, atol=4 * tolerance, rtol=tolerance)


@pytest.mark.parametrize("dropout", [0.01, 0.1, 0.5])
def test_drops_as_many_as_asked_and_keeps_the_mean(dropout):
    kept, scale = kept_weights((997, 1003), dropout, seed=1)
    share = kept.double().mean().item()
    deviation = math.sqrt(dropout * (1 - dropout) / kept.numel())
    assert abs(share - (1 - dropout)) < 5 * deviation + 2**-16
    assert scale == pytest.approx(1 / (1 - dropout), abs=2**-14)
    # neighbours are drawn from one number: they must not know of each other
    for shift in (1, 2, 3, 4):
        both = (kept[:, shift:] & kept[:, :-shift]).double().mean().item()
        assert both == pytest.approx(share**2, abs=5e-3)


def test_the_mean_over_many_draws_is_attention_without_dropout():
    q, k, v = (x.detach() for x in inputs(1, 2, 6, 4))
    torch.manual_seed(0)
    mean = sum(DroppedAttention.apply(q, k, v, 0.25) for _ in range(4000)) / 4000
    torch.testing.assert_close(mean, F.scaled_dot_product_attention(q, k, v), atol=0.05, rtol=0.0)


def test_seeds_decide_and_blocks_do_not_repeat_each_other():
    q, k, v = (x.detach() for x in inputs(1, 1, 600, 4, dtype=torch.float32))
    row = [
        x[0].transpose(0, 1) for x in (q, torch.zeros_like(k), v)
    ]  # no key before another: weights are 1/600
    found = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        found.append(attend_run(*row, n_docs=1, length=600, dropout=0.5))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0][:256], found[0][256:512])


def test_everything_can_be_asked_to_go():
    kept, scale = kept_weights((64, 64), 0.999999, seed=2)
    assert kept.sum() < 10
    assert math.isfinite(scale)
