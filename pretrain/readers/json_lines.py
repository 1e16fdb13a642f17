"""Read JSON lines, and .json files that hold one object, a list of objects, or lines after all.

Lines are streamed; a .json file that is one value is read as a whole.
"""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from pretrain.readers.codes import Template, code_document
from pretrain.readers.raw import JOIN, RawDocument, decoded_lines, join_fields
from spacy_bioclinical.errors import Errors

JSON_KEY = "text"


def read_json_lines(
    file: Path, stream: IO[bytes], text_key: str | None, template: Template | None = None
) -> Iterator[RawDocument]:
    """Read one document a line.

    text_key (str | None): key of the text, or several joined by "+"; by default "text".
    template (Template | None): write records of codes (`code`, `desc`, `synonyms`) as sentences.
    RAISES (ValueError): BC702, BC703.
    """
    yield from _records(file, decoded_lines(file, stream), text_key, template)


def read_json(
    file: Path, stream: IO[bytes], text_key: str | None, template: Template | None = None
) -> Iterator[RawDocument]:
    """Read a .json file: JSON lines if its first line is an object of its own, otherwise one value."""
    lines = decoded_lines(file, stream)
    first = next(lines, "")
    try:
        is_lines = isinstance(json.loads(first), dict)
    except json.JSONDecodeError:
        is_lines = False
    if is_lines:
        yield from _records(file, chain([first], lines), text_key, template)
        return
    try:
        value = json.loads("".join(chain([first], lines)))
    except json.JSONDecodeError as error:
        why = f"not JSON (column {error.colno})"
        raise ValueError(Errors.BC703.format(file=file, line=error.lineno, why=why)) from None
    records = value if isinstance(value, list) else [value]
    for number, record in enumerate(records, start=1):
        yield _document(file, number, record, text_key, template)


def _records(
    file: Path, lines: Iterator[str], text_key: str | None, template: Template | None
) -> Iterator[RawDocument]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            why = f"not JSON (column {error.colno})"
            raise ValueError(Errors.BC703.format(file=file, line=number, why=why)) from None
        except RecursionError:
            why = "not JSON (nested too deeply)"
            raise ValueError(Errors.BC703.format(file=file, line=number, why=why)) from None
        yield _document(file, number, record, text_key, template)


def _document(
    file: Path, number: int, record: Any, text_key: str | None, template: Template | None
) -> RawDocument:
    name = f"{file.name}:{number}"
    key = text_key or JSON_KEY
    if isinstance(record, dict):
        is_code = template is not None and (template.is_asked or (text_key is None and key not in record))
        if template is not None and is_code:
            document = code_document(file, name, record, template)
            if document is not None:
                return document
        keys = [key] if key in record else [part.strip() for part in key.split(JOIN)]
        fields = [record.get(part) for part in keys]
        texts = [field for field in fields if isinstance(field, str)]
        if len(texts) == len(keys):
            meta = {part: value for part, value in record.items() if part not in keys}
            return RawDocument(name, join_fields(texts), meta)
    why = f"no text under the key '{key}'"
    raise ValueError(Errors.BC703.format(file=file, line=number, why=why))
