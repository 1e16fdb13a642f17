"""Read PhysioNet's de-identified notes: ``id.text`` with surrogates, ``id.res`` with ``[**…**]`` marks.

Where a mark stands, the surrogate is what lies between the words before and after it. The text of ``id.text``
is kept as it is: nothing is cut at white space, so a mention that touches punctuation stays a mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.formats.files import read_text
from corpus_scripts.formats.physionet_align import place_marks
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_BEGIN, _END, _BAR = "START_OF_RECORD=", "||||END_OF_RECORD", "||||"

# What a mark says → its class; the first rule that fits is taken. All of them are read in lower case. The paper's
# loader calls a "Hospital Ward Name" a name and knows no class for half of the others.
_CLASSES = (
    (r"\bward|unit name|hospital", "location"),
    (r"name|initial", "name"),
    (r"e-?mail", "other"),
    (r"telephone|fax|pager|phone", "phone_nb"),
    (r"age over", "age"),
    (r"location|address|unit number|\bstate\b|country|county|\bcity|university|apartment|\bzip|po box", "location"),
    (r"^\d+$|^\d{1,4}[-/]\d{1,4}([-/]\d{1,4})?$|date|month|year|holiday|\bday\b|season", "date"),
    (r"^$|company|number|security|record|identifier|url|contact|info", "other"),
)  # fmt: skip


class _Part(NamedTuple):
    """One record of a file: "patient-note", its text, and nothing else."""

    id: str
    text: str


def read_physionet_deid(path: Path, tally: Tally) -> Iterator[Record]:
    """Read ``id.text`` with the ``id.res`` beside it.

    path (Path): The file of surrogate texts, or its folder.
    tally (Tally): Receives marks of a kind no rule knows (kept as "other"), marks with nothing or only white space
        between them (the border of their surrogates is told by words), those that cannot be told apart (one
        mention of the first mark's class), and records whose plain words differ between the two files.
    YIELDS (Record): ids are "patient-note".
    RAISES (ValueError): BC626 if the two files do not belong together.
    """
    source = path / "id.text" if path.is_dir() else path
    marked = source.with_suffix(".res")
    if not marked.exists():
        raise ValueError(Errors.BC609.format(path=source, partner=marked.name))
    texts, results = _parts(source), _parts(marked)
    if [part.id for part in texts] != [part.id for part in results]:
        why = f"{len(texts)} and {len(results)} records, or other ones"
        raise ValueError(Errors.BC626.format(path=source, record="list", why=why))
    for text, result in zip(texts, results):
        plains, marks = split_marks(result.text)
        placed = place_marks(text.text, plains, marks, tally)
        if isinstance(placed, str):
            raise ValueError(Errors.BC626.format(path=source, record=text.id, why=placed))
        spans = []
        for start, end, mark in placed:
            label = class_of(mark)
            if label is None:
                tally.repaired["unknown_mark_as_other"] += 1
            spans.append(TextSpan(start, end, label or "other"))
        yield Record(text.id, text.text, tuple(spans), meta={"patient": text.id.rpartition("-")[0]})


def class_of(mark: str) -> str | None:
    """The class of what stands between ``[**`` and ``**]``; None if no rule knows it."""
    lowered = mark.strip().lower()
    return next((label for rule, label in _CLASSES if re.search(rule, lowered)), None)


def scan_records(text: str) -> Iterator[tuple[str, int]]:
    """What stands between the two markers of each record, and the line where it begins.

    text (str): The whole file. A beginning without an end is not given.
    YIELDS (tuple[str, int]): "patient||||note||||…" and the line, from 1.
    """
    line, counted, start = 1, 0, text.find(_BEGIN)
    while start >= 0:
        end = text.find(_END, start + len(_BEGIN))
        if end < 0:
            return
        line += text.count("\n", counted, start)
        counted = start
        yield text[start + len(_BEGIN) : end], line
        start = text.find(_BEGIN, end + len(_END))


def split_marks(text: str) -> tuple[list[str], list[str]]:
    """The plain parts of a text and the marks between them (what stands inside ``[**`` and ``**]``)."""
    plains: list[str] = []
    marks: list[str] = []
    position = 0
    while True:
        start = text.find("[**", position)
        end = text.find("**]", start + 3) if start >= 0 else -1
        if end < 0:
            return [*plains, text[position:]], marks
        plains.append(text[position:start])
        marks.append(text[start + 3 : end])
        position = end + 3


def _parts(path: Path) -> list[_Part]:
    text = read_text(path)
    found: list[_Part] = []
    for content, line in scan_records(text):
        fields = content.split(_BAR, 2)
        if len(fields) < 3 or not all(re.fullmatch(r"[^|\s]+", field) for field in fields[:2]):
            why = "its first line is not START_OF_RECORD=patient||||note||||"
            raise ValueError(Errors.BC626.format(path=path, record=f"at line {line}", why=why))
        if _BEGIN in content:
            why = "another record begins before it ends"
            raise ValueError(Errors.BC626.format(path=path, record=f"at line {line}", why=why))
        found.append(_Part(f"{fields[0]}-{fields[1]}", re.sub(r"\A\r?\n", "", fields[2])))
    if text.count(_BEGIN) != len(found):
        why = "it has no end"
        raise ValueError(Errors.BC626.format(path=path, record=f"number {len(found) + 1}", why=why))
    if not found:
        raise ValueError(Errors.BC612.format(where=path))
    return found
