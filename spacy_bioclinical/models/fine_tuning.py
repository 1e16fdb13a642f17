"""How an encoder is trained: which of its layers stay as they are, and what is recomputed instead of kept.

Nothing of this shapes the result of a trained pipeline, so none of it is stored with the weights.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from ..encoder import Encoder
from ..errors import Errors

_LAYER = re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)\.")


@dataclass(frozen=True)
class FineTuning:
    """Settings of training.

    frozen_layers (int | None): None: everything is trained. n: embeddings and the n lowest layers stay as they are;
        they are computed without keeping anything for the backward pass.
    recompute (bool): keep only what goes into each layer, and compute its inside again in the backward pass
        (activation checkpointing: Chen et al. 2016, arXiv 1604.06174). Memory of a layer instead of all layers, more
        time, the same gradients. 4,000 pieces, 12 layers of 256: 391 MiB above the start instead of 826.
    """

    frozen_layers: int | None = None
    recompute: bool = False

    def apply(self, encoder: Encoder) -> None:
        """Freeze what is to stay. RAISES (ValueError): BC445 if the encoder has fewer layers, or cannot recompute."""
        if self.recompute:
            _recomputable(encoder)
        if self.frozen_layers is None:
            return
        n_layers = max(layers_above([name for name, _ in encoder.named_parameters()]).values(), default=0)
        if not 0 <= self.frozen_layers <= n_layers:
            raise ValueError(
                Errors.BC445.format(
                    what="frozen_layers",
                    given=self.frozen_layers,
                    encoder=type(encoder).__name__,
                    has=f"{n_layers} layers",
                    advice=f"Give null, or a number from 0 (embeddings only) to {n_layers}.",
                )
            )
        for name, parameter in encoder.named_parameters():
            found = _LAYER.search(name)
            if int(found[1]) < self.frozen_layers if found else _is_embedding(name):
                parameter.requires_grad_(False)

    @contextlib.contextmanager
    def recomputing(self, encoder: Encoder) -> Iterator[None]:
        """Within it, calls of trainable layers with gradients keep nothing but their inputs."""
        layers = _recomputable(encoder) if self.recompute else []
        changed = [layer for layer in layers if any(p.requires_grad for p in layer.parameters())]
        for layer in changed:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for layer in changed:
                del layer.forward  # the class's own method is there again


def layers_above(names: list[str]) -> dict[str, int]:
    """Say for each parameter of an encoder how many layers are above its own.

    names (list[str]): as `named_parameters` gives them: "layers.3.attn.Wo.weight", "encoder.layer.0.…", …
    RETURNS (dict[str, int]): 0 for the highest layer and for what belongs to none; the number of layers for
        embeddings.
    """
    numbers = {name: _LAYER.search(name) for name in names}
    n_layers = 1 + max((int(found[1]) for found in numbers.values() if found), default=-1)
    above = {}
    for name, found in numbers.items():
        outside = n_layers if _is_embedding(name) else 0
        above[name] = n_layers - 1 - int(found[1]) if found else outside
    return above


def _is_embedding(name: str) -> bool:
    return "embedding" in name.lower()


def _recomputable(encoder: Encoder) -> list[nn.Module]:
    """The layers of a packed encoder. RAISES (ValueError): BC445 for those computed through transformers."""
    layers = getattr(encoder, "layers", None)
    if isinstance(layers, nn.ModuleList):
        return list(layers)
    raise ValueError(
        Errors.BC445.format(
            what="recompute",
            given=True,
            encoder=type(encoder).__name__,
            has="no packed layers",
            advice="Set recompute = false, and give fewer pieces to a batch.",
        )
    )
