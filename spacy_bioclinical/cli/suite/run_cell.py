"""Trains and scores one cell by the commands a person would type, and makes its row. What is there is not done again.

Everything of a training lies in one folder that is named by its signature: config.cfg, model-best, train.json, the
reports and the logs. So an interrupted cell goes on where it was, and a changed config never meets an old model.
"""

import datetime
import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.files import write_aside, write_json
from spacy_bioclinical.cli.suite.best_step import best_step, logged_minutes
from spacy_bioclinical.cli.suite.cells import SHORT, Cell
from spacy_bioclinical.cli.suite.children import Runner, environment_for, error_of
from spacy_bioclinical.cli.suite.config_text import with_values
from spacy_bioclinical.cli.suite.long_documents import cut_parts, restore_gold

KEEP = ("best", "all", "none")
CALIBRATED = "model-calibrated"  # a copy with all weights: kept by "all" alone


class CellError(Exception):
    """A child failed; the message quotes no document.

    log (Path | None): what the child printed.
    """

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Workplace:
    """Where and with what cells are run.

    folder (Path): of all trainings. runner (Runner): runs children. threads (int): of each child.
    keep (str): "best" keeps model-best, "all" model-last and the calibrated copy too, "none" no model once it is
        scored.
    machine (dict), versions (dict): for the rows.
    """

    folder: Path
    runner: Runner
    threads: int
    keep: str
    machine: dict[str, Any]
    versions: dict[str, Any]


def cell_folder(folder: Path, cell: Cell) -> Path:
    """RETURNS (Path): where a training lies; the same for all scores of it, by whatever recipe it was asked for."""
    names = [_safe(name) for name in (cell.task, cell.encoder)]
    return folder.joinpath(*names, f"seed{cell.seed}-{cell.training[:SHORT]}")


def report_file(folder: Path, cell: Cell) -> Path:
    """RETURNS (Path): the report of a training on this part, of these data, scored in this way."""
    counted = ("-miss" if cell.beyond == "miss" else "") + ("-calibrated" if cell.calibrated else "")
    return folder / f"{cell.part}{counted}-{cell.data[cell.part][:8]}.json"


def predictions_file(report: Path) -> Path:
    """RETURNS (Path): the prediction file beside a report."""
    return report.with_name(f"{report.stem}.predictions.jsonl.gz")


def run_cell(cell: Cell, place: Workplace, gpu_id: int) -> dict[str, Any]:
    """Train, score, and make the row. Where a report is missing and the model was not kept, it is trained again.

    cell (Cell): the cell. place (Workplace): where. gpu_id (int): -1 for the CPU.
    RETURNS (dict): the row of suite.json.
    RAISES (CellError): if a child fails.
    """
    folder = cell_folder(place.folder, cell)
    parts = cut_parts(cell, place.folder / "cut") if cell.cut is not None else cell.parts
    paths = {"paths.corpus": parts["train"].parent.as_posix()}
    paths |= {f"paths.{name}": parts[name].as_posix() for name in ("train", "dev")}
    config = with_values(cell.config, {**paths, "paths.encoder": cell.source})
    if not (folder / "config.cfg").is_file():
        write_aside(folder / "config.cfg", config)
    trained, best = folder / "train.json", folder / "model-best"
    report = report_file(folder, cell)
    if not trained.is_file() or not (best.is_dir() or report.is_file()):
        arguments = ["train", str(folder / "config.cfg"), "--output", str(folder), "--report", str(trained)]
        _child(place, arguments, folder / "train.log", gpu_id)
    if not report.is_file():
        calibration = None
        try:
            if cell.calibrated:
                best, calibration = calibrate(folder, parts["dev"], place, gpu_id)
            score(cell, best, report, parts, place, gpu_id, calibration)
        finally:
            if place.keep != "all":
                shutil.rmtree(folder / CALIBRATED, ignore_errors=True)
    row = make_row(cell, folder, place)
    clean_up(folder, place.keep if cell.kind == "run" else "best" if place.keep == "none" else place.keep)
    return row


def calibrate(folder: Path, dev: Path, place: Workplace, gpu_id: int) -> tuple[Path, dict[str, Any]]:
    """Calibrate a copy of a cell's best model on dev, anew each time: temperatures, and thresholds of large F1.

    folder (Path): of the cell. dev (Path): as it was trained with. place (Workplace), gpu_id (int): see `run_cell`.
    RETURNS (tuple): the copy; "components" and "signature" of what was found, see `describe_calibration`.
    RAISES (CellError): if the child fails, with BC464 if there is nothing to calibrate.
    """
    copy, aside = folder / CALIBRATED, folder / ".calibration.json"
    arguments = ["calibrate", str(folder / "model-best"), str(dev), "--output", str(copy)]
    arguments += ["--report", str(aside)]
    _child(place, arguments, folder / "calibrate.log", gpu_id)
    found = json.loads(aside.read_text(encoding="utf8"))["calibration"]
    aside.unlink()
    return copy, found


