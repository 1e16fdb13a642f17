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
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_RECORD = re.compile(
    r"START_OF_RECORD=([^|\s]+)\|\|\|\|([^|\s]+)\|\|\|\|(?:\r?\n)?(.*?)\|\|\|\|END_OF_RECORD", re.DOTALL
)
_MARK = re.compile(r"\[\*\*(.*?)\*\*\]", re.DOTALL)

# What a mark says → its class; the first rule that fits is taken. All of them are read in lower case.
_CLASSES = (
    (r"name", "name"),
    (r"e-?mail address", "other"),
    (r"telephone/fax|pager number", "phone_nb"),
    (r"age over", "age"),
    (r"location|hospital|street address|unit number|state|country|university|apartment|ward|zip", "location"),
    (r"^\d+$|^\d{1,2}-\d{1,2}$|^\d{2,4}-\d{1,4}(-\d{1,2})?$|date range|month|year|holiday|\bday\b", "date"),
    (r"^$|company|number|security|record|identifier", "other"),
)


class _Part(NamedTuple):
    """One record of a file: "patient-note", its text, and nothing else."""

    id: str
    text: str


def read_physionet_deid(path: Path, tally: Tally) -> Iterator[Record]:
    """Read ``id.text`` with the ``id.res`` beside it.

    path (Path): The file of surrogate texts, or its folder.
    tally (Tally): Receives marks of a kind no rule knows (kept as "other"), marks that touch (one mention of
        the first mark's class), and marks with only white space between them, whose border is a guess.
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
        spans = _align(text, result.text, source, tally)
        yield Record(text.id, text.text, tuple(spans), meta={"patient": text.id.rpartition("-")[0]})


def class_of(mark: str) -> str | None:
    """The class of what stands between ``[**`` and ``**]``; None if no rule knows it."""
    lowered = mark.strip().lower()
    return next((label for rule, label in _CLASSES if re.search(rule, lowered)), None)


def _parts(path: Path) -> list[_Part]:
    found = [_Part(f"{patient}-{note}", text) for patient, note, text in _RECORD.findall(read_text(path))]
    if not found:
        raise ValueError(Errors.BC612.format(where=path))
    return found


def _align(part: _Part, marked: str, path: Path, tally: Tally) -> list[TextSpan]:
    """Find the surrogate of each mark.

    The plain parts between the marks are looked for one after the other, each at its first place with at
    least one character before it, the last at the end. If the texts can be aligned at all, this way aligns
    them.
    """
    pieces = _MARK.split(marked)
    plains, marks = _merge_touching(pieces[0::2], pieces[1::2], tally)

    def refuse(number: int) -> ValueError:
        why = f"the words around mark {number} are not those of the text"
        return ValueError(Errors.BC626.format(path=path, record=part.id, why=why))

    if not marks:
        if plains[0] != part.text:
            raise refuse(0)
        return []
    if not part.text.startswith(plains[0]):
        raise refuse(1)
    spans: list[TextSpan] = []
    position = len(plains[0])
    for number, (mark, plain) in enumerate(zip(marks, plains[1:]), start=1):
        is_last = number == len(marks)
        if is_last:
            end = len(part.text) - len(plain)
            if not part.text.endswith(plain) or end <= position:
                raise refuse(number)
        else:
            end = part.text.find(plain, position + 1)
            if end < 0:
                raise refuse(number)
            if not plain.strip():
                tally.repaired["border_of_marks_guessed"] += 1
        label = class_of(mark)
        if label is None:
            tally.repaired["unknown_mark_as_other"] += 1
        spans.append(TextSpan(position, end, label or "other"))
        position = end + len(plain)
    return spans


def _merge_touching(plains: list[str], marks: list[str], tally: Tally) -> tuple[list[str], list[str]]:
    """Make one of marks with nothing between them: their surrogates cannot be told apart."""
    kept_plains: list[str] = [plains[0]]
    kept_marks: list[str] = []
    for mark, plain in zip(marks, plains[1:]):
        if kept_marks and not kept_plains[-1]:
            tally.repaired["touching_marks_joined"] += 1
            kept_plains[-1] = plain
            continue
        kept_marks.append(mark)
        kept_plains.append(plain)
    return kept_plains, kept_marks
