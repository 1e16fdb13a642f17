"""How the offsets of a brat file were counted: in characters as they are, or as some other tool counts them.

Files that went through Windows, or gained a byte order mark, have characters the annotation tool never saw;
tools in Java or JavaScript count UTF-16 units, some count bytes. The way that fits every mention is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from corpus_scripts.formats.brat_lines import Mention


class View(NamedTuple):
    """One way of counting; offsets that no character begins or ends at are None.

    starts, ends (Sequence): Offset as counted → offset in characters of the text, for the first character of a
        fragment and for the place after its last.
    reason (str): What the tally calls it; "" for the offsets as they should be.
    """

    starts: Sequence[int | None]
    ends: Sequence[int | None]
    reason: str

    def place(self, fragments: Sequence[tuple[int, int]]) -> list[tuple[int, int]] | None:
        """Fragments in characters of the text; None if one is not in it."""
        placed = []
        for start, end in fragments:
            if start >= len(self.starts) or end >= len(self.ends):
                return None
            first, last = self.starts[start], self.ends[end]
            if first is None or last is None:
                return None
            placed.append((first, last))
        return placed


def find_view(text: str, mentions: Sequence[Mention]) -> View | Mention:
    """The first view in which every mention stands where the .ann says.

    text (str): The text, as it is in the file.
    mentions (Sequence[Mention]): All mentions of the document.
    RETURNS (View | Mention): The view; or if there is none, the first mention that is not where it should be
        (counted in characters).
    """
    worst: Mention | None = None
    for view in _views(text):
        failed = next((mention for mention in mentions if not _stands(mention, text, view)), None)
        if failed is None:
            return view
        worst = worst or failed
    assert worst is not None
    return worst


def _stands(mention: Mention, text: str, view: View) -> bool:
    """Compare mention and text; brat writes a space for a line break, and between fragments."""
    placed = view.place(mention.fragments)
    if placed is None:
        return False
    return " ".join(text[start:end] for start, end in placed).split() == mention.text.split()


def _views(text: str) -> Iterator[View]:
    yield View(range(len(text)), range(len(text) + 1), "")
    units: list[tuple[str, Callable[[str], int]]] = [("offsets_of_other_line_ends", lambda character: 1)]
    if text and max(text) > "\uffff":
        units.append(("offsets_in_utf16_units", lambda character: 1 + (character > "\uffff")))
    if not text.isascii():
        units.append(("offsets_in_utf8_bytes", lambda character: len(character.encode())))
    for reason, width in units:
        for line_ends, mark in ((False, False), (True, False), (False, True), (True, True)):
            if (line_ends and "\r\n" not in text) or (mark and not text.startswith("\ufeff")):
                continue
            if reason != units[0][0] or line_ends or mark:
                yield _make_view(text, width, line_ends, mark, reason)


def _make_view(text: str, width: Callable[[str], int], line_ends: bool, mark: bool, reason: str) -> View:
    starts: list[int | None] = []
    ends: list[int | None] = [None]
    for index, character in enumerate(text):
        uncounted = (mark and index == 0) or (
            line_ends and character == "\r" and text[index + 1 : index + 2] == "\n"
        )
        if uncounted:
            continue
        inside: list[int | None] = [None] * (width(character) - 1)
        starts += [index, *inside]
        ends += [*inside, index + 1]
    return View(starts, ends, reason)
