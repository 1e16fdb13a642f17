"""Records become spaCy Docs with the very same text, and a .spacy file with its report: the seam to training.

The tokens are those of spaCy's tokenizer, because a pipeline will meet notes tokenised so; where a mention begins or
ends inside a token, that token alone is cut in two, so no mention is lost. Every mention is in ``doc.spans["gold"]``;
``doc.ents``, which may not overlap, gets the longest ones. The same records give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import srsly
from spacy.tokens import Doc, DocBin, Span
from tqdm import tqdm

from corpus_scripts.record import Record, TextSpan, check_record, check_unique_ids
from corpus_scripts.report import Report, Source, length_summary, sorted_counts
from corpus_scripts.tokenizer import Tokenize, make_tokenizer
from spacy_bioclinical.errors import Errors

SPANS_KEY = "gold"


@dataclass
class Tally:
    """Counts kept while reading and converting: reason → how often."""

    repaired: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    only_in_spans: int = 0

    # Reasons that lose something an annotator wrote (a repeated line loses nothing).
    LOSSES = ("blank_span", "stray_continuation")

    @property
    def lost(self) -> int:
        """How many annotated spans are lost."""
        return sum(self.dropped[reason] for reason in self.LOSSES)


@dataclass(frozen=True)
class Converted:
    """One .spacy file, still in memory: nothing is written before all parts of a corpus are sound."""

    data: bytes
    report: Report

    def write(self, path: Path) -> None:
        """Write ``path`` and ``<stem>.report.json`` beside it; each is written aside and moved into place whole.

        path (Path): Ends with .spacy.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        report = srsly.json_dumps(self.report.to_dict(), indent=2) + "\n"
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


def record_id(doc: Doc) -> str:
    """The id of the record a Doc was made from ("" for a Doc made elsewhere)."""
    return str(doc.user_data.get("id", ""))


def to_doc(record: Record, tokenize: Tokenize, tally: Tally) -> Doc:
    """Make the annotated Doc of a record.

    record (Record): The record.
    tokenize (Callable): Text → Doc, such as ``make_tokenizer("en")`` or ``nlp.tokenizer``.
    tally (Tally): Receives what was repaired, dropped, or kept in ``doc.spans`` only.
    RETURNS (Doc): ``doc.text == record.text``; mentions in ``doc.spans["gold"]`` and ``doc.ents``; categories in
        ``doc.cats``; ``doc.user_data["id"]`` and ``["meta"]``.
    RAISES (ValueError): See check_record.
    """
    check_record(record)
    spans = _clean_spans(record, tally)
    doc = tokenize(record.text)
    cuts = sorted({edge for span in spans for edge in (span.start, span.end)})
    doc = _cut_tokens(doc, cuts, tally)
    if record.spans is not None:
        _annotate(doc, spans, tally)
    doc.cats = {label: float(value) for label, value in (record.labels or {}).items()}
    doc.user_data["id"] = record.id
    if record.meta:
        doc.user_data["meta"] = dict(record.meta)
    return doc


def convert_records(
    records: Iterable[Record],
    *,
    name: str,
    tokenize: Tokenize | None = None,
    tally: Tally | None = None,
    sources: Sequence[Source] = (),
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    corpus: Mapping[str, Any] | None = None,
    max_loss: float = 0.0,
) -> Converted:
    """Convert records into the bytes of a .spacy file and its report; writes nothing.

    records (Iterable[Record]): The records; their ids must differ.
    name (str): Name in the report, "train".
    tokenize (Callable | None): Text → Doc; spaCy's English tokenizer by default.
    tally (Tally | None): What the reader has already counted.
    sources, seed, options, corpus: Facts for the report.
    max_loss (float): Largest fraction of annotated spans that may be lost.
    RETURNS (Converted): Call its ``write``.
    RAISES (ValueError): BC603 repeated id, BC612 no record, BC615 too many spans lost, and those of check_record.
    """
    tokenize = tokenize or make_tokenizer()
    tally = tally or Tally()
    docbin = DocBin(store_user_data=True)
    lengths: list[int] = []
    characters = 0
    labels: dict[str, Counter[str]] = {"spans": Counter(), "ents": Counter()}
    cats: dict[str, dict[str, int]] = {}
    for record in tqdm(check_unique_ids(records), desc=name, unit="doc", disable=None, leave=False):
        if not record.text:
            tally.dropped["empty_document"] += 1
            continue
        doc = to_doc(record, tokenize, tally)
        docbin.add(doc)
        lengths.append(len(doc))
        characters += len(record.text)
        labels["spans"].update(span.label_ for span in doc.spans.get(SPANS_KEY, ()))
        labels["ents"].update(ent.label_ for ent in doc.ents)
        for label, value in doc.cats.items():
            counts = cats.setdefault(label, {"positive": 0, "negative": 0})
            counts["positive" if value >= 0.5 else "negative"] += 1
    if not lengths:
        raise ValueError(Errors.BC612.format(where=name))
    _refuse_loss(name, tally, kept=sum(labels["spans"].values()), max_loss=max_loss)
    data = docbin.to_bytes()
    report = Report(
        name=name,
        documents=len(lengths),
        tokens=sum(lengths),
        characters=characters,
        lengths=length_summary(lengths),
        spans=sorted_counts(labels["spans"]),
        ents=sorted_counts(labels["ents"]),
        cats={label: cats[label] for label in sorted(cats)},
        only_in_spans=tally.only_in_spans,
        repaired=sorted_counts(tally.repaired),
        dropped=sorted_counts(tally.dropped),
        sha256=hashlib.sha256(data).hexdigest(),
        sources=tuple(sources),
        seed=seed,
        options=dict(options or {}),
        corpus=dict(corpus or {}),
    )
    return Converted(data, report)


