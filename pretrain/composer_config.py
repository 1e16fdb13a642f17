"""Settings of a Composer checkpoint: the shape from its tensors, the rest from the FlexBERT config stored in it.

Traps of the published conversion that are avoided here: the head's activation is that of the trained head (gelu, not
`head_class_act`, which belongs to another head); a local RoPE base of -1 (checkpoints before context extension) means
the global one, where -1 itself gives nan; classifier_pooling is "mean".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors

CONTEXT = 8192
HEAD_WIDTH = 64
STAGE_1 = (
    "ModernBERT's first stage: read on at most 1,024 pieces until its context is extended (--context 1024)"
)
EMBEDDINGS = "model.embeddings.tok_embeddings.weight"
# What FlexBERT can be told and ModernBERT does not compute.
FIXED: dict[str, tuple[Any, ...]] = {
    "attention_layer": ("rope",),
    "bert_layer": ("prenorm",),
    "embedding_layer": ("sans_pos",),
    "mlp_layer": ("glu",),
    "normalization": ("layernorm",),
    "final_norm": (True,),
    "embed_norm": (True,),
    "skip_first_prenorm": (True,),
    "rotary_emb_interleaved": (False,),
    "rotary_emb_dim": (None, HEAD_WIDTH),
    "rotary_emb_scale_base": (None,),
}


@dataclass(frozen=True)
class Overrides:
    """Settings to use instead of what the checkpoint says; None leaves it at that.

    context (int | None): most pieces. global_theta, local_theta (float | None): RoPE bases.
    """

    context: int | None = None
    global_theta: float | None = None
    local_theta: float | None = None


def settings_of(
    tensors: Mapping[str, Tensor], stored: Mapping[str, Any], file: Path, overrides: Overrides
) -> tuple[ModernBertSettings, list[str]]:
    """Infer a checkpoint's settings.

    tensors (Mapping): by transformers' names. stored (Mapping): the FlexBERT config; may be empty.
    RETURNS (tuple): settings, special ids still the published ones; remarks on what was assumed.
    RAISES (ValueError): BC772 if the tensors that tell the shape are not there, BC773 for settings that contradict
        the tensors or cannot be computed.
    """
    for key, allowed in FIXED.items():
        if key in stored and stored[key] not in allowed:
            raise _refusal(file, key, stored[key], f"only {' or '.join(map(str, allowed))} can be computed")
    remarks = []
    if not stored:
        remarks.append(
            "no config is stored in the file: RoPE bases, window and norm are ModernBERT's published ones"
        )
    shape = _shape(tensors, file)
    for key, value in shape.items():
        if stored.get(key, value) != value:
            raise _refusal(file, key, stored[key], f"the tensors say {value}")
    width = shape["hidden_size"]
    heads = stored.get("num_attention_heads", width // HEAD_WIDTH)
    if not isinstance(heads, int) or heads < 1 or width % (2 * heads):
        raise _refusal(
            file, "num_attention_heads", heads, f"the width of {width} must be an even multiple of it"
        )
    global_theta = overrides.global_theta or float(stored.get("rotary_emb_base") or 160_000.0)
    local_theta = float(stored.get("local_attn_rotary_emb_base", 10_000.0) or -1)
    if local_theta <= 0:  # "as the global one"
        remarks.append(f"local RoPE base {local_theta:g} is read as the global one. {STAGE_1}")
        local_theta = float(stored.get("rotary_emb_base") or 160_000.0)
    local_theta = overrides.local_theta or local_theta
    every, window = _attention(stored, file)
    settings = ModernBertSettings(
        **shape,
        num_attention_heads=heads,
        hidden_activation=str(stored.get("hidden_act", "gelu")),
        classifier_activation=str(stored.get("head_pred_act", "gelu")),
        max_position_embeddings=overrides.context or CONTEXT,
        norm_eps=float((stored.get("norm_kwargs") or {}).get("eps", 1e-5)),
        norm_bias="model.final_norm.bias" in tensors,
        attention_bias="model.layers.0.attn.Wqkv.bias" in tensors,
        mlp_bias="model.layers.0.mlp.Wi.bias" in tensors,
        classifier_bias="head.dense.bias" in tensors,
        decoder_bias="decoder.bias" in tensors,
        global_rope_theta=global_theta,
        local_rope_theta=local_theta,
        global_attn_every_n_layers=every,
        local_attention=window,
    )
    return settings, remarks


def _shape(tensors: Mapping[str, Tensor], file: Path) -> dict[str, int]:
    """Vocabulary, width, layers and inner width, read from the tensors."""
    layers = {int(name.split(".")[2]) for name in tensors if name.startswith("model.layers.")}
    needed = (EMBEDDINGS, "model.layers.0.mlp.Wi.weight")
    missing = [name for name in needed if name not in tensors or tensors[name].dim() != 2]
    gaps = sorted(set(range(max(layers, default=0) + 1)) - layers)
    missing += [f"model.layers.{number}" for number in gaps if number or f"{needed[1]}" not in missing]
    if missing:
        text = ", ".join(missing)
        raise ValueError(
            Errors.BC772.format(file=file, missing=text, unexpected="not looked for", shapes="not looked for")
        )
    vocab_size, hidden_size = tensors[EMBEDDINGS].shape
    return {
        "vocab_size": vocab_size,
        "hidden_size": hidden_size,
        "num_hidden_layers": len(layers),
        "intermediate_size": tensors[needed[1]].shape[0] // 2,
    }


def _attention(stored: Mapping[str, Any], file: Path) -> tuple[int, int]:
    """How many layers to a global one, and the window of the others (both sides together), in pieces."""
    every, window = stored.get("global_attn_every_n_layers", 3), stored.get("sliding_window", 128)
    if not isinstance(window, int) or window <= 0:
        return 1, 128  # no window: every layer is global
    if not isinstance(every, int) or every <= 0:
        raise _refusal(
            file, "global_attn_every_n_layers", every, "models without global layers are not computed"
        )
    return every, window


def _refusal(file: Path, key: str, value: Any, want: str) -> ValueError:
    return ValueError(Errors.BC773.format(file=file, key=key, value=value, want=want))
