"""A complete config as text: with another seed, as a hash, and what it says about steps and windows."""

import hashlib
import json
from pathlib import Path
from typing import Any

PLACES = ("corpus", "train", "dev", "encoder")
"""Keys of [paths] whose content the signature knows by hash, so that moving a folder changes nothing."""


def digest(value: Any) -> str:
    """RETURNS (str): SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf8")).hexdigest()


def with_seed(text: str, seed: int) -> str:
    """RETURNS (str): a config's text with another system.seed; comments at its head stay."""
    return with_values(text, {"system.seed": seed})


def with_values(text: str, values: dict[str, Any]) -> str:
    """RETURNS (str): a config's text with some dotted keys set; comments at its head stay."""
    from confection import Config

    config = Config().from_str(text, interpolate=False)
    for key, value in values.items():
        *sections, last = key.split(".")
        block = config
        for section in sections:
            block = block.setdefault(section, {})
        block[last] = value
    comments = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("#"))
    return f"{comments}\n{config.to_str(interpolate=False)}\n"


def interpolated(text: str) -> dict[str, Any]:
    """RETURNS (dict): a config with its variables filled in."""
    from confection import Config

    return Config().from_str(text)


def config_hash(text: str) -> str:
    """Hash what a config says, apart from the seed and from where data and encoder lie.

    text (str): complete config; its variables stay variables.
    RETURNS (str): SHA-256.
    """
    from confection import Config

    config = Config().from_str(text, interpolate=False)
    paths = {key: value for key, value in config.get("paths", {}).items() if key not in PLACES}
    system = {key: value for key, value in config.get("system", {}).items() if key != "seed"}
    return digest({**config, "paths": paths, "system": system})


def steps_of(training: dict[str, Any]) -> str:
    """RETURNS (str): how long a config trains, in words."""
    epochs, steps = training.get("max_epochs") or 0, training.get("max_steps") or 0
    words = [f"{epochs} epochs"] if epochs > 0 else []
    words += [f"{steps:,} steps"] if steps > 0 else []
    return " or ".join(words) or "until patience ends"


def context_of(plain: dict[str, Any], folder: Path) -> int:
    """Most pieces that a pipeline's windows hold: the config's, else the encoder's, special pieces included.

    plain (dict): config with its variables filled in.
    folder (Path): the encoder.
    RETURNS (int): pieces.
    """
    from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

    for block in plain["components"].values():
        context = block.get("model", {}).get("context") if isinstance(block, dict) else None
        if context:
            return int(context)
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    positions = int(config.get("max_position_embeddings") or 512)
    return min(positions, PieceTokenizer.from_folder(folder).max_length or positions)
