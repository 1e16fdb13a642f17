"""Make what the converter reads of what a publisher gives, where the two differ: ASQ-PHI here, and a table of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.derive_hoc import make_hoc
from corpus_scripts.derive_mtsamples import make_mtsamples
from corpus_scripts.formats.files import read_text
from corpus_scripts.formats.jsonl import write_jsonl
from corpus_scripts.record import Record, TextSpan
from spacy_bioclinical.errors import Errors

_QUERY, _TAGS = "===QUERY===\n", "\n===PHI_TAGS===\n"


class Rule(NamedTuple):
    """How a file is made: of which one beside it, by which function, which returns how many values it did not find."""

    source: str
    make: Callable[[Path, Path], int]


def make_asq_phi(source: Path, target: Path) -> int:
    """Write the queries as JSONL with character spans.

    source (Path): synthetic_clinical_queries.txt: blocks of a query and, one JSON object a line, the values in it.
    target (Path): {id, text, spans} a line, ids asq0000, asq0001, …; each value at its first exact match that no value
        before it took.
    RETURNS (int): Values that do not stand in their query (left out).
    RAISES (ValueError): BC654 with the line if a block is not as published.
    """
    lost: list[int] = []
    write_jsonl(_queries(source, lost), target)
    return sum(lost)


def _queries(source: Path, lost: list[int]) -> Iterator[Record]:
    content = read_text(source).removeprefix("\ufeff").replace("\r\n", "\n")
    line = 1
    for number, block in enumerate(content.split(_QUERY)):
        text, separator, tags = block.partition(_TAGS)
        if number and not separator:
            raise ValueError(Errors.BC654.format(path=source, why=f"the query at line {line} has no tags"))
        if number:
            values = _values(source, line + text.count("\n") + 3, tags)
            spans = _place(text, values, lost)
            yield Record(f"asq{number - 1:04d}", text, tuple(spans))
        elif block.strip():
            raise ValueError(Errors.BC654.format(path=source, why="text stands before the first query"))
        line += block.count("\n") + (number > 0)


def _values(source: Path, line: int, tags: str) -> Iterator[tuple[str, str]]:
    for offset, content in enumerate(tags.split("\n")):
        if content.strip():
            try:
                row = json.loads(content)
                label, value = row["identifier_type"], row["value"]
            except (ValueError, KeyError, TypeError, RecursionError):
                label = value = None
            if not isinstance(label, str) or not isinstance(value, str) or not label or not value:
                why = f"line {line + offset} is not a tag with identifier_type and value"
                raise ValueError(Errors.BC654.format(path=source, why=why))
            yield label, value


def _place(text: str, values: Iterator[tuple[str, str]], lost: list[int]) -> list[TextSpan]:
    spans: list[TextSpan] = []
    for label, value in values:
        start = text.find(value)
        while start >= 0 and any(start < span.end and span.start < start + len(value) for span in spans):
            start = text.find(value, start + 1)
        if start < 0:
            lost.append(1)
        else:
            spans.append(TextSpan(start, start + len(value), label))
    return sorted(spans, key=lambda span: span.start)


# File below the folder of corpora → how it is made.
DERIVED: Mapping[str, Rule] = {
    "asq_phi/asq_phi_spans.jsonl": Rule("synthetic_clinical_queries.txt", make_asq_phi),
    "hoc/hoc.jsonl": Rule("Hallmarks-of-Cancer.tar.gz", make_hoc),
    "mtsamples/mtsamples_multilabel.jsonl": Rule("mtsamples.rda", make_mtsamples),
}
