"""Encoders to measure without downloading anything: published shapes, filled with random weights.

Speed does not depend on what the weights are, so these stand for every encoder of their shape (BioClinical
ModernBERT is a ModernBERT, BioBERT a BERT-base). Names of the catalogue, hub ids and folders bring their own weights.
"""

from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "modernbert-base": {"model_type": "modernbert"},
    "modernbert-large": {
        "model_type": "modernbert",
        "hidden_size": 1024,
        "intermediate_size": 2624,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
    },
    "bert-base": {"model_type": "bert", "vocab_size": 28996},
    "roberta-base": {
        "model_type": "roberta",
        "vocab_size": 50265,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    },
    "tiny": {
        "model_type": "modernbert",
        "vocab_size": 1024,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "local_attention": 32,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "cls_token_id": 1,
        "sep_token_id": 2,
    },
    "tiny-bert": {
        "model_type": "bert",
        "vocab_size": 1024,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
    },
}
OFFSET_TYPES = ("roberta", "longformer", "camembert", "xlm-roberta", "mpnet")


def context_of(config: dict[str, Any]) -> int:
    """Most pieces of one window: the positions that the encoder has, less those before the first.

    config (dict): `config.json`, complete.
    """
    positions = int(config["max_position_embeddings"])
    if config["model_type"] in OFFSET_TYPES:
        return positions - int(config.get("pad_token_id") or 0) - 1
    return positions


def special_ids(config: dict[str, Any]) -> dict[str, int]:
    """Ids of the special pieces by role, all different and inside the vocabulary.

    Where the config does not tell (BERT's names only the padding), BERT's own ids are taken if they exist.
    """
    wanted = {
        "pad_token": config.get("pad_token_id"),
        "cls_token": config.get("cls_token_id", config.get("bos_token_id")) or 101,
        "sep_token": config.get("sep_token_id", config.get("eos_token_id")) or 102,
        "unk_token": 100,
        "mask_token": 103,
    }
    if config["model_type"] in OFFSET_TYPES:
        wanted["cls_token"] = config.get("bos_token_id") or 0
    found: dict[str, int] = {}
    for role, wish in wanted.items():
        taken = set(found.values())
        candidates = [wish] if isinstance(wish, int) and wish < config["vocab_size"] else []
        candidates += range(len(wanted) + 1)
        found[role] = next(index for index in candidates if index not in taken)
    return found
