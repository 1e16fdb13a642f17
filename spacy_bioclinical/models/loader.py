"""Provenance of an encoder: what `[initialize]` names, and no packaged pipeline ever needs again."""

from collections.abc import Callable
from pathlib import Path

from ..encoder import Encoder, load_encoder
from ..encoder.source import resolve_folder
from ..pieces.tokenizer import Casing, PieceTokenizer

EncoderLoader = Callable[[], tuple[Encoder, PieceTokenizer]]


def build_encoder_folder_v1(*, name: Path | str, casing: Casing = "auto") -> EncoderLoader:
    """Load encoder and tokenizer from a Hugging Face folder when the pipeline is initialised.

    name (Union[Path, str]): a local folder with config.json, model.safetensors and tokenizer files; a name that
        `python -m spacy bioclinical encoders` lists; or a hub name. A local folder of that name wins.
    casing (str): "auto" keeps the case of texts where the tokenizer's files would lower-case them for a cased
        vocabulary, as those of Bio_ClinicalBERT do, and warns (BC208); "published" does as the files say. Default:
        "auto". A trained pipeline keeps what it was trained with.
    RETURNS (EncoderLoader): a function that loads them.
    """

    def load() -> tuple[Encoder, PieceTokenizer]:
        folder = resolve_folder(name)
        return load_encoder(folder), PieceTokenizer.from_folder(folder, casing=casing)

    return load
