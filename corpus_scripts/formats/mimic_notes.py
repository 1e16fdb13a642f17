"""Read the notes of MIMIC-III (NOTEEVENTS) and MIMIC-IV-Note (discharge, radiology) row by row, whatever their size.

Only one row is held at a time: memory does not grow with the file. Reading costs about as much as Python's csv
module, which finds the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus_scripts.formats.csv_table import csv_rows
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_IDS = ("row_id", "note_id")
_TEXT = "text"
# Column → its name in meta.
_META = {
    "subject_id": "subject_id", "hadm_id": "hadm_id", "chartdate": "chartdate", "charttime": "charttime",
    "category": "category", "note_type": "category", "description": "description", "note_seq": "note_seq",
}  # fmt: skip


@dataclass(frozen=True)
class NoteOptions:
    """Which notes to take.

    categories (tuple): CATEGORY of MIMIC-III, note_type of MIMIC-IV, in any case; empty: all.
    keep_errors (bool): Take rows that are marked as an error (ISERROR = 1) too.
    min_characters (int): Leave out notes with fewer characters, white space at the edges not counted.
    """

    categories: tuple[str, ...] = ()
    keep_errors: bool = False
    min_characters: int = 1


def read_mimic_notes(path: Path, tally: Tally, options: NoteOptions | None = None) -> Iterator[Record]:
    """Read one table, or the tables of a folder (discharge and radiology).

    path (Path): .csv or .csv.gz; column names may be in any case and order.
    tally (Tally): Receives the rows left out: "marked_as_error", "other_category", "short_note".
    options (NoteOptions | None): Which notes to take.
    YIELDS (Record): The text as it is; id = ROW_ID or note_id; neither spans nor labels; ``meta`` = the other
        ids, dates and category.
    RAISES (ValueError): BC650 with file and line, BC611, BC612, BC624.
    """
    options = options or NoteOptions()
    for table in _tables(Path(path)):
        yield from _read_table(table, tally, options)


def _tables(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    names = ("NOTEEVENTS.csv", "noteevents.csv", "discharge.csv", "radiology.csv")
    found = [next((path / f for f in (f"{name}.gz", name) if (path / f).is_file()), None) for name in names]
    tables = list(dict.fromkeys(table for table in found if table is not None))
    if not tables:
        raise ValueError(Errors.BC612.format(where=path))
    return tables


def _read_table(path: Path, tally: Tally, options: NoteOptions) -> Iterator[Record]:
    rows = csv_rows(path, lambda line, why: _refuse(path, line, why))
    header = next(rows, (1, []))[1]
    columns = {name.strip().lower(): index for index, name in enumerate(header)}
    id_column = next((columns[name] for name in _IDS if name in columns), None)
    if id_column is None or _TEXT not in columns or len(columns) != len(header):
        raise _refuse(
            path, 1, "the first line does not name each column once, ROW_ID (note_id) and TEXT among them"
        )
    category_column = columns.get("category", columns.get("note_type"))
    if options.categories and category_column is None:
        raise _refuse(path, 1, "categories were asked for, but there is no column CATEGORY (note_type)")
    wanted = {name.strip().lower() for name in options.categories}
    kept = {index: _META[name] for name, index in columns.items() if name in _META}
    error_column = None if options.keep_errors else columns.get("iserror")
    text_column = columns[_TEXT]
    for line, row in rows:
        if len(row) != len(header):
            raise _refuse(path, line, f"the row has {len(row)} columns, the first line {len(header)}")
        if error_column is not None and row[error_column].strip() in ("1", "1.0"):
            tally.dropped["marked_as_error"] += 1
        elif wanted and row[category_column or 0].strip().lower() not in wanted:
            tally.dropped["other_category"] += 1
        elif len(row[text_column].strip()) < options.min_characters:
            tally.dropped["short_note"] += 1
        else:
            if not (name := row[id_column].strip()):
                raise _refuse(path, line, "the row has no id")
            yield _checked(Record(name, row[text_column], meta=_meta(row, kept)), path, line)


def _checked(record: Record, path: Path, line: int) -> Record:
    check_record(record, where=f"{path}, line {line}")
    return record


def _meta(row: Sequence[str], kept: Mapping[int, str]) -> dict[str, str]:
    return {name: value for index, name in kept.items() if (value := row[index].strip())}


def _refuse(path: Path, line: int, why: str) -> ValueError:
    return ValueError(Errors.BC650.format(path=path, line=line, why=why))
