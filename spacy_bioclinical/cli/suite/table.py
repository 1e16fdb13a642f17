"""Median, range and mean over seeds, beside what was published. The published figures are data: configs/suite/*.yml."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.suite.cells import Cell
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.errors import Errors

HEADER = ("task", "encoder", "recipe", "score", "runs", "median", "range", "mean", "published")
ALIGNS = ("l", "l", "l", "l", "r", "r", "r", "r", "l")
CELL_HEADER = ("task", "encoder", "recipe", "value", "seed", "score", "trains", "state", "signature")


def read_published(files: Iterable[str | Path]) -> dict[str, dict[str, tuple[float, str]]]:
    """Read published figures.

    files (Iterable[str | Path]): YAML with "source" and "figures": task or task:label to system to percent.
    RETURNS (dict): task or task:label -> system -> (score in [0, 1], source).
    RAISES (ValueError): BC456 for a file that holds something else.
    """
    import srsly

    found: dict[str, dict[str, tuple[float, str]]] = {}
    for file in files:
        try:
            data = srsly.read_yaml(file)
            source = str(data["source"])
            for task, figures in data["figures"].items():
                for system, percent in figures.items():
                    found.setdefault(task, {})[str(system)] = (float(percent) / 100, source)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            wanted = "YAML with source and figures: task: {system: percent}"
            message = Errors.BC456.format(what=f"the file {file}", given=type(error).__name__, wanted=wanted)
            raise ValueError(message) from None
    return found


def summarise(
    cells: Sequence[Cell], results: Results, published: dict[str, dict[str, tuple[float, str]]]
) -> list[dict[str, Any]]:
    """Sum up the seeds of each task, encoder and recipe; also single entity types that have published figures.

    cells (Sequence[Cell]): the runs; those without a row are counted as missing.
    results (Results): their rows. published (dict): see `read_published`.
    RETURNS (list[dict]): task, encoder, recipe, metric, label, n, missing, seeds, median, low, high, mean, deviation
        (of the sample, None for one run), value of a sweep, published {system: score in [0, 1]}, sources.
    """
    lines = []
    together: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        together.setdefault((cell.task, cell.encoder, cell.recipe), []).append(cell)
    for (task, encoder, recipe), group in together.items():
        rows = [row for cell in group if (row := results.row(cell.signature)) is not None]
        labels = [None, *(key.split(":", 1)[1] for key in published if key.startswith(f"{task}:"))]
        for label in labels:
            scores = [score for row in rows if (score := score_of(row, label)) is not None]
            if label is not None and not scores:
                continue
            figures = published.get(task if label is None else f"{task}:{label}", {})
            line = {
                "task": task,
                "encoder": encoder,
                "recipe": recipe,
                "metric": group[0].metric if label is None else "entity_f",
                "label": label,
                "seeds": [row["seed"] for row in rows],
                "missing": len(group) - len(rows),
                "parameter": group[0].parameter,
                "value": group[0].value,
                **spread(scores),
                "published": {system: score for system, (score, _) in figures.items()},
                "sources": sorted({source for _, source in figures.values()}),
                "versions": sorted({str(row["version"]) for row in rows}),
            }
            lines.append(line)
    return lines


def score_of(row: dict[str, Any], label: str | None) -> float | None:
    """RETURNS (float | None): the headline score of a row, or the F1 of one entity type; None if it has none."""
    if label is None:
        return float(row["score"])
    per_type = (row["scores"].get("entities") or {}).get("per_type", {})
    return float(per_type[label]["f"]) if label in per_type else None


def spread(scores: Sequence[float]) -> dict[str, Any]:
    """RETURNS (dict): n, median, low, high, mean, deviation of the sample; None where there are too few scores."""
    if not scores:
        return {"n": 0, **dict.fromkeys(("median", "low", "high", "mean", "deviation"))}
    return {
        "n": len(scores),
        "median": statistics.median(scores),
        "low": min(scores),
        "high": max(scores),
        "mean": statistics.fmean(scores),
        "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
    }


def summary_rows(lines: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    """RETURNS (list[tuple[str, ...]]): the lines as cells of a table, in percent, by HEADER."""
    rows: list[tuple[str, ...]] = []
    for line in lines:
        name = line["task"] if line["label"] is None else f"  {line['label']}"
        recipe = line["recipe"]
        if line["value"] is not None:
            recipe += f" {line['parameter']}={line['value']:g}"
        runs = str(line["n"]) + (f" of {line['n'] + line['missing']}" if line["missing"] else "")
        between = "-" if line["n"] == 0 else f"{percent(line['low'])}–{percent(line['high'])}"
        rows.append(
            (
                *(name, line["encoder"], recipe, line["metric"], runs),
                *(percent(line["median"]), between, percent(line["mean"])),
                published_cell(line),
            )
        )
    return rows


def published_cell(line: dict[str, Any]) -> str:
    """RETURNS (str): the published figure of the same encoder with our difference, else the best of other systems."""
    figures = line["published"]
    own = figures.get(line["encoder"])
    if own is not None:
        gap = "" if line["median"] is None else f" ({100 * (line['median'] - own):+.1f})"
        return f"{percent(own)}{gap}"
    if not figures:
        return "-"
    best = max(figures, key=lambda system: figures[system])
    return f"{best} {percent(figures[best])}"


def percent(score: float | None) -> str:
    """RETURNS (str): percent with one digit, as the paper prints them; a dash for nothing."""
    return "-" if score is None else f"{100 * score:.1f}"


def cell_rows(cells: Iterable[Cell], state: dict[str, str]) -> list[tuple[str, ...]]:
    """RETURNS (list[tuple[str, ...]]): one line for each cell, by CELL_HEADER; for --dry-run."""
    return [
        (
            *(cell.task, cell.encoder, cell.recipe),
            "-" if cell.value is None else f"{cell.value:g}",
            str(cell.seed),
            f"{cell.metric} on {cell.part}",
            cell.steps,
            state[cell.signature],
            cell.signature[:8],
        )
        for cell in cells
    ]
