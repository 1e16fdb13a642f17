"""Find where published mentions stand: offsets count characters, UTF-16 units or bytes; each mention's text tells.

Markup formats give offsets and the text of each mention. A document is read in the first unit in which every
mention of it stands where it is said to; if there is none, offsets and text do not belong together.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from corpus_scripts.record import TextSpan
from corpus_scripts.tally import Tally

UNITS = ("characters", "utf16", "bytes")
# Offset in some unit → character; None if there is none.
Place = Callable[[int], int | None]

_IDENTIFIER = re.compile(r"(?=.*[0-9])[\w.:/-]{1,40}", re.ASCII)
# Between the fragments of a discontinuous mention, as different tools write its text.
_JOINERS = ("", "...", "\N{HORIZONTAL ELLIPSIS}", "|")


@dataclass(frozen=True)
class Mention:
    """A mention as published.

    id (str): Unique within its document.
    label (str): Its label.
    fragments (tuple): (start, end) of each fragment in the order of the source, counted in an unknown unit.
    text (str): The text the source gives for it.
    where (str): Line or number of the annotation, for messages.
    """

    id: str
    label: str
    fragments: tuple[tuple[int, int], ...]
    text: str
    where: str


class Stretch(NamedTuple):
    """Text that begins at an offset of its document."""

    offset: int
    text: str


@dataclass(frozen=True)
class Settled:
    """A document in which all mentions were found.

    text (str): Its text.
    unit (str): One of UNITS.
    spans (list[TextSpan]): One for each fragment, in the order of the mentions, counted in characters.
    differing (int): Mentions whose text is not what stands there, kept because offsets were trusted.
    place (Callable): Offset in the unit → character.
    """

    text: str
    unit: str
    spans: list[TextSpan]
    differing: int
    place: Place

    def count(self, n_mentions: int, tally: Tally) -> None:
        """Count offsets in another unit than characters, and mentions kept although their text differs."""
        if self.unit != UNITS[0]:
            tally.repaired[f"offsets_in_{self.unit}"] += n_mentions
        if self.differing:
            tally.repaired["mention_text_differs"] += self.differing


class Unsettled(Exception):
    """No unit fits: ``mention`` does not stand in characters, or (None) the stretches overlap."""

    def __init__(self, mention: Mention | None) -> None:
        super().__init__()
        self.mention = mention

    @property
    def offsets(self) -> str:
        """The offsets of the mention as published."""
        fragments = self.mention.fragments if self.mention else ()
        return ";".join(f"{start}-{end}" for start, end in fragments)


def settle(stretches: Sequence[Stretch], mentions: Sequence[Mention], *, trust: bool = False) -> Settled:
    """Put the stretches of a document together and find all its mentions.

    stretches (Sequence[Stretch]): Text and offsets, in any order; what lies between them becomes a line end
        followed by spaces, so that every offset holds.
    mentions (Sequence[Mention]): What was annotated.
    trust (bool): If no unit fits, count characters and believe offsets that lie in the text.
    RETURNS (Settled): In the first of UNITS in which the text of each mention, white space collapsed, is what
        stands at its offsets.
    RAISES (Unsettled): There is none.
    """
    ordered = sorted((stretch for stretch in stretches if stretch.text), key=lambda stretch: stretch.offset)
    failed: Mention | None = None
    for unit in _units_of(ordered):
        text = _assemble(ordered, unit)
        if text is None:
            continue
        place = _ruler(text, unit)
        wrong = next((mention for mention in mentions if not _stands(mention, text, place)), None)
        if wrong is None:
            return Settled(text, unit, _spans(mentions, place), 0, place)
        failed = failed or wrong
    text = _assemble(ordered, UNITS[0])
    if trust and text is not None:
        place = _ruler(text, UNITS[0])
        if all(place(end) is not None for mention in mentions for _, end in mention.fragments):
            differing = sum(not _stands(mention, text, place) for mention in mentions)
            return Settled(text, UNITS[0], _spans(mentions, place), differing, place)
    raise Unsettled(failed)


def shown_id(name: str) -> str:
    """An id for a message; "?" for what does not look like one and, in a damaged file, might be text."""
    return f"'{name}'" if _IDENTIFIER.fullmatch(name) else "?"


def _spans(mentions: Sequence[Mention], place: Place) -> list[TextSpan]:
    return [
        TextSpan(_sure(place(start)), _sure(place(end)), mention.label, mention.id)
        for mention in mentions
        for start, end in mention.fragments
    ]


def _units_of(stretches: Sequence[Stretch]) -> list[str]:
    """The units that can differ from characters in these texts, and characters."""
    units = ["characters"]
    if any(character > "\uffff" for _, text in stretches for character in text):
        units.append("utf16")
    if not all(text.isascii() for _, text in stretches):
        units.append("bytes")
    return units


def _width(character: str, unit: str) -> int:
    if unit == "utf16":
        return 1 + (character > "\uffff")
    return 1 + (character > "\x7f") + (character > "\u07ff") + (character > "\uffff")


def _assemble(ordered: Sequence[Stretch], unit: str) -> str | None:
    """The text, with gaps filled; None if stretches overlap when counted so."""
    parts: list[str] = []
    end = 0
    for offset, text in ordered:
        if offset < end:
            return None
        if offset > end:
            parts.append("\n" + " " * (offset - end - 1))
        parts.append(text)
        length = len(text) if unit == "characters" else sum(_width(character, unit) for character in text)
        end = offset + length
    return "".join(parts)


def _ruler(text: str, unit: str) -> Place:
    """Offset in a unit → offset in characters; None outside the text and inside a character."""
    if unit == "characters":
        return lambda offset: offset if offset <= len(text) else None
    edges = list(accumulate((_width(character, unit) for character in text), initial=0))

    def place(offset: int) -> int | None:
        index = bisect_left(edges, offset)
        return index if index < len(edges) and edges[index] == offset else None

    return place


def _stands(mention: Mention, text: str, place: Place) -> bool:
    edges = [(place(start), place(end)) for start, end in mention.fragments]
    parts: list[str] = []
    for start, end in edges:
        if start is None or end is None:
            return False
        parts.append(text[start:end])
    wanted = mention.text.split()
    if len(parts) == 1:
        return parts[0].split() == wanted
    first = min(_sure(start) for start, _ in edges)
    last = max(_sure(end) for _, end in edges)
    if text[first:last].split() == wanted:
        return True
    squeezed = "".join(wanted)
    return any("".join(joiner.join(parts).split()) == squeezed for joiner in _JOINERS)


def _sure(offset: int | None) -> int:
    assert offset is not None
    return offset
