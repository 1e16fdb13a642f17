"""Tokenise a text collection once into memory-mapped shards, and find them again on the next run.

A shard is a pair of .npy files: ids (uint16, or uint32 for large vocabularies) and int64 offsets of its
sequences. A sequence is one document, or a window of one longer than `max_length`, wrapped in [CLS] … [SEP].
`meta.json` names tokenizer, sources and counts, all by hash: a run with the same ones opens the shards
instead of building them.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pretrain.text import RawDocument, file_hash, find_files, read_documents
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.boundaries import boundary_strengths
from spacy_bioclinical.pieces.tokenizer import Pieces, PieceTokenizer
from spacy_bioclinical.pieces.windows import plan_windows

FORMAT = 1
META = "meta.json"
SHARD_PIECES = 2**25  # pieces of one shard file, 64 MB as uint16
_BATCH_CHARACTERS = 2**21  # text handed to the tokenizer at once
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Shards:
    """An opened text collection; sequences are numbered through all shards.

    folder (Path): where it lies. meta (dict): contents of meta.json.
    ids (list): one memory map of piece ids a shard. offsets (list): int64 bounds of its sequences.
    documents (np.ndarray): int32 (n_sequences,), document of each sequence.
    text_hashes (np.ndarray): uint64 (n_documents,), beginning of the SHA-256 of each document's text.
    """

    folder: Path
    meta: dict[str, Any]
    ids: list[np.ndarray]
    offsets: list[np.ndarray]
    documents: np.ndarray
    text_hashes: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Pieces of each sequence, special ones included, int64 (n_sequences,)."""
        return np.concatenate([np.diff(offsets) for offsets in self.offsets])

    def sequence(self, index: int) -> np.ndarray:
        """Return one sequence's ids, int64. RAISES (ValueError): BC707 if an id is outside the vocabulary."""
        for ids, offsets in zip(self.ids, self.offsets):
            if index < len(offsets) - 1:
                sequence = np.asarray(ids[offsets[index] : offsets[index + 1]], dtype=np.int64)
                if len(sequence) and sequence.max() >= self.meta["vocab_size"]:
                    why = "a piece id lies outside the vocabulary"
                    raise ValueError(Errors.BC707.format(file=META, why=why, folder=self.folder))
                return sequence
            index -= len(offsets) - 1
        raise IndexError(index)

    def split(self, held_out: float) -> tuple[np.ndarray, np.ndarray]:
        """Split sequences into training and held-out ones by the hash of their document's text.

        A document's side depends on its text alone: duplicates stay together, and adding text moves nothing.

        held_out (float): share of documents to hold out. If it is above 0 and there are two documents or
            more, at least one is held out (that with the lowest hash), and at least one is not.
        RETURNS (tuple): sequence numbers of both sides, ascending.
        """
        is_out = self.text_hashes < np.uint64(held_out * 2**64)
        distinct = np.unique(self.text_hashes)
        if held_out > 0 and len(distinct) > 1:
            is_out |= self.text_hashes == distinct[0]
        is_out &= self.text_hashes != distinct[-1]
        out = is_out[self.documents]
        return np.flatnonzero(~out), np.flatnonzero(out)


