"""BERT and RoBERTa with the heads they are pretrained with: masked pieces and, for BERT, the next sentence.

BERT (Devlin et al. 2019, arXiv 1810.04805, section 3.1): dense, activation, LayerNorm, then a decoder tied to the
piece embeddings, with bias; for pairs of sentences, a tanh pooler on [CLS] and a linear layer to two classes
(0: B follows A, 1: B is random). RoBERTa (Liu et al. 2019, 1907.11692) has the first head only. Logits of pieces
exist for predicted pieces only. Parameters are named as in transformers' `BertForPreTraining`, `BertForMaskedLM` and
`RobertaForMaskedLM`. Shape letters: T packed pieces, M predicted pieces, B windows, D width, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.activations import ACT2FN

from ..errors import Errors
from .base import PRECISIONS, CastLinear
from .bert import Bert, BertSettings
from .mlm import IGNORED, MlmOutput

# BERT's published start: a normal distribution of this width, cut off at two standard deviations.
INITIAL_STD = 0.02
NEXT_SENTENCE_KEYS = ("cls.seq_relationship.weight", "bert.pooler.dense.weight")


@dataclass(frozen=True)
class PretrainingOutput(MlmOutput):
    """Losses and logits of one packed row; `loss` is the sum of both losses, as published.

    mlm_loss (Tensor): mean over the M predicted pieces, in nats; 0 if there are none. Over several rows, weight it
        by `n_labelled`.
    next_sentence_loss (Tensor | None): mean over the B labelled windows, in nats; None if no labels were given. Over
        several rows, weight it by `n_pairs`.
    next_sentence_logits_B2 (Tensor | None): (B, 2), fp32; None if the model has no such head.
    n_pairs (int): windows with a label for the next sentence.
    """

    mlm_loss: Tensor
    next_sentence_loss: Tensor | None = None
    next_sentence_logits_B2: Tensor | None = None
    n_pairs: int = 0


class Pooler(nn.Module):
    """tanh(dense([CLS])), what next-sentence prediction reads."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.dense = CastLinear(settings.hidden_size, settings.hidden_size)

    def forward(self, first_BD: Tensor, dtype: torch.dtype) -> Tensor:
        """Transform the windows' first rows, (B, D) to (B, D), fp32."""
        return torch.tanh(self.dense(first_BD.to(dtype)).float())


class Transform(nn.Module):
    """BERT's dense, activation and norm in front of the decoder."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.dense = CastLinear(settings.hidden_size, settings.hidden_size)
        self.act = ACT2FN[settings.hidden_act]
        self.LayerNorm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)

    def forward(self, x_MD: Tensor) -> Tensor:
        """Transform the rows of predicted pieces, (M, D) to (M, D) fp32."""
        return self.LayerNorm(self.act(self.dense(x_MD)).float())


class TiedDecoder(nn.Module):
    """What both families' prediction heads share: a decoder that is the embedding matrix, and its bias."""

    def __init__(self, settings: BertSettings, embeddings: nn.Embedding):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(settings.vocab_size))
        # Without storage: the matrix is the embeddings', which no time should go into drawing again.
        self.decoder = CastLinear(settings.hidden_size, settings.vocab_size, device="meta")
        self.decoder.weight, self.decoder.bias = embeddings.weight, self.bias

    def hidden(self, x_MD: Tensor) -> Tensor:
        """Transform rows in front of the decoder, (M, D) to (M, D)."""
        raise TypeError(f"{type(self).__name__} does not implement hidden.")

    def forward(self, x_MD: Tensor, dtype: torch.dtype) -> Tensor:
        """Predict pieces, (M, D) to (M, V), fp32."""
        return self.decoder(self.hidden(x_MD.to(dtype)).to(dtype)).float()


class BertPredictions(TiedDecoder):
    """BERT's head for masked pieces (`cls.predictions` of transformers)."""

    def __init__(self, settings: BertSettings, embeddings: nn.Embedding):
        super().__init__(settings, embeddings)
        self.transform = Transform(settings)

    def hidden(self, x_MD: Tensor) -> Tensor:
        """See `Transform`."""
        return self.transform(x_MD)


class RobertaPredictions(TiedDecoder):
    """RoBERTa's head for masked pieces (`lm_head` of transformers): its activation is gelu whatever the config says."""

    def __init__(self, settings: BertSettings, embeddings: nn.Embedding):
        super().__init__(settings, embeddings)
        self.dense = CastLinear(settings.hidden_size, settings.hidden_size)
        self.layer_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)

    def hidden(self, x_MD: Tensor) -> Tensor:
        """Dense, gelu, norm; (M, D) to (M, D) fp32."""
        return self.layer_norm(F.gelu(self.dense(x_MD)).float())


class BertHeads(nn.Module):
    """`cls` of transformers: the head for masked pieces and, if wanted, the one for the next sentence."""

    def __init__(self, settings: BertSettings, embeddings: nn.Embedding, next_sentence: bool):
        super().__init__()
        self.predictions = BertPredictions(settings, embeddings)
        self.seq_relationship = nn.Linear(settings.hidden_size, 2) if next_sentence else None


