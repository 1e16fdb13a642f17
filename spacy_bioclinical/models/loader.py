"""Provenance of an encoder: what `[initialize]` names, and no packaged pipeline ever needs again."""

from collections.abc import Callable
from pathlib import Path

from ..encoder import Encoder, load_encoder
from ..encoder.checkpoint import resolve_folder
from ..pieces.tokenizer import PieceTokenizer

EncoderLoader = Callable[[], tuple[Encoder, PieceTokenizer]]


def build_encoder_folder_v1(*, name: Path | str) -> EncoderLoader:
    """Load encoder and tokenizer from a Hugging Face folder or hub name when the pipeline is initialised.

    name (Union[Path, str]): a local folder with config.json, model.safetensors and tokenizer files, or a hub name.
    RETURNS (EncoderLoader): a function that loads them.
    """

    def load() -> tuple[Encoder, PieceTokenizer]:
        folder = resolve_folder(name)
        return load_encoder(folder), PieceTokenizer.from_folder(folder)

    return load
