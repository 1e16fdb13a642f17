"""From a folder, a hub name or a config to an encoder; which class computes which family is the table here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import Encoder
from .bert import FAMILIES, Bert
from .big_bird import BigBird
from .checkpoint import load_strictly, read_config, read_weights
from .foreign import ForeignEncoder
from .longformer import Longformer
from .modernbert import ModernBert, ModernBertSettings
from .source import resolve_folder

# model_type of config.json: what builds its encoder. Any other family of transformers: ForeignEncoder.
BUILDERS: dict[str, Callable[[dict[str, Any]], Encoder]] = {
    "modernbert": lambda config: ModernBert(ModernBertSettings.from_config(config)),
    **dict.fromkeys(FAMILIES, Bert.from_config),
    "longformer": Longformer,
    "big_bird": BigBird,
}


def encoder_from_config(config: dict[str, Any]) -> Encoder:
    """Build an encoder with untrained weights from a `config.json` dictionary.

    RAISES (ValueError): BC103 if the config asks for what is not computed here.
    """
    encoder = BUILDERS.get(str(config.get("model_type")), ForeignEncoder)(config)
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
