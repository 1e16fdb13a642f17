"""Finds out what the files of a report are, by their content, and reads them: scores, predictions, suites, logs.

Only numbers, labels and ids are read here; a corpus with its texts only where --with-text names it (`browser`).
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.report.run_names import recipes_of_folders, with_recipe
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.predictions import DocumentPrediction, read_header, read_predictions

SUITE, STUDY = "spacy-bioclinical.suite", "spacy-bioclinical.context-value"
PREDICTIONS = (".predictions.jsonl", ".predictions.jsonl.gz", ".jsonl", ".jsonl.gz")
LOG = "log.csv"
IN_FOLDERS = (".predictions.jsonl", ".predictions.jsonl.gz", ".json")
ENDINGS = (*PREDICTIONS, ".speed.json", ".train.json", ".calibration.json", ".json", ".csv")
SCORED_PART = re.compile(r"(\w+(?:-[a-z]+)*)-[0-9a-f]{8}")
RUN_FOLDER = re.compile(r"seed-?\d+-[0-9a-f]+")


@dataclass(frozen=True)
class Found:
    """One input file: its kind, its name in the report, its SHA-256, and what it holds."""

    kind: str
    name: str
    file: str
    sha256: str
    content: Any


@dataclass(frozen=True)
class PredictionFile:
    """Header and documents of a prediction file."""

    header: dict[str, Any]
    records: list[DocumentPrediction]


@dataclass(frozen=True)
class TrainingLog:
    """Rows of a CSV log as numbers; `group` is what is drawn into one chart, `line` the training within it."""

    group: str
    line: str
    rows: list[dict[str, float]]


@dataclass
class Inputs:
    """All inputs of a report.

    Kinds: "scores", "predictions", "suite", "study", "speed", "training", "calibration", "log".
    """

    files: list[Found] = field(default_factory=list)

    def of(self, kind: str) -> list[Found]:
        """RETURNS (list[Found]): the files of a kind, by name."""
        return [each for each in self.files if each.kind == kind]

    def named(self, kind: str, name: str) -> Any:
        """RETURNS (Any): the content of the file of a kind and name; None if there is none."""
        return next((each.content for each in self.of(kind) if each.name == name), None)


def read_inputs(paths: Sequence[Path]) -> Inputs:
    """Read files and folders.

    paths (Sequence[Path]): files that are meant, and folders; of a folder its own .json and prediction files, and
        every log.csv below it. Of a suite the logs of its runs, where they are still there.
    RETURNS (Inputs): in an order that depends on names alone.
    RAISES (ValueError): BC468 for a file of another kind, BC469 for a damaged one, BC470 if there is nothing.
    """
    read: dict[Path, tuple[str, Any]] = {}
    for path in paths:
        if path.is_dir():
            inside = [each for each in path.iterdir() if each.is_file() and each.name.endswith(IN_FOLDERS)]
            for each in sorted({*inside, *path.rglob(LOG)}):
                found = _read(each)
                if found is not None:
                    read.setdefault(each, found)
        else:
            found = _read(path)
            if found is None:
                raise ValueError(Errors.BC468.format(path=path))
            read[path] = found
    for kind, content in list(read.values()):
        for log in _logs_of(content) if kind == "suite" else ():
            found = _read(log)
            if found is not None:
                read.setdefault(log, found)
    if not read:
        raise ValueError(Errors.BC470.format(paths=", ".join(str(path) for path in paths)))
    recipes = recipes_of_folders(content for kind, content in read.values() if kind == "suite")
    for path, (kind, content) in read.items():
        recipe = recipes.get(path.resolve().parent, "")
        if kind == "log" and recipe:
            read[path] = kind, replace(content, line=with_recipe(recipe, content.line))
    unique = {path.resolve(): path for path in read}
    names = _names(unique.values(), {path: kind for path, (kind, _) in read.items()}, recipes)
    files = [
        Found(read[path][0], names[path], path.name, _sha256(path), read[path][1]) for path in unique.values()
    ]
    return Inputs(sorted(files, key=lambda each: (each.kind, each.name, each.sha256)))


def _read(path: Path) -> tuple[str, Any] | None:
    """Read one file; RETURNS its kind and content, None if it is none of ours."""
    try:
        if path.name.endswith(PREDICTIONS):
            return "predictions", PredictionFile(read_header(path), read_predictions(path))
        if path.suffix == ".csv":
            return _read_log(path)
        data = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise ValueError(Errors.BC469.format(path=path, why=type(error).__name__)) from None
    except ValueError as error:
        if "[BC" in str(error):
            raise
        raise ValueError(Errors.BC469.format(path=path, why=type(error).__name__)) from None
    if not isinstance(data, dict):
        return None
    kinds = {SUITE: "suite", STUDY: "study"}
    if data.get("format") in kinds:
        return kinds[data["format"]], data
    if "signature" in data and "classes" in data and "entities" in data:
        return "scores", data
    if {"words_per_second", "ci_95"} <= data.keys():
        return "speed", data
    if {"minutes", "device"} <= data.keys():
        return "training", data
    return ("calibration", data) if "components" in (data.get("calibration") or {}) else None


def _read_log(path: Path) -> tuple[str, Any] | None:
    with path.open(encoding="utf8", newline="") as file:
        reader = csv.DictReader(file)
        if not {"step", "score"} <= set(reader.fieldnames or ()):
            return None
        rows = []
        for line in reader:
            row = {name: value for name, text in line.items() if (value := _float(text)) is not None}
            if "step" in row:
                rows.append(row)
    path = path.resolve()
    group = path.parent.name if path.name == LOG else path.stem
    line_name = group
    if RUN_FOLDER.fullmatch(path.parent.name):
        group = " · ".join(part.name for part in (path.parent.parent.parent, path.parent.parent))
        line_name = path.parent.name.rsplit("-", 1)[0]
    return "log", TrainingLog(group, line_name, rows)


def _logs_of(suite: dict[str, Any]) -> Iterable[Path]:
    """The logs of a suite's runs that are still where they were written."""
    for row in suite.get("rows", ()):
        folder = (row.get("files") or {}).get("folder")
        if row.get("kind") == "run" and folder and (Path(folder) / LOG).is_file():
            yield Path(folder) / LOG


