"""ModernBERT (Warner et al. 2024, arXiv 2412.13663) over packed sequences: no padding anywhere, names as on the hub.

Layer: x + Attn(LN(x)), then x + GLU(LN(x)); layer 0 has no attention norm because embeddings are normalised.
Every n-th layer attends globally, the others within local_attention // 2 pieces on either side. Positions enter by
RoPE with one base for global and one for local layers. The residual stream, norms, RoPE and softmax stay fp32 in
bf16 mode (casting RoPE's frequencies to bf16 costs more accuracy than all the rest together).
Shape letters: T packed pieces, D width, N heads, H head width.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from ..errors import Errors
from .attention import packed_attention, rotate
from .base import PRECISIONS, CastLinear, Encoder
from .layout import Layout

# Rows computed at once without gradients, so that what lies between two products stays in cache.
_ROWS = 512


@dataclass(frozen=True)
class ModernBertSettings:
    """The published config's fields that shape the computation, under their names in `config.json`."""

    vocab_size: int = 50368
    hidden_size: int = 768
    intermediate_size: int = 1152
    num_hidden_layers: int = 22
    num_attention_heads: int = 12
    hidden_activation: str = "gelu"
    max_position_embeddings: int = 8192
    initializer_range: float = 0.02
    initializer_cutoff_factor: float = 2.0
    norm_eps: float = 1e-5
    norm_bias: bool = False
    pad_token_id: int = 50283
    bos_token_id: int = 50281
    eos_token_id: int = 50282
    cls_token_id: int = 50281
    sep_token_id: int = 50282
    global_rope_theta: float = 160000.0
    local_rope_theta: float | None = 10000.0
    attention_bias: bool = False
    attention_dropout: float = 0.0
    global_attn_every_n_layers: int = 3
    local_attention: int = 128
    embedding_dropout: float = 0.0
    mlp_bias: bool = False
    mlp_dropout: float = 0.0
    decoder_bias: bool = True
    classifier_bias: bool = False
    classifier_activation: str = "gelu"

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ModernBertSettings":
        """Read a `config.json` dictionary.

        RAISES (ValueError): BC103 if it is not a ModernBERT or asks for what this implementation does not compute.
        """
        if config.get("model_type") != "modernbert":
            raise ValueError(
                Errors.BC103.format(key="model_type", value=config.get("model_type"), want="modernbert")
            )
        if config.get("rope_scaling") is not None:
            raise ValueError(Errors.BC103.format(key="rope_scaling", value="set", want="null"))
        known = {item.name for item in fields(cls)}
        settings = cls(**{key: value for key, value in config.items() if key in known})
        if settings.hidden_size % (2 * settings.num_attention_heads):
            raise ValueError(
                Errors.BC103.format(
                    key="hidden_size",
                    value=settings.hidden_size,
                    want=f"a multiple of 2 x num_attention_heads ({settings.num_attention_heads})",
                )
            )
        return settings

    def to_config(self) -> dict[str, Any]:
        """Return the `config.json` dictionary that transformers reads."""
        return {
            "architectures": ["ModernBertForMaskedLM"],
            "model_type": "modernbert",
            "torch_dtype": "float32",
            "classifier_pooling": "mean",
            **asdict(self),
        }

    @property
    def head_width(self) -> int:
        """H, width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def window(self, layer: int) -> int | None:
        """Pieces that `layer` sees on either side; None if it sees the whole document."""
        return None if layer % self.global_attn_every_n_layers == 0 else self.local_attention // 2

    def rope_theta(self, layer: int) -> float:
        """RoPE base of `layer`. Local bases that are unset (null, or -1 in early checkpoints) mean the global one."""
        local = self.local_rope_theta
        if self.window(layer) is None or local is None or local <= 0:
            return self.global_rope_theta
        return local


class Norm(nn.LayerNorm):
    """Layer norm in fp32, handed on in the dtype that the next product computes in."""

    def forward(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:  # type: ignore[override]
        """Normalise (T, D)."""
        return super().forward(x.float()).to(dtype)


def _norm(settings: ModernBertSettings) -> Norm:
    return Norm(settings.hidden_size, eps=settings.norm_eps, bias=settings.norm_bias)


class Embeddings(nn.Module):
    """Piece embeddings, normalised."""

    def __init__(self, settings: ModernBertSettings):
        super().__init__()
        self.tok_embeddings = nn.Embedding(settings.vocab_size, settings.hidden_size)
        self.norm = _norm(settings)
        self.drop = nn.Dropout(settings.embedding_dropout)

    def forward(self, ids_T: Tensor) -> Tensor:
        """Embed (T,) into (T, D), fp32."""
        return self.drop(self.norm(self.tok_embeddings(ids_T)))


class Attention(nn.Module):
    """Multi-head self-attention of one layer."""

    def __init__(self, settings: ModernBertSettings, layer: int):
        super().__init__()
        self.n_heads, self.head_width = settings.num_attention_heads, settings.head_width
        self.window = settings.window(layer)
        self.dropout = settings.attention_dropout
        self.Wqkv = CastLinear(settings.hidden_size, 3 * settings.hidden_size, bias=settings.attention_bias)
        self.Wo = CastLinear(settings.hidden_size, settings.hidden_size, bias=settings.attention_bias)
        self.out_drop = nn.Dropout(settings.attention_dropout)

    def project(
        self, x_RD: Tensor, cos: Tensor, sin: Tensor, out: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turn normalised rows into queries and keys (R, 2, N, H) and values (R, N, H), written to `out` if given."""
        qkv = self.Wqkv(x_RD).view(-1, 3, self.n_heads, self.head_width)
        if out is None:
            return rotate(qkv[:, :2], cos, sin), qkv[:, 2]
        return rotate(qkv[:, :2], cos, sin, out[0]), out[1].copy_(qkv[:, 2])

    def mix(self, qk: Tensor, v_TNH: Tensor, layout: Layout, kernel: str) -> Tensor:
        """Attend within each document; (T, 2, N, H) and (T, N, H) to (T, D)."""
        dropout = self.dropout if self.training else 0.0
        return packed_attention(
            qk[:, 0], qk[:, 1], v_TNH, layout, window=self.window, dropout=dropout, kernel=kernel
        )

    def output(self, mixed_RD: Tensor) -> Tensor:
        """Bring mixed values back to the residual stream, (R, D)."""
        return self.out_drop(self.Wo(mixed_RD))


