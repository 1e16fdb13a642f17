"""Tiny encoders with random weights in the exact folder layout of each published family.

config.json holds the fields that the hub's file holds, the weights stand under the published key prefixes with the
heads, poolers and buffers that the published files carry, and the tokenizer has its family's files. Sizes are small,
everything that decides behaviour (positions, attention windows, blocks, padding ids, casing traps) is as published.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BigBirdForPreTraining,
    LongformerForMaskedLM,
    RobertaForMaskedLM,
)

from tests.conftest import write_byte_level_tokenizer, write_modernbert_folder
from tests.pieces.tokenizer_folders import (
    write_bigbird_tokenizer_folder,
    write_roberta_tokenizer_folder,
    write_wordpiece_folder,
)

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
BERT = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "pad_token_id": 0,
    "type_vocab_size": 2,
}
ROBERTA = {
    **BERT,
    "architectures": ["RobertaForMaskedLM"],
    "bos_token_id": 0,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 514,
    "model_type": "roberta",
    "pad_token_id": 1,
    "type_vocab_size": 1,
}


@dataclass(frozen=True)
class Family:
    """How one published encoder's folder is laid out.

    config (dict): config.json without the sizes.
    model_class (type): transformers' class with the heads that the published weights hold.
    write_tokenizer (Callable): writes the tokenizer's files, returns the size of its vocabulary.
    context (int): pieces of its longest window.
    packed (bool): whether our own torch computes it.
    buffers (tuple): keys of buffers that the published weights hold.
    renames (tuple): (new, old) endings of keys in weights converted from TensorFlow.
    """

    config: dict
    model_class: type
    write_tokenizer: Callable[[Path], int]
    context: int
    packed: bool
    buffers: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()


def _write_modernbert_tokenizer(folder: Path) -> int:
    write_byte_level_tokenizer(folder)
    return 704  # a multiple of 64, as published; the vocabulary itself is smaller


FAMILIES = {
    "bert": Family(
        {**BERT, "architectures": ["BertForMaskedLM"]},
        BertForMaskedLM,
        lambda folder: write_wordpiece_folder(folder, cased=True, max_length=512),
        context=512,
        packed=True,
    ),
    # Bio_ClinicalBERT: no tokenizer_config.json, so that transformers lower-cases a cased vocabulary.
    "bert-cased-trap": Family(
        BERT,
        BertForPreTraining,
        lambda folder: write_wordpiece_folder(folder, cased=True, lower_case_trap=True),
        context=512,
        packed=True,
        buffers=("bert.embeddings.position_ids",),
        renames=(("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")),
    ),
    # Clinical ModernBERT: a BERT in ModernBERT's clothes. Its config keeps fields of ModernBERT that nothing reads.
    "clinical-modernbert": Family(
        {
            **BERT,
            "architectures": ["BertForMaskedLM"],
            "attention_probs_dropout_prob": 0.0,
            "hidden_dropout_prob": 0.0,
            "max_position_embeddings": 8192,
            "pad_token_id": 3,
            "cls_token_id": 1,
            "sep_token_id": 2,
            "position_embedding_type": "absolute",
            "global_rope_theta": 160000.0,
            "local_attention": 128,
            "hidden_activation": "gelu",
            "gated_linear_units": True,
            "context_length": 8192,
            "use_cache": True,
        },
        BertForMaskedLM,
        _write_modernbert_tokenizer,
        context=8192,
        packed=True,
    ),
    "roberta": Family(
        ROBERTA,
        RobertaForMaskedLM,
        write_roberta_tokenizer_folder,
        context=512,
        packed=True,
        buffers=("roberta.embeddings.position_ids",),
    ),
    "longformer": Family(
        {
            **ROBERTA,
            "architectures": ["LongformerForMaskedLM"],
            "attention_mode": "longformer",
            "attention_window": [512] * SHAPE["num_hidden_layers"],
            "gradient_checkpointing": False,
            "ignore_attention_mask": False,
            "max_position_embeddings": 4098,
            "model_type": "longformer",
            "sep_token_id": 2,
        },
        LongformerForMaskedLM,
        lambda folder: write_roberta_tokenizer_folder(folder, max_length=4096),
        context=4096,
        packed=False,
        buffers=("longformer.embeddings.position_ids",),
    ),
    "big-bird": Family(
        {
            **BERT,
            "architectures": ["BigBirdForPreTraining"],
            "attention_type": "block_sparse",
            "block_size": 64,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_act": "gelu_new",
            "max_position_embeddings": 4096,
            "model_type": "big_bird",
            "num_random_blocks": 3,
            "rescale_embeddings": False,
            "sep_token_id": 66,
            "use_bias": True,
        },
        BigBirdForPreTraining,
        write_bigbird_tokenizer_folder,
        context=4096,
        packed=False,
        buffers=("bert.embeddings.position_ids", "bert.embeddings.token_type_ids"),
    ),
}
NAMES = ("modernbert", *FAMILIES)


def context_of(name: str) -> int:
    """Pieces of the longest window of a family."""
    return 8192 if name == "modernbert" else FAMILIES[name].context


def write_family_folder(name: str, folder: Path, seed: int = 0) -> Path:
    """Write a family's folder: config.json, model.safetensors and the tokenizer's files."""
    if name == "modernbert":
        return write_modernbert_folder(folder, seed=seed)
    family = FAMILIES[name]
    folder.mkdir(parents=True, exist_ok=True)
    config = {**family.config, **SHAPE}
    # The model type first: a tokenizer without tokenizer_config.json is recognised by it alone.
    _write_config(folder, config)
    _write_config(folder, {**config, "vocab_size": family.write_tokenizer(folder)})
    model = strengthened(family.model_class(AutoConfig.from_pretrained(folder)), seed)
    _write_weights(folder, model, family)
    return folder


def strengthened(model, seed: int = 0, gain: float = 4.0):
    """Give a model random weights so strong that attention is far from uniform and every bias matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(0.02 * gain * noise)
            else:
                parameter.copy_(0.1 * noise + (1.0 if name.endswith("LayerNorm.weight") else 0.0))
    return model.eval()


def _write_config(folder: Path, config: dict) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf8")


def _write_weights(folder: Path, model, family: Family) -> None:
    published = (folder / "config.json").read_text(encoding="utf8")
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "config.json").write_text(published, encoding="utf8")
    for spare in folder.glob("generation_config.json"):
        spare.unlink()
    tensors = {}
    for key, tensor in load_file(folder / "model.safetensors").items():
        for new, old in family.renames:
            key = key.replace(new, old)
        tensors[key] = tensor
    for key in family.buffers:
        tensors[key] = torch.arange(model.config.max_position_embeddings)[None]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
