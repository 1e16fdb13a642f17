"""From a row (a JSON object, a line of a table) to a Record: what JSONL, CSV and Parquet have in common.

Rows of Prodigy and doccano are understood besides our own; row_dialects.py tells them apart and takes them apart.
``cats`` names each category and its value, and what it leaves out is missing. Where a row lists only the positive
ones, all others of the corpus are negative: their inventory is counted first, in a pass over the rows of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from corpus_scripts.formats.row_dialects import LISTING, take_apart
from corpus_scripts.formats.row_parts import Place, Row, RowOptions
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally

__all__ = ["Place", "Row", "RowOptions", "listed_labels", "read_rows", "record_of_row"]


def record_of_row(
    row: Row, place: Place, options: RowOptions, inventory: Sequence[str], tally: Tally
) -> Record | None:
    """Make the record of one row.

    row (Mapping): Keys and values as JSON has them.
    place (Place): Where it stands.
    options (RowOptions): Which keys hold what.
    inventory (Sequence[str]): All labels of the corpus, for rows that list only the positive ones.
    tally (Tally): Receives what was left out (rows rejected or ignored in Prodigy).
    RETURNS (Record | None): None if the row was left out. A row without an id is named after its place.
    RAISES (ValueError): The place's message if the row does not fit, and those of check_record.
    """
    try:
        parts = take_apart(row, place, options, tally)
        if parts is None:
            return None
        if parts.undecided and not inventory:
            parts.spans, parts.listed = (), None
        labels = parts.cats if parts.listed is None else _all_labels(parts.listed, place, inventory)
        name = _name(row.get(options.id), place, options)
        if not isinstance(parts.text, str):
            raise place.refuse(f'no string under "{options.text}"')
        # Under the name of its place: where columns are mixed up, the id may be a piece of text.
        record = Record(place.name, parts.text, parts.spans, labels, parts.meta, parts.tokens)
        check_record(record, where=str(place))
    except RecursionError:
        raise place.refuse("it is nested too deeply") from None
    return record if name is None else replace(record, id=name)


def read_rows(
    rows: Callable[[], Iterator[tuple[Place, Row]]],
    options: RowOptions,
    *,
    inventory: Sequence[str] | None = None,
    tally: Tally | None = None,
) -> Iterator[Record]:
    """Read all rows of a source; none is held.

    rows (Callable): Begins anew at the first row each time it is called.
    options, inventory, tally: See record_of_row; without an inventory the rows are read twice.
    YIELDS (Record): In the order of the rows.
    """
    tally = Tally() if tally is None else tally
    if inventory is None:
        inventory = sorted(listed_labels(rows(), options))
    for place, row in rows():
        record = record_of_row(row, place, options, inventory, tally)
        if record is not None:
            yield record


def listed_labels(rows: Iterator[tuple[Place, Row]], options: RowOptions) -> set[str]:
    """All labels that rows name in a list: to build one inventory over several files."""
    found: set[str] = set()
    unused = Tally()
    listing = {options.labels, options.cats, *LISTING}
    for place, row in rows:
        if listing.isdisjoint(row):
            continue
        try:
            parts = take_apart(row, place, options, unused)
        except RecursionError:
            raise place.refuse("it is nested too deeply") from None
        if parts is not None:
            found.update(parts.listed or ())
    return found


def _all_labels(listed: Sequence[str], place: Place, inventory: Sequence[str]) -> dict[str, float]:
    for index, label in enumerate(listed, start=1):
        if label not in inventory:
            # Not quoted: in a wrong column it would be text.
            raise place.refuse(f"label {index} of the row is none of the {len(inventory)} given (--labels)")
    return {label: float(label in listed) for label in inventory}


def _name(value: Any, place: Place, options: RowOptions) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise place.refuse(f'"{options.id}" is neither a string nor a whole number')
    name = str(value)
    if not name.strip() or any("\ud800" <= character <= "\udfff" for character in name):
        raise place.refuse(f'"{options.id}" is empty or holds half of a surrogate pair')
    return name