def _names(paths: Iterable[Path], kinds: dict[Path, str], recipes: dict[Path, str]) -> dict[Path, str]:
    """Short names, told apart by the folder where two of a kind are equal, then by a number."""
    named: dict[Path, str] = {}
    taken: set[tuple[str, str]] = set()
    stems = {path: _stem(path, recipes) for path in paths}
    for path in sorted(stems):
        alike = [other for other in stems if (stems[other], kinds[other]) == (stems[path], kinds[path])]
        name = stems[path] if len(alike) == 1 else f"{path.resolve().parent.name}/{stems[path]}"
        chosen, count = name, 1
        while (kinds[path], chosen) in taken:
            count += 1
            chosen = f"{name} ({count})"
        taken.add((kinds[path], chosen))
        named[path] = chosen
    return named


def _stem(path: Path, recipes: dict[Path, str]) -> str:
    folder = path.resolve().parent
    stem = folder.name
    if path.name != LOG:
        stem = next(
            path.name[: -len(ending)] for ending in (*ENDINGS, path.suffix) if path.name.endswith(ending)
        )
    scored = SCORED_PART.fullmatch(stem)
    if RUN_FOLDER.fullmatch(folder.name) and (scored or path.name == LOG):
        # of a suite: TASK/ENCODER/seed42-…/log.csv, or test-calibrated-1a2b3c4d.json beside it
        seed = with_recipe(recipes.get(folder, ""), folder.name.rsplit("-", 1)[0])
        run = [folder.parent.parent.name, folder.parent.name, seed]
        return " · ".join(run if not scored or scored[1] == "test" else [*run, scored[1]])
    return stem


def _float(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
