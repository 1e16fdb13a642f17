"""Put the mentions of an i2b2 file where their text stands: offsets are checked, known slips repaired and counted.

The releases hold some wrong offsets (those of a 2014 note count bytes, not characters), and some texts where the
tag writes "and" for "&". What cannot be repaired is refused: a wrong offset would silently train a wrong label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.formats.i2b2_xml import Tag, decode_references
from corpus_scripts.record import TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

MISMATCH = ("error", "keep")
# How far from its offset a mention is looked for, in characters.
_NEAR = 50
_LONGEST = 1000
_NUMBER = re.compile(r"[0-9]{1,9}")


class Mention(NamedTuple):
    """What a tag claims: this text stands from ``start`` to ``end`` (characters of the text, end excluded)."""

    start: int
    end: int
    label: str
    text: str
    id: str
    line: int


def check_mismatch(mismatch: str) -> None:
    """Refuse (BC622) a value that is not one of MISMATCH."""
    if mismatch not in MISMATCH:
        expected = " or ".join(MISMATCH)
        raise ValueError(Errors.BC622.format(option="--set mismatch", value=mismatch, expected=expected))


def offset_of(tag: Tag, key: str, path: Path) -> int:
    """The offset an attribute gives.

    RAISES (ValueError): BC645 if it is none.
    """
    value = tag.attributes.get(key, "")
    if not _NUMBER.fullmatch(value):
        why = f'"{key}" of the tag is missing or no whole number'
        raise ValueError(Errors.BC645.format(path=path, line=tag.line, why=why))
    return int(value)


def mention_of(tag: Tag, label: str, path: Path) -> Mention:
    """The mention of a tag with start, end and text; RAISES (ValueError): BC645."""
    start, end = offset_of(tag, "start", path), offset_of(tag, "end", path)
    if start >= end or "text" not in tag.attributes:
        why = "the tag has no text, or its end is not behind its start"
        raise ValueError(Errors.BC645.format(path=path, line=tag.line, why=why))
    return Mention(start, end, label, tag.attributes["text"], tag.attributes.get("id", ""), tag.line)


def place(
    text: str, mentions: Sequence[Mention], path: Path, tally: Tally, *, mismatch: str
) -> list[TextSpan]:
    """Spans of mentions, each where its text stands.

    text (str): The document.
    mentions (Sequence[Mention]): In the order of the source.
    path (Path): For messages.
    tally (Tally): Receives "offsets_in_bytes", "offset_moved" (the text was found once within 50 characters),
        "ampersand_as_and" and "text_differs_from_tag".
    mismatch (str): What cannot be repaired is an "error", or its offsets are trusted ("keep").
    RETURNS (list[TextSpan]): As many as mentions, in their order.
    RAISES (ValueError): BC646.
    """
    if all(_stands(mention, text) for mention in mentions):
        return [_span(mention) for mention in mentions]
    in_bytes = _counted_in_bytes(text, mentions)
    if in_bytes is not None:
        tally.repaired["offsets_in_bytes"] += sum(
            old[:2] != new[:2] for old, new in zip(mentions, in_bytes, strict=True)
        )
        return [_span(mention) for mention in in_bytes]
    return [_span(_repaired(mention, text, path, tally, mismatch)) for mention in mentions]


def _span(mention: Mention) -> TextSpan:
    return TextSpan(mention.start, mention.end, mention.label, mention.id)


def _plain(text: str) -> str:
    """White space does not count, and the text of some notes writes ``&apos;`` where the tag has the character."""
    return " ".join(decode_references(text, Tally()).split())


def _stands(mention: Mention, text: str) -> bool:
    return mention.end <= len(text) and _plain(text[mention.start : mention.end]) == _plain(mention.text)


def _counted_in_bytes(text: str, mentions: Sequence[Mention]) -> list[Mention] | None:
    """The mentions with their offsets read as counts of UTF-8 bytes, if then all of them fit."""
    if text.isascii():
        return None
    counts = accumulate((len(character.encode()) for character in text), initial=0)
    characters = {count: index for index, count in enumerate(counts)}
    moved = [
        mention._replace(start=characters.get(mention.start, -1), end=characters.get(mention.end, -1))
        for mention in mentions
    ]
    fits = all(0 <= mention.start < mention.end and _stands(mention, text) for mention in moved)
    return moved if fits else None


def _repaired(mention: Mention, text: str, path: Path, tally: Tally, mismatch: str) -> Mention:
    if _stands(mention, text):
        return mention
    inside = mention.end <= len(text)
    if inside and _and(text[mention.start : mention.end]) == _and(mention.text):
        tally.repaired["ampersand_as_and"] += 1
        return mention
    places = _near(mention, text)
    if len(places) == 1:
        tally.repaired["offset_moved"] += 1
        return mention._replace(start=places[0][0], end=places[0][1])
    if inside and mismatch == "keep":
        tally.repaired["text_differs_from_tag"] += 1
        return mention
    raise ValueError(
        Errors.BC646.format(
            path=path,
            line=mention.line,
            start=mention.start,
            end=mention.end,
            length=len(text),
            found=len(places),
            near=_NEAR,
        )
    )


def _and(text: str) -> str:
    return _plain(_plain(text).replace("&", " and "))


def _near(mention: Mention, text: str) -> list[tuple[int, int]]:
    words = mention.text.split()
    if not words or len(mention.text) > _LONGEST:
        return []
    pattern = re.compile(r"\s+".join(map(re.escape, words)))
    first = max(0, mention.start - _NEAR)
    return [match.span() for match in pattern.finditer(text, first, mention.end + _NEAR)]
