"""From a folder, a hub name or a config to an encoder: ModernBERT packed, other families through transformers."""

from pathlib import Path
from typing import Any

from .base import Encoder
from .checkpoint import load_strictly, read_config, read_weights, resolve_folder
from .foreign import ForeignEncoder
from .modernbert import ModernBert, ModernBertSettings


def encoder_from_config(config: dict[str, Any]) -> Encoder:
    """Build an encoder with untrained weights from a `config.json` dictionary.

    RAISES (ValueError): BC103 if the config asks for what is not computed here.
    """
    if config.get("model_type") == "modernbert":
        encoder: Encoder = ModernBert(ModernBertSettings.from_config(config))
    else:
        encoder = ForeignEncoder(config)
    encoder.config = dict(config)
    return encoder


def load_encoder(source: str | Path) -> Encoder:
    """Load an encoder from a local folder or a hub name.

    source (str | Path): a folder in the Hugging Face layout, or a hub name.
    RETURNS (Encoder): in fp32, on CPU, heads left out.
    RAISES (ValueError): BC103 … BC107, naming what is wrong with the folder.
    """
    folder = resolve_folder(source)
    encoder = encoder_from_config(read_config(folder))
    load_strictly(
        encoder.model if isinstance(encoder, ForeignEncoder) else encoder, read_weights(folder), folder
    )
    return encoder.eval()
