"""Read the Phenotype task: an annotation CSV joined with MIMIC-III's NOTEEVENTS on ROW_ID.

NOTEEVENTS is streamed once and only the notes that are annotated are kept, so memory grows with them alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.formats.csv_table import stream_rows
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

LABELS = (
    "ADVANCED.CANCER", "ADVANCED.HEART.DISEASE", "ADVANCED.LUNG.DISEASE", "ALCOHOL.ABUSE",
    "CHRONIC.NEUROLOGICAL.DYSTROPHIES", "CHRONIC.PAIN.FIBROMYALGIA", "DEMENTIA", "DEPRESSION",
    "DEVELOPMENTAL.DELAY.RETARDATION", "NON.ADHERENCE", "OBESITY", "OTHER.SUBSTANCE.ABUSE",
    "SCHIZOPHRENIA.AND.OTHER.PSYCHIATRIC.DISORDERS", "UNSURE",
)  # fmt: skip
ANNOTATIONS = ("ACTdb102003.csv", "ACTdb102003.csv.gz")
NOTES = ("NOTEEVENTS.csv", "NOTEEVENTS.csv.gz")


class Annotated(NamedTuple):
    """One row of the annotation file that is used."""

    row_id: int
    values: tuple[float, ...]
    line: int


def read_phenotype(path: Path, tally: Tally) -> Iterator[Record]:
    """Read the annotated notes.

    path (Path): The annotation file, or the folder that holds it; NOTEEVENTS.csv (or .gz) lies beside it.
    tally (Tally): Receives rows that say NONE and something positive (left out, as in the paper).
    YIELDS (Record): In the order of the annotation rows; ids are ROW_IDs (a repeated one gets "-2", "-3" …), all 14
        categories are named.
    RAISES (ValueError): BC641 with file and line, BC644 notes missing or a note twice.
    """
    path, rows = read_annotations(path, tally)
    notes: dict[int, str] = {}
    source = notes_beside(path)
    for line, row_id, text in stream_notes(source, {row.row_id for row in rows}):
        if row_id in notes:
            raise ValueError(
                Errors.BC641.format(path=source, line=line, why=f"ROW_ID {row_id} a second time")
            )
        notes[row_id] = text
    missing = sum(row.row_id not in notes for row in rows)
    if missing:
        why = f"{missing} of {len(rows)} annotated notes are not in it"
        raise ValueError(Errors.BC644.format(path=source, why=why))
    yield from make_records((row, notes[row.row_id]) for row in rows)


def read_annotations(path: Path, tally: Tally) -> tuple[Path, list[Annotated]]:
    """The usable rows of the annotation file, in its order.

    path (Path): The file or its folder.
    RETURNS (tuple[Path, list[Annotated]]): The file, and its rows: NONE = 1 makes all values 0.
    RAISES (ValueError): BC641.
    """
    if path.is_dir():
        found = next((path / name for name in ANNOTATIONS if (path / name).exists()), None)
        if found is None:
            raise ValueError(Errors.BC644.format(path=path, why=f"no {ANNOTATIONS[0]}"))
        path = found
    rows: list[Annotated] = []
    for line, (row_id, none, *cells) in stream_rows(path, ("ROW_ID", "NONE", *LABELS)):
        values = [_number(cell, path, line) for cell in (none, *cells)]
        positive = any(values[1:])
        if values[0] and positive:
            tally.dropped["none_and_positive"] += 1
            continue
        rows.append(Annotated(_row_id(row_id, path, line), tuple(values[1:]), line))
    if not rows:
        raise ValueError(Errors.BC612.format(where=path))
    return path, rows


def notes_beside(path: Path) -> Path:
    """NOTEEVENTS in the folder of the annotation file (BC644 if it is not there)."""
    found = next((path.parent / name for name in NOTES if (path.parent / name).exists()), None)
    if found is None:
        raise ValueError(Errors.BC644.format(path=path.parent, why=f"no {NOTES[0]}"))
    return found


def stream_notes(path: Path, wanted: set[int]) -> Iterator[tuple[int, int, str]]:
    """Line, ROW_ID and TEXT of the wanted notes, in the order of the file."""
    for line, (row_id, text) in stream_rows(path, ("ROW_ID", "TEXT")):
        number = _row_id(row_id, path, line)
        if number in wanted:
            yield line, number, text


def make_records(pairs: Iterator[tuple[Annotated, str]]) -> Iterator[Record]:
    """Records of rows and their texts."""
    seen: Counter[int] = Counter()
    for row, text in pairs:
        seen[row.row_id] += 1
        again = f"-{seen[row.row_id]}" if seen[row.row_id] > 1 else ""
        labels = dict(zip(LABELS, row.values))
        yield Record(f"{row.row_id}{again}", text, None, labels, meta={"line": row.line})


def _row_id(cell: str, path: Path, line: int) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 19):
        raise ValueError(Errors.BC641.format(path=path, line=line, why="ROW_ID is not a whole number"))
    return int(cell)


def _number(cell: str, path: Path, line: int) -> float:
    if cell.strip() not in ("0", "1", "0.0", "1.0"):
        raise ValueError(Errors.BC641.format(path=path, line=line, why="a label is neither 0 nor 1"))
    return float(cell)
