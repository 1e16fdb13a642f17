"""Records become spaCy Docs with the very same text, and a .spacy file with its report: the seam to training.

The tokens are those of spaCy's tokenizer, because a pipeline will meet notes tokenised so; where a mention
begins or ends inside a token, that token alone is cut in two, so no mention is lost. Every mention is in
``doc.spans["gold"]``; ``doc.ents``, which may not overlap, gets the longest ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc, Span
from tqdm import tqdm

from corpus_scripts.docbin import SPANS_KEY, Collector, Converted
from corpus_scripts.record import Record, TextSpan, check_record, check_unique_ids
from corpus_scripts.report import Report, Source
from corpus_scripts.tally import Tally
from corpus_scripts.tokenizer import Tokenize, make_tokenizer

GIVEN = "given"  # user_data["tokens"] of a Doc whose record brought its tokens


def to_doc(record: Record, tokenize: Tokenize, tally: Tally) -> Doc:
    """Make the annotated Doc of a record.

    record (Record): The record.
    tokenize (Callable): Text → Doc, such as ``make_tokenizer("en")`` or ``nlp.tokenizer``.
    tally (Tally): Receives what was repaired or dropped.
    RETURNS (Doc): ``doc.text == record.text``; mentions in ``doc.spans["gold"]`` and ``doc.ents``; categories
        in ``doc.cats``; ``doc.user_data["id"]`` and ``["meta"]``, and ``["tokens"] == "given"`` where the tokens
        are the record's own.
    RAISES (ValueError): See check_record.
    """
    check_record(record)
    spans = _clean_spans(record, tally)
    cuts = sorted({edge for span in spans for edge in (span.start, span.end)})
    doc = tokenize(record.text) if record.tokens is None else _given_tokens(record, tokenize)
    edges = _Edges(doc)
    if not edges.fit(cuts):
        doc = _cut_tokens(doc, cuts, tally)
        edges = _Edges(doc)
    if record.spans is not None:
        _annotate(doc, spans, edges)
    doc.cats = {label: float(value) for label, value in (record.labels or {}).items()}
    doc.user_data["id"] = record.id
    if record.tokens is not None:
        doc.user_data["tokens"] = GIVEN
    if record.meta:
        doc.user_data["meta"] = dict(record.meta)
    return doc


def record_id(doc: Doc) -> str:
    """The id of the record a Doc was made from ("" for a Doc made elsewhere)."""
    return str(doc.user_data.get("id", ""))


def convert_records(
    records: Iterable[Record],
    *,
    name: str,
    tokenize: Tokenize | None = None,
    tally: Tally | None = None,
    max_loss: float = 0.0,
    sources: Sequence[Source] = (),
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    corpus: Mapping[str, Any] | None = None,
) -> Converted:
    """Convert records into the bytes of a .spacy file and its report; writes nothing.

    records (Iterable[Record]): The records; their ids must differ. Those without any text are left out and
        counted.
    name (str): Name in the report, "train".
    tokenize (Callable | None): Text → Doc; spaCy's English tokenizer by default.
    tally (Tally | None): The one the reader counts into.
    max_loss (float): Largest part of the annotated mentions that may be lost.
    sources, seed, options, corpus: Facts for the report.
    RETURNS (Converted): Call its ``write``.
    RAISES (ValueError): BC603 repeated id, BC612 no record, BC615 too many mentions lost, and those of
        check_record.
    """
    tokenize = tokenize or make_tokenizer()
    tally = tally or Tally()
    collector = Collector(name, tally=tally)
    for record in tqdm(check_unique_ids(records), desc=name, unit="doc", disable=None, leave=False):
        add_record(record, collector, tokenize)
    tally.refuse_loss(name, kept=collector.counts.mentions, limit=max_loss)
    return collector.finish(sources=sources, seed=seed, options=options, corpus=corpus)


def add_record(record: Record, collector: Collector, tokenize: Tokenize) -> None:
    """Convert one record and collect it; a record without any text is left out and counted."""
    if record.text:
        collector.add(to_doc(record, tokenize, collector.counts.tally))
    else:
        collector.counts.tally.dropped["empty_document"] += 1


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
    seen: set[TextSpan] = set()
    for span in record.spans or ():
        trimmed = span.trimmed(record.text)
        if trimmed is None:
            tally.dropped["blank_span"] += 1
            continue
        if trimmed is not span:
            tally.repaired["white_space_edges"] += 1
        if trimmed in seen:
            tally.dropped["repeated_span"] += 1
            continue
        seen.add(trimmed)
        kept.append(trimmed)
    return kept


class _Edges:
    """Where the tokens of a Doc begin and end, in characters."""

    def __init__(self, doc: Doc) -> None:
        columns = doc.to_array([IDX, LENGTH]).astype(numpy.int64)
        self.starts = columns[:, 0]
        self.ends = self.starts + columns[:, 1]

    def fit(self, cuts: Sequence[int]) -> bool:
        """Whether no cut falls inside a token."""
        if not cuts:
            return True
        last = (
            numpy.searchsorted(self.starts, cuts, side="left") - 1
        )  # the last token that begins before a cut
        return not bool(numpy.any((last >= 0) & (self.ends[last] > numpy.asarray(cuts))))

    def tokens_of(self, spans: Sequence[TextSpan]) -> list[tuple[int, int]]:
        """First token, and one past the last, of spans that begin and end with tokens."""
        first = numpy.searchsorted(self.starts, [span.start for span in spans])
        last = numpy.searchsorted(self.ends, [span.end for span in spans])
        return list(zip(first.tolist(), (last + 1).tolist()))


def _given_tokens(record: Record, tokenize: Tokenize) -> Doc:
    """The Doc of a record that brings its tokens; white space between them is kept as spaCy's tokenizer does.

    One space belongs to the token before it; any other white space is a token of its own.
    """
    words: list[str] = []
    spaces: list[bool] = []
    position = 0
    length = len(record.text)
    for start, end in (*(record.tokens or ()), (length, length)):
        gap = record.text[position:start]
        if gap.startswith(" ") and words:
            spaces[-1] = True
            gap = gap[1:]
        if gap:
            words.append(gap)
            spaces.append(False)
        if start < end:
            words.append(record.text[start:end])
            spaces.append(False)
        position = end
    return Doc(tokenize("").vocab, words=words, spaces=spaces)


def _cut_tokens(doc: Doc, cuts: Sequence[int], tally: Tally) -> Doc:
    """Split the tokens that have a cut inside; the Doc itself is returned if none has."""
    words: list[str] = []
    spaces: list[bool] = []
    split = 0
    for token in doc:
        start, end = token.idx, token.idx + len(token.text)
        inside = cuts[bisect_left(cuts, start + 1) : bisect_left(cuts, end)]
        edges = [start, *inside, end]
        words.extend(token.text[left - start : right - start] for left, right in pairwise(edges))
        spaces.extend([False] * len(inside))
        spaces.append(bool(token.whitespace_))
        split += bool(inside)
    if not split:
        return doc
    tally.repaired["token_split_at_mention"] += split
    return Doc(doc.vocab, words=words, spaces=spaces)


def _annotate(doc: Doc, spans: Sequence[TextSpan], edges: _Edges) -> None:
    """Put all mentions into ``doc.spans``, and into ``doc.ents`` the longest of those that overlap."""
    if not spans:
        doc.spans[SPANS_KEY] = []
        doc.set_ents([], default="outside")
        return
    places = edges.tokens_of(spans)
    doc.spans[SPANS_KEY] = [
        Span(doc, first, last, label=span.label, span_id=span.id)
        for span, (first, last) in zip(spans, places)
    ]
    taken = bytearray(len(doc))
    ents = []
    # Longest first, then leftmost, then in the order of the source (sorting is stable).
    order = sorted(range(len(spans)), key=lambda n: (spans[n].start - spans[n].end, spans[n].start))
    for number in order:
        first, last = places[number]
        if not any(taken[first:last]):
            taken[first:last] = b"\x01" * (last - first)
            ents.append(Span(doc, first, last, label=spans[number].label))
    # "outside", not "missing": a document without a mention teaches that there is none.
    doc.set_ents(ents, default="outside")
