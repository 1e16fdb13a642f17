"""One annotated document as text and character offsets: the only thing readers hand to the conversion.

A reader knows a file format, the conversion knows spaCy; neither knows the other. Offsets count characters
(code points) of ``text``, start at 0, and ``end`` is one past the last character.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spacy_bioclinical.errors import Errors


@dataclass(frozen=True, slots=True)
class TextSpan:
    """One stretch of text with a label.

    start (int): First character.
    end (int): One past the last character.
    label (str): The label.
    id (str): The mention's name in its source ("T5"), or "". The fragments of one discontinuous mention are
        several spans with the same id.
    """

    start: int
    end: int
    label: str
    id: str = ""

    def trimmed(self, text: str) -> TextSpan | None:
        """Leave out white space at both edges.

        text (str): The text of the record.
        RETURNS (TextSpan | None): A span without white-space edges (itself if it had none), None if nothing
            is left.
        """
        start, end = self.start, self.end
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if start == end:
            return None
        if (start, end) == (self.start, self.end):
            return self
        return TextSpan(start, end, self.label, self.id)


@dataclass(frozen=True, slots=True)
class Record:
    """One document and what annotators said about it.

    id (str): Names the document in reports, errors and predictions; unique within a corpus.
    text (str): The text as it is, never cleaned.
    spans (tuple | None): Mentions, in the order of the source; may overlap. ``()`` says "annotated, none
        found", None says "nobody looked": training treats the two differently.
    labels (Mapping | None): Category → 0.0 … 1.0 for the whole document; None if it was not annotated so. A
        category that is not named is missing, not negative.
    meta (Mapping): JSON-like facts of the source (brat attributes and relations, line numbers); kept in the
        Doc's ``user_data["meta"]``.
    tokens (tuple | None): (start, end) of each token where the source prescribes them, in order; they do not
        overlap, hold no white space, and everything between them is white space. None: spaCy's tokenizer
        decides.
    """

    id: str
    text: str
    spans: tuple[TextSpan, ...] | None = None
    labels: Mapping[str, float] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    tokens: tuple[tuple[int, int], ...] | None = None


def check_record(record: Record, *, where: str = "memory", allow_space_edges: bool = True) -> None:
    """Refuse a record that cannot become a Doc without loss.

    record (Record): The record.
    where (str): File and line for the message.
    allow_space_edges (bool): Accept spans that begin or end with white space (the conversion trims and counts
        them).
    RAISES (ValueError): BC601 offsets outside the text or empty span, BC602 half a surrogate pair, BC617 a
        field of the wrong kind, BC618 white-space edges. No message quotes the text.
    """
    _check_name(record.id, record=record, field_name="id", where=where)
    if not isinstance(record.text, str):
        _refuse(record, "text", "it is not a string", where)
    offset = _lone_surrogate(record.text)
    if offset is not None:
        raise ValueError(Errors.BC602.format(record=record.id, offset=offset, where=where))
    for index, span in enumerate(record.spans or ()):
        _check_span(record, index, span, where, allow_space_edges)
    for label, value in (record.labels or {}).items():
        _check_name(label, record=record, field_name="labels", where=where)
        if isinstance(value, str) or not 0.0 <= value <= 1.0:
            _refuse(record, "labels", "a value is not a number from 0 to 1", where)
    if not _is_json_like(record.meta):
        _refuse(record, "meta", "it holds something JSON has no word for", where)
    if record.tokens is not None:
        _check_tokens(record, where)


def check_unique_ids(records: Iterable[Record]) -> Iterator[Record]:
    """Pass records on, refusing an id seen before (BC603)."""
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise ValueError(Errors.BC603.format(record=record.id))
        seen.add(record.id)
        yield record


def _check_span(record: Record, index: int, span: TextSpan, where: str, allow_space_edges: bool) -> None:
    for value in (span.start, span.end):
        if isinstance(value, bool) or not isinstance(value, int):
            _refuse(record, "spans", f"an offset of span {index} is not a whole number", where)
    facts = {"index": index, "record": record.id, "start": span.start, "end": span.end, "where": where}
    if not 0 <= span.start < span.end <= len(record.text):
        raise ValueError(Errors.BC601.format(length=len(record.text), **facts))
    _check_name(span.label, record=record, field_name=f"spans (label of span {index})", where=where)
    if not isinstance(span.id, str) or _lone_surrogate(span.id) is not None:
        _refuse(record, "spans", f"the id of span {index} is not a string", where)
    if not allow_space_edges and span.trimmed(record.text) is not span:
        raise ValueError(Errors.BC618.format(**facts))


def _check_tokens(record: Record, where: str) -> None:
    """Tokens and the white space between them make up the text, and no token holds white space."""
    position = 0
    for index, (start, end) in enumerate(record.tokens or ()):
        if not position <= start < end <= len(record.text):
            _refuse(record, "tokens", f"token {index} is empty, overlaps another or leaves the text", where)
        if record.text[position:start].strip():
            _refuse(record, "tokens", f"text before token {index} is in no token", where)
        if any(character.isspace() for character in record.text[start:end]):
            _refuse(record, "tokens", f"token {index} holds white space", where)
        position = end
    if record.text[position:].strip():
        _refuse(record, "tokens", "text after the last token is in no token", where)


def _check_name(value: object, *, record: Record, field_name: str, where: str) -> None:
    if not isinstance(value, str) or not value.strip() or _lone_surrogate(value) is not None:
        _refuse(record, field_name, "it is not a string, or empty", where)


def _refuse(record: Record, field_name: str, why: str, where: str) -> None:
    shown = record.id if isinstance(record.id, str) and _lone_surrogate(record.id) is None else "?"
    raise ValueError(Errors.BC617.format(record=shown, field=field_name, why=why, where=where))


def _lone_surrogate(text: str) -> int | None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return error.start
    return None


def _is_json_like(value: object) -> bool:
    if isinstance(value, str):
        return _lone_surrogate(value) is None
    if value is None or isinstance(value, (bool, float)):
        return True
    if isinstance(value, int):
        return -(2**63) <= value < 2**64  # what msgpack can hold
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json_like(part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_json_like(part) for part in value)
    return False
