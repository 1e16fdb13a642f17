"""How a model computes while it trains: dropout, recomputed activations, compiled blocks. Weights stay as they are."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from spacy_bioclinical.errors import Errors


def layers_of(model: nn.Module) -> list[nn.Module]:
    """Return the transformer layers of a model: its longest list of modules."""
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])


def set_dropout(model: nn.Module, rate: float) -> None:
    """Drop out behind attention blocks, as published; transformers' config has no key for it alone.

    For ModernBERT only. A BERT drops out as its own config says (published: 0.1 of embeddings, attention and the
    output of both blocks).
    """
    if rate:
        for layer in layers_of(model):
            if hasattr(layer, "attn"):
                layer.attn.out_drop.p = rate  # type: ignore[union-attr]


def checkpoint_activations(model: nn.Module) -> None:
    """Keep only the input of each layer and compute the rest again for its gradient.

    Memory of activations falls from all layers' to about one layer's; time grows by about a third. Gradients
    are the same numbers.
    """
    for layer in layers_of(model):
        layer.forward = _recomputed(layer.forward)  # type: ignore[method-assign]


def _recomputed(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def recomputed(*arguments: Any) -> Tensor:
        if not torch.is_grad_enabled():
            return forward(*arguments)
        return checkpoint(forward, *arguments, use_reentrant=False)

    return recomputed


def compile_blocks(model: nn.Module) -> bool:
    """Compile each layer's feed-forward block with torch.compile; rows of any length share one graph.

    Attention is left to its own kernels. RETURNS (bool): whether the compiler works here; if not, a warning
    (BC759) says why and nothing is changed.
    """
    device = next(model.parameters()).device
    try:
        torch.compile(_probe, dynamic=True)(torch.ones(8, device=device))
    except Exception as error:  # compilers fail in many ways, all harmless here
        warnings.warn(Errors.BC759.format(why=type(error).__name__), stacklevel=2)
        return False
    for layer in layers_of(model):
        block = getattr(layer, "mlp", getattr(layer, "intermediate", None))  # BERT: its widening half
        if isinstance(block, nn.Module):
            block.compile(dynamic=True)
    return True


def _probe(x: Tensor) -> Tensor:
    return torch.nn.functional.gelu(x) * 2.0
