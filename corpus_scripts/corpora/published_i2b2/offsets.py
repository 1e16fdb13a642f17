"""i2b2 2012 and 2014 as published: each line of a note is a sentence; characters are tagged, then merged to words.

A word is split where its tag begins or ends, and where the type changes; two mentions of one type that touch become
one; a mention that goes on over a line break begins its second line with I-; later tags overwrite earlier ones.
Offsets are those of exact mode: what the script patches by hand in two files is repaired there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from corpus_scripts.corpora.published_i2b2.sentences import Word, sentence, tags_of
from corpus_scripts.formats.i2b2_2012 import TYPES as TYPES_2012
from corpus_scripts.formats.i2b2_2012 import UNTYPED, read_i2b2_2012
from corpus_scripts.formats.i2b2_2014 import TYPES as TYPES_2014
from corpus_scripts.formats.i2b2_2014 import read_i2b2_2014
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors


def read_2012(path: Path, tally: Tally, *, mismatch: str = "error") -> Iterator[Record]:
    """Read all notes of a folder, events alone; those without a type are passed over.

    path (Path): The folder or file; see read_i2b2_2012, also for ``tally`` and ``mismatch``.
    YIELDS (Record): ids are "<note>:<line of the text>"; lines without a word are passed over.
    RAISES (ValueError): BC651 where the published script would stop, and those of read_i2b2_2012.
    """
    yield from _sentences(read_i2b2_2012(path, tally, mismatch=mismatch), tags_of(TYPES_2012), path)


def read_2014(path: Path, tally: Tally, *, mismatch: str = "error") -> Iterator[Record]:
    """Read all notes of a folder; see read_2012 and read_i2b2_2014.

    RAISES (ValueError): BC651 where the published script would stop, a TYPE outside its list among them.
    """
    yield from _sentences(read_i2b2_2014(path, tally, mismatch=mismatch), tags_of(TYPES_2014), path)


def _sentences(records: Iterable[Record], tags: tuple[str, ...], path: Path) -> Iterator[Record]:
    for record in records:
        marks = _tag_characters(record.text, record.spans or ())
        start = 0
        for number, line in enumerate(record.text.split("\n"), start=1):
            end = min(start + len(line) + 1, len(record.text))  # with its line break
            words = _merge(record.text[start:end], marks[start:end])
            if words is None:
                why = "a mention and what stands before it cannot be told apart"
                raise ValueError(Errors.BC651.format(path=path, line=number, why=f"{record.id}: {why}"))
            if words:
                yield sentence(
                    f"{record.id}:{number}", words, tags=tags, path=path, line=number, meta=_kept(record)
                )
            start = end


def _kept(record: Record) -> dict[str, str]:
    return {"patient": record.meta["patient"]} if "patient" in record.meta else {}


def _tag_characters(text: str, spans: Iterable[TextSpan]) -> list[str]:
    marks = ["O"] * len(text)
    for span in spans:
        if span.label == UNTYPED:
            continue
        marks[span.start : span.end] = [f"I-{span.label}"] * (span.end - span.start)
        marks[span.start] = f"B-{span.label}"
    return marks


def _merge(line: str, marks: list[str]) -> list[Word] | None:
    """The words of one line; None where the script would stop (a mention that is only the line's last character)."""
    if all(mark == "O" for mark in marks):
        return [Word(word, "O") for word in line.split()]
    last = len(line) - 1
    cuts = {0, len(line)}
    for index, mark in enumerate(marks[:last]):
        if mark != "O":
            if index and marks[index - 1] == "O":
                cuts.add(index)
            if marks[index + 1][2:] != mark[2:]:  # also where it is O
                cuts.add(index + 1)
    ordered = sorted(cuts)
    words: list[Word] = []
    for start, end in pairwise(ordered):
        chunk = marks[start:end]
        if "O" in chunk and set(chunk) != {"O"}:
            return None
        for number, word in enumerate(parts := line[start:end].split()):
            inner = 0 if number == 0 else -1 if number == len(parts) - 1 else 1
            words.append(Word(word, chunk[inner]))
    return words
