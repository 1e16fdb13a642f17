"""Build shards: read, clean and tokenise documents in several processes, find duplicates, write Arrow files.

Batches of documents go to worker processes and come back in order; duplicates are decided and shards written by
one process, so the files are the same bytes whatever the number of workers, and however often the build was
interrupted (`pretrain.shard_resuming`). Memory: a shard being written, some batches under way, and the
fingerprints of the documents.
"""

import hashlib
import json
import re
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pretrain.cleaning import Cleaning, clean
from pretrain.near_duplicates import Fingerprint, NearDuplicates, fingerprint
from pretrain.shard_files import ShardWriter, measure, write_arrow
from pretrain.shard_files import checksum as checksum  # for those who find it here
from pretrain.shard_resuming import Keeper, Work
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
    """Write all files of the shards into a folder: empty, or left by a build of the same that was interrupted.

    An error leaves the folder as a later call can go on from it, if a state had been saved.

    files (Sequence[Sequence[Path]]): those of each source.
    meta (dict): identity of the shards; completed with counts and written as `META`.
    RAISES (ValueError): BC706 if no document is left; BC744; those of reading.
    """
    vocab_size = preparation.tokenizer.vocab_size
    writer = ShardWriter(folder, np.dtype(np.uint16 if vocab_size <= 2**16 else np.uint32), shard_pieces)
    keeper = Keeper(folder, {"data_hash": meta["data_hash"], "shard_pieces": shard_pieces})
    work = keeper.take_up(Work(writer, duplicates))
    pool = _Pool(preparation, workers)
    try:
        for number, (source, own) in enumerate(zip(sources, files)):
            if number >= work.source:
                _read_source(work, source, own, pool, keeper, is_quiet)
    finally:
        pool.close()
    totals = sum(work.reports, Counter())
    if not work.hashes:
        n_files = sum(map(len, files))
        raise ValueError(Errors.BC706.format(n_files=n_files, n_empty=totals["empty"]))
    work.writer.flush()
    is_linked = work.duplicates is not None and work.duplicates.is_linking
    groups = work.duplicates.groups() if work.duplicates is not None and is_linked else None
    write_arrow(
        folder / DOCUMENTS,
        text_hash=np.array(work.hashes, dtype=np.uint64),
        source=np.array(work.source_of, dtype=np.int32),
        group=(np.arange(len(work.hashes)) if groups is None else groups).astype(np.int32),
    )
    meta.update({key: totals[key] for key in COUNTS})
    meta.update(n_shards=work.writer.n_shards, vocab_size=vocab_size)
    names = dict.fromkeys([*COUNTS, *sorted(totals)])
    meta["report"] = {
        source.name: {key: report[key] for key in names} for source, report in zip(sources, work.reports)
    }
    written = {DOCUMENTS: measure(folder / DOCUMENTS), **work.writer.files}
    meta["files"] = {name: size for name, (size, _) in sorted(written.items())}
    meta["checksums"] = {name: value for name, (_, value) in sorted(written.items())}
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf8")


def _read_source(
    work: Work, source: Source, files: Sequence[Path], pool: "_Pool", keeper: Keeper, is_quiet: bool
) -> None:
    """Deal with the documents of a source that are not dealt with yet, and save the work now and then."""
    if len(work.reports) == work.source:
        work.reports.append(Counter())
    counts = work.reports[-1]
    of_reading: Counter[str] = Counter()
    name = f"tokenise {source.name}" + (" (going on)" if work.documents else "")
    sizes = [file.stat().st_size for file in files]
    with tqdm(
        desc=name, total=sum(sizes), initial=work.n_bytes, unit="B", unit_scale=True, disable=is_quiet
    ) as bar:
        documents = selected(source, _told(files, sizes, work, bar), of_reading)
        for size, prepared, found in pool.prepare(
            _batches(islice(documents, work.documents, None)), as_it_is=source.planted
        ):
            counts.update(found)
            for document in prepared:
                _take(document, work, counts, is_planted=source.planted)
            work.documents += size
            bar.set_postfix_str(f"{work.documents:,} documents")
            keeper.save_if_due(work)
    counts.update(of_reading)
    work.source, work.documents, work.n_bytes = work.source + 1, 0, 0


def _take(document: Prepared, work: Work, counts: Counter[str], *, is_planted: bool) -> None:
    """Write a document, unless it is a copy to be dropped."""
    duplicates = work.duplicates
    if duplicates is not None and is_planted:
        duplicates.pass_over()
    elif duplicates is not None and document.fingerprint is not None:
        before = duplicates.exact
        is_copy = duplicates.add(document.fingerprint) is not None
        counts["duplicates exact"] += duplicates.exact - before
        counts["duplicates near"] += is_copy - (duplicates.exact - before)
        if is_copy and not duplicates.is_linking:
            return
    for sequence in document.sequences:
        work.writer.add(sequence, len(work.hashes))
    work.hashes.append(document.text_hash)
    work.source_of.append(work.source)
    counts["documents"] += 1
    counts["cut"] += len(document.sequences) > 1
    counts["sequences"] += len(document.sequences)
    counts["pieces"] += sum(map(len, document.sequences))


def _told(files: Sequence[Path], sizes: Sequence[int], work: Work, bar: tqdm) -> Iterator[Path]:
    """Yield files; move a bar of bytes by each that has been read, unless it stands further on already."""
    n_bytes = 0
    for file, size in zip(files, sizes):
        yield file
        n_bytes += size
        bar.update(max(0, n_bytes - work.n_bytes))
        work.n_bytes = max(n_bytes, work.n_bytes)


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


_Done = tuple[int, list[Prepared], Counter[str]]


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

    def prepare(self, batches: Iterable[list[RawDocument]], *, as_it_is: bool = False) -> Iterator[_Done]:
        """Yield of each batch its number of documents, those prepared, and counts of the others."""
        if self.executor is not None:
            yield from self._there(batches, as_it_is)
            return
        for batch in batches:
            yield len(batch), *prepare(batch, self.preparation, as_it_is=as_it_is)

    def close(self) -> None:
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)

    def _there(self, batches: Iterable[list[RawDocument]], as_it_is: bool) -> Iterator[_Done]:
        assert self.executor is not None
        under_way: deque[tuple[int, Future]] = deque()
        try:
            for batch in batches:
                plain = [RawDocument(document.id, document.text) for document in batch]
                future = self.executor.submit(_prepare_in_worker, plain, as_it_is)
                under_way.append((len(batch), future))
                if len(under_way) > 2 * self.workers:
                    size, future = under_way.popleft()
                    yield size, *future.result()
            while under_way:
                size, future = under_way.popleft()
                yield size, *future.result()
        except BrokenProcessPool as error:
            raise ValueError(Errors.BC744) from error


_in_worker: list[Preparation] = []


def _begin(preparation: Preparation) -> None:
    """Set a worker process up."""
    import os

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _in_worker.append(preparation)
    parent = parent_process()
    if parent is not None:

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)  # killed: nobody else would tell this process to end

        threading.Thread(target=end_with_parent, daemon=True).start()


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
