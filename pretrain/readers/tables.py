"""Read tables with one document a row: CSV (NOTEEVENTS and the like) and TSV streamed by row, Parquet by batch."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pretrain.readers.codes import Template, code_document, code_keys
from pretrain.readers.raw import RawDocument, column_error, decoded_lines, find_columns, join_fields
from spacy_bioclinical.errors import Errors

PARQUET_ROWS = 256  # decoded at once
_LONGEST_FIELD = 2**31 - 1  # csv's own limit of 131,072 characters is shorter than many notes


def read_delimited(
    file: Path,
    stream: IO[bytes],
    text_key: str | None,
    template: Template | None = None,
    *,
    delimiter: str = ",",
) -> Iterator[RawDocument]:
    """Read a CSV or TSV file with a header.

    text_key (str | None): column of the text, or several joined by "+"; by default "notes" or "text".
    template (Template | None): write a table of codes as sentences.
    delimiter (str): "," or a tab; fields of tab-separated files have no quotes.
    RAISES (ValueError): BC702, BC703, BC704, BC738.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    is_quoted = delimiter == ","
    rows = csv.reader(
        decoded_lines(file, stream),
        strict=True,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
    )
    try:
        header = [name.strip() for name in next(rows, [])]
        columns = find_columns(header, text_key)
        is_codes = template is not None and (template.is_asked or (columns is None and text_key is None))
        is_codes = is_codes and code_keys(dict.fromkeys(header)) is not None
        if template is not None and template.is_asked and not is_codes:
            raise ValueError(Errors.BC738.format(file=file, why="its header names no code and description"))
        if columns is None and not is_codes:
            raise column_error(file, text_key, len(header))
        last = len(header) - 1 if is_codes or columns is None else max(columns)
        first = rows.line_num + 1
        for row in rows:
            if row and len(row) <= last:
                why = f"the row has {len(row)} fields, the text is field {last + 1}"
                raise ValueError(Errors.BC703.format(file=file, line=first, why=why))
            if row:
                yield _document(file, first, header, row, columns if not is_codes else None, template)
            first = rows.line_num + 1
    except csv.Error as error:
        why = f"not well-formed CSV ({error})"
        raise ValueError(Errors.BC703.format(file=file, line=rows.line_num, why=why)) from None


def _document(
    file: Path,
    line: int,
    header: list[str],
    row: list[str],
    columns: list[int] | None,
    template: Template | None,
) -> RawDocument:
    name = f"{file.name}:{line}"
    if columns is None:
        assert template is not None
        document = code_document(file, name, dict(zip(header, row)), template)
        assert document is not None  # the header has been looked at
        return document
    meta = {key: field for number, (key, field) in enumerate(zip(header, row)) if number not in columns}
    return RawDocument(name, join_fields([row[column] for column in columns]), meta)


def read_parquet(file: Path, text_key: str | None, template: Template | None = None) -> Iterator[RawDocument]:
    """Read a Parquet file, `PARQUET_ROWS` rows at a time; ids count rows from 1, no text is an empty one.

    RAISES (ValueError): BC702, BC704, BC737, BC738. (ImportError): BC743 without pyarrow.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError(Errors.BC743.format(what="Parquet files")) from error
    number = 0
    try:
        with parquet.ParquetFile(file) as table:
            names = [field.name for field in table.schema_arrow if not arrow.types.is_nested(field.type)]
            columns = find_columns(names, text_key)
            is_codes = template is not None and (template.is_asked or (columns is None and text_key is None))
            is_codes = is_codes and code_keys(dict.fromkeys(names)) is not None
            if template is not None and template.is_asked and not is_codes:
                raise ValueError(Errors.BC738.format(file=file, why="no columns are code and description"))
            if columns is None and not is_codes:
                raise column_error(file, text_key, len(names))
            for batch in table.iter_batches(batch_size=PARQUET_ROWS, columns=names):
                for record in batch.to_pylist():
                    number += 1
                    yield _row(file, number, names, record, None if is_codes else columns, template)
    except UnicodeDecodeError as error:
        raise ValueError(Errors.BC702.format(file=file, line=number + 1, offset=error.start)) from None
    except (arrow.ArrowException, OSError) as error:
        raise ValueError(Errors.BC737.format(file=file, row=number + 1, why=type(error).__name__)) from error


def _row(
    file: Path,
    number: int,
    names: list[str],
    record: dict[str, Any],
    columns: list[int] | None,
    template: Template | None,
) -> RawDocument:
    name = f"{file.name}:{number}"
    if columns is None:
        assert template is not None
        document = code_document(file, name, record, template)
        assert document is not None
        return document
    keys = [names[column] for column in columns]
    fields = [record[key] if record[key] is not None else "" for key in keys]
    if not all(isinstance(field, str) for field in fields):
        why = "the column of the text holds no strings"
        raise ValueError(Errors.BC737.format(file=file, row=number, why=why))
    return RawDocument(
        name, join_fields(fields), {key: value for key, value in record.items() if key not in keys}
    )