def write_docbin(records: Iterable[Record], path: Path, **facts: Any) -> Report:
    """Convert records and write them at once: ``convert_records`` and ``Converted.write`` in one call.

    records (Iterable[Record]): The records.
    path (Path): The .spacy file.
    facts: As for convert_records; ``name`` is the file's stem unless given.
    RETURNS (Report): What was written.
    """
    facts.setdefault("name", path.name.removesuffix(".spacy"))
    converted = convert_records(records, **facts)
    converted.write(path)
    return converted.report


def _clean_spans(record: Record, tally: Tally) -> list[TextSpan]:
    """Trim white space at the edges; drop what is then empty and exact repetitions."""
    kept: list[TextSpan] = []
    seen: set[tuple[int, int, str, str]] = set()
    for span in record.spans or ():
        trimmed = span.trimmed(record.text)
        if trimmed is None:
            tally.dropped["blank_span"] += 1
            continue
        if trimmed is not span:
            tally.repaired["white_space_edges"] += 1
        key = (trimmed.start, trimmed.end, trimmed.label, trimmed.id)
        if key in seen:
            tally.dropped["repeated_span"] += 1
            continue
        seen.add(key)
        kept.append(trimmed)
    return kept


def _cut_tokens(doc: Doc, cuts: Sequence[int], tally: Tally) -> Doc:
    """Split the tokens that have a cut inside; the Doc itself is returned if none has."""
    words: list[str] = []
    spaces: list[bool] = []
    split = 0
    for token in doc:
        start, end = token.idx, token.idx + len(token.text)
        inside = cuts[bisect_left(cuts, start + 1) : bisect_left(cuts, end)]
        edges = [start, *inside, end]
        words.extend(token.text[left - start : right - start] for left, right in zip(edges, edges[1:]))
        spaces.extend([False] * len(inside))
        spaces.append(bool(token.whitespace_))
        split += bool(inside)
    if not split:
        return doc
    tally.repaired["token_split_at_mention"] += split
    return Doc(doc.vocab, words=words, spaces=spaces)


def _annotate(doc: Doc, spans: Sequence[TextSpan], tally: Tally) -> None:
    """Put all mentions into ``doc.spans``, and into ``doc.ents`` the longest of those that overlap."""
    starts = {token.idx: token.i for token in doc}
    ends = {token.idx + len(token.text): token.i + 1 for token in doc}
    mentions = [
        Span(doc, starts[span.start], ends[span.end], label=span.label, span_id=span.id) for span in spans
    ]
    doc.spans[SPANS_KEY] = mentions
    taken = bytearray(len(doc))
    ents = []
    for span, mention in sorted(zip(spans, mentions), key=lambda pair: (pair[0].start - pair[0].end, pair[0].start)):
        if any(taken[mention.start : mention.end]):
            tally.only_in_spans += 1
            continue
        taken[mention.start : mention.end] = b"\x01" * len(mention)
        ents.append(Span(doc, mention.start, mention.end, label=span.label))
    # "outside", not "missing": a document without a mention teaches that there is none.
    doc.set_ents(ents, default="outside")


def _refuse_loss(name: str, tally: Tally, *, kept: int, max_loss: float) -> None:
    total = kept + tally.lost
    if tally.lost and tally.lost > max_loss * total:
        reasons = ", ".join(f"{key} {tally.dropped[key]}" for key in tally.LOSSES if tally.dropped[key])
        raise ValueError(
            Errors.BC615.format(lost=tally.lost, total=total, name=name, reasons=reasons, limit=max_loss)
        )
