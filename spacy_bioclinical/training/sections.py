"""Name the section that each place of a note stands in, by the known headings alone: a name never quotes the note.

A line that only looks like a heading (a name in capitals may) begins a section "other".
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from spacy_bioclinical.pieces.headings import KNOWN_HEADINGS, MAX_CHARACTERS, is_heading
from spacy_bioclinical.pieces.white_space import LINE_BREAKS

OTHER = "other"
_LINE = re.compile(f"[^{LINE_BREAKS}]+")
_AROUND = " \t\u00a0#*_=-"
_NUMBERING = re.compile(r"(?:\d{1,2}|[A-Za-z]|[IVXivx]{1,4})[.)]\s+")


@dataclass(frozen=True)
class Sections:
    """starts (list[int]): characters where sections begin, ascending. names (list[str]): of each."""

    starts: list[int]
    names: list[str]

    def at(self, character: int) -> str | None:
        """RETURNS (str | None): the name of the section that holds the character; None before the first."""
        index = bisect_right(self.starts, character) - 1
        return self.names[index] if index >= 0 else None


def find_sections(text: str) -> Sections:
    """Find the sections of a note: each begins at a line that is, or begins with, a heading.

    text (str): the whole note.
    RETURNS (Sections): places and names.
    """
    starts, names = [], []
    for match in _LINE.finditer(text):
        line = match.group()[: 8 * MAX_CHARACTERS]
        if is_heading(line):
            starts.append(match.start())
            names.append(heading_name(line))
    return Sections(starts, names)


def heading_name(line: str) -> str:
    """RETURNS (str): the known heading that the line is or begins with, lower case, or "other"."""
    line = line.strip(_AROUND)
    numbering = _NUMBERING.match(line)
    for candidate in (line, line[numbering.end() :] if numbering else line):
        phrase = " ".join(candidate.partition(":")[0].strip(_AROUND).split()).lower()
        if phrase in KNOWN_HEADINGS:
            return phrase
    return OTHER
