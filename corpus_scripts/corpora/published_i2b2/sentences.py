"""Lines "word tag", as the published scripts print them and read them again, to a Record a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corpus_scripts.record import Record, TextSpan, check_record
from spacy_bioclinical.errors import Errors


class Word(NamedTuple):
    """One line of a published file."""

    text: str
    tag: str


def read_back(words: Iterable[Word]) -> list[Word]:
    """What the published reader takes from the lines: the first and the last field that white space parts.

    A word that is empty is read as its tag, and one with white space inside (a tab) loses what follows.
    """
    fields = (f"{word.text} {word.tag}".split() for word in words)
    return [Word(line[0], line[-1]) for line in fields]


def tags_of(types: Iterable[str]) -> tuple[str, ...]:
    """The published list of tags for types: B- and I- of each, and O."""
    return (*(f"{prefix}-{name}" for name in types for prefix in "BI"), "O")


def sentence(
    name: str,
    words: Iterable[Word],
    *,
    tags: Collection[str],
    path: Path,
    line: int,
    meta: Mapping[str, Any] | None = None,
) -> Record:
    """The record of one sentence: tokens joined by a space, ``meta["tags"]``, and the entities of the tags.

    name (str): Its id.
    words (Iterable[Word]): What stands in the published file.
    tags (Collection[str]): The published list; the published script stops at any other.
    path (Path), line (int): For messages.
    meta (Mapping | None): Further facts.
    RETURNS (Record): An I- that continues nothing begins an entity, as in the published scores.
    RAISES (ValueError): BC651.
    """
    read = read_back(words)
    if any(word.tag not in tags for word in read):
        raise ValueError(Errors.BC651.format(path=path, line=line, why="a tag is not in its list of tags"))
    tokens: list[tuple[int, int]] = []
    spans: list[TextSpan] = []
    position = 0
    before = "O"
    for word in read:
        end = position + len(word.text)
        tokens.append((position, end))
        prefix, _, label = word.tag.partition("-")
        if prefix == "I" and before.partition("-")[2] == label:
            spans[-1] = TextSpan(spans[-1].start, end, label)
        elif prefix != "O":
            spans.append(TextSpan(position, end, label))
        position = end + 1
        before = word.tag
    record = Record(
        name,
        " ".join(word.text for word in read),
        tuple(spans),
        meta={**(meta or {}), "tags": [word.tag for word in read]},
        tokens=tuple(tokens),
    )
    check_record(record, where=f"{path}, line {line}")
    return record
