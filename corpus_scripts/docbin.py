"""Collect annotated Docs into the bytes of a .spacy file; write it and its report whole or not at all.

The same Docs in the same order give the same bytes, so the checksum in a report tells which data a score
belongs to.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, DocBin

from corpus_scripts.report import Report, Source, length_summary, sorted_counts
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

SPANS_KEY = "gold"


@dataclass(frozen=True)
class Converted:
    """One .spacy file, still in memory: nothing is written before all parts of a corpus are sound."""

    data: bytes
    report: Report

    def write(self, path: Path) -> None:
        """Write ``path`` and its ``<stem>.report.json``; each is written aside and moved into place whole.

        path (Path): Ends with .spacy.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        report = json.dumps(self.report.to_dict(), indent=2, ensure_ascii=False) + "\n"
        parts = ((path, self.data), (report_path(path), report.encode("utf-8")))
        asides = [target.with_name(f".{target.name}.{os.getpid()}.part") for target, _ in parts]
        try:
            for aside, (_, data) in zip(asides, parts):
                aside.write_bytes(data)
            for aside, (target, _) in zip(asides, parts):
                os.replace(aside, target)
        finally:
            for aside in asides:
                aside.unlink(missing_ok=True)


def report_path(path: Path) -> Path:
    """Where the report of a .spacy file lies."""
    return path.with_name(path.name.removesuffix(".spacy") + ".report.json")


class Collector:
    """Takes Docs one by one; keeps them packed, not as objects."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._docbin = DocBin(store_user_data=True)
        self._lengths: list[int] = []
        self._characters = 0
        self._spans: Counter[str] = Counter()
        self._ents: Counter[str] = Counter()
        self._only_in_spans = 0
        self._cats: dict[str, dict[str, int]] = {}

    @property
    def mentions(self) -> int:
        """How many mentions the Docs so far have (counted in ``doc.spans`` where there are any)."""
        return sum((self._spans or self._ents).values())

    def add(self, doc: Doc) -> None:
        """Pack and count one Doc."""
        self._docbin.add(doc)
        self._lengths.append(len(doc))
        self._characters += len(doc.text)
        self._ents.update(ent.label_ for ent in doc.ents)
        if SPANS_KEY in doc.spans:
            self._spans.update(span.label_ for span in doc.spans[SPANS_KEY])
            self._only_in_spans += len(doc.spans[SPANS_KEY]) - len(doc.ents)
        for label, value in doc.cats.items():
            counts = self._cats.setdefault(label, {"positive": 0, "negative": 0})
            counts["positive" if value >= 0.5 else "negative"] += 1

    def finish(
        self,
        tally: Tally | None = None,
        *,
        sources: Sequence[Source] = (),
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
        corpus: Mapping[str, Any] | None = None,
    ) -> Converted:
        """Pack what was added.

        tally (Tally | None): What was repaired and dropped on the way here.
        sources, seed, options, corpus: Facts for the report.
        RETURNS (Converted): Bytes and report.
        RAISES (ValueError): BC612 if no Doc was added.
        """
        if not self._lengths:
            raise ValueError(Errors.BC612.format(where=self.name))
        tally = tally or Tally()
        data = self._docbin.to_bytes()
        report = Report(
            name=self.name,
            documents=len(self._lengths),
            tokens=sum(self._lengths),
            characters=self._characters,
            lengths=length_summary(self._lengths),
            spans=sorted_counts(self._spans),
            ents=sorted_counts(self._ents),
            cats={label: self._cats[label] for label in sorted(self._cats)},
            only_in_spans=self._only_in_spans,
            repaired=sorted_counts(tally.repaired),
            dropped=sorted_counts(tally.dropped),
            sha256=hashlib.sha256(data).hexdigest(),
            sources=tuple(sources),
            seed=seed,
            options=dict(options or {}),
            corpus=dict(corpus or {}),
        )
        return Converted(data, report)
