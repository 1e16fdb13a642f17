"""ModernBERT with its masked-language-model head; logits exist for predicted pieces only.

Head: dense, activation, norm, then a decoder tied to the piece embeddings, with bias. Names as in transformers'
`ModernBertForMaskedLM`. Shape letters: T packed pieces, M predicted pieces, D width, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.activations import ACT2FN

from .base import PRECISIONS, CastLinear
from .modernbert import ModernBert, ModernBertSettings, Norm, init_matrix_

IGNORED = -100  # label of a piece that is not predicted


@dataclass(frozen=True)
class MlmOutput:
    """Loss and logits of one packed row.

    loss (Tensor): mean cross-entropy over the M predicted pieces, in nats; 0 if there are none.
    logits_MV (Tensor): (M, V), fp32, in the order of the predicted pieces.
    n_labelled (int): M.
    """

    loss: Tensor
    logits_MV: Tensor
    n_labelled: int


class PredictionHead(nn.Module):
    """Dense, activation and norm in front of the decoder."""

    def __init__(self, settings: ModernBertSettings):
        super().__init__()
        self.dense = CastLinear(settings.hidden_size, settings.hidden_size, bias=settings.classifier_bias)
        self.act = ACT2FN[settings.classifier_activation]
        self.norm = Norm(settings.hidden_size, eps=settings.norm_eps, bias=settings.norm_bias)

    def forward(self, x_MD: Tensor, dtype: torch.dtype) -> Tensor:
        """Transform the rows of predicted pieces, (M, D) to (M, D)."""
        return self.norm(self.act(self.dense(x_MD.to(dtype))), dtype)


class ModernBertForMaskedLM(nn.Module):
    """The encoder with its prediction head."""

    def __init__(self, settings: ModernBertSettings):
        super().__init__()
        self.settings = settings
        self.model = ModernBert(settings)
        self.head = PredictionHead(settings)
        self.decoder = CastLinear(settings.hidden_size, settings.vocab_size, bias=settings.decoder_bias)
        self.decoder.weight = self.model.embeddings.tok_embeddings.weight

    def forward(self, ids_T: Tensor, lengths: Sequence[int], labels_T: Tensor) -> MlmOutput:
        """Predict the labelled pieces of a packed row.

        ids_T (Tensor): masked ids (T,).
        lengths (Sequence[int]): pieces of each document; they sum to T.
        labels_T (Tensor): original ids of predicted pieces, -100 elsewhere, (T,), int64.
        """
        rows_TD = self.model(ids_T, lengths)
        predicted = labels_T != IGNORED
        hidden_MD = self.head(rows_TD[predicted], PRECISIONS[self.model.precision])
        logits_MV = self.decoder(hidden_MD).float()
        n_labelled = len(logits_MV)
        loss = F.cross_entropy(logits_MV, labels_T[predicted]) if n_labelled else logits_MV.sum()
        return MlmOutput(loss, logits_MV, n_labelled)

    @torch.no_grad()
    def init_weights(self, seed: int) -> "ModernBertForMaskedLM":
        """Draw fresh weights as published; see `ModernBert.init_weights`."""
        self.model.init_weights(seed)
        generator = torch.Generator().manual_seed(seed + 1)
        init_matrix_(self.head.dense.weight, self.settings, generator, is_output=True)
        nn.init.ones_(self.head.norm.weight)
        for bias in (self.head.dense.bias, self.head.norm.bias, self.decoder.bias):
            if bias is not None:
                nn.init.zeros_(bias)
        return self
