"""Tokenizers for whole pipelines: the published one where its folder is given, else one trained on invented notes.

Speed depends on how many pieces a word becomes. A tokenizer trained on few notes with a large vocabulary would cut
nothing, so the vocabulary is made as small as it takes to reach the wanted number of pieces a word.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.benchmark.folders import EncoderFolder, write_tokenizer
from spacy_bioclinical.errors import Errors

NAMES = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}
FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
LEAST_PIECES = 300  # 256 bytes, the special pieces and a few more


def copy_tokenizer(source: Path, folder: EncoderFolder) -> None:
    """Put a published tokenizer beside the weights.

    source (Path): folder with tokenizer.json.
    folder (EncoderFolder): changed on disk.
    RAISES (ValueError): BC202 if there is no tokenizer.json.
    """
    if not (source / FILES[0]).is_file():
        raise ValueError(Errors.BC202.format(name=source, looked_for=FILES[0]))
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder.path / name)


def train_tokenizer(folder: EncoderFolder, texts: list[str], n_words: int, pieces_per_word: float) -> None:
    """Train a tokenizer of the encoder's kind and put it beside the weights.

    folder (EncoderFolder): changed on disk; byte-level BPE for all but BERT, which gets a cased WordPiece.
    texts (list[str]): notes to train on.
    n_words (int): words of all of them.
    pieces_per_word (float): wanted; reached as nearly as the notes allow.
    """
    train = _wordpiece if folder.config["model_type"] == "bert" else _byte_level
    low, high = LEAST_PIECES, folder.config["vocab_size"]
    best, smallest_gap = None, float("inf")
    while low < high:  # more pieces in the vocabulary, fewer a word
        size = (low + high) // 2
        tokenizer = train(texts, size)
        gap = count_pieces(tokenizer, texts) / n_words - pieces_per_word
        if abs(gap) < smallest_gap:
            best, smallest_gap = tokenizer, abs(gap)
        low, high = (size + 1, high) if gap > 0 else (low, size)
    write_tokenizer(folder, best, NAMES)


def count_pieces(tokenizer: Any, texts: list[str]) -> int:
    """Pieces of all texts, special pieces not counted."""
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    return sum(len(one.ids) for one in encoded)


def _byte_level(texts: list[str], size: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=NAMES["unk_token"]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _train(tokenizer, trainers.BpeTrainer, texts, size, initial_alphabet=alphabet)


def _wordpiece(texts: list[str], size: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token=NAMES["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _train(tokenizer, trainers.WordPieceTrainer, texts, size)


def _train(tokenizer: Any, trainer: Callable[..., Any], texts: list[str], size: int, **options: Any) -> Any:
    from tokenizers import processors

    special = list(NAMES.values())
    options |= {"vocab_size": size, "special_tokens": special, "show_progress": False}
    tokenizer.train_from_iterator(texts, trainer(**options))
    first, last = NAMES["cls_token"], NAMES["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (first, last)],
    )
    return tokenizer