def score(
    cell: Cell,
    model: Path,
    report: Path,
    parts: dict[str, Path],
    place: Workplace,
    gpu_id: int,
    calibration: dict[str, Any] | None,
) -> None:
    """Score a model and write its report, with the prediction file beside it.

    cell (Cell): the cell. model (Path): its best one, or the calibrated copy. report (Path): see `report_file`.
    parts (dict[str, Path]): train, dev and test, cut or whole. place (Workplace), gpu_id (int): see `run_cell`.
    calibration (dict | None): of the copy; stands in the report.
    RAISES (CellError): if the child fails.
    """
    predictions = predictions_file(report)
    aside = report.with_name(f".{report.stem}.scoring.json")
    arguments = ["evaluate", str(model), str(parts[cell.part]), "--output", str(aside)]
    arguments += ["--predictions", str(predictions), "--train", str(parts["train"])]
    start = time.perf_counter()
    _child(place, arguments, report.with_name("evaluate.log"), gpu_id)
    found = json.loads(aside.read_text(encoding="utf8"))
    if cell.beyond == "miss":
        found["beyond"] = restore_gold(predictions, cell.parts[cell.part])
        found["details"] = found["beyond"].pop("details")
    if calibration is not None:
        found["calibration"] = calibration
    found["evaluation_minutes"] = round((time.perf_counter() - start) / 60, 2)
    write_json(report, found)
    aside.unlink()


def make_row(cell: Cell, folder: Path, place: Workplace) -> dict[str, Any]:
    """RETURNS (dict): the signed row of a cell that is trained and scored."""
    training = json.loads((folder / "train.json").read_text(encoding="utf8"))
    place_of_report = report_file(folder, cell)
    report = json.loads(place_of_report.read_text(encoding="utf8"))
    scores = {key: report[key] for key in ("entities", "classes", "beyond") if report.get(key)}
    scores["headline"] = report.get("details", {}).get("headline", {})
    return {
        **names_of(cell),
        "signature": cell.signature,
        "training": cell.training,
        "kind": cell.kind,
        "part": cell.part,
        "parameter": cell.parameter,
        "value": cell.value,
        "metric": cell.metric,
        "score": headline(report, cell.metric),
        "scores": scores,
        "dev": training.get("dev", {}),
        "best": best_step(folder),
        "minutes": max(
            training.get("minutes") or 0.0, logged_minutes(folder)
        ),  # of all parts, if it was interrupted
        "evaluation_minutes": report.get("evaluation_minutes"),
        "words_per_second": report.get("words_per_second"),
        "documents": report.get("documents"),
        "beyond": cell.beyond,
        "cut": cell.cut,
        "calibrated": cell.calibrated,
        "calibration": found_on_dev(report),
        "data": cell.data,
        "device": training.get("device"),
        "version": place.versions.get("spacy-bioclinical"),
        "versions": place.versions,
        "machine": place.machine,
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "files": {
            "folder": folder.as_posix(),
            "report": place_of_report.name,
            "predictions": predictions_file(place_of_report).name,
        },
    }


def make_failure(cell: Cell, folder: Path, error: Exception) -> dict[str, Any]:
    """RETURNS (dict): what failed, why in words without note text, and where the log is."""
    why = str(error) if isinstance(error, CellError) or "[BC" in str(error) else type(error).__name__
    logs = (folder / "evaluate.log", folder / "train.log")
    log = getattr(error, "log", None) or next((path for path in logs if path.is_file()), folder)
    return {
        **names_of(cell),
        "signature": cell.signature,
        "kind": cell.kind,
        "parameter": cell.parameter,
        "value": cell.value,
        "error": why,
        "log": log.as_posix(),
    }


def found_on_dev(report: dict[str, Any]) -> dict[str, Any] | None:
    """RETURNS (dict | None): component → n, temperature, line and thresholds of its calibration; None without one."""
    components = (report.get("calibration") or {}).get("components")
    kept = ("n", "temperature", "line", "thresholds")
    return components and {name: {key: each.get(key) for key in kept} for name, each in components.items()}


def names_of(cell: Cell) -> dict[str, Any]:
    """RETURNS (dict): task, encoder, recipe and seed as rows hold them."""
    return {
        "task": cell.task,
        "encoder": {"name": cell.encoder, "sha256": cell.weights},
        "recipe": {
            "name": cell.recipe,
            "overlays": list(cell.overlays),
            "settings": dict(cell.settings),
            "config_sha256": cell.config_hash,
        },
        "seed": cell.seed,
    }


def headline(report: dict[str, Any], metric: str) -> float:
    """Read the headline score off a report of `evaluate`.

    report (dict): the report.
    metric (str): "entity_f" (seqeval; with documents cut and misses counted, exact characters), "spans_f",
        "weighted_f", "micro_f", "macro_f" (mean over classifiers), or a dotted path.
    RETURNS (float): in [0, 1].
    RAISES (CellError): if the report has no such score.
    """
    try:
        if metric == "entity_f":
            beyond = report.get("beyond") or {}
            return float(beyond["f"] if "f" in beyond else report["entities"]["seqeval"]["f"])
        if metric == "spans_f":
            figures = report["details"]["headline"].items()
            found = [float(each["value"]) for name, each in figures if re.fullmatch(r"spans\..*\.f", name)]
            return sum(found) / len(found)
        if metric in ("weighted_f", "micro_f", "macro_f"):
            found = [float(scores[metric]) for scores in report["classes"].values()]
            return sum(found) / len(found)
        value: Any = report
        for key in metric.split("."):
            value = value[key]
        return float(value)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise CellError(f"the report of evaluate has no score {metric}; set the task's metric") from None


def clean_up(folder: Path, keep: str) -> None:
    """Remove models that are not kept: they are the large part of a suite."""
    others = ("model-last", CALIBRATED)
    for name in {"best": others, "none": (*others, "model-best"), "all": ()}[keep]:
        shutil.rmtree(folder / name, ignore_errors=True)


def _child(place: Workplace, arguments: list[str], log: Path, gpu_id: int) -> None:
    words = ["-m", "spacy", "bioclinical", *arguments, "--gpu-id", str(gpu_id)]
    code = place.runner(words, log, environment_for(place.threads))
    if code:
        raise CellError(error_of(log, code), log)


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
