"""Tokenise a text collection once into memory-mapped Arrow shards, and find them again on the next run.

A shard is an Arrow stream of one record batch: `ids` (lists of uint16, or uint32 for large vocabularies) and
`document`; `datasets.Dataset.from_file` opens it too. A sequence is one document, or a window of one longer
than `max_length`, wrapped in [CLS] … [SEP]. `documents.arrow` holds a row for each document, `meta.json`
names tokenizer, sources and counts, all by hash: a run with the same ones opens the shards instead of
building them. Shards are built aside, in `.shards-….part`, and moved into place when whole. An interrupted build
(Ctrl-C, a kill, a full disk, an error) is taken up by the next call for the same shards where it last saved its
state, every half minute or so, and ends in the same bytes. A corrected file, or other settings, make other
shards: what was left unfinished of any is deleted as soon as a build below that folder succeeds.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.cleaning import Cleaning
from pretrain.near_duplicates import THRESHOLD, NearDuplicates
from pretrain.shard_building import DOCUMENTS, DUPLICATE_MODES, META, Preparation
from pretrain.shard_building import build as _build
from pretrain.shard_files import checksum
from pretrain.shard_resuming import delete_unfinished, forget_state, has_state
from pretrain.sources import Source, check_weights, repetitions, sources_of
from pretrain.text import file_hash
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

FORMAT = 2
SHARD_PIECES = 2**25  # pieces of one shard file, 64 MB as uint16


@dataclass(frozen=True)
class Shards:
    """An opened text collection; sequences are numbered through all shards.

    folder (Path): where it lies. meta (dict): contents of meta.json.
    ids (list): one memory map of piece ids a shard. offsets (list): int32 bounds of its sequences.
    documents (np.ndarray): int32 (n_sequences,), document of each sequence.
    text_hashes (np.ndarray): uint64 (n_documents,), beginning of the SHA-256 of each document's text.
    source_of (np.ndarray): int32 (n_documents,), source of each document.
    groups (np.ndarray): int32 (n_documents,), first document of those that are nearly the same.
    """

    folder: Path
    meta: dict[str, Any]
    ids: list[np.ndarray]
    offsets: list[np.ndarray]
    documents: np.ndarray
    text_hashes: np.ndarray
    source_of: np.ndarray
    groups: np.ndarray

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        # Copies in other processes map the files again instead of carrying their contents.
        return open_shards, (self.folder,)

    @property
    def sources(self) -> list[str]:
        """Names of the sources, in the order of `source_of`."""
        return list(self.meta["report"])

    @property
    def report(self) -> dict[str, dict[str, int]]:
        """Counts by source: documents, pieces, empty ones, duplicates, placeholders …; never text."""
        return self.meta["report"]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Pieces of each sequence, special ones included, int64 (n_sequences,)."""
        return np.concatenate([np.diff(offsets) for offsets in self.offsets]).astype(np.int64)

    @cached_property
    def _firsts(self) -> np.ndarray:
        return np.cumsum([0, *(len(offsets) - 1 for offsets in self.offsets)])

    def sequence(self, index: int) -> np.ndarray:
        """Return one sequence's ids, int64. RAISES (ValueError): BC707 if an id is outside the vocabulary."""
        if not 0 <= index < self._firsts[-1]:
            raise IndexError(index)
        shard = int(np.searchsorted(self._firsts, index, side="right")) - 1
        offsets, place = self.offsets[shard], index - int(self._firsts[shard])
        sequence = self.ids[shard][offsets[place] : offsets[place + 1]].astype(np.int64)
        if len(sequence) and sequence.max() >= self.meta["vocab_size"]:
            why = "a piece id lies outside the vocabulary"
            raise ValueError(Errors.BC707.format(file=_shard_name(shard), why=why, folder=self.folder))
        return sequence

    @cached_property
    def is_planted(self) -> np.ndarray:
        """Which documents are planted ones (`Source.planted`), bool (n_documents,)."""
        return np.array([bool(source.get("planted")) for source in self.meta["texts"]])[self.source_of]

    def split(self, held_out: float) -> tuple[np.ndarray, np.ndarray]:
        """Split sequences into training and held-out ones by the hash of their document's text.

        Documents that are nearly the same (see `shards_for`) go where the first of them goes; apart from that
        a document's side depends on its text alone: adding text moves nothing. Planted documents are
        always trained on, and change nothing for the others.

        held_out (float): share of documents to hold out. If it is above 0 and there are two documents or
            more, at least one is held out (that with the lowest hash), and at least one is not.
        RETURNS (tuple): sequence numbers of both sides, ascending.
        """
        hashes = self.text_hashes[self.groups]
        is_out = hashes < np.uint64(held_out * 2**64)
        distinct = np.unique(hashes[~self.is_planted])
        if held_out > 0 and len(distinct) > 1:
            is_out |= hashes == distinct[0]
        if len(distinct):
            is_out &= hashes != distinct[-1]
        is_out &= ~self.is_planted
        out = is_out[self.documents]
        return np.flatnonzero(~out), np.flatnonzero(out)

    def weighted(
        self,
        sequences: np.ndarray,
        weights: Mapping[str, float] | Sequence[float] | None,
        epoch: int,
        seed: int,
    ) -> np.ndarray:
        """Repeat (or leave out) sequences for one epoch, by the weights of their sources.

        weights (Mapping[str, float] | Sequence[float] | None): by name of source (1.0 where none is given),
            or one for each of `sources`; None for 1.0 throughout, which returns `sequences` as they are.
        RETURNS (np.ndarray): sequence numbers in the order given, copies side by side; the sequences of a
            document stay together. A pure function of its arguments. See `pretrain.sources.repetitions`.
        RAISES (ValueError): BC741 for an unknown source or a weight out of range.
        """
        each = check_weights(self.sources, weights)
        if all(weight == 1.0 for weight in each):
            return sequences
        documents, places = np.unique(self.documents[sequences], return_inverse=True)
        counts = repetitions(self.source_of[documents], documents, each, epoch, seed)
        return np.repeat(sequences, counts[places])

    def verify(self) -> None:
        """Read every file to its end. RAISES (ValueError): BC707 for one that has changed since it was built."""
        for name, value in self.meta["checksums"].items():
            if checksum(self.folder / name) != value:
                why = "its contents have changed (checksum)"
                raise ValueError(Errors.BC707.format(file=name, why=why, folder=self.folder))


