import pytest
import torch
from torch import nn

from pretrain.optimizer import make_optimizer, parameter_groups, set_learning_rate


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.tok_embeddings = nn.Embedding(7, 5)
        self.norm = nn.LayerNorm(5)
        self.dense = nn.Linear(5, 3)


def stable_adamw(p, g, m, v, step, *, lr, highest_lr, betas, eps, decay):
    """One step as published, in plain tensor arithmetic (float64)."""
    hats = [(beta**step - beta) / (beta**step - 1) for beta in betas]
    m = m + (1 - hats[0]) * (g - m)
    v = hats[1] * v + (1 - hats[1]) * g**2
    eta = lr / max(1.0, (g**2 / v.clamp(min=eps**2)).mean().sqrt().item())
    p = p * (1 - eta / highest_lr * decay)
    return p - eta * m / (v.sqrt() + eps), m, v


def test_steps_follow_the_published_formula():
    model = Small()
    betas, eps = (0.9, 0.98), 1e-6
    optimizer = make_optimizer(model, lr=1e-2, weight_decay=1e-4, betas=betas, eps=eps)
    expected = {
        name: (p.detach().double(), torch.zeros_like(p).double(), torch.zeros_like(p).double())
        for name, p in model.named_parameters()
    }
    clipped = 0
    for step, lr in enumerate((0.5e-2, 1e-2, 0.2e-2, 1e-2), start=1):
        set_learning_rate(optimizer, lr)
        for name, parameter in model.named_parameters():
            torch.manual_seed(step + len(name))
            parameter.grad = torch.randn_like(parameter) * 5.0**step  # growing: the step is scaled down
            p, m, v = expected[name]
            g = parameter.grad.double()
            decay = 1e-4 if parameter.ndim >= 2 else 0.0
            p, m, v = stable_adamw(
                p, g, m, v, step, lr=lr, highest_lr=1e-2, decay=decay, betas=betas, eps=eps
            )
            clipped += (g**2 / v).mean().sqrt().item() > 1.0
            expected[name] = (p, m, v)
        optimizer.step()
    assert clipped > 4
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach().double(), expected[name][0], rtol=1e-5, atol=1e-7)


def test_matrices_decay_and_norms_and_biases_do_not():
    model = Small()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decaying, others = parameter_groups(model.named_parameters(), 0.1)
    assert [names[id(p)] for p in decaying["params"]] == ["tok_embeddings.weight", "dense.weight"]
    assert [names[id(p)] for p in others["params"]] == ["norm.weight", "norm.bias", "dense.bias"]
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)


def test_frozen_parameters_are_left_out():
    model = Small()
    model.tok_embeddings.requires_grad_(False)
    groups = parameter_groups(model.named_parameters(), 0.1)
    assert sum(len(group["params"]) for group in groups) == 4


def test_missing_library_says_what_to_type(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optimi", None)
    with pytest.raises(ImportError, match=r"BC711.*pip install"):
        make_optimizer(Small(), lr=1.0, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0)
