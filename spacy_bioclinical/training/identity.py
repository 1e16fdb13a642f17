"""What a training is: its config, the bytes of its corpora and its tokenizer; a checkpoint belongs to one of them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from spacy.language import Language

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.layers import encoder_shims
from spacy_bioclinical.training.shards import shards_of

# What may change between two runs of one training: where and how much is logged, and when memory is fetched.
IGNORED = ("training.logger", "training.gpu_allocator")


def identity_of(nlp: Language) -> dict[str, Any]:
    """Describe the training of an initialized pipeline.

    nlp (Language): with its full config.
    RETURNS (dict): "config" (dotted key to a value's SHA-256, shortened), "corpora" (dotted key to the files'),
        "tokenizers".
    """
    config = nlp.config.interpolate()
    plain = json.loads(json.dumps(config, default=str))
    corpora = {}
    for name, reader in plain.get("corpora", {}).items():
        for path in _paths(reader.get("path") if isinstance(reader, dict) else None):
            digest = hashlib.sha256()
            for shard in shards_of(path) if Path(path).exists() else []:
                digest.update(shard.read_bytes())
            corpora[f"corpora.{name} ({Path(path).name})"] = digest.hexdigest()
    tokenizers = [shim.tokenizer.fingerprint for shim in encoder_shims(nlp) if shim.has_encoder]
    return {"config": _flat(plain, ""), "corpora": corpora, "tokenizers": tokenizers}


def check_identity(path: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse a checkpoint of another training. RAISES (ValueError): BC446, which names what differs."""
    for part in ("config", "corpora"):
        keys = [key for key in {**before[part], **now[part]} if before[part].get(key) != now[part].get(key)]
        if keys:
            listed = ", ".join(sorted(keys)[:5])
            raise ValueError(Errors.BC446.format(path=path, what=f"other values of {listed}"))
    if before["tokenizers"] != now["tokenizers"]:
        raise ValueError(Errors.BC446.format(path=path, what="another tokenizer"))


def _flat(value: Any, prefix: str) -> dict[str, str]:
    if prefix in IGNORED:
        return {}
    if isinstance(value, dict) and value:
        merged: dict[str, str] = {}
        for key, inner in value.items():
            merged.update(_flat(inner, f"{prefix}.{key}" if prefix else key))
        return merged
    return {prefix: hashlib.sha256(json.dumps(value).encode("utf8")).hexdigest()[:16]}


def _paths(path: Any) -> list[str]:
    if isinstance(path, str):
        return [path]
    return list(path) if isinstance(path, list | dict) else []
