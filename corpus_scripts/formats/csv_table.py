"""Stream a quoted table (CSV, TSV) whose cells may span lines, row by row, in the memory of its longest row.

NOTEEVENTS has 4 GB, two million notes of many lines each. A file that ends inside a quoted cell is truncated, and
refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from corpus_scripts.formats.files import stream_bytes
from spacy_bioclinical.errors import Errors

# No note has 64 million characters; an unclosed quote would otherwise swallow the rest of the file.
LONGEST_CELL = 1 << 26


def csv_rows(
    path: Path, refuse: Callable[[int, str], ValueError], *, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """Read all rows, the header among them.

    path (Path): UTF-8, with or without byte order mark, or compressed as .gz or .xz.
    refuse (Callable): Line and reason → the error of the format, for broken quoting.
    delimiter (str): Between cells.
    YIELDS (tuple[int, list[str]]): The line on which the row begins, and its cells; line breaks in cells are kept,
        blank lines passed over.
    RAISES (ValueError): That of ``refuse``; BC611, BC624.
    """
    csv.field_size_limit(max(LONGEST_CELL, csv.field_size_limit()))
    reader = csv.reader(_lines(path), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise refuse(line, _why(error, reader.line_num)) from None
        if cells:
            yield line, cells


def stream_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Read the named columns of a CSV file with a header.

    path (Path): See csv_rows.
    columns (Sequence[str]): Names in the header; the cells come in this order.
    YIELDS (tuple[int, list[str]]): Line on which the row begins, and its cells.
    RAISES (ValueError): BC641 a column or cells are missing, or the quoting is broken; BC611, BC624.
    """

    def refuse(line: int, why: str) -> ValueError:
        return ValueError(Errors.BC641.format(path=path, line=line, why=why))

    wanted: list[int] = []
    width = 0
    for line, row in csv_rows(path, refuse):
        if not width:
            missing = [name for name in columns if name not in row]
            if missing:
                raise refuse(line, f"no column {', '.join(missing)} in the header, which has {len(row)}")
            wanted, width = [row.index(name) for name in columns], len(row)
        elif len(row) != width:
            raise refuse(line, f"{len(row)} cells, but the header has {width}")
        else:
            yield line, [row[index] for index in wanted]
    if not width:
        raise refuse(1, "no header")


def _why(error: csv.Error, line: int) -> str:
    """The reason without the characters that the csv module may quote."""
    message = str(error)
    if "field limit" in message:
        return f"a cell of more than {LONGEST_CELL:,} characters; was a quote never closed?"
    if "unexpected end" in message:
        return f"a quote that is never closed (the file ends in line {line})"
    if "expected after" in message:
        return f"text after a closing quote (in line {line})"
    return f"not well-formed (at line {line})"


def _lines(path: Path) -> Iterator[str]:
    """Lines with their ends (LF, CRLF or CR, as the csv module wants them), decoded strictly."""
    offset = 0  # of the first pending byte
    pending: list[bytes] = []
    for block in stream_bytes(path):
        # A CR at the very end may be half of a CRLF: it waits.
        cut = max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1)) + 1
        if not cut:
            pending.append(block)
            continue
        data = b"".join([*pending, block[:cut]])
        pending = [block[cut:]]
        yield from _decoded(data, path, offset)
        offset += len(data)
    yield from _decoded(b"".join(pending), path, offset)


def _decoded(data: bytes, path: Path, offset: int) -> Iterator[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(Errors.BC611.format(path=path, offset=offset + error.start)) from None
    if offset == 0:
        text = text.removeprefix("\ufeff")
    yield from io.StringIO(text, newline="")
