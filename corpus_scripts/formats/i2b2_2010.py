"""Read the 2010 i2b2/VA notes: txt/NAME.txt with concept/NAME.con, and ast/ and rel/ where they are.

Concepts are given by line and token. The annotators' tool counted an empty token before a line that begins with a
space, and one token between runs of spaces; some lines were counted otherwise, so each concept's own text decides.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from corpus_scripts.formats.files import read_text
from corpus_scripts.formats.i2b2_2010_lines import (
    Concept,
    Place,
    read_assertions,
    read_concepts,
    read_relations,
)
from corpus_scripts.formats.i2b2_mentions import check_mismatch
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TYPES = ("problem", "treatment", "test")
# How tokens may have been counted: (what parts them, whether a space at the start makes an empty token 0).
_COUNTS = (
    (re.compile(" +"), True),
    (re.compile(" +"), False),
    (re.compile(" "), True),
    (re.compile(r"\s+"), True),
)


class Pair(NamedTuple):
    """One note: its name, its text, its concepts."""

    name: str
    text: Path
    concepts: Path


def read_i2b2_2010(path: Path, tally: Tally, *, mismatch: str = "error") -> Iterator[Record]:
    """Read all notes of a folder and those below it.

    path (Path): For instance the folder with beth/ and partners/, or with test_data/ and the reference standard.
    tally (Tally): Receives "tokens_counted_otherwise" (the text stands where another way of counting says),
        "text_differs_from_tag", and texts of folders without any annotation ("unannotated_document", left out).
    mismatch (str): A concept whose text is not what stands there is an "error", or its place is trusted ("keep").
    YIELDS (Record): In the order of the names; spans in the order of the .con, with ids T1, T2, …. ``meta`` holds
        "assertions" ({"mention", "assertion"}) and "relations" ({"type", "from", "to"}) where the files are there.
    RAISES (ValueError): BC647 with file and line, BC648 partner missing, BC611, BC612.
    """
    check_mismatch(mismatch)
    for pair in find_pairs(Path(path), tally):
        note = Note(pair, read_text(pair.text).removeprefix("\ufeff"))
        spans = [
            TextSpan(*note.locate(concept, tally, mismatch), concept.label, f"T{number}")
            for number, concept in enumerate(note.concepts, start=1)
        ]
        record = Record(pair.name, note.text, tuple(spans), meta=_meta(note, tally))
        check_record(record, where=str(pair.concepts))
        yield record


class Note:
    """A text in lines, and its concepts."""

    def __init__(self, pair: Pair, text: str) -> None:
        self.pair = pair
        self.text = text
        self.concepts = read_concepts(pair.concepts)
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line(self, number: int) -> tuple[int, str]:
        """Where a line (counted from 1) begins, and what stands on it; nothing beyond the last."""
        if not 1 <= number <= len(self.starts):
            return len(self.text), ""
        start = self.starts[number - 1]
        end = self.starts[number] - 1 if number < len(self.starts) else len(self.text)
        return start, self.text[start:end].removesuffix("\r")

    def locate(self, concept: Concept, tally: Tally, mismatch: str) -> tuple[int, int]:
        """The characters of a concept; RAISES (ValueError): BC647."""
        found = [self._characters(concept.place, count) for count in _COUNTS]
        for place in found:
            if place and _plain(self.text[place[0] : place[1]]) == _plain(concept.text):
                if place != found[0]:
                    tally.repaired["tokens_counted_otherwise"] += 1
                return place
        if mismatch == "keep" and found[0]:
            tally.repaired["text_differs_from_tag"] += 1
            return found[0]
        first_line, first, last_line, last = concept.place
        why = (
            f"the concept's text is not what stands at {first_line}:{first} to {last_line}:{last} of "
            f"{self.pair.text.name}; to trust the place as it is, choose --set mismatch=keep"
        )
        raise ValueError(Errors.BC647.format(path=self.pair.concepts, line=concept.line, why=why))

    def _characters(self, place: Place, count: tuple[re.Pattern[str], bool]) -> tuple[int, int] | None:
        first = self._token(place.first_line, place.first_token, count)
        last = self._token(place.last_line, place.last_token, count)
        return (first[0], last[1]) if first and last and first[0] < last[1] else None

    def _token(self, line: int, number: int, count: tuple[re.Pattern[str], bool]) -> tuple[int, int] | None:
        start, content = self.line(line)
        for index, (begin, end) in enumerate(tokens_of(content, *count)):
            if index == number:
                return (start + begin, start + end) if begin < end else None
        return None


def tokens_of(line: str, between: re.Pattern[str], leading: bool) -> Iterator[tuple[int, int]]:
    """Tokens of a line, as the stretches between matches.

    line (str): The line.
    between (Pattern): What parts tokens.
    leading (bool): Whether what parts tokens, at the start of the line, has an empty token before it.
    YIELDS (tuple): Start and end.
    """
    position = 0
    for match in between.finditer(line):
        if match.start() > 0 or leading:
            yield position, match.start()
        position = match.end()
    yield position, len(line)


def find_pairs(path: Path, tally: Tally) -> list[Pair]:
    """All notes below a folder, by the names of their files; see read_i2b2_2010."""
    texts: dict[str, list[Path]] = {}
    concepts: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*")):
        if file.suffix in (".txt", ".con") and not file.name.startswith(".") and file.is_file():
            (texts if file.suffix == ".txt" else concepts).setdefault(file.stem, []).append(file)
    if not concepts:
        raise ValueError(Errors.BC612.format(where=path))
    pairs: list[Pair] = []
    used: set[Path] = set()
    for name, files in sorted(concepts.items()):
        for file in files:
            partner = _nearest(file, texts.get(name, []))
            if partner is None or partner in used:
                raise ValueError(Errors.BC648.format(path=file, why=f"its partner {name}.txt is missing"))
            used.add(partner)
            pairs.append(Pair(name, partner, file))
    annotated = {text.parent for text in used}
    for text in (file for files in texts.values() for file in files if file not in used):
        if text.parent in annotated:
            raise ValueError(Errors.BC648.format(path=text, why=f"its partner {text.stem}.con is missing"))
        tally.dropped["unannotated_document"] += 1
    return pairs


def _nearest(concepts: Path, texts: list[Path]) -> Path | None:
    """The text that shares most of the path; None if two share as much."""
    shared = sorted(((len(os.path.commonpath((concepts, text))), text) for text in texts), reverse=True)
    if not shared or (len(shared) > 1 and shared[0][0] == shared[1][0]):
        return None
    return shared[0][1]


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _meta(note: Note, tally: Tally) -> dict[str, Any]:
    names: dict[Place, str] = {}
    for number, concept in enumerate(note.concepts, start=1):
        names.setdefault(concept.place, f"T{number}")
    meta: dict[str, Any] = {}
    above = note.pair.concepts.parent.parent
    assertions, relations = (above / kind / f"{note.pair.name}.{kind}" for kind in ("ast", "rel"))
    if assertions.is_file():
        known = [line for line in read_assertions(assertions) if _known(names, tally, line.place)]
        meta["assertions"] = [{"mention": names[line.place], "assertion": line.assertion} for line in known]
    if relations.is_file():
        meta["relations"] = [
            {"type": line.label, "from": names[line.first], "to": names[line.second]}
            for line in read_relations(relations)
            if _known(names, tally, line.first, line.second)
        ]
    return meta


def _known(names: dict[Place, str], tally: Tally, *places: Place) -> bool:
    if all(place in names for place in places):
        return True
    tally.dropped["reference_to_no_concept"] += 1
    return False