class BertForPretraining(nn.Module):
    """An encoder of BERT's or RoBERTa's family with its pretraining heads.

    settings (BertSettings): its shape.
    next_sentence (bool): have the pooler and the next-sentence head (BERT only).
    """

    def __init__(self, settings: BertSettings, next_sentence: bool = False):
        super().__init__()
        self.settings = settings
        self.next_sentence = next_sentence
        encoder = Bert(settings)
        words = encoder.embeddings.word_embeddings
        if settings.model_type == "bert":
            self.bert = encoder
            self.cls = BertHeads(settings, words, next_sentence)
            if next_sentence:
                self.bert.pooler = Pooler(settings)
        elif next_sentence:
            raise ValueError(Errors.BC750.format(family=settings.model_type))
        else:
            self.roberta = encoder
            self.lm_head = RobertaPredictions(settings, words)

    @classmethod
    def from_config(cls, config: dict[str, Any], next_sentence: bool = False) -> "BertForPretraining":
        """Build a model with untrained weights from a `config.json` dictionary.

        RAISES (ValueError): BC103 for what is not computed here, among it a decoder of its own (untied); BC750.
        """
        if config.get("tie_word_embeddings") is False:
            raise ValueError(Errors.BC103.format(key="tie_word_embeddings", value=False, want=True))
        return cls(BertSettings.from_config(config), next_sentence)

    @property
    def model(self) -> Bert:
        """The encoder."""
        return self.bert if self.settings.model_type == "bert" else self.roberta

    @property
    def predictions(self) -> TiedDecoder:
        """The head for masked pieces."""
        return self.cls.predictions if self.settings.model_type == "bert" else self.lm_head

    def forward(
        self,
        ids_T: Tensor,
        lengths: Sequence[int],
        labels_T: Tensor,
        token_types_T: Tensor | None = None,
        next_sentence_B: Tensor | None = None,
    ) -> PretrainingOutput:
        """Predict the labelled pieces and, if labels are given, whether each window's B follows its A.

        ids_T (Tensor): masked ids (T,), special pieces included.
        lengths (Sequence[int]): pieces of each window; they sum to T.
        labels_T (Tensor): original ids of predicted pieces, -100 elsewhere, (T,), int64.
        token_types_T (Tensor | None): 0 for [CLS] A [SEP], 1 for B [SEP], (T,), int64; None: all 0.
        next_sentence_B (Tensor | None): 0 if B follows A, 1 if it is random, -100 not to count, (B,), int64.
        RAISES (ValueError): BC101, BC120; BC750 for labels of the next sentence that the model has no head for;
            BC751 for labels or token types that do not fit the row.
        """
        for what, given, wanted in (
            ("labels", labels_T, len(ids_T)),
            ("token types", token_types_T, len(ids_T)),
            ("next-sentence labels", next_sentence_B, len(lengths)),
        ):
            if given is not None and given.shape != (wanted,):
                raise ValueError(Errors.BC751.format(what=what, given=tuple(given.shape), wanted=wanted))
        dtype = PRECISIONS[self.model.precision]
        rows_TD = self.model(ids_T, lengths, token_types_T)
        predicted = labels_T != IGNORED
        logits_MV = self.predictions(rows_TD[predicted], dtype)
        n_labelled = len(logits_MV)
        loss = F.cross_entropy(logits_MV, labels_T[predicted]) if n_labelled else logits_MV.sum()
        if not self.next_sentence:
            if next_sentence_B is not None:
                raise ValueError(Errors.BC750.format(family=self.settings.model_type))
            return PretrainingOutput(loss, logits_MV, n_labelled, loss)
        ends = torch.tensor([0, *lengths], device=ids_T.device).cumsum(0)
        first_BD = rows_TD[ends[:-1][ends.diff() > 0]]  # an empty window has no [CLS]
        pooler: Any = self.bert.pooler
        relationship: Any = self.cls.seq_relationship
        logits_B2 = relationship(pooler(first_BD, dtype))
        if next_sentence_B is None:
            return PretrainingOutput(loss, logits_MV, n_labelled, loss, None, logits_B2)
        answers = next_sentence_B[ends.diff() > 0]
        n_pairs = int((answers != IGNORED).sum())
        # A mean over nothing would be NaN.
        pair_loss = F.cross_entropy(logits_B2, answers) if n_pairs else 0.0 * logits_B2.sum()
        return PretrainingOutput(loss + pair_loss, logits_MV, n_labelled, loss, pair_loss, logits_B2, n_pairs)

    def to_config(self) -> dict[str, Any]:
        """Return the `config.json` dictionary that transformers reads."""
        if self.settings.model_type == "bert":
            architecture = "BertForPreTraining" if self.next_sentence else "BertForMaskedLM"
        else:
            name = {"xlm-roberta": "XLMRoberta", "camembert": "Camembert"}
            architecture = name.get(self.settings.model_type, "Roberta") + "ForMaskedLM"
        return {**self.settings.to_config(), "architectures": [architecture]}

    @torch.no_grad()
    def init_weights(self, seed: int) -> "BertForPretraining":
        """Draw fresh weights as published: matrices truncated normal (0.02), biases 0, norms 1."""
        generator = torch.Generator().manual_seed(seed)
        cut = 2 * INITIAL_STD
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=INITIAL_STD, a=-cut, b=cut, generator=generator)
            elif name.endswith(("LayerNorm.weight", "layer_norm.weight")):
                nn.init.ones_(parameter)
            else:
                nn.init.zeros_(parameter)
        return self


def without_copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave a folder's decoder out: its matrix is the embeddings', its bias stands under a name of its own."""
    kept = {key: tensor for key, tensor in tensors.items() if ".decoder." not in key}
    for key, tensor in tensors.items():
        if key.endswith(".decoder.bias"):
            kept.setdefault(key.replace(".decoder.bias", ".bias"), tensor)
    return kept
