"""Templates with marks: "[Status=none:ab|Denies] any [Tobacco:a|tobacco]", nested as deep as mentions are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

_HEAD = re.compile(r"([^=:|]+)(?:=([^:|]*))?(?::([a-z]+))?")
_SYNTAX = re.compile(r"\{(\w+)\}|\[([^|\[\]*]+)\||(\])")


@dataclass(frozen=True)
class Mark:
    """One mention.

    start, end (int): Characters.
    label (str): What it is.
    value (str): An attribute: "none" of a Status, the mask text of an identifying mention.
    links (str): Letters of the events of its template to which it belongs.
    """

    start: int
    end: int
    label: str
    value: str = ""
    links: str = ""


@dataclass(frozen=True)
class Marked:
    """A text and its mentions, in the order in which they begin (outer ones first)."""

    text: str
    marks: tuple[Mark, ...] = ()

    def __add__(self, other: Marked | str) -> Marked:
        if isinstance(other, str):
            return Marked(self.text + other, self.marks)
        moved = tuple(
            replace(mark, start=mark.start + len(self.text), end=mark.end + len(self.text))
            for mark in other.marks
        )
        return Marked(self.text + other.text, self.marks + moved)


def render(template: str, fill: Callable[[str], str]) -> Marked:
    """Fill the slots of a template and take its marks out.

    template (str): Text with ``{slot}`` and ``[Label|text]``, ``[Label=value:links|text]``.
    fill (Callable): Slot → its text, which may hold slots and marks as well.
    """
    parts: list[str] = []
    length = 0
    opened: list[int] = []
    marks: list[Mark] = []

    def walk(source: str) -> None:
        nonlocal length
        position = 0

        def add(text: str) -> None:
            nonlocal length
            parts.append(text)
            length += len(text)

        for match in _SYNTAX.finditer(source):
            add(source[position : match.start()])
            position = match.end()
            slot, head, _ = match.groups()
            if slot:
                walk(fill(slot))
            elif head:
                found = _HEAD.fullmatch(head)
                assert found, head
                label, value, links = found.groups()
                opened.append(len(marks))
                marks.append(Mark(length, length, label, value or "", links or ""))
            else:
                index = opened.pop()
                marks[index] = replace(marks[index], end=length)
        add(source[position:])

    walk(template)
    assert not opened, template
    return Marked("".join(parts), tuple(marks))
