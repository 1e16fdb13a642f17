"""Stream a quoted CSV table whose cells may span lines, row by row, in the memory of its longest row.

Made for MIMIC's NOTEEVENTS: 4 GB, two million notes of many lines each. A file that ends inside a quoted cell is
truncated, and refused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpus_scripts.formats.files import stream_bytes
from spacy_bioclinical.errors import Errors

# No note has 64 million characters; an unclosed quote would otherwise swallow the rest of the file.
LONGEST_CELL = 1 << 26


def stream_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Read the named columns of a CSV file with a header.

    path (Path): UTF-8, or compressed as .gz or .xz.
    columns (Sequence[str]): Names in the header; the cells come in this order.
    YIELDS (tuple[int, list[str]]): Line on which the row ends, and its cells; line breaks in cells are kept.
    RAISES (ValueError): BC641 a column or cells are missing, or the quoting is broken; BC611, BC624.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    reader = csv.reader(_lines(path), strict=True)
    wanted: list[int] = []
    width = 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            # "field larger than field limit", "unexpected end of data" …: fixed words, no text.
            why = (
                f"broken quoting ({error})"
                if str(error).isascii() and "'" not in str(error)
                else "broken quoting"
            )
            raise ValueError(Errors.BC641.format(path=path, line=reader.line_num, why=why)) from None
        if row is None:
            break
        if not row:
            continue
        if not width:
            missing = [name for name in columns if name not in row]
            if missing:
                why = f"no column {', '.join(missing)} in the header, which has {len(row)}"
                raise ValueError(Errors.BC641.format(path=path, line=reader.line_num, why=why))
            wanted, width = [row.index(name) for name in columns], len(row)
            continue
        if len(row) != width:
            why = f"{len(row)} cells, but the header has {width}"
            raise ValueError(Errors.BC641.format(path=path, line=reader.line_num, why=why))
        yield reader.line_num, [row[index] for index in wanted]
    if not width:
        raise ValueError(Errors.BC641.format(path=path, line=1, why="no header"))


def _lines(path: Path) -> Iterator[str]:
    """Lines with their ends as they are: inside quotes they belong to the cell."""
    pending: list[bytes] = []
    offset = 0

    def decode(data: bytes) -> str:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(Errors.BC611.format(path=path, offset=offset + error.start)) from None
        return text.removeprefix("\ufeff") if not offset else text

    for block in stream_bytes(path):
        cut = block.rfind(b"\n") + 1
        pending.append(block[:cut] if cut else block)
        if not cut:
            continue
        data = b"".join(pending)
        # keepends on "\n" alone: str.splitlines would cut at other characters too
        lines = decode(data).split("\n")
        for line in lines[:-1]:
            yield line + "\n"
        offset += len(data)
        pending = [block[cut:]] if cut < len(block) else []
    if pending:
        yield decode(b"".join(pending))
