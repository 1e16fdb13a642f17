"""Read and write one JSON object a line: {id?, text, spans: [{start, end, label}], cats or labels}.

``cats`` names each category and its value, and what it leaves out is missing. ``labels`` names only the
positive ones, so all others of the corpus are negative: pass their inventory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus_scripts.formats.files import plain_stem, read_lines, write_text
from corpus_scripts.record import Record, TextSpan, check_record
from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class JsonlOptions:
    """Which keys hold what.

    text, id, spans, cats, labels (str): Keys of a line; ``labels`` may hold a list of labels or a single one.
    """

    text: str = "text"
    id: str = "id"
    spans: str = "spans"
    cats: str = "cats"
    labels: str = "labels"


def read_jsonl(
    path: Path, options: JsonlOptions | None = None, *, inventory: Sequence[str] | None = None
) -> Iterator[Record]:
    """Read one file, plain or .gz or .xz.

    path (Path): The file; blank lines are passed over.
    options (JsonlOptions | None): Which keys hold what.
    inventory (Sequence[str] | None): All labels, for lines that name only the positive ones; by default those
        that occur in this file.
    YIELDS (Record): Lines without an id get "<file>-00001", … after their line.
    RAISES (ValueError): BC610 a line that is not such an object, BC623 a label outside the inventory, and
        those of check_record, with file and line.
    """
    path = Path(path)
    options = options or JsonlOptions()
    rows = list(_read_rows(path))
    if inventory is None:
        inventory = sorted({label for line, row in rows for label in _listed(row, options, path, line) or ()})
    for line, row in rows:
        yield _make_record(path, line, row, options, inventory)


def listed_labels(path: Path, options: JsonlOptions | None = None) -> set[str]:
    """All labels that lines of a file name in a list: to build one inventory over several files."""
    options = options or JsonlOptions()
    rows = _read_rows(Path(path))
    return {label for line, row in rows for label in _listed(row, options, Path(path), line) or ()}


def write_jsonl(records: Iterable[Record], path: Path) -> None:
    """Write records as JSONL, one a line; ``read_jsonl`` gives them back.

    records (Iterable[Record]): Their meta must hold no key of the format.
    path (Path): The file; it appears only when whole.
    """
    lines = []
    for record in records:
        check_record(record, where=str(path))
        row: dict[str, Any] = {"id": record.id, "text": record.text}
        if record.spans is not None:
            row["spans"] = [
                {
                    "start": span.start,
                    "end": span.end,
                    "label": span.label,
                    **({"id": span.id} if span.id else {}),
                }
                for span in record.spans
            ]
        if record.labels is not None:
            row["cats"] = dict(record.labels)
        taken = row.keys() & record.meta.keys()
        if taken:
            why = f"its meta uses the key(s) {', '.join(sorted(taken))}"
            raise ValueError(Errors.BC619.format(record=record.id, format="JSONL", why=why))
        row.update(record.meta)
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_text(Path(path), "".join(lines))


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(read_lines(path), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            # The error's own text would be fine, but its chained form shows the document.
            why = f"not JSON (column {error.colno})"
            raise ValueError(Errors.BC610.format(path=path, line=line, why=why)) from None
        if not isinstance(row, dict):
            raise ValueError(Errors.BC610.format(path=path, line=line, why="not a JSON object"))
        yield line, row


def _make_record(
    path: Path, line: int, row: dict[str, Any], options: JsonlOptions, inventory: Sequence[str]
) -> Record:
    def refuse(why: str) -> ValueError:
        return ValueError(Errors.BC610.format(path=path, line=line, why=why))

    text = row.get(options.text)
    if not isinstance(text, str):
        raise refuse(f'no string under "{options.text}"')
    name = row.get(options.id)
    if name is not None and (isinstance(name, bool) or not isinstance(name, (str, int))):
        raise refuse(f'"{options.id}" is neither a string nor a whole number')
    spans = row.get(options.spans)
    if spans is not None and not isinstance(spans, list):
        raise refuse(f'"{options.spans}" is not a list')
    try:
        made = None if spans is None else tuple(_make_span(span) for span in spans)
    except (KeyError, TypeError, ValueError):
        raise refuse(f'an entry of "{options.spans}" is not {{"start", "end", "label"}}') from None
    record_id = str(name) if name is not None else f"{plain_stem(path)}-{line:05d}"
    known = {options.text, options.id, options.spans, options.cats, options.labels}
    meta = {key: value for key, value in row.items() if key not in known}
    record = Record(record_id, text, made, _categories(path, line, row, options, inventory, record_id), meta)
    check_record(record, where=f"{path}, line {line}")
    return record


def _make_span(span: Any) -> TextSpan:
    if isinstance(span, list):
        start, end, label = span
        return TextSpan(start, end, label)
    return TextSpan(span["start"], span["end"], span["label"], str(span.get("id", "")))


def _categories(
    path: Path, line: int, row: dict[str, Any], options: JsonlOptions, inventory: Sequence[str], record: str
) -> Mapping[str, float] | None:
    cats = row.get(options.cats)
    if cats is not None:
        numbers = isinstance(cats, dict) and all(
            isinstance(value, (bool, int, float)) for value in cats.values()
        )
        if not numbers:
            why = f'"{options.cats}" does not map each label to a number'
            raise ValueError(Errors.BC610.format(path=path, line=line, why=why))
        return {label: float(value) for label, value in cats.items()}
    listed = _listed(row, options, path, line)
    if listed is None:
        return None
    for label in listed:
        if label not in inventory:
            raise ValueError(Errors.BC623.format(record=record, label=label))
    return {label: float(label in listed) for label in inventory}


def _listed(row: dict[str, Any], options: JsonlOptions, path: Path, line: int) -> list[str] | None:
    listed = row.get(options.labels)
    if listed is None:
        return None
    if isinstance(listed, str):
        return [listed]
    if not isinstance(listed, list) or not all(isinstance(label, str) for label in listed):
        why = f'"{options.labels}" is neither a label nor a list of labels'
        raise ValueError(Errors.BC610.format(path=path, line=line, why=why))
    return listed
