"""What every reader must do with any bytes: give sound records, or refuse with a code and without quoting."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hypothesis import strategies as st

from corpus_scripts.record import Record, check_record

# Stands in the valid files that are damaged; no message may hold it.
CANARY = "Zyxquorvane"
LONGEST_SECONDS = 10.0
_PATCHES = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\t", b'"', b",", b";", b"{", b"}", b"[", b"]", b"<",
    b">", b"&", b"|", b"-1", b"99999999999999999999", b"\xed\xa0\x80", "\u2028".encode(), "\U0001f600".encode(),
)  # fmt: skip


def damaged(valid: bytes) -> st.SearchStrategy[bytes]:
    """Valid bytes with pieces cut out, repeated, overwritten or inserted; truncated; or anything at all."""

    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        data = valid
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(0, len(data)))
            end = min(len(data), start + draw(st.integers(0, 40)))
            kind = draw(st.sampled_from(("cut", "repeat", "insert", "replace", "truncate", "swap_lines")))
            if kind == "cut":
                data = data[:start] + data[end:]
            elif kind == "repeat":
                data = data[:end] + data[start:end] + data[end:]
            elif kind == "insert":
                data = data[:start] + draw(st.sampled_from(_PATCHES)) + data[start:]
            elif kind == "replace":
                data = data[:start] + draw(st.sampled_from(_PATCHES)) + data[end:]
            elif kind == "truncate":
                data = data[:start]
            else:
                lines = data.split(b"\n")
                first, second = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                lines[first], lines[second] = lines[second], lines[first]
                data = b"\n".join(lines)
        return data

    return st.one_of(build(), build(), build(), st.binary(max_size=300))


def read_or_refuse(
    read: Callable[[], Iterable[Record]], *, secrets: Iterable[str] = (CANARY,)
) -> list[Record]:
    """Run a reader; what it gives must be sound, what it raises one of our messages, and it must end.

    read (Callable): Opens and reads the file.
    secrets (Iterable[str]): Words of the text.
    RETURNS (list[Record]): What was read, [] if it was refused.
    """
    started = time.process_time()
    records: list[Record] = []
    refused: ValueError | None = None
    try:
        records = list(read())
    except ValueError as error:
        refused = error
    if refused is not None:
        message = str(refused)
        assert re.match(r"\[BC6\d\d\]", message), f"{type(refused).__name__} without a code"
        assert not any(secret in message for secret in secrets), "the message quotes the text"
        hidden = refused.__suppress_context__ or refused.__context__ is None
        assert refused.__cause__ is None, "a chained error would show the text"
        assert hidden, "a chained error would show the text"
    for record in records:
        check_record(record)
    assert time.process_time() - started < LONGEST_SECONDS
    return records


def write(folder: Path, name: str, data: bytes) -> Path:
    """Put bytes into a file of a folder (hypothesis runs many examples in one folder)."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