def shards_for(
    texts: Iterable[Path | str | Source],
    tokenizer: PieceTokenizer,
    folder: Path,
    *,
    max_length: int,
    text_key: str | None = None,
    shard_pieces: int = SHARD_PIECES,
    is_quiet: bool = False,
    cleaning: Cleaning | None = None,
    near_duplicates: str = "group",
    threshold: float = THRESHOLD,
    workers: int = 1,
    is_verified: bool = True,
) -> Shards:
    """Open the shards of a text collection below `folder`; build them first if they are not there.

    A build that was interrupted goes on, whatever the number of workers; one whose state is damaged begins anew,
    with a warning (BC790). A build that succeeds deletes what others, of other text or settings, left unfinished
    below `folder`, where the file system can lock it.

    texts (Iterable): paths, each a source named after it, or sources (`pretrain.sources`).
    cleaning (Cleaning | None): see `pretrain.cleaning`; None changes nothing.
    near_duplicates (str): "group" keeps documents that are nearly the same but on one side of the split,
        "drop" keeps the first of them alone, "keep" does not look. Planted sources are never looked at.
    threshold (float): their least similarity. workers (int): processes that tokenise; the shards are the same.
    is_verified (bool): read shards that were there to their end first (a second a gigabyte).
    RAISES (ValueError): BC701 … BC706, BC735 … BC744 for the text, BC707 for damaged shards.
    """
    cleaning = cleaning or Cleaning()
    if near_duplicates not in DUPLICATE_MODES:
        known = f"one of {', '.join(DUPLICATE_MODES)}"
        raise ValueError(Errors.BC741.format(what="near_duplicates", value=near_duplicates, range=known))
    if workers < 1:
        raise ValueError(Errors.BC741.format(what="workers", value=workers, range="1 or more"))
    duplicates = None
    if near_duplicates != "keep":
        duplicates = NearDuplicates(threshold, is_linking=near_duplicates == "group")
    sources = sources_of(texts, text_key)
    files = [source.files() for source in sources]
    read = [
        {"source": source.name, "name": file.name, "sha256": file_hash(file)}
        for source, own in zip(sources, files)
        for file in own
    ]
    identity = {
        "format": FORMAT,
        "tokenizer": tokenizer.fingerprint,
        "max_length": max_length,
        "texts": [source.identity for source in sources],
        "cleaning": asdict(cleaning),
        "near_duplicates": {"mode": near_duplicates, "threshold": None if duplicates is None else threshold},
        "sources": [(file["source"], file["sha256"]) for file in read],
    }
    data_hash = hashlib.sha256(json.dumps(identity, sort_keys=True).encode("utf8")).hexdigest()
    place = folder / f"shards-{data_hash[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder) as is_alone:
        is_new = not place.is_dir()
        if is_new:
            aside = folder / f".{place.name}.part"
            aside.mkdir(exist_ok=True)
            try:
                meta = {"data_hash": data_hash, **identity, "sources": read}
                preparation = Preparation(tokenizer, max_length, cleaning, duplicates is not None)
                _build(sources, files, aside, meta, preparation, duplicates, shard_pieces, workers, is_quiet)
                os.replace(aside, place)
            except BaseException:
                if not has_state(aside):
                    shutil.rmtree(aside, ignore_errors=True)
                raise
            if is_alone:
                delete_unfinished(folder)
        forget_state(place)  # which outlives the move, so that a kill at any moment loses nothing
    shards = open_shards(place)
    if is_verified and not is_new:
        shards.verify()
    return shards


