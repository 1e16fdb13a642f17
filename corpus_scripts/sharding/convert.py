"""Convert any number of records to a .spacy file or a folder of shards: flat memory, several processes, resumable.

Records are taken in order and cut into shards of so many characters, so the bytes do not depend on the number
of processes. Finished shards wait in a hidden work folder beside the output, with a line each in its manifest;
the output appears when all are there. After an interruption the same command finds the shards it has done
(by a checksum of their records) and goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus_scripts.counts import Counts
from corpus_scripts.docbin import Collector, make_report
from corpus_scripts.record import Record, check_unique_ids
from corpus_scripts.report import Source, made_with
from corpus_scripts.sharding.pool import Pool
from corpus_scripts.sharding.progress import Progress
from corpus_scripts.sharding.work import Converted, Work
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import add_record
from corpus_scripts.tokenizer import make_tokenizer
from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class ShardOptions:
    """How the work is cut.

    characters (int): Text of a shard; a shard ends with the document that reaches it. 2 million are some
        400,000 tokens, 3 MB on disk: far below the 2 GB at which a .spacy file can no longer be written.
    workers (int): Processes that tokenise. 1 works in this process.
    lang (str): Language whose spaCy tokenizer is used.
    """

    characters: int = 2_000_000
    workers: int = 1
    lang: str = "en"


def convert_to(
    records: Iterable[Record],
    path: Path,
    *,
    name: str,
    shards: ShardOptions | None = None,
    tally: Tally | None = None,
    max_loss: float = 0.0,
    inputs: Sequence[Path] = (),
    sources: Sequence[Source] = (),
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    corpus: Mapping[str, Any] | None = None,
) -> Converted:
    """Convert records into shards beside ``path``; its ``commit`` puts them in place.

    records (Iterable[Record]): The records, read as they are needed; their ids must differ. Those without any
        text are left out and counted.
    path (Path): The output, ending with .spacy.
    name (str): Name in the report and on the progress bar, "train".
    shards (ShardOptions | None): How the work is cut.
    tally (Tally | None): The one the reader counts into.
    max_loss (float): Largest part of the annotated mentions that may be lost.
    inputs (Sequence[Path]): The files that are read, for the progress bar's end.
    sources, seed, options, corpus: Facts for the report.
    RETURNS (Converted): Its report, and ``commit``.
    RAISES (ValueError): BC603 repeated id, BC612 no record, BC615 too many mentions lost, and those of
        check_record. Nothing is at ``path`` then that was not there before.
    """
    shards = shards or ShardOptions()
    work = Work(
        path, {"name": name, "characters": shards.characters, "lang": shards.lang, "made_with": made_with()}
    )
    total = Counts()
    try:
        with Progress(name, inputs) as progress, Pool(shards.workers, pack, shards.lang, name) as pool:
            for done in _finished(
                _batches(check_unique_ids(progress.reading(records)), shards), work, pool, progress
            ):
                total.merge(done)
    except BaseException:
        work.leave()
        raise
    if tally is not None:
        total.tally.merge(tally)
    total.tally.refuse_loss(name, kept=total.mentions, limit=max_loss)
    if not total.lengths:
        work.leave()
        raise ValueError(Errors.BC612.format(where=name))
    sha256 = work.close()
    facts: dict[str, Any] = {"sources": sources, "seed": seed, "options": options, "corpus": corpus}
    return Converted(path, work, make_report(name, total, sha256, shards=len(work.names), **facts))


def pack(
    records: Sequence[Record], lang: str, name: str, progress: Progress | None = None
) -> tuple[bytes, Counts]:
    """Convert the records of one shard, with a vocabulary of its own: its bytes depend on nothing else.

    RETURNS (tuple): The bytes of the .spacy file, and what it holds.
    """
    tokenize = make_tokenizer(lang)
    collector = Collector(name)
    for record in records:
        add_record(record, collector, tokenize)
        if progress is not None:
            progress.converted(1)
    return (collector.data() if collector.counts.lengths else b""), collector.counts


def _batches(records: Iterable[Record], shards: ShardOptions) -> Iterator[list[Record]]:
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += len(record.text) if isinstance(record.text, str) else 0
        if characters >= shards.characters:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _finished(
    batches: Iterable[list[Record]], work: Work, pool: Pool, progress: Progress
) -> Iterator[Counts]:
    """The counts of all shards in order: of those found done, and of those done now."""

    def finish() -> Counts:
        number, checksum, size, (data, counts) = pool.next()
        work.add(number, checksum, data, counts)
        if not pool.here:
            progress.converted(size)
        return counts

    for number, batch in enumerate(batches, start=1):
        checksum = _checksum(batch)
        if work.has(number, checksum):
            while pool.waiting:
                yield finish()
            progress.converted(len(batch))
            yield work.take(number)
        else:
            pool.submit(number, checksum, batch, progress)
        while pool.full:
            yield finish()
    while pool.waiting:
        yield finish()


def _checksum(batch: Sequence[Record]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for record in batch:
        facts = (record.id, record.spans, record.labels, record.meta, record.tokens)
        digest.update(repr(facts).encode("utf-8", "backslashreplace"))
        digest.update(str(record.text).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