class Glu(nn.Module):
    """Gated feed-forward block: Wo(act(a) * g) with a, g = Wi(x)."""

    def __init__(self, settings: ModernBertSettings):
        super().__init__()
        self.Wi = CastLinear(settings.hidden_size, 2 * settings.intermediate_size, bias=settings.mlp_bias)
        self.Wo = CastLinear(settings.intermediate_size, settings.hidden_size, bias=settings.mlp_bias)
        self.act = ACT2FN[settings.hidden_activation]
        self.drop = nn.Dropout(settings.mlp_dropout)

    def forward(self, x_RD: Tensor) -> Tensor:
        """Transform rows; (R, D) to (R, D)."""
        hidden, gate = self.Wi(x_RD).chunk(2, dim=-1)
        return self.Wo(self.drop(self.act(hidden) * gate))


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, settings: ModernBertSettings, layer: int):
        super().__init__()
        if layer > 0:
            self.attn_norm = _norm(settings)
        self.attn = Attention(settings, layer)
        self.mlp_norm = _norm(settings)
        self.mlp = Glu(settings)

    def forward(
        self, x_TD: Tensor, layout: Layout, inv_freq: Tensor, dtype: torch.dtype, kernel: str
    ) -> Tensor:
        """Add attention and feed-forward block to the fp32 residual stream (T, D); without gradients in place."""
        cos, sin = layout.rope(inv_freq)
        if torch.is_grad_enabled():
            qk, v_TNH = self.attn.project(self._normed(x_TD, dtype), cos, sin)
            return self._after(x_TD, self.attn.mix(qk, v_TNH, layout, kernel), dtype)
        shape = (len(x_TD), 2, self.attn.n_heads, self.attn.head_width)
        qk = layout.scratch("queries and keys", shape, dtype)
        v_TNH = layout.scratch("values", (shape[0], *shape[2:]), dtype)
        tiles = row_tiles(x_TD)
        for rows in tiles:
            normed = self._normed(x_TD[rows], dtype)
            self.attn.project(normed, cos[rows], sin[rows], (qk[rows], v_TNH[rows]))
        mixed_TD = self.attn.mix(qk, v_TNH, layout, kernel)
        for rows in tiles:
            self._after(x_TD[rows], mixed_TD[rows], dtype)
        return x_TD

    def _normed(self, x_RD: Tensor, dtype: torch.dtype) -> Tensor:
        return self.attn_norm(x_RD, dtype) if hasattr(self, "attn_norm") else x_RD.to(dtype)

    def _after(self, x_RD: Tensor, mixed_RD: Tensor, dtype: torch.dtype) -> Tensor:
        """Add what attention mixed, then the feed-forward block; in place without gradients."""
        add = torch.add if torch.is_grad_enabled() else Tensor.add_
        x_RD = add(x_RD, self.attn.output(mixed_RD))
        return add(x_RD, self.mlp(self.mlp_norm(x_RD, dtype)))