def shards_for(
    paths: Iterable[Path],
    tokenizer: PieceTokenizer,
    folder: Path,
    *,
    max_length: int,
    text_key: str | None = None,
    shard_pieces: int = SHARD_PIECES,
    is_quiet: bool = False,
) -> Shards:
    """Open the shards of a text collection below `folder`; build them first if they are not there.

    RAISES (ValueError): BC701 … BC706 for the text, BC707 for damaged shards.
    """
    files = find_files(paths)
    sources = [{"name": file.name, "sha256": file_hash(file)} for file in files]
    identity = {
        "format": FORMAT,
        "tokenizer": tokenizer.fingerprint,
        "max_length": max_length,
        "text_key": text_key,
        "sources": [source["sha256"] for source in sources],
    }
    data_hash = hashlib.sha256(json.dumps(identity, sort_keys=True).encode("ascii")).hexdigest()
    place = folder / f"shards-{data_hash[:16]}"
    if not place.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder, prefix=".shards-"))
        try:
            meta = {"data_hash": data_hash, **identity, "sources": sources}
            _build(files, tokenizer, aside, meta, text_key, shard_pieces, is_quiet)
            aside.chmod(0o755)
            os.replace(aside, place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return open_shards(place)


def open_shards(folder: Path) -> Shards:
    """Open built shards. RAISES (ValueError): BC707 if a file is missing or not as long as it was."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf8"))
        sizes = meta["files"]
    except (OSError, ValueError, KeyError) as error:
        why = type(error).__name__
        raise ValueError(Errors.BC707.format(file=META, why=why, folder=folder)) from error
    for name, size in sizes.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else None
        if found != size:
            why = "it is missing" if found is None else f"it has {found} bytes instead of {size}"
            raise ValueError(Errors.BC707.format(file=name, why=why, folder=folder))
    return Shards(
        folder=folder,
        meta=meta,
        ids=[np.load(folder / f"ids-{i:05}.npy", mmap_mode="r") for i in range(meta["n_shards"])],
        offsets=[np.load(folder / f"offsets-{i:05}.npy") for i in range(meta["n_shards"])],
        documents=np.load(folder / "documents.npy"),
        text_hashes=np.load(folder / "text_hashes.npy"),
    )


def _build(
    files: Sequence[Path],
    tokenizer: PieceTokenizer,
    folder: Path,
    meta: dict[str, Any],
    text_key: str | None,
    shard_pieces: int,
    is_quiet: bool,
) -> None:
    """Write all files of the shards into an empty folder."""
    writer = _Writer(
        folder, np.dtype(np.uint16 if tokenizer.vocab_size <= 2**16 else np.uint32), shard_pieces
    )
    counts = {"documents": 0, "empty": 0, "cut": 0, "sequences": 0, "pieces": 0}
    documents: list[int] = []
    text_hashes: list[int] = []
    for source, file in zip(meta["sources"], tqdm(files, desc="tokenise", unit="file", disable=is_quiet)):
        before = dict(counts)
        for batch in _batches(read_documents(file, text_key)):
            filled = [document.text for document in batch if document.text.strip()]
            counts["empty"] += len(batch) - len(filled)
            for text, pieces in zip(filled, tokenizer.encode(filled)):
                sequences = list(_sequences(text, pieces, tokenizer, meta["max_length"]))
                for sequence in sequences:
                    writer.add(sequence)
                    documents.append(counts["documents"])
                text_hashes.append(_text_hash(text))
                counts["documents"] += 1
                counts["cut"] += len(sequences) > 1
                counts["sequences"] += len(sequences)
                counts["pieces"] += sum(map(len, sequences))
        source.update({key: counts[key] - before[key] for key in counts})
    if not counts["documents"]:
        raise ValueError(Errors.BC706.format(n_files=len(files), n_empty=counts["empty"]))
    writer.flush()
    np.save(folder / "documents.npy", np.array(documents, dtype=np.int32))
    np.save(folder / "text_hashes.npy", np.array(text_hashes, dtype=np.uint64))
    meta.update(counts, n_shards=writer.n_shards, vocab_size=tokenizer.vocab_size)
    meta["files"] = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf8")


class _Writer:
    """Collect sequences and write a shard whenever enough pieces have come together."""

    def __init__(self, folder: Path, dtype: np.dtype, shard_pieces: int):
        self.folder, self.dtype, self.shard_pieces = folder, dtype, shard_pieces
        self.n_shards = self.n_pieces = 0
        self.sequences: list[np.ndarray] = []

    def add(self, sequence: np.ndarray) -> None:
        if self.sequences and self.n_pieces + len(sequence) > self.shard_pieces:
            self.flush()
        self.sequences.append(sequence.astype(self.dtype))
        self.n_pieces += len(sequence)

    def flush(self) -> None:
        offsets = np.cumsum([0, *map(len, self.sequences)], dtype=np.int64)
        np.save(self.folder / f"ids-{self.n_shards:05}.npy", np.concatenate(self.sequences))
        np.save(self.folder / f"offsets-{self.n_shards:05}.npy", offsets)
        self.n_shards, self.n_pieces, self.sequences = self.n_shards + 1, 0, []


def _batches(documents: Iterable[RawDocument]) -> Iterator[list[RawDocument]]:
    batch: list[RawDocument] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _sequences(text: str, pieces: Pieces, tokenizer: PieceTokenizer, max_length: int) -> Iterator[np.ndarray]:
    """Cut a document into wrapped sequences; without overlap, so that no piece is learnt twice."""
    capacity = max_length - len(tokenizer.prefix_ids) - len(tokenizer.suffix_ids)
    strengths = None
    if len(pieces.ids) > capacity:
        words = np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int32).reshape(-1, 2)
        strengths = boundary_strengths(text, pieces, words[:, 0], words[:, 1])
    for window in plan_windows(len(pieces.ids), capacity, 0, strengths):
        content = pieces.ids[window.start : window.end]
        yield np.concatenate([tokenizer.prefix_ids, content, tokenizer.suffix_ids]).astype(np.int64)


def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf8", "surrogatepass")).digest()[:8], "big")
