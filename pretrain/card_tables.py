"""Figures as Markdown tables: nested data of any report becomes rows and columns; what could be text stays out.

Reports of this project hold names, counts and figures. Strings are written only if they are short and on one line,
so that a document that got into a report by mistake does not get into a card.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 240  # characters of a string that is written
_MEAN = {"value", "low", "high"}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries: {"schedule": {"kind": "x"}} becomes {"schedule.kind": "x"}."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = value
    return found


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_in_table(value) for value in line) + " |" for line in lines)


def cell(text: str) -> str:
    """Write plain text on one line, without what would begin HTML."""
    return " ".join(str(text).split()).replace("<", "&lt;")


def figure(value: Any) -> str:
    """Write a count, figure or short name; a mean as "0.512 (0.498 to 0.527)"; else "—"."""
    if isinstance(value, Mapping) and set(value) >= _MEAN:
        between = f" ({figure(value['low'])} to {figure(value['high'])})" if value["low"] is not None else ""
        return figure(value["value"]) + between
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, str) and len(value) <= LONGEST and len(value.splitlines()) <= 1:
        return cell(value) or "—"
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) <= 16:
        return ", ".join(figure(one) for one in value) or "—"
    return "—"


def sections(report: Mapping[str, Any], level: int = 3, name: str = "") -> list[str]:
    """Write a report of any shape: its figures as one table, each group of figures as a table below a heading.

    level (int): number of # before headings. name (str): heading of the report itself; empty for none.
    """
    plain = {key: value for key, value in report.items() if not _is_group(value) and value is not None}
    parts = [f"{'#' * level} {_words(name)}"] if name else []
    if plain:
        parts.append(
            table(["figure", "value"], [[_words(key), figure(value)] for key, value in plain.items()])
        )
    for key, value in report.items():
        if not _is_group(value):
            continue
        rows = _rows(value)
        if rows is None:
            parts += sections(value, level, f"{name}, {key}" if name else key)
            continue
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        heading = f"{'#' * level} {_words(f'{name}, {key}' if name else key)}"
        body = [
            [row_name, *(figure(row[c]) if c in row else "—" for c in columns)]
            for row_name, row in rows.items()
        ]
        parts += [heading, table(["", *map(_words, columns)], body)]
    return parts


def _rows(value: Any) -> dict[str, Mapping[str, Any]] | None:
    """Rows of a group of rows, by name; None for a group of other things."""
    members = value.items() if isinstance(value, Mapping) else enumerate(value, start=1)
    rows = {str(key): row for key, row in members}
    is_table = all(
        isinstance(row, Mapping)
        and set(row)
        and not set(row) >= _MEAN
        and not any(map(_is_group, row.values()))
        for row in rows.values()
    )
    return rows if is_table else None


def _is_group(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and not set(value) >= _MEAN
    is_list = isinstance(value, Sequence) and not isinstance(value, str) and bool(value)
    return is_list and all(isinstance(one, Mapping) for one in value)


def _words(name: str) -> str:
    return cell(str(name).replace("_", " "))


def _in_table(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
