"""Read tab-separated text as ``pandas.read_csv`` does by default, without pandas.

A quotation mark at the start of a cell opens a quoted one that may hold tabs and line ends; inside other cells it
is a character. Blank lines are passed over. (Not taken over: what pandas does where a CR stands
without LF before a tab.) Cells that say "NA" and the like, quoted or not, are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.formats.files import read_text
from spacy_bioclinical.errors import Errors

# What pandas takes for a missing value.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
     "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
# A quoted cell may be followed by more characters, which belong to it.
_CELL = re.compile(r'"(?P<quoted>[^"]*(?:""[^"]*)*)"(?!")(?P<rest>[^\t\r\n]*)|(?P<plain>[^\t\r\n]*)')
_BLANK = re.compile(r"[ ]*(?:\r\n|\r|\n|\Z)")


def rows_like_pandas(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of cells, the header among them.

    path (Path): UTF-8, or compressed as .gz or .xz.
    YIELDS (tuple[int, list[str]]): Line on which the row begins, and its cells.
    RAISES (ValueError): BC640 where pandas would stop: the file ends inside a quoted cell. BC611, BC624.
    """
    text = read_text(path).removeprefix("\ufeff")
    position, line, row_line = 0, 1, 1
    row: list[str] = []
    while position < len(text):
        if not row:
            blank = _BLANK.match(text, position)
            if blank:
                position = blank.end()
                line += 1
                continue
            row_line = line
        cell = _CELL.match(text, position)
        assert cell is not None
        if cell.group("quoted") is not None:
            row.append(cell.group("quoted").replace('""', '"') + cell.group("rest"))
            line += len(re.findall(r"\r\n|\r|\n", cell.group("quoted")))
        elif text.startswith('"', position):
            why = "the file ends inside a quoted cell"
            raise ValueError(Errors.BC640.format(path=path, where=f"line {line}", why=why))
        else:
            row.append(cell.group("plain"))
        position = cell.end()
        if text.startswith("\t", position):
            position += 1
            if position == len(text):
                row.append("")
        else:
            yield row_line, row
            row = []
            position += 2 if text.startswith("\r\n", position) else 1
            line += 1
            continue
    if row:
        yield row_line, row
