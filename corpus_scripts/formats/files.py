"""Read text files exactly: UTF-8 or an error, .gz and .xz opened on the way, line ends left as they are."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from pathlib import Path

from spacy_bioclinical.errors import Errors

_OPENERS = {".gz": gzip.decompress, ".xz": lzma.decompress}


def read_text(path: Path) -> str:
    """The whole text of a file; nothing is stripped, replaced or translated.

    path (Path): A UTF-8 file, or one compressed as .gz or .xz.
    RETURNS (str): Its text.
    RAISES (ValueError): BC611 if it is not UTF-8, BC624 if it cannot be decompressed.
    """
    data = path.read_bytes()
    if path.suffix in _OPENERS:
        try:
            data = _OPENERS[path.suffix](data)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise ValueError(Errors.BC624.format(path=path, why=type(error).__name__)) from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The error itself would quote the bytes.
        raise ValueError(Errors.BC611.format(path=path, offset=error.start)) from None


def read_lines(path: Path) -> list[str]:
    """The lines of a file without their ends.

    Only LF and CRLF end a line: ``str.splitlines`` would also cut at U+2028, U+0085 and form feeds, which
    occur in notes. A byte order mark before the first line is left out.
    """
    lines = read_text(path).removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def plain_stem(path: Path) -> str:
    """The name of a file without its endings: "train" for train.tsv.gz."""
    name = path.name.removesuffix(path.suffix) if path.suffix in _OPENERS else path.name
    return Path(name).stem


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file aside and move it into place when whole; line ends are written as given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(text.encode("utf-8"))
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
