"""BERT (Devlin et al. 2019, arXiv 1810.04805) and RoBERTa (Liu et al. 2019, 1907.11692) over packed sequences.

One file for every 512-piece encoder of the field and for Clinical ModernBERT, which is a BERT of 22 layers with 8,192
learned positions. Layer: LN(x + Attn(x)), then LN(x + FFN(x)); all attention is global; positions are learned and
count from 0 in each window (RoBERTa: from padding index + 1); token types are 0 unless given; there is no pooler.
(transformers leaves padding out of RoBERTa's count; packed rows have none.)
The residual stream, norms and softmax stay fp32 in bf16 mode. Parameters are named as in transformers' `BertModel`.
Queries, keys and values stay three products: one fused product measured 0–10 % of a quarter of the work in bf16 and
nothing in fp32, for a second copy of the weights.
Shape letters: T packed pieces, D width, N heads, H head width.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from ..errors import Errors
from .attention import packed_attention
from .base import PRECISIONS, CastLinear, Encoder
from .layout import Layout

# Families computed here, with the defaults of their config.json that differ from BERT's.
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"vocab_size": 50265, "pad_token_id": 1},
    "xlm-roberta": {"pad_token_id": 1},
    "camembert": {"pad_token_id": 1},
}
# What a config.json may ask for and is not computed here: the only value taken, which is also the default.
ONLY: dict[str, Any] = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
}
# Rows that a CPU takes through the feed-forward block at once without gradients: bounds its 4 x D wide intermediate.
_FFN_ROWS = 2048


@dataclass(frozen=True)
class BertSettings:
    """The published config's fields that shape the computation, under their names in `config.json`."""

    model_type: str = "bert"
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BertSettings":
        """Read a `config.json` dictionary; keys that shape nothing here are passed over.

        RAISES (ValueError): BC103 if it is another family or asks for what this implementation does not compute.
        """
        model_type = config.get("model_type")
        if model_type not in FAMILIES:
            raise ValueError(
                Errors.BC103.format(key="model_type", value=model_type, want=" or ".join(FAMILIES))
            )
        for key, wanted in ONLY.items():
            if config.get(key) not in (None, wanted):
                raise ValueError(Errors.BC103.format(key=key, value=config[key], want=wanted))
        known = {item.name for item in fields(cls)}
        given = {key: value for key, value in config.items() if key in known and value is not None}
        settings = cls(**{**FAMILIES[model_type], **given})
        if settings.hidden_act not in ACT2FN:
            want = "an activation that transformers knows"
            raise ValueError(Errors.BC103.format(key="hidden_act", value=settings.hidden_act, want=want))
        if settings.hidden_size % settings.num_attention_heads:
            want = f"a multiple of num_attention_heads ({settings.num_attention_heads})"
            raise ValueError(Errors.BC103.format(key="hidden_size", value=settings.hidden_size, want=want))
        if settings.context < 1:
            want = f"more than the {settings.first_position} positions that no piece takes"
            value = settings.max_position_embeddings
            raise ValueError(Errors.BC103.format(key="max_position_embeddings", value=value, want=want))
        return settings

    def to_config(self) -> dict[str, Any]:
        """Return the `config.json` dictionary that transformers reads."""
        return {"torch_dtype": "float32", **ONLY, **asdict(self)}

    @property
    def first_position(self) -> int:
        """Row of the position table for a window's first piece: RoBERTa's table starts behind the padding index."""
        return 0 if self.model_type == "bert" else self.pad_token_id + 1

    @property
    def context(self) -> int:
        """Pieces of the longest window, special pieces included."""
        return self.max_position_embeddings - self.first_position


def _norm(settings: BertSettings) -> nn.LayerNorm:
    return nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)