def open_shards(folder: Path) -> Shards:
    """Open built shards. RAISES (ValueError): BC707 if a file is missing, not as long as it was, or no Arrow.

    Contents are not read; `Shards.verify` does.
    """
    try:
        meta = json.loads((folder / META).read_text(encoding="utf8"))
        if meta["format"] != FORMAT:
            why = f"it is of format {meta['format']}, this version reads {FORMAT}"
            raise ValueError(Errors.BC707.format(file=META, why=why, folder=folder))
        sizes = meta["files"]
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        why = type(error).__name__
        raise ValueError(Errors.BC707.format(file=META, why=why, folder=folder)) from error
    for name, size in sizes.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else None
        if found != size:
            why = "it is missing" if found is None else f"it has {found} bytes instead of {size}"
            raise ValueError(Errors.BC707.format(file=name, why=why, folder=folder))
    shards = [_columns(folder, _shard_name(number), "ids", "document") for number in range(meta["n_shards"])]
    text_hashes, source_of, groups = _columns(folder, DOCUMENTS, "text_hash", "source", "group")
    return Shards(
        folder=folder,
        meta=meta,
        ids=[ids.values.to_numpy(zero_copy_only=True) for ids, _ in shards],
        offsets=[ids.offsets.to_numpy() for ids, _ in shards],
        documents=np.concatenate([documents.to_numpy() for _, documents in shards]),
        text_hashes=text_hashes.to_numpy(),
        source_of=source_of.to_numpy(),
        groups=groups.to_numpy(),
    )


def _shard_name(number: int) -> str:
    return f"shard-{number:05}.arrow"


def _columns(folder: Path, name: str, *columns: str) -> list[Any]:
    """Memory-map the columns of a file with one record batch; nothing is copied."""
    try:
        import pyarrow as arrow
    except ImportError as error:
        raise ImportError(Errors.BC743.format(what="Shards")) from error
    try:
        table = arrow.ipc.open_stream(arrow.memory_map(str(folder / name))).read_all()
        chunked = [table.column(column) for column in columns]
        if any(column.num_chunks != 1 for column in chunked):
            raise KeyError(name)
        return [column.chunk(0) for column in chunked]
    except (arrow.ArrowException, OSError, KeyError) as error:
        why = f"it is not the Arrow file it was ({type(error).__name__})"
        raise ValueError(Errors.BC707.format(file=name, why=why, folder=folder)) from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Let one process at a time build below a folder; the others then find the shards. Ends with its process.

    YIELDS (bool): whether it is locked.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    is_locked = False
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock
            fcntl.flock(handle, fcntl.LOCK_EX)
            is_locked = True
        yield is_locked
    finally:
        os.close(handle)
