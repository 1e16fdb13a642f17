"""Read tables of separated columns (CSV, TSV): a header, then a document a line, quoted as spreadsheets do.

A quoted cell may hold line breaks, separators and doubled quotes. Columns that no option names become meta.
One row is held at a time, whatever the size of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from corpus_scripts.formats.csv_table import csv_rows
from corpus_scripts.formats.rows import Place, RowOptions, listed_labels, read_rows
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_PACKED = (".gz", ".xz")


def read_delimited(
    path: Path,
    options: RowOptions | None = None,
    *,
    inventory: Sequence[str] | None = None,
    tally: Tally | None = None,
) -> Iterator[Record]:
    """Read one file, plain or .gz or .xz.

    The text stands in the column ``options.text``. Labels are one column ("labels", or else "label"; several
    in a cell with ``label_separator``) or a column each (``label_columns``); ``spans`` and ``cats`` columns
    hold JSON. An empty cell says nothing; in a column of several labels it says that none holds.

    path (Path): The file, UTF-8; its first row names the columns. Blank lines are passed over.
    options (RowOptions | None): Which columns hold what, and what separates them.
    inventory (Sequence[str] | None): All labels; by default those of this file, which is then read twice.
    tally (Tally | None): Receives what was left out.
    YIELDS (Record): Rows without an id get "<file>-00002", … after the line they begin in.
    RAISES (ValueError): BC630 a row that is not well-formed or does not fit, BC631 a header without the columns
        asked for, and those of check_record, with file and line; BC611, BC624.
    """
    path = Path(path)
    options = options or RowOptions()
    if inventory is None:
        inventory = sorted(delimited_labels(path, options))
    options = _for_table(options, header_of(path, options))
    yield from read_rows(lambda: delimited_rows(path, options), options, inventory=inventory, tally=tally)


def delimited_labels(path: Path, options: RowOptions) -> set[str]:
    """All labels that rows of a file list; the file is read through only if it has a column of labels."""
    header = header_of(path, options)
    options = _for_table(options, header)
    if options.labels not in header:
        return set()
    return listed_labels(delimited_rows(path, options), options)


def _for_table(options: RowOptions, header: Sequence[str]) -> RowOptions:
    """The options as they hold for this table, whose rows are plain unless said otherwise."""
    options = options.for_columns(header)
    return replace(options, dialect="plain") if options.dialect == "auto" else options


def header_of(path: Path, options: RowOptions) -> list[str]:
    """The names of the columns; [] of an empty file."""
    return next((cells for _, cells in _cells(path, options)), [])


def delimited_rows(path: Path, options: RowOptions) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The rows of a file, by column, and where they begin."""
    rows = _cells(path, options)
    place, header = next(rows, (None, []))
    if place is None:
        return
    _check_header(path, header, options)
    for place, cells in rows:
        if len(cells) != len(header):
            raise place.refuse(f"{len(cells)} columns, but the header has {len(header)}")
        row: dict[str, Any] = dict(zip(header, cells))
        _fill_in(row, place, options)
        yield place, row


def _fill_in(row: dict[str, Any], place: Place, options: RowOptions) -> None:
    """Turn the cells that are more than a string into what rows.py expects."""
    for key in (options.id, *options.label_columns):
        if row.get(key) == "":
            row[key] = None
    for key in (options.spans, options.cats):
        if key in row:
            row[key] = _json_cell(row[key], key, place)
    cell = row.get(options.labels)
    if cell is not None:
        if options.label_separator:
            parts = (part.strip() for part in cell.split(options.label_separator))
            row[options.labels] = [part for part in parts if part]
        else:
            row[options.labels] = cell.strip() or None


def _json_cell(cell: str, key: str, place: Place) -> Any:
    if not cell.strip():
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise place.refuse(f'the column "{key}" does not hold JSON') from None


def _check_header(path: Path, header: Sequence[str], options: RowOptions) -> None:
    # The header is not quoted: in a file without one it would be a note.
    if len(set(header)) != len(header):
        raise ValueError(Errors.BC631.format(path=path, columns=len(header), why="names a column twice"))
    for name in (options.text, *options.label_columns):
        if name not in header:
            raise ValueError(
                Errors.BC631.format(path=path, columns=len(header), why=f"does not name '{name}'")
            )


def _cells(path: Path, options: RowOptions) -> Iterator[tuple[Place, list[str]]]:
    """Rows as lists of cells; ``place`` is where they begin."""

    def place(line: int) -> Place:
        return Place.in_file(path, line, Errors.BC630)

    rows = csv_rows(path, lambda line, why: place(line).refuse(why), delimiter=_delimiter(path, options))
    for line, cells in rows:
        yield place(line), cells


def _delimiter(path: Path, options: RowOptions) -> str:
    if options.delimiter:
        return options.delimiter
    suffixes = [suffix for suffix in path.suffixes if suffix not in _PACKED]
    return "\t" if suffixes and suffixes[-1] in (".tsv", ".tab") else ","
