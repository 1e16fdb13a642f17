"""Read the lines of .con, .ast and .rel files of the 2010 i2b2 release: concepts by line and token.

A position LINE:TOKEN counts lines from 1 and tokens from 0 over lines split at spaces.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.formats.files import read_lines
from spacy_bioclinical.errors import Errors

_PLACE = r'c="(.*)"\s+([0-9]{1,9}):([0-9]{1,9})\s+([0-9]{1,9}):([0-9]{1,9})'
_CONCEPT = re.compile(rf'{_PLACE}\|\|t="([^"|\s]+)"')
_ASSERTION = re.compile(rf'{_PLACE}\|\|t="([^"|\s]+)"\|\|a="([^"|\s]+)"')
_RELATION = re.compile(rf'{_PLACE}\|\|r="([^"|\s]+)"\|\|{_PLACE}')
# The text of the longest concept has a few hundred characters.
_LONGEST = 10_000


class Place(NamedTuple):
    """Where a concept stands: its first and last token, both included."""

    first_line: int
    first_token: int
    last_line: int
    last_token: int


class Concept(NamedTuple):
    """One line of a .con file."""

    place: Place
    text: str
    label: str
    line: int


class Assertion(NamedTuple):
    """One line of an .ast file."""

    place: Place
    assertion: str


class Relation(NamedTuple):
    """One line of a .rel file."""

    first: Place
    label: str
    second: Place


def read_concepts(path: Path) -> list[Concept]:
    """All lines of a .con file; RAISES (ValueError): BC647."""
    concepts = []
    for line, match in _matches(path, _CONCEPT, "not a concept"):
        concepts.append(Concept(_place(match, 2), match.group(1), match.group(6), line))
    return concepts


def read_assertions(path: Path) -> list[Assertion]:
    """All lines of an .ast file; RAISES (ValueError): BC647."""
    lines = _matches(path, _ASSERTION, "not a concept with its assertion")
    return [Assertion(_place(match, 2), match.group(7)) for _, match in lines]


def read_relations(path: Path) -> list[Relation]:
    """All lines of a .rel file; RAISES (ValueError): BC647."""
    lines = _matches(path, _RELATION, "not two concepts and their relation")
    return [Relation(_place(match, 2), match.group(6), _place(match, 8)) for _, match in lines]


def _matches(path: Path, pattern: re.Pattern[str], why: str) -> list[tuple[int, re.Match[str]]]:
    found = []
    for line, content in enumerate(read_lines(path), start=1):
        if not content.strip():
            continue
        match = pattern.fullmatch(content.strip()) if len(content) <= _LONGEST else None
        if match is None:
            raise ValueError(Errors.BC647.format(path=path, line=line, why=f"this is {why}"))
        found.append((line, match))
    return found


def _place(match: re.Match[str], group: int) -> Place:
    return Place(*(int(match.group(number)) for number in range(group, group + 4)))
