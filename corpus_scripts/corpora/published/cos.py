"""COS as the paper's loader reads it, faults included: snippets out of the .ann files alone, 11 tags.

The text of a snippet is stripped while offsets count the unstripped one; of overlapping entities the later
line wins; an entity that covers no whole token is lost; a discontinuous one stops the loader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.corpora.published.tagged import mark_tokens, python_text, tagged_record
from corpus_scripts.formats.cos import TYPES, ann_files
from corpus_scripts.formats.files import read_text
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

LABELS = (*(f"B-{name}" for name in TYPES), *(f"I-{name}" for name in TYPES), "O")
_TOKEN = re.compile(r"\w+|[^\w\s]")


class _Line(NamedTuple):
    id: str
    type: str
    start: int
    end: int
    text: str
    line: int


def read_cos(path: Path, tally: Tally) -> Iterator[Record]:
    """Read the .ann files of one folder, in the order of their names.

    path (Path): The folder, or one .ann file.
    tally (Tally): Receives entities that were lost or overwritten.
    YIELDS (Record): ids "<file>-<snippet>" as in exact mode.
    RAISES (ValueError): BC640 where the published loader would stop, BC612 no snippet.
    """
    found = False
    for file in ann_files(path):
        lines = list(_mentions(file))
        for snippet in lines:
            if snippet.type != "Snippet":
                continue
            found = True
            text = snippet.text.strip()
            tokens = [match.span() for match in _TOKEN.finditer(text)]
            mentions = [
                (line.start - snippet.start, line.end - snippet.start, line.type)
                for line in lines
                if line.type in TYPES and snippet.start <= line.start and line.end <= snippet.end
            ]
            yield tagged_record(
                f"{file.stem}-{snippet.id}",
                [text[start:end] for start, end in tokens],
                mark_tokens(tokens, mentions, tally),
                labels=LABELS,
                path=file,
                where=f"line {snippet.line}",
                tally=tally,
                meta={"file": file.name},
            )
    if not found:
        raise ValueError(Errors.BC612.format(where=path))


def _mentions(file: Path) -> Iterator[_Line]:
    for number, line in enumerate(python_text(read_text(file)).split("\n"), start=1):
        if not line.startswith("T"):
            continue
        columns = line.split("\t", 2)
        fields = columns[1].split() if len(columns) > 1 else []
        why = ""
        if ";" in "".join(fields):
            why = "a discontinuous mention"
        elif len(columns) < 3 or len(fields) != 3:
            why = "not a mention as it expects it"
        else:
            try:
                yield _Line(columns[0], fields[0], int(fields[1]), int(fields[2]), columns[2], number)
            except ValueError:
                why = "an offset is not a whole number"
        if why:
            raise ValueError(Errors.BC640.format(path=file, where=f"line {number}", why=why))
