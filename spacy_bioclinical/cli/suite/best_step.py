"""At which step and in which epoch a training was best on dev, read off what it logged."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LOG = "log.csv"


def best_step(folder: Path) -> dict[str, Any] | None:
    """Find the best checkpoint of a training: the last one with the highest score, as spaCy keeps it.

    folder (Path): of a training: log.csv of our own logger, else what `spacy train` printed in train.log.
    RETURNS (dict | None): epoch, step and score on dev; None where neither tells.
    """
    rows = list(_from_csv(folder / LOG)) if (folder / LOG).is_file() else []
    if not rows and (folder / "train.log").is_file():
        rows = list(_from_console((folder / "train.log").read_text(encoding="utf8", errors="replace")))
    if not rows:
        return None
    epoch, step, score = max(rows, key=lambda row: (row[2], row[1]))
    return {"epoch": epoch, "step": step, "score": score}


def logged_minutes(folder: Path) -> float:
    """RETURNS (float): minutes that a training took in all its parts, by its log; 0.0 where the log does not tell."""
    most = 0.0
    if (folder / LOG).is_file():
        with (folder / LOG).open(encoding="utf8", newline="") as file:
            for row in csv.DictReader(file):
                try:
                    most = max(most, float(row["seconds"]))
                except (KeyError, ValueError, TypeError):
                    continue
    return round(most / 60, 2)


def _from_csv(path: Path) -> Iterable[tuple[int, int, float]]:
    with path.open(encoding="utf8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                yield int(float(row["epoch"])), int(row["step"]), float(row["score"])
            except (KeyError, ValueError, TypeError):
                continue


def _from_console(text: str) -> Iterable[tuple[int, int, float]]:
    """The rows of spaCy's console logger: epoch, step, losses, scores, and the score of two digits last."""
    for line in text.splitlines():
        if re.fullmatch(r"\s*\d+\s+\d+(?:\s+-?\d+\.\d+)+\s*", line):
            epoch, step, *_, score = line.split()
            yield int(epoch), int(step), float(score)
