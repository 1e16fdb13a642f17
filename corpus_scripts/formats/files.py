"""Read text files exactly: UTF-8 or an error, .gz and .xz opened on the way, line ends left as they are.

Files are read in blocks, so that one of many gigabytes costs no more memory than its longest line.
"""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from spacy_bioclinical.errors import Errors

_OPENERS: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    ".xz": lzma.LZMAFile,
}
_BLOCK_BYTES = 1 << 18

_consumed = 0


def bytes_read() -> int:
    """How many bytes of files, as they lie on the disk, this process has read so far: for progress bars."""
    return _consumed


class _Counted(io.FileIO):
    """A file that adds what is read of it to the running total, or not."""

    counted = True

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        global _consumed
        data = super().read(-1 if size is None else size)
        if self.counted:
            _consumed += len(data or b"")
        return data or b""


def stream_bytes(path: Path, *, counted: bool = True) -> Iterator[bytes]:
    """The bytes of a file in blocks, decompressed.

    path (Path): A file, or one compressed as .gz or .xz.
    counted (bool): Count it in bytes_read: not for a look ahead at what will be read again.
    YIELDS (bytes): At most 256 KiB, never none.
    RAISES (ValueError): BC624 if it cannot be decompressed.
    """
    with _Counted(path, "rb") as raw:
        raw.counted = counted
        if path.suffix not in _OPENERS:
            while block := raw.read(_BLOCK_BYTES):
                yield block
            return
        try:
            with _OPENERS[path.suffix](raw) as file:
                while block := file.read(_BLOCK_BYTES):
                    yield block
        except (OSError, EOFError, lzma.LZMAError, zlib.error, MemoryError) as error:
            raise ValueError(Errors.BC624.format(path=path, why=type(error).__name__)) from None


def read_text(path: Path) -> str:
    """The whole text of a file; nothing is stripped, replaced or translated.

    path (Path): A UTF-8 file, or one compressed as .gz or .xz.
    RETURNS (str): Its text.
    RAISES (ValueError): BC611 if it is not UTF-8, BC624 if it cannot be decompressed.
    """
    return _decode(b"".join(stream_bytes(path)), path, 0)


def stream_lines(path: Path) -> Iterator[str]:
    """The lines of a file without their ends, one by one, in the memory of the longest.

    Only LF and CRLF end a line: ``str.splitlines`` would also cut at U+2028, U+0085 and form feeds, which
    occur in notes. A byte order mark before the first line is left out.

    path (Path): A UTF-8 file, or one compressed as .gz or .xz.
    YIELDS (str): Lines; a line end at the very end of the file begins no further line.
    RAISES (ValueError): BC611 if it is not UTF-8 (lines before that place were given), BC624 if it cannot be
        decompressed.
    """
    for lines in stream_line_blocks(path):
        yield from lines


def stream_line_blocks(path: Path, *, counted: bool = True) -> Iterator[list[str]]:
    """As stream_lines, but the lines of about 256 KiB at once, for readers that must be fast."""
    offset = 0  # of the first pending byte in the (decompressed) file
    pending: list[bytes] = []
    for block in stream_bytes(path, counted=counted):
        cut = block.rfind(b"\n") + 1
        if not cut:
            pending.append(block)
            continue
        # No byte of a longer character is 0x0A, so text cut after one decodes on its own.
        data = b"".join([*pending, block[:cut]])
        pending = [block[cut:]] if cut < len(block) else []
        yield _lines_of(data[:-1], path, offset)
        offset += len(data)
    last = b"".join(pending)
    if last and (offset or last != codecs.BOM_UTF8):
        yield _lines_of(last, path, offset)


def _lines_of(data: bytes, path: Path, offset: int) -> list[str]:
    text = _decode(data, path, offset)
    if offset == 0:
        text = text.removeprefix("\ufeff")
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in lines] if "\r" in text else lines


def _decode(data: bytes, path: Path, offset: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The error itself would quote the bytes.
        raise ValueError(Errors.BC611.format(path=path, offset=offset + error.start)) from None


def read_lines(path: Path) -> list[str]:
    """All lines of a file at once; see stream_lines."""
    return list(stream_lines(path))


def plain_stem(path: Path) -> str:
    """The name of a file without its endings: "train" for train.tsv.gz."""
    name = path.name.removesuffix(path.suffix) if path.suffix in _OPENERS else path.name
    return Path(name).stem


@contextmanager
def aside(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """A file to write beside ``path``, moved into its place when the block ends without an error.

    path (Path): Where the whole file will be; its folder is made if missing. Until then nothing there changes,
        and after an error nothing is left behind.
    binary (bool): Give a file of bytes; else one of UTF-8 text whose line ends are written as given.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") if binary else part.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file aside and move it into place when whole; line ends are written as given."""
    with aside(path) as file:
        file.write(text)
