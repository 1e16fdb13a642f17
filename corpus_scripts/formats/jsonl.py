"""Read and write one JSON object a line: {id?, text, spans: [{start, end, label}], cats or labels, tokens?}.

Lines that Prodigy and doccano export are read too (rows.py). Both ways one line is held at a time.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from corpus_scripts.formats.files import aside, stream_lines
from corpus_scripts.formats.row_dialects import META, TOKENS, dialect_of
from corpus_scripts.formats.rows import Place, RowOptions, listed_labels, read_rows
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_OURS = RowOptions()
_TAKEN = {_OURS.id, _OURS.text, _OURS.spans, _OURS.cats, _OURS.labels, TOKENS, META}
_PACKERS: dict[str, Callable[[IO[bytes]], AbstractContextManager[Any]]] = {
    ".gz": lambda raw: gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0),
    ".xz": lambda raw: lzma.LZMAFile(raw, "wb"),  # noqa: SIM115
}


def read_jsonl(
    path: Path,
    options: RowOptions | None = None,
    *,
    inventory: Sequence[str] | None = None,
    tally: Tally | None = None,
) -> Iterator[Record]:
    """Read one file, plain or .gz or .xz.

    path (Path): The file; blank lines are passed over.
    options (RowOptions | None): Which keys hold what.
    inventory (Sequence[str] | None): All labels, for lines that name only the positive ones; by default those
        that occur in this file, which is then read twice.
    tally (Tally | None): Receives what was left out (lines rejected or ignored in Prodigy).
    YIELDS (Record): Lines without an id get "<file>-00001", … after their line.
    RAISES (ValueError): BC610 a line that is not such an object, BC605 a tag that is none, and those of
        check_record, with file and line; BC611, BC624.
    """
    path = Path(path)
    yield from read_rows(lambda: jsonl_rows(path), options or RowOptions(), inventory=inventory, tally=tally)


def jsonl_labels(path: Path, options: RowOptions | None = None) -> set[str]:
    """All labels that lines of a file list: to build one inventory over several files."""
    return listed_labels(jsonl_rows(Path(path)), options or RowOptions())


def jsonl_rows(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The objects of a file and where they stand."""
    for line, content in enumerate(stream_lines(path), start=1):
        if not content.strip():
            continue
        place = Place.in_file(path, line)
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            # Only the column: the error itself holds the document.
            raise place.refuse(f"not JSON (column {error.colno})") from None
        except (ValueError, RecursionError) as error:
            why = "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"
            raise place.refuse(why) from None
        if not isinstance(row, dict):
            raise place.refuse("not a JSON object")
        yield place, row


def write_jsonl(records: Iterable[Record], path: Path) -> None:
    """Write records as JSONL, one a line; ``read_jsonl`` gives them back.

    records (Iterable[Record]): Written as they come.
    path (Path): The file, compressed if it ends with .gz or .xz; it appears only when whole.
    RAISES (ValueError): Those of check_record, BC619.
    """
    path = Path(path)
    pack = _PACKERS.get(path.suffix, nullcontext)
    with aside(path, binary=True) as raw, pack(raw) as file:
        for record in records:
            check_record(record, where=str(path))
            file.write(_line(record).encode("utf-8"))


def _line(record: Record) -> str:
    row: dict[str, Any] = {_OURS.id: record.id, _OURS.text: record.text}
    if record.spans is not None:
        row[_OURS.spans] = [
            {
                "start": span.start,
                "end": span.end,
                "label": span.label,
                **({"id": span.id} if span.id else {}),
            }
            for span in record.spans
        ]
    if record.labels is not None:
        row[_OURS.cats] = dict(record.labels)
    if record.tokens is not None:
        row[TOKENS] = [list(edges) for edges in record.tokens]
    if record.meta:
        # Beside the fields where that reads back the same, else under a key of its own.
        flat = {**row, **record.meta}
        shadows = not _TAKEN.isdisjoint(record.meta) or dialect_of(flat, _OURS) != "plain"
        row = {**row, META: record.meta} if shadows else flat
    try:
        return json.dumps(row, ensure_ascii=False) + "\n"
    except (TypeError, RecursionError) as error:
        why = f"JSON has no word for its meta ({type(error).__name__})"
        raise ValueError(Errors.BC619.format(record=record.id, format="JSONL", why=why)) from None
