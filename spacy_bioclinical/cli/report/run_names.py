"""Names for the trainings of suites that share task, encoder and seed: their recipe, and the value of a sweep."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

USUAL = "default"  # the recipe of a suite that names none


def recipes_of_folders(suites: Iterable[dict[str, Any]]) -> dict[Path, str]:
    """Find what was trained in each folder of runs.

    suites (Iterable[dict]): contents of the files of `evaluate-suite` and of the rows of `context-value`.
    RETURNS (dict[Path, str]): for each run's folder, resolved, its recipe and the value of a sweep ("crf",
        "default learn_rate=5e-05"); "" for the usual one. A folder of two recipes has the shorter name: calibrated
        copies are of the same training.
    """
    found: dict[Path, set[str]] = {}
    for suite in suites:
        for row in suite.get("rows", ()):
            folder = (row.get("files") or {}).get("folder")
            if folder:
                found.setdefault(Path(folder).resolve(), set()).add(_recipe(row))
    return {folder: min(names, key=lambda name: (len(name), name)) for folder, names in found.items()}


def with_recipe(recipe: str, seed: str) -> str:
    """RETURNS (str): "seed42", "crf, seed42"."""
    return f"{recipe}, {seed}" if recipe else seed


def _recipe(row: dict[str, Any]) -> str:
    name = str((row.get("recipe") or {}).get("name") or USUAL).removesuffix("+calibrated")
    if row.get("parameter") and row.get("value") is not None:
        return f"{name} {row['parameter']}={row['value']:g}"
    return "" if name == USUAL else name
