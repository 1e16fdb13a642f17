"""What every reader yields, and how lines and text keys are found: shared by the formats, so that ids agree.

A document's id is a file name with a line or row ("notes.csv:17") unless the format has ids of its own; its
`meta` holds the other fields of its record, for the rules of a source (skip, keep).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from spacy_bioclinical.errors import Errors

TEXT_COLUMNS = ("notes", "text")  # looked up in this order, in any case, when no column is named
JOIN = "+"  # text_key "dialogue+note" joins two fields with a blank line
_BOM = "\ufeff"


class _IdAndText(NamedTuple):
    id: str
    text: str


class RawDocument(_IdAndText):
    """One document: id, text, and beside the tuple `meta`: the other fields of its record (never printed)."""

    meta: Mapping[str, Any]

    def __new__(cls, id: str, text: str, meta: Mapping[str, Any] | None = None) -> "RawDocument":
        """Make a pair that also carries `meta`."""
        self = super().__new__(cls, id, text)
        self.meta = {} if meta is None else meta
        return self


def decoded_lines(file: Path, stream: Iterable[bytes]) -> Iterator[str]:
    """Decode lines strictly as UTF-8, without a byte order mark. RAISES (ValueError): BC702."""
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf8")
        except UnicodeDecodeError as error:
            raise ValueError(Errors.BC702.format(file=file, line=number, offset=error.start)) from None
        yield text.removeprefix(_BOM) if number == 1 else text


def read_text(file: Path, stream: IO[bytes]) -> Iterator[RawDocument]:
    """Read a file as one document."""
    yield RawDocument(file.name, "".join(decoded_lines(file, stream)))


def find_columns(names: Sequence[str], text_key: str | None) -> list[int] | None:
    """Find the columns of the text, in any case; None where they are not all there.

    names (Sequence[str]): the header. text_key (str | None): a column, or several joined by "+".
    """
    lowered = [name.strip().lower() for name in names]
    if text_key is None:
        found = next((name for name in TEXT_COLUMNS if name in lowered), None)
        return None if found is None else [lowered.index(found)]
    wanted = [text_key] if text_key.lower() in lowered else text_key.split(JOIN)
    wanted = [name.strip().lower() for name in wanted]
    return [lowered.index(name) for name in wanted] if all(name in lowered for name in wanted) else None


def join_fields(fields: Sequence[str]) -> str:
    """Join the fields of one document with a blank line between; empty ones leave no gap."""
    return fields[0] if len(fields) == 1 else "\n\n".join(field for field in fields if field.strip())


def column_error(file: Path, text_key: str | None, n_columns: int) -> ValueError:
    """Return the error for a table without the text's column."""
    wanted = text_key or " or ".join(TEXT_COLUMNS)
    return ValueError(Errors.BC704.format(file=file, wanted=wanted, n=n_columns))
