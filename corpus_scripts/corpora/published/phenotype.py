"""Phenotype as the paper's loader reads it: an inner join, so annotated notes that are not there go unsaid.

Tables were read with pandas' defaults: a note that is empty, or says only "NA" or the like, is a missing value.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.corpora.published.pandas_tsv import MISSING
from corpus_scripts.formats.phenotype_mimic import (
    LABELS,
    Annotated,
    make_records,
    notes_beside,
    read_annotations,
    stream_notes,
)
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

__all__ = ["LABELS", "read_phenotype"]


def read_phenotype(path: Path, tally: Tally) -> Iterator[Record]:
    """Read the annotated notes; see the exact reader.

    path (Path): The annotation file, or its folder; NOTEEVENTS lies beside it.
    tally (Tally): Receives rows that contradict themselves, and those whose note is missing (both left out).
    YIELDS (Record): In the order of the annotation rows; a note that NOTEEVENTS holds twice comes twice.
    RAISES (ValueError): BC640 a note that pandas takes for a missing value, BC641, BC644 no note found at all.
    """
    path, rows = read_annotations(path, tally)
    source = notes_beside(path)
    notes: dict[int, list[str]] = {}
    for line, row_id, text in stream_notes(source, {row.row_id for row in rows}):
        if text in MISSING:
            why = "the note is a missing value to pandas"
            raise ValueError(Errors.BC640.format(path=source, where=f"line {line}, ROW_ID {row_id}", why=why))
        notes.setdefault(row_id, []).append(text)
    missing = sum(row.row_id not in notes for row in rows)
    if missing:
        tally.dropped["published_note_not_found"] += missing
    if missing == len(rows):
        raise ValueError(Errors.BC644.format(path=source, why=f"none of {missing} annotated notes is in it"))
    yield from make_records(_join(rows, notes))


def _join(rows: list[Annotated], notes: dict[int, list[str]]) -> Iterator[tuple[Annotated, str]]:
    for row in rows:
        for text in notes.get(row.row_id, ()):
            yield row, text