class Embeddings(nn.Module):
    """Sum of piece, position and token-type embeddings, normalised."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.first_position = settings.first_position
        self.word_embeddings = nn.Embedding(settings.vocab_size, settings.hidden_size)
        self.position_embeddings = nn.Embedding(settings.max_position_embeddings, settings.hidden_size)
        self.token_type_embeddings = nn.Embedding(settings.type_vocab_size, settings.hidden_size)
        self.LayerNorm = _norm(settings)
        self.dropout = nn.Dropout(settings.hidden_dropout_prob)

    def forward(self, ids_T: Tensor, position_T: Tensor, token_types_T: Tensor | None = None) -> Tensor:
        """Embed (T,) into (T, D), fp32.

        position_T (Tensor): position of each piece in its own window, from 0, (T,).
        token_types_T (Tensor | None): segment of each piece, (T,); None: all 0.
        """
        positions_TD = self.position_embeddings(position_T + self.first_position)
        types = self.token_type_embeddings
        types_TD = types.weight[0] if token_types_T is None else types(token_types_T)
        return self.dropout(self.LayerNorm(self.word_embeddings(ids_T) + types_TD + positions_TD))


class SelfAttention(nn.Module):
    """Multi-head attention of one layer, before its output product."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.n_heads = settings.num_attention_heads
        self.dropout = settings.attention_probs_dropout_prob
        self.query = CastLinear(settings.hidden_size, settings.hidden_size)
        self.key = CastLinear(settings.hidden_size, settings.hidden_size)
        self.value = CastLinear(settings.hidden_size, settings.hidden_size)

    def forward(self, x_TD: Tensor, layout: Layout, kernel: str) -> Tensor:
        """Attend within each window; (T, D) to (T, D)."""
        q, k, v = (
            product(x_TD).unflatten(-1, (self.n_heads, -1)) for product in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        return packed_attention(q, k, v, layout, window=None, dropout=dropout, kernel=kernel)


class AddAndNorm(nn.Module):
    """What ends both blocks of a layer: product, dropout, sum with the residual stream, norm."""

    def __init__(self, settings: BertSettings, width: int):
        super().__init__()
        self.dense = CastLinear(width, settings.hidden_size)
        self.LayerNorm = _norm(settings)
        self.dropout = nn.Dropout(settings.hidden_dropout_prob)

    def forward(self, x: Tensor, residual_TD: Tensor) -> Tensor:
        """Add (T, width) to the fp32 residual stream (T, D) and normalise it."""
        return self.LayerNorm(residual_TD + self.dropout(self.dense(x)))


class Attention(nn.Module):
    """The attention block."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.self = SelfAttention(settings)
        self.output = AddAndNorm(settings, settings.hidden_size)


class Intermediate(nn.Module):
    """The widening half of the feed-forward block."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.dense = CastLinear(settings.hidden_size, settings.intermediate_size)
        self.act = ACT2FN[settings.hidden_act]

    def forward(self, x_TD: Tensor) -> Tensor:
        """Transform rows; (T, D) to (T, intermediate size)."""
        return self.act(self.dense(x_TD))


class Layer(nn.Module):
    """One post-norm transformer layer."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.attention = Attention(settings)
        self.intermediate = Intermediate(settings)
        self.output = AddAndNorm(settings, settings.intermediate_size)

    def forward(self, x_TD: Tensor, layout: Layout, dtype: torch.dtype, kernel: str) -> Tensor:
        """Pass the fp32 residual stream (T, D) through attention and feed-forward block."""
        mixed_TD = self.attention.self(x_TD.to(dtype), layout, kernel)
        if torch.is_grad_enabled() or x_TD.is_cuda or len(x_TD) <= _FFN_ROWS:
            return self._rows(mixed_TD, x_TD, dtype)
        parts = zip(mixed_TD.split(_FFN_ROWS), x_TD.split(_FFN_ROWS), strict=True)
        return torch.cat([self._rows(mixed, x, dtype) for mixed, x in parts])

    def _rows(self, mixed_TD: Tensor, x_TD: Tensor, dtype: torch.dtype) -> Tensor:
        x_TD = self.attention.output(mixed_TD, x_TD)
        return self.output(self.intermediate(x_TD.to(dtype)), x_TD)


class Stack(nn.Module):
    """All layers."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.layer = nn.ModuleList(Layer(settings) for _ in range(settings.num_hidden_layers))


class Bert(Encoder):
    """BERT or RoBERTa without a head; parameters are named as in transformers' `BertModel` and `RobertaModel`."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.settings = settings
        self.config = settings.to_config()
        self.width = settings.hidden_size
        self.context = settings.context
        self.embeddings = Embeddings(settings)
        self.encoder = Stack(settings)

    @property
    def layers(self) -> nn.ModuleList:
        """All layers, in order, under the name that every packed encoder gives them."""
        return self.encoder.layer

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bert":
        """Build an encoder with untrained weights. RAISES (ValueError): BC103."""
        return cls(BertSettings.from_config(config))

    def forward(self, ids_T: Tensor, lengths: Sequence[int], token_types_T: Tensor | None = None) -> Tensor:
        """Encode a packed row; see `Encoder.forward`.

        token_types_T (Tensor | None): segment of each piece (0, 1, …), (T,), int64; None: all 0.
        RAISES (ValueError): BC101 if the lengths do not fit the row, BC120 if a window is longer than the context.
        """
        layout = Layout.of(lengths, len(ids_T), ids_T.device)
        if not layout.lengths:
            return torch.zeros(0, self.width, device=ids_T.device)
        if max(layout.lengths) > self.context:
            raise ValueError(Errors.BC120.format(longest=max(layout.lengths), context=self.context))
        dtype = PRECISIONS[self.precision]
        x_TD = self.embeddings(ids_T, layout.position_T(), token_types_T)
        for layer in self.encoder.layer:
            x_TD = layer(x_TD, layout, dtype, self.kernel)
        return x_TD
