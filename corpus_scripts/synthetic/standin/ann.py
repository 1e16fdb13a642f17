"""Write marked texts one after the other as brat: one text, and the lines T, A, R and E about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from corpus_scripts.synthetic.standin.markup import Marked


class AnnWriter:
    """A .txt and its .ann as they grow; ids count up within the file."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._length = 0
        self._numbers: Counter[str] = Counter()
        self.lines: list[str] = []

    @property
    def text(self) -> str:
        """What stands in the .txt."""
        return "".join(self._texts)

    def write(self, text: str) -> None:
        """Append text without mentions."""
        self._texts.append(text)
        self._length += len(text)

    def add(self, marked: Marked) -> list[str]:
        """Append a text with its mentions.

        RETURNS (list[str]): Their ids ("T7"), in the order of the marks.
        """
        ids = []
        for mark in marked.marks:
            mention = marked.text[mark.start : mark.end]
            offsets = _fragments(mention, self._length + mark.start)
            places = ";".join(f"{start} {end}" for start, end in offsets)
            ids.append(self._line("T", f"{mark.label} {places}\t{mention.replace(chr(10), ' ')}"))
        self.write(marked.text)
        return ids

    def attribute(self, name: str, target: str, value: str) -> str:
        """Append an attribute of a mention or event; its id is returned."""
        return self._line("A", f"{name} {target} {value}")

    def relation(self, name: str, first: str, second: str) -> str:
        """Append a relation of two mentions; its id is returned."""
        return self._line("R", f"{name} Arg1:{first} Arg2:{second}")

    def event(self, name: str, trigger: str, arguments: Sequence[tuple[str, str]]) -> str:
        """Append an event; a role that occurs again is numbered, as brat does. Its id is returned."""
        roles: Counter[str] = Counter()
        fields = [f"{name}:{trigger}"]
        for role, target in arguments:
            roles[role] += 1
            fields.append(f"{role}{roles[role] if roles[role] > 1 else ''}:{target}")
        return self._line("E", " ".join(fields))

    def _line(self, kind: str, rest: str) -> str:
        self._numbers[kind] += 1
        name = f"{kind}{self._numbers[kind]}"
        self.lines.append(f"{name}\t{rest}\n")
        return name


def _fragments(mention: str, start: int) -> list[tuple[int, int]]:
    """One fragment a line, as brat cuts a mention that goes over the end of one."""
    fragments = []
    for line in mention.split("\n"):
        if line.strip():
            fragments.append((start, start + len(line)))
        start += len(line) + 1
    return fragments
