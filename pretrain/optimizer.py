"""StableAdamW as ModernBERT uses it: AdamW that steps shorter where gradients outgrow their running mean.

It replaces gradient clipping (Wortsman et al. 2023, arXiv 2304.13013). Weight decay is fully decoupled: a
parameter shrinks by (rate / highest rate) * weight_decay a step, whatever the learning rate. The
implementation is torch-optimi's. Plain AdamW (decay times learning rate, as in torch) is there for recipes
that were trained with it.
"""

from collections.abc import Iterable

import torch
from torch import nn

from spacy_bioclinical.errors import Errors

OPTIMIZERS = ("stableadamw", "adamw")


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict]:
    """Split parameters into those that decay (two dimensions or more) and the others (norms, biases).

    named (Iterable): pairs of name and parameter; those that need no gradient are left out.
    RETURNS (list[dict]): two groups for an optimizer, decaying first. Piece embeddings do decay, as
        published.
    """
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in named:
        if parameter.requires_grad:
            decays = parameter.ndim >= 2 and not name.endswith("bias")
            (decaying if decays else others).append(parameter)
    groups = [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def make_optimizer(
    model: nn.Module,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    kind: str = "stableadamw",
    max_lr: float | None = None,
) -> torch.optim.Optimizer:
    """Build the optimizer of a model.

    lr (float): the recipe's (highest) learning rate; the loop sets the actual one before each step.
    kind (str): "stableadamw", or "adamw" for torch's AdamW.
    max_lr (float | None): what StableAdamW's decay is relative to; None for `lr`.
    RAISES (ImportError): BC711 without torch-optimi. (ValueError): BC709 for another kind.
    """
    groups = parameter_groups(model.named_parameters(), weight_decay)
    if kind == "adamw":
        return torch.optim.AdamW(
            groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=False, fused=False
        )
    if kind != "stableadamw":
        raise ValueError(Errors.BC709.format(what="optimizer", value=kind, range=", ".join(OPTIMIZERS)))
    try:
        from optimi import StableAdamW
    except ImportError as error:
        raise ImportError(Errors.BC711) from error
    return StableAdamW(
        groups,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        decouple_lr=True,
        max_lr=lr if max_lr is None else max_lr,
        foreach=False,  # one path on every device keeps runs comparable; the others differ in the last bit
        triton=False,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give all groups the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr
