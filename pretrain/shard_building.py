"""Build shards: read, clean and tokenise documents in several processes, find duplicates, write Arrow files.

Batches of documents go to worker processes and come back in order; duplicates are decided and shards written by
one process, so the files are the same bytes whatever the number of workers. Memory: a shard being written, some
batches under way, and the fingerprints of the documents.
"""

import hashlib
import json
import re
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pretrain.cleaning import Cleaning, clean
from pretrain.near_duplicates import Fingerprint, NearDuplicates, fingerprint
from pretrain.sources import Source, selected
from pretrain.text import RawDocument
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.boundaries import boundary_strengths
from spacy_bioclinical.pieces.tokenizer import Pieces, PieceTokenizer
from spacy_bioclinical.pieces.windows import plan_windows

META = "meta.json"
DOCUMENTS = "documents.arrow"
DUPLICATE_MODES = ("keep", "group", "drop")
COUNTS = ("documents", "empty", "cut", "sequences", "pieces")
_BATCH_CHARACTERS = 2**19  # text handed to the tokenizer at once
_BLOCK = 2**20
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Preparation:
    """What is done to each document by itself; sent once to every worker.

    max_length (int): pieces of the longest sequence, special ones included. has_fingerprints (bool): take
    those of near duplicates.
    """

    tokenizer: PieceTokenizer
    max_length: int
    cleaning: Cleaning
    has_fingerprints: bool


@dataclass
class Prepared:
    """A document ready to be written: hash of its text as read, fingerprint, wrapped sequences of piece ids."""

    text_hash: int
    fingerprint: Fingerprint | None
    sequences: list[np.ndarray]


def build(
    sources: Sequence[Source],
    files: Sequence[Sequence[Path]],
    folder: Path,
    meta: dict[str, Any],
    preparation: Preparation,
    duplicates: NearDuplicates | None,
    shard_pieces: int,
    workers: int,
    is_quiet: bool,
) -> None:
    """Write all files of the shards into an empty folder.

    files (Sequence[Sequence[Path]]): those of each source.
    meta (dict): identity of the shards; completed with counts and written as `META`.
    RAISES (ValueError): BC706 if no document is left; BC744; those of reading.
    """
    vocab_size = preparation.tokenizer.vocab_size
    writer = _Writer(folder, np.dtype(np.uint16 if vocab_size <= 2**16 else np.uint32), shard_pieces)
    pool = _Pool(preparation, workers)
    reports: list[Counter[str]] = []
    hashes: list[int] = []
    source_of: list[int] = []
    try:
        for number, (source, own) in enumerate(zip(sources, files)):
            counts: Counter[str] = Counter()
            reports.append(counts)
            bar = tqdm(own, desc=f"tokenise {source.name}", unit="file", disable=is_quiet)
            batches = _batches(selected(source, bar, counts))
            for prepared in pool.prepare(batches, counts, as_it_is=source.planted):
                if duplicates is not None and source.planted:
                    duplicates.pass_over()
                elif duplicates is not None and prepared.fingerprint is not None:
                    before = duplicates.exact
                    is_copy = duplicates.add(prepared.fingerprint) is not None
                    counts["duplicates exact"] += duplicates.exact - before
                    counts["duplicates near"] += is_copy - (duplicates.exact - before)
                    if is_copy and not duplicates.is_linking:
                        continue
                for sequence in prepared.sequences:
                    writer.add(sequence, len(hashes))
                hashes.append(prepared.text_hash)
                source_of.append(number)
                counts["documents"] += 1
                counts["cut"] += len(prepared.sequences) > 1
                counts["sequences"] += len(prepared.sequences)
                counts["pieces"] += sum(map(len, prepared.sequences))
    finally:
        pool.close()
    totals = sum(reports, Counter())
    if not hashes:
        n_files = sum(map(len, files))
        raise ValueError(Errors.BC706.format(n_files=n_files, n_empty=totals["empty"]))
    writer.flush()
    is_linked = duplicates is not None and duplicates.is_linking
    groups = duplicates.groups() if duplicates is not None and is_linked else np.arange(len(hashes))
    write_arrow(
        folder / DOCUMENTS,
        text_hash=np.array(hashes, dtype=np.uint64),
        source=np.array(source_of, dtype=np.int32),
        group=groups.astype(np.int32),
    )
    meta.update({key: totals[key] for key in COUNTS})
    meta.update(n_shards=writer.n_shards, vocab_size=vocab_size)
    names = dict.fromkeys([*COUNTS, *sorted(totals)])
    meta["report"] = {
        source.name: {key: report[key] for key in names} for source, report in zip(sources, reports)
    }
    written = sorted(folder.iterdir())
    meta["files"] = {file.name: file.stat().st_size for file in written}
    meta["checksums"] = {file.name: checksum(file) for file in written}
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf8")


def prepare(
    batch: Sequence[RawDocument], preparation: Preparation, *, as_it_is: bool = False
) -> tuple[list[Prepared], Counter[str]]:
    """Clean and tokenise some documents; a pure function.

    as_it_is (bool): neither clean nor leave out by length nor take fingerprints: planted documents.
    RETURNS (tuple): the documents that are neither empty nor too short, in order, and counts of the others.
    """
    if as_it_is:
        preparation = replace(preparation, cleaning=Cleaning(), has_fingerprints=False)
    counts: Counter[str] = Counter()
    originals: list[str] = []
    cleaned: list[str] = []
    for document in batch:
        text: str | None = document.text
        if text is not None and text.strip():
            text = clean(text, document.id, preparation.cleaning, counts)
            if text is None:
                continue
        if text is None or not text.strip():
            counts["empty"] += 1
            continue
        originals.append(document.text)
        cleaned.append(text)
    prepared = []
    for original, text, pieces in zip(originals, cleaned, preparation.tokenizer.encode(cleaned)):
        if len(pieces) < preparation.cleaning.min_pieces:
            counts["too short"] += 1
            continue
        # Hash and fingerprint are of the text as read: surrogates would make copies look different.
        found = fingerprint(original) if preparation.has_fingerprints else None
        sequences = list(_sequences(text, pieces, preparation.tokenizer, preparation.max_length))
        prepared.append(Prepared(_text_hash(original), found, sequences))
    return prepared, counts


def write_arrow(file: Path, **columns: Any) -> None:
    """Write columns as one record batch of an Arrow stream, as `datasets.Dataset.from_file` reads them."""
    import pyarrow as arrow

    arrays = {name: arrow.array(column) for name, column in columns.items()}
    batch = arrow.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    with arrow.OSFile(str(file), "wb") as stream, arrow.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)


def checksum(file: Path) -> int:
    """Return the CRC-32 of a file: about a second a gigabyte."""
    value = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value


class _Writer:
    """Collect sequences and write a shard whenever enough pieces have come together."""

    def __init__(self, folder: Path, dtype: np.dtype, shard_pieces: int):
        self.folder, self.dtype, self.shard_pieces = folder, dtype, shard_pieces
        self.n_shards = self.n_pieces = 0
        self.sequences: list[np.ndarray] = []
        self.documents: list[int] = []

    def add(self, sequence: np.ndarray, document: int) -> None:
        if self.sequences and self.n_pieces + len(sequence) > self.shard_pieces:
            self.flush()
        self.sequences.append(sequence.astype(self.dtype))
        self.documents.append(document)
        self.n_pieces += len(sequence)

    def flush(self) -> None:
        import pyarrow as arrow

        offsets = np.cumsum([0, *map(len, self.sequences)], dtype=np.int32)
        ids = arrow.ListArray.from_arrays(arrow.array(offsets), arrow.array(np.concatenate(self.sequences)))
        documents = np.array(self.documents, dtype=np.int32)
        write_arrow(self.folder / f"shard-{self.n_shards:05}.arrow", ids=ids, document=documents)
        self.n_shards, self.n_pieces, self.sequences, self.documents = self.n_shards + 1, 0, [], []


class _Pool:
    """Prepare batches in order, in this process (workers=1) or several, with a few batches under way."""

    def __init__(self, preparation: Preparation, workers: int):
        self.preparation, self.workers = preparation, workers
        self.executor: ProcessPoolExecutor | None = None
        if workers > 1:
            # Spawned: this process may hold threads (torch, the tokenizer's), which a fork would break.
            self.executor = ProcessPoolExecutor(
                workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(preparation,)
            )

    def prepare(
        self, batches: Iterable[list[RawDocument]], counts: Counter[str], *, as_it_is: bool = False
    ) -> Iterator[Prepared]:
        here = (prepare(batch, self.preparation, as_it_is=as_it_is) for batch in batches)
        for prepared, found in here if self.executor is None else self._there(batches, as_it_is):
            counts.update(found)
            yield from prepared

    def close(self) -> None:
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)

    def _there(
        self, batches: Iterable[list[RawDocument]], as_it_is: bool
    ) -> Iterator[tuple[list[Prepared], Counter[str]]]:
        assert self.executor is not None
        under_way: deque[Future] = deque()
        try:
            for batch in batches:
                plain = [RawDocument(document.id, document.text) for document in batch]
                under_way.append(self.executor.submit(_prepare_in_worker, plain, as_it_is))
                if len(under_way) > 2 * self.workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool as error:
            raise ValueError(Errors.BC744) from error


_in_worker: list[Preparation] = []


def _begin(preparation: Preparation) -> None:
    """Set a worker process up."""
    import os

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _in_worker.append(preparation)


def _prepare_in_worker(batch: list[RawDocument], as_it_is: bool) -> tuple[list[Prepared], Counter[str]]:
    return prepare(batch, _in_worker[-1], as_it_is=as_it_is)


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
        yield np.concatenate([tokenizer.prefix_ids, content, tokenizer.suffix_ids]).astype(np.int32)


def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf8", "surrogatepass")).digest()[:8], "big")
