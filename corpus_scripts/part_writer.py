"""Write Docs that have any annotation as one part of a corpus: shards with a report, for commands that rearrange Docs.

Conversions make their Docs themselves and write them with ``corpus_scripts.sharding``; ``split`` and ``join`` take
what others made, and hand it on without a loss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spacy.tokens import Doc, DocBin

from corpus_scripts.counts import Counts
from corpus_scripts.docbin import Collector, make_report
from corpus_scripts.sharding import Converted
from corpus_scripts.sharding.work import Work


class PartWriter:
    """Collects the Docs of one part, whatever annotation they have, and packs a shard when it is full.

    path (Path): The output, ends with .spacy; nothing is there before ``commit`` of what ``finish`` returns.
    name (str): Of the report, "train".
    characters (int): Text of one shard.
    """

    def __init__(self, path: Path, name: str, characters: int) -> None:
        self._path = path
        self._name = name
        self._limit = characters
        self._work = Work(path, {})
        self._total = Counts()
        self._number = 0
        self._shard = self._new_shard()

    def add(self, doc: Doc, *, repaired: str = "") -> None:
        """Add one Doc; ``repaired`` is counted in the report if there is any."""
        self._shard.add(doc)
        if repaired:
            self._shard.counts.tally.repaired[repaired] += 1
        if self._shard.counts.characters >= self._limit:
            self._pack()

    def finish(self, **facts: Any) -> Converted:
        """Pack the rest; ``facts`` are those of ``make_report``."""
        if self._shard.counts.lengths:
            self._pack()
        sha256 = self._work.close()
        report = make_report(self._name, self._total, sha256, shards=len(self._work.names), **facts)
        return Converted(self._path, self._work, report)

    def discard(self) -> None:
        """After a failure: nothing stays."""
        self._work.discard()

    def _new_shard(self) -> Collector:
        return Collector(self._name, DocBin(store_user_data=True))

    def _pack(self) -> None:
        self._number += 1
        self._work.add(self._number, "", self._shard.data(), self._shard.counts)
        self._total.merge(self._shard.counts)
        self._shard = self._new_shard()
