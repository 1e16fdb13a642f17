"""The packed transformer as a Thinc model: documents in, spacy-transformers' batch out, nothing padded in between.

It replaces spacy-transformers' TransformerModel, which pads every window to the longest, gives each word's first
piece to the word before it with byte-level tokenizers, and cuts long documents without a word. The data classes are
theirs, so stock listeners, heads and `replace_listeners` work unchanged.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch
from spacy_transformers.layers import split_trf_batch, trfs2arrays
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

from ..encoder import Encoder
from ..encoder.advice import warn_of_untrained_positions
from ..pieces.tokenizer import PieceTokenizer
from .batch import PackedTransformerBatch
from .fine_tuning import FineTuning
from .plan import DocumentPlan, PlannedDocs, plan_documents
from .shim import EncoderShim

DEFAULT_BATCH_PIECES = 16384


def build_packed_transformer_v1(
    *,
    context: int | None = None,
    overlap: int | None = None,
    on_overflow: str | None = None,
    kernel: str | None = None,
    precision: str | None = None,
    device: str = "auto",
    frozen_layers: int | None = None,
    recompute: bool = False,
) -> Model[list[Doc], FullTransformerBatch]:
    """Build a packed transformer without weights; `[initialize]` or `from_disk` brings them.

    A setting left at null is taken from the stored pipeline, else from the default named here. Settings are stored
    with the weights; the device and what concerns training are not.

    context (Optional[int]): most pieces of a window, special pieces included. Default: the encoder's own context.
    overlap (Optional[int]): pieces that neighbouring windows of a longer document share. Default: 128.
    on_overflow (Optional[str]): "window" cuts documents beyond the context into windows, "error" refuses them.
        Default: "window".
    kernel (Optional[str]): attention kernel: "auto", "banded", "tiled" (CPU), "varlen" or "flash" (CUDA).
        Default: "auto", the fastest on this machine; `python -m spacy bioclinical info` names it.
    precision (Optional[str]): "auto", "fp32" or "bf16". Default: "auto", bf16 where the device computes it faster
        (measured) and the encoder is wide enough to gain, else fp32.
    device (str): "auto" (Thinc's GPU, else CUDA if there, else CPU), "cpu", "cuda", "cuda:N".
    frozen_layers (Optional[int]): for training: n keeps embeddings and the n lowest layers as they are (0: embeddings
        only). Default: null, everything is trained.
    recompute (bool): for training: compute the inside of each layer again in the backward pass instead of keeping it;
        for long documents. Same gradients, about half the memory, more time.
    RETURNS (Model[List[Doc], FullTransformerBatch]): the model.
    """
    chosen = {
        "context": context,
        "overlap": overlap,
        "on_overflow": on_overflow,
        "kernel": kernel,
        "precision": precision,
    }
    return Model(
        "packed_transformer",
        forward,
        dims={"nO": None},
        shims=[EncoderShim(chosen, device, FineTuning(frozen_layers, recompute))],
        attrs={
            "set_encoder": set_encoder,
            "max_batch_pieces": DEFAULT_BATCH_PIECES,
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_cfg,
        },
    )


def build_packed_tok2vec_v1(
    *,
    pooling: Model[Ragged, Floats2d],
    grad_factor: float = 1.0,
    upstream: str = "*",
    context: int | None = None,
    overlap: int | None = None,
    on_overflow: str | None = None,
    kernel: str | None = None,
    precision: str | None = None,
    device: str = "auto",
    frozen_layers: int | None = None,
    recompute: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """Build a packed transformer that belongs to one component alone: what `nlp.replace_listeners` leaves behind.

    pooling (Model[Ragged, Floats2d]): how a token's rows become its vector, as in the stock listener.
    grad_factor (float): factor on the gradients handed to the transformer.
    upstream (str): unused; the name of the component that the listener had listened to.
    Other arguments: see `build_packed_transformer_v1`.
    RETURNS (Model[List[Doc], List[Floats2d]]): the model.
    """
    transformer = build_packed_transformer_v1(
        context=context,
        overlap=overlap,
        on_overflow=on_overflow,
        kernel=kernel,
        precision=precision,
        device=device,
        frozen_layers=frozen_layers,
        recompute=recompute,
    )
    return chain(replace_listener(transformer), trfs2arrays(pooling, grad_factor))


def encoder_shim(model: Model) -> EncoderShim:
    """Return the shim that holds the encoder of a packed transformer."""
    return next(shim for node in model.walk() for shim in node.shims if isinstance(shim, EncoderShim))


def set_encoder(model: Model, encoder: Encoder, tokenizer: PieceTokenizer) -> None:
    """Give the model its weights; see `EncoderShim.set_encoder` for what is checked."""
    shim = encoder_shim(model)
    shim.set_encoder(encoder, tokenizer)
    warn_of_untrained_positions(encoder.config, shim.cfg["context"])
    if not model.has_dim("nO"):
        model.set_dim("nO", encoder.width)


def replace_listener(model: Model) -> Model:
    """Turn a copy of the transformer into what a listener gives: one TransformerData per document."""
    return chain(model, split_trf_batch())


def replace_listener_cfg(transformer_cfg: dict[str, Any], listener_cfg: dict[str, Any]) -> dict[str, Any]:
    """Describe a replaced listener in the config."""
    kept = {key: value for key, value in listener_cfg.items() if not key.startswith("@")}
    return {**transformer_cfg, **kept, "@architectures": "spacy-bioclinical.Tok2VecPackedTransformer.v1"}


def plan_with(model: Model, docs: list[Doc], first_index: int = 0) -> list[DocumentPlan | None]:
    """Cut documents into the windows that a packed transformer will encode; see `plan_documents`."""
    shim = encoder_shim(model)
    return plan_documents(
        docs,
        shim.tokenizer,
        capacity=shim.capacity,
        overlap=shim.cfg["overlap"],
        on_overflow=shim.cfg["on_overflow"],
        first_index=first_index,
    )


def forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[FullTransformerBatch, Callable[[FullTransformerBatch], list[Doc]]]:
    """Encode documents in one packed pass (several, when they exceed the budget of pieces).

    docs (list[Doc]): documents; `PlannedDocs` are taken as planned.
    """
    planned = docs if isinstance(docs, PlannedDocs) else PlannedDocs(docs, plan_with(model, docs))
    windows = [ids for plan in planned.plans if plan is not None for ids in plan.window_ids]
    ids = np.concatenate(windows) if windows else np.zeros(0, dtype="int32")
    inputs = (ids, [len(w) for w in windows], model.attrs["max_batch_pieces"])
    rows_TD, bp_rows = encoder_shim(model)(inputs, is_train)
    batch = PackedTransformerBatch.of(planned, rows_TD, model.ops, is_train)

    def backprop(d_batch: FullTransformerBatch) -> list[Doc]:
        bp_rows(d_batch.model_output.to_tuple()[0])
        return docs

    return batch, backprop
