"""suite.json: one signed row for each run, the trials and choices of sweeps, and what failed. Kept whole at all times.

Rows are told apart by their signatures. A row that is there is done; running a suite again adds what is missing. The
file is read again before each write, so rows of other suites that share it stay.
"""

import json
import re
import threading
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.errors import Errors

FORMAT, VERSION = "spacy-bioclinical.suite", 1
LISTS = ("rows", "choices", "failures")


class Results:
    """The rows of a suite file.

    path (Path): the file, made at the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._data = self._read()

    def row(self, signature: str) -> dict[str, Any] | None:
        """RETURNS (dict | None): the row of a cell that is done."""
        return self._find("rows", signature)

    def choices(self) -> list[dict[str, Any]]:
        """RETURNS (list[dict]): what sweeps have chosen."""
        return list(self._data["choices"])

    def rows(self) -> list[dict[str, Any]]:
        """RETURNS (list[dict]): all rows, as in the file."""
        return list(self._data["rows"])

    def failures(self) -> list[dict[str, Any]]:
        """RETURNS (list[dict]): what failed and has not been done since."""
        return list(self._data["failures"])

    def add_row(self, row: dict[str, Any]) -> None:
        """Write a row; a failure of the same signature is forgotten."""
        self._put("rows", row)

    def add_choice(self, choice: dict[str, Any]) -> None:
        """Write what a sweep has chosen."""
        self._put("choices", choice)

    def add_failure(self, failure: dict[str, Any]) -> None:
        """Write down that a cell failed, and why."""
        self._put("failures", failure)

    def forget(self, signature: str) -> None:
        """Take a failure out that is none any more."""
        if self._find("failures", signature) is not None:
            with self._lock:
                self._data = self._read()
                kept = [each for each in self._data["failures"] if each["signature"] != signature]
                self._data["failures"] = kept
                write_json(self.path, self._data)

    def add_summary(self, summary: list[dict[str, Any]]) -> None:
        """Write medians, ranges and means, as the table shows them; other suites' lines stay."""
        with self._lock:
            self._data = self._read()
            mine = {(*_place(line), line["label"]) for line in summary}
            kept = [line for line in self._data["summary"] if (*_place(line), line["label"]) not in mine]
            self._data["summary"] = sorted(
                [*kept, *summary], key=lambda line: (*_place(line), line["label"] or "")
            )
            write_json(self.path, self._data)

    def _find(self, name: str, signature: str) -> dict[str, Any] | None:
        return next((each for each in self._data[name] if each["signature"] == signature), None)

    def _put(self, name: str, entry: dict[str, Any]) -> None:
        with self._lock:
            self._data = self._read()
            for key in {name, "failures"}:
                self._data[key] = [
                    each for each in self._data[key] if each["signature"] != entry["signature"]
                ]
            self._data[name].append(entry)
            self._data[name].sort(key=_order)
            write_json(self.path, self._data)

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            **{key: [] for key in (*LISTS, "summary")},
        }
        if not self.path.is_file():
            return empty
        try:
            data = json.loads(self.path.read_text(encoding="utf8"))
            known = (data.get("format"), data.get("version")) == (FORMAT, VERSION)
        except (ValueError, AttributeError):
            known = False
        if not known:
            wanted = "the result file of a suite, or a file that does not exist yet"
            raise ValueError(Errors.BC456.format(what="--output", given=self.path, wanted=wanted))
        return {**empty, **data}


def _place(entry: dict[str, Any]) -> tuple[tuple[str | int, ...], ...]:
    names = (str(entry["task"]), _name(entry["encoder"]), _name(entry["recipe"]))
    return tuple(_in_order(name) for name in names)


def _in_order(name: str) -> tuple[str | int, ...]:
    """RETURNS (tuple): a key that sorts window-512 before window-2048: text and number in turn."""
    return tuple(int(part) if k % 2 else part for k, part in enumerate(re.split(r"([0-9]+)", name)))


def _name(value: Any) -> str:
    return str(value["name"] if isinstance(value, dict) else value)


def _order(entry: dict[str, Any]) -> tuple:
    value = entry.get("value")
    return (
        *_place(entry),
        str(entry.get("kind", "")),
        -1.0 if value is None else float(value),
        entry.get("seed") or 0,
    )
