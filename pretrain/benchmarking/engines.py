"""The two implementations that race: ours on packed rows, transformers' ModernBERT on padded batches; equal weights.

Both answer the same calls, so that gate and clock see one code path. Shape letters: T packed pieces, B documents,
L padded length, M predicted pieces, V vocabulary.
"""

import importlib.util
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.benchmarking.documents import PAD, Document
from pretrain.masking import IGNORED
from pretrain.optimizer import make_optimizer
from spacy_bioclinical.encoder.base import PRECISIONS
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

LEARNING_RATE = 1e-4
Made = Any  # a batch made ready by the engine that computes it


class Predicted(NamedTuple):
    """Mean loss over M predicted pieces, and how to get their logits (M, V), documents in the batch's order.

    The logits are picked on demand: the gate needs them, the clock must not see it.
    """

    loss: Tensor
    logits_MV: Callable[[], Tensor]


class Engine(Protocol):
    """An implementation with model and optimizer on a device."""

    @property
    def model(self) -> nn.Module:
        """The model, in training mode."""
        ...

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Its optimizer."""
        ...

    def use(self, variant: str) -> None:
        """Switch to a variant."""

    def make(self, documents: Sequence[Document]) -> Made:
        """Lay out a batch, on the CPU."""
        ...

    def predict(self, made: Made) -> Predicted:
        """Forward pass."""
        ...


class PackedEngine:
    """Ours. Variants: "plain"; "all_logits" computes the head at every piece; "all_global" lets every layer attend
    to the whole document (another model: for its time only).
    """

    def __init__(self, settings: ModernBertSettings, *, seed: int, precision: str, device: torch.device):
        self.model = ModernBertForMaskedLM(settings).init_weights(seed).to(device)
        self.model.model.set_compute(precision=precision)
        self.model.train()
        self.settings, self.device, self.variant = settings, device, "plain"
        self.optimizer = _optimizer(self.model)

    def use(self, variant: str) -> None:
        """See `Engine`."""
        self.variant = variant
        for number, layer in enumerate(self.model.model.layers):
            window = None if variant == "all_global" else self.settings.window(number)
            layer.attn.window = window  # type: ignore[union-attr,assignment]

    def make(self, documents: Sequence[Document]) -> Made:
        """See `Engine`: ids (T,), lengths, labels (T,)."""
        ids_T = torch.cat([torch.from_numpy(document.ids) for document in documents])
        labels_T = torch.cat([torch.from_numpy(document.labels) for document in documents])
        return ids_T, [len(document.ids) for document in documents], labels_T

    def predict(self, made: Made) -> Predicted:
        """See `Engine`."""
        ids_T, lengths, labels_T = made[0].to(self.device), made[1], made[2].to(self.device)
        if self.variant != "all_logits":
            output = self.model(ids_T, lengths, labels_T)
            return Predicted(output.loss, output.logits_MV.detach)
        rows_TD = self.model.model(ids_T, lengths)
        hidden_TD = self.model.head(rows_TD, PRECISIONS[self.model.model.precision])
        logits_TV = self.model.decoder(hidden_TD).float()
        loss = F.cross_entropy(logits_TV, labels_T, ignore_index=IGNORED)
        return Predicted(loss, lambda: logits_TV.detach()[labels_T != IGNORED])


class PaddedEngine:
    """The one of transformers. Variants: "plain" as it comes (head at every piece, padding included); "sparse" with its
    option `sparse_prediction` (head at predicted pieces only).
    """

    def __init__(
        self,
        settings: ModernBertSettings,
        weights: dict[str, Tensor],
        *,
        precision: str,
        device: torch.device,
    ):
        from transformers import ModernBertConfig
        from transformers import ModernBertForMaskedLM as Reference

        self.attention = best_attention(precision, device)
        config = ModernBertConfig(**settings.to_config())
        config._attn_implementation = self.attention
        config.reference_compile = False
        model: Any = Reference(config)
        model.load_state_dict(weights, strict=True)
        self.model = model.to(device).train()
        self.precision, self.device = precision, device
        self.optimizer = _optimizer(self.model)

    def use(self, variant: str) -> None:
        """See `Engine`."""
        self.model.sparse_prediction = variant == "sparse"

    def make(self, documents: Sequence[Document]) -> Made:
        """See `Engine`: ids, mask, labels (B, L)."""
        shape = (len(documents), max(len(document.ids) for document in documents))
        ids_BL = torch.full(shape, PAD, dtype=torch.int64)
        mask_BL = torch.zeros(shape, dtype=torch.int64)
        labels_BL = torch.full(shape, IGNORED, dtype=torch.int64)
        for row, document in enumerate(documents):
            length = len(document.ids)
            ids_BL[row, :length] = torch.from_numpy(document.ids)
            mask_BL[row, :length] = 1
            labels_BL[row, :length] = torch.from_numpy(document.labels)
        return ids_BL, mask_BL, labels_BL

    def predict(self, made: Made) -> Predicted:
        """See `Engine`."""
        ids_BL, mask_BL, labels_BL = (tensor.to(self.device) for tensor in made)
        with self._autocast():
            output = self.model(input_ids=ids_BL, attention_mask=mask_BL, labels=labels_BL)
        logits = output.logits.detach()  # (B, L, V), or (M, V) where only predicted pieces have some
        return Predicted(output.loss, lambda: logits if logits.ndim == 2 else logits[labels_BL != IGNORED])

    def _autocast(self) -> AbstractContextManager:
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def best_attention(precision: str, device: torch.device) -> str:
    """Choose the best attention of transformers: flash-attn if it is installed and can be used, else torch's."""
    has_flash = importlib.util.find_spec("flash_attn") is not None
    is_usable = has_flash and device.type == "cuda" and precision == "bf16"
    return "flash_attention_2" if is_usable else "sdpa"


def train_step(engine: Engine, batches: Sequence[tuple[Made, int]]) -> float:
    """Forward, backward and optimizer step, as the training loop does them.

    batches (Sequence[tuple]): batches made ready, each with its number of predicted pieces.
    RETURNS (float): mean loss over all predicted pieces.
    """
    loss = accumulate(engine, batches)
    engine.optimizer.step()
    engine.optimizer.zero_grad(set_to_none=True)
    return loss.item()


def accumulate(engine: Engine, batches: Sequence[tuple[Made, int]]) -> Tensor:
    """Forward and backward pass of one step; each batch weighs as many pieces as it predicts."""
    n_labelled = sum(count for _, count in batches)
    losses = []
    for made, count in batches:
        share = engine.predict(made).loss * (count / n_labelled)
        share.backward()
        losses.append(share.detach())
    return torch.stack(losses).sum()


def _optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return make_optimizer(model, lr=LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6, weight_decay=1e-5)
