"""Read raw documents from text files, JSON lines and CSV, plain or compressed, one at a time.

Formats are chosen by the file's name: `.txt` is one document, `.jsonl` one document a line, `.csv` one a row;
`.gz` and `.xz` may follow. Text is decoded strictly: a wrong encoding damages every piece after it, so it
stops the run with file and line. Messages give ids, lines and counts, never text.
"""

import csv
import gzip
import hashlib
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from spacy_bioclinical.errors import Errors

OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {".gz": gzip.open, ".xz": lzma.open}  # type: ignore[dict-item]
CSV_COLUMNS = ("notes", "text")  # looked up in this order, in any case, when no column is named
JSON_KEY = "text"
_BOM = "\ufeff"
_LONGEST_FIELD = 2**31 - 1  # csv's own limit of 131,072 characters is shorter than many notes
_BLOCK = 2**20


class RawDocument(NamedTuple):
    """One document: where it comes from (file name and line) and its text."""

    id: str
    text: str


def find_files(paths: Iterable[Path]) -> list[Path]:
    """List the text files behind paths; folders are searched in sorted order, other files there passed over.

    RAISES (ValueError): BC701 for a path that does not exist, is of unknown kind, or is a folder without text
        files.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.is_file() and _kind(file) in READERS)
            if not found:
                raise ValueError(Errors.BC701.format(path=path, why="the folder holds no text files"))
            files.extend(found)
        elif not path.is_file():
            raise ValueError(Errors.BC701.format(path=path, why="there is no such file or folder"))
        elif _kind(path) not in READERS:
            raise ValueError(Errors.BC701.format(path=path, why="its kind is not known by its name"))
        else:
            files.append(path)
    return files


def read_documents(file: Path, text_key: str | None = None) -> Iterator[RawDocument]:
    """Yield the documents of one file, empty ones included.

    file (Path): a file that `find_files` listed.
    text_key (str | None): JSON key or CSV column of the text; by default "text", for CSV "notes" or "text".
    RAISES (ValueError): BC702 (encoding), BC703 (malformed line), BC704 (no such column), BC705
        (compression).
    """
    opener = OPENERS.get(file.suffix.lower(), lambda path: path.open("rb"))
    try:
        with opener(file) as stream:
            yield from READERS[_kind(file)](file, stream, text_key)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise ValueError(Errors.BC705.format(file=file, why=type(error).__name__)) from error


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _kind(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _lines(file: Path, stream: IO[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf8")
        except UnicodeDecodeError as error:
            raise ValueError(Errors.BC702.format(file=file, line=number, offset=error.start)) from None
        yield text.removeprefix(_BOM) if number == 1 else text


def _read_txt(file: Path, stream: IO[bytes], text_key: str | None) -> Iterator[RawDocument]:
    yield RawDocument(file.name, "".join(_lines(file, stream)))


def _read_jsonl(file: Path, stream: IO[bytes], text_key: str | None) -> Iterator[RawDocument]:
    key = text_key or JSON_KEY
    for number, line in enumerate(_lines(file, stream), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            why = f"not JSON (column {error.colno})"
            raise ValueError(Errors.BC703.format(file=file, line=number, why=why)) from None
        if not isinstance(record, dict) or not isinstance(record.get(key), str):
            why = f"no text under the key '{key}'"
            raise ValueError(Errors.BC703.format(file=file, line=number, why=why))
        yield RawDocument(f"{file.name}:{number}", record[key])


def _read_csv(file: Path, stream: IO[bytes], text_key: str | None) -> Iterator[RawDocument]:
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.reader(_lines(file, stream), strict=True)
    try:
        column = _column(file, next(rows, []), text_key)
        first = rows.line_num + 1
        for row in rows:
            if row and len(row) <= column:
                why = f"the row has {len(row)} fields, the text is field {column + 1}"
                raise ValueError(Errors.BC703.format(file=file, line=first, why=why))
            if row:
                yield RawDocument(f"{file.name}:{first}", row[column])
            first = rows.line_num + 1
    except csv.Error as error:
        why = f"not well-formed CSV ({error})"
        raise ValueError(Errors.BC703.format(file=file, line=rows.line_num, why=why)) from None


def _column(file: Path, header: list[str], text_key: str | None) -> int:
    names = [name.strip().lower() for name in header]
    for wanted in (text_key.lower(),) if text_key else CSV_COLUMNS:
        if wanted in names:
            return names.index(wanted)
    raise ValueError(
        Errors.BC704.format(file=file, wanted=text_key or " or ".join(CSV_COLUMNS), n=len(header))
    )


READERS: dict[str, Callable[[Path, IO[bytes], str | None], Iterator[RawDocument]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
}
