"""The documents of a run on disk, so that every contestant's process reads the very same ones."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spacy_bioclinical.cli.benchmark.sets import DocumentSet, draw_ids, word_of


def write_ids(
    folder: Path, sets: Iterable[DocumentSet], vocab_size: int, special: list[int], seed: int
) -> None:
    """Write ids and lengths of all sets for encoders with this vocabulary.

    folder (Path): made if needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for documents in sets:
        ids = draw_ids(documents, vocab_size, special, seed)
        np.save(folder / f"{documents.name}.npy", ids)
        np.save(folder / f"{documents.name}.lengths.npy", np.array(documents.lengths, dtype="int64"))


def read_ids(folder: str | Path, name: str) -> tuple[NDArray, list[int]]:
    """Read a set: ids (pieces,), the documents one after the other, and the length of each."""
    return np.load(Path(folder) / f"{name}.npy"), np.load(Path(folder) / f"{name}.lengths.npy").tolist()


def write_texts(folder: Path, name: str, texts: list[str]) -> None:
    """Write documents as text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(texts), encoding="utf8")


def read_texts(folder: str | Path, name: str) -> list[str]:
    """Read documents as text."""
    return json.loads((Path(folder) / f"{name}.json").read_text(encoding="utf8"))


def write_words(folder: Path, sets: Iterable[DocumentSet]) -> None:
    """Write the text form of sets that `write_ids` wrote: one word a piece, one space between.

    As text a document is two pieces shorter, since [CLS] and [SEP] come to it: what is computed for it is as long as
    for its ids, and a document that fills the context still does.
    """
    for documents in sets:
        ids, lengths = read_ids(folder, documents.name)
        words = [word_of(index) for index in ids.tolist()]
        texts, start = [], 0
        for length in lengths:
            texts.append(" ".join(words[start : start + max(1, length - 2)]))
            start += length
        write_texts(folder, documents.name, texts)