def row_tiles(x_TD: Tensor) -> list[slice]:
    """Cut rows into ranges that are computed at once: small ones on a CPU, all together on a GPU."""
    n_rows = len(x_TD)
    step = _ROWS if x_TD.device.type == "cpu" else max(n_rows, 1)
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]


class ModernBert(Encoder):
    """ModernBERT without a head; parameters are named as in transformers' `ModernBertModel`."""

    def __init__(self, settings: ModernBertSettings):
        super().__init__()
        self.settings = settings
        self.config = settings.to_config()
        self.width = settings.hidden_size
        self.context = settings.max_position_embeddings
        self.embeddings = Embeddings(settings)
        self.layers = nn.ModuleList(Layer(settings, i) for i in range(settings.num_hidden_layers))
        self.final_norm = _norm(settings)
        self._inv_freq: dict[float, Tensor] = {}

    def forward(self, ids_T: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode a packed row; see `Encoder.forward`."""
        layout = Layout.of(lengths, len(ids_T), ids_T.device)
        if not layout.lengths:
            return torch.zeros(0, self.width, device=ids_T.device)
        dtype = PRECISIONS[self.precision]
        x_TD = self.embeddings(ids_T)
        for i, layer in enumerate(self.layers):
            x_TD = layer(x_TD, layout, self._frequencies(self.settings.rope_theta(i)), dtype, self.kernel)
        return self.final_norm(x_TD)

    def _frequencies(self, theta: float) -> Tensor:
        """RoPE's inverse frequencies (H/2,), fp32 on CPU: no buffer of the module, so that no cast reaches them."""
        if theta not in self._inv_freq:
            width = self.settings.head_width
            steps = torch.arange(0, width, 2, dtype=torch.int64).float() / width
            self._inv_freq[theta] = 1.0 / (theta**steps)
        return self._inv_freq[theta]

    @torch.no_grad()
    def init_weights(self, seed: int) -> "ModernBert":
        """Draw fresh weights as published (full_megatron): truncated normal, 0.02, outputs / sqrt(2 x layers)."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif "norm" in name:
                parameter.fill_(1.0)
            else:
                init_matrix_(parameter, self.settings, generator, is_output=name.endswith("Wo.weight"))
        self.forget_casts()
        return self


def init_matrix_(
    weight: Tensor, settings: ModernBertSettings, generator: torch.Generator, *, is_output: bool
) -> None:
    """Fill a matrix from the published truncated normal distribution, in place."""
    std = settings.initializer_range
    if is_output:
        std /= (2.0 * settings.num_hidden_layers) ** 0.5
    cut = settings.initializer_cutoff_factor * std
    nn.init.trunc_normal_(weight, mean=0.0, std=std, a=-cut, b=cut, generator=generator)
