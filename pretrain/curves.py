"""A run's curves as pictures, from its logs: `python -m pretrain.curves WORK --output FOLDER`.

Loss (raw, smoothed, held-out), learning rate, share of right predictions, speed, and held-out figures by source
where the log has them. What is drawn follows from the columns that are there, so a log of an older run does too.
"""

import csv
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from pretrain.line_chart import Series, line_chart
from pretrain.loop import EVALUATION_LOG, STEP_LOG
from spacy_bioclinical.errors import Errors

FOLDER = "curves"  # inside an encoder folder
MOST_POINTS = 1200  # of one line; more steps are averaged in equal groups
SMOOTHED_SHARE = 0.01  # of the run: half-life of the smoothed loss
_RIGHT = re.compile(r"(accuracy|top[_-]?\d+|(accuracy|acc)_(top[_-]?|at[_-]?)?\d+|top[_-]?\d+_accuracy)")
_GROUP = re.compile(r"(?P<figure>\w+)[:/@](?P<group>.+)")

Columns = Mapping[str, Sequence[float]]


def read_log(file: Path) -> dict[str, list[float]]:
    """Read a CSV log as columns of numbers; what is no number (an empty cell, a name) becomes nan.

    RAISES (ValueError): BC774 if there is no such file, no column "step", or a line with other columns.
    """
    try:
        with file.open(encoding="utf8", newline="") as lines:
            rows = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(Errors.BC774.format(file=file, why=type(error).__name__)) from error
    if not rows or "step" not in rows[0]:
        raise ValueError(Errors.BC774.format(file=file, why="line 1 names no column 'step'"))
    header, body = rows[0], rows[1:]
    if body and len(body[-1]) < len(header):  # a kill may have cut the last line short
        body = body[:-1]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            why = f"line {number} has {len(row)} columns instead of {len(header)}"
            raise ValueError(Errors.BC774.format(file=file, why=why))
    return {name: [_number(row[index]) for row in body] for index, name in enumerate(header)}


def draw_curves(work: Path, folder: Path) -> dict[str, str]:
    """Draw the curves of the logs in a work folder.

    work (Path): folder with steps.csv and, if the run had held-out text, evaluations.csv.
    folder (Path): where the pictures are written, each moved into place when whole.
    RETURNS (dict[str, str]): file name to title, in the order they are best looked at.
    RAISES (ValueError): BC774.
    """
    steps = read_log(work / STEP_LOG)
    has_evaluations = (work / EVALUATION_LOG).is_file()
    pictures = charts(steps, read_log(work / EVALUATION_LOG) if has_evaluations else {})
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, picture) in pictures.items():
        aside = folder / f".{name}.writing"
        aside.write_text(picture, encoding="utf8")
        os.replace(aside, folder / name)
    return {name: title for name, (title, _) in pictures.items()}


def charts(steps: Columns, evaluations: Columns) -> dict[str, tuple[str, str]]:
    """Build all pictures: file name to (title, SVG). Columns that are missing leave their picture out."""
    x_name, x_title = ("pieces", "pieces seen") if "pieces" in steps else ("step", "steps")
    found: dict[str, tuple[str, str]] = {}

    def add(name: str, title: str, y_title: str, series: list[Series], note: str = "") -> None:
        series = [one for one in series if any(map(math.isfinite, one.y))]
        if series:
            found[f"{name}.svg"] = (title, line_chart(title, x_title, y_title, series, note))

    def over(columns: Columns, name: str) -> tuple[Sequence[float], Sequence[float]]:
        return columns[x_name], columns[name]

    n_steps = len(steps["step"])
    grouped = f"each point: mean of {math.ceil(n_steps / MOST_POINTS)} steps" if n_steps > MOST_POINTS else ""
    loss = []
    if "loss" in steps:
        x, y = over(steps, "loss")
        loss += [Series("training, each step", *thinned(x, y), style="raw")]
        loss += [Series("training, smoothed", *thinned(x, smoothed(y)))]
    if "loss" in evaluations:
        loss.append(Series("held-out", *over(evaluations, "loss"), colour=1))
    add("loss", "Loss", "cross-entropy of predicted pieces, nats", loss, grouped)
    if "learning_rate" in steps:
        rate = Series("learning rate", *thinned(*over(steps, "learning_rate")))
        add("learning_rate", "Learning rate", "learning rate", [rate], grouped)
    right = [name for name in evaluations if _RIGHT.fullmatch(name)]
    add(
        "top_k",
        "Held-out pieces predicted rightly",
        "share of predicted pieces",
        [Series(_said(name), *over(evaluations, name), colour=i) for i, name in enumerate(right)],
    )
    if "pieces_per_second" in steps:
        x, y = over(steps, "pieces_per_second")
        both = [
            Series("each step", *thinned(x, y), style="raw"),
            Series("smoothed", *thinned(x, smoothed(y))),
        ]
        add("speed", "Speed", "pieces a second", both, grouped)
    for figure, groups in _groups(evaluations).items():
        add(
            f"{figure}_by_source",
            f"Held-out {_said(figure)} by source",
            _said(figure),
            [
                Series(group, *over(evaluations, name), colour=i)
                for i, (group, name) in enumerate(groups.items())
            ],
        )
    return found


def smoothed(values: Sequence[float]) -> list[float]:
    """Two-sided exponential mean, half-life 1 % of the run: from both ends, averaged, so that it does not lag.

    Each pass is corrected for its start (Kingma & Ba 2015, §3) and passes over values that are not finite.
    """
    forward, backward = _exponential_mean(values), _exponential_mean(values[::-1])[::-1]
    return [(one + other) / 2 for one, other in zip(forward, backward)]


def _exponential_mean(values: Sequence[float]) -> list[float]:
    keep = 0.5 ** (1.0 / max(1.0, SMOOTHED_SHARE * len(values)))
    mean, weight, result = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        result.append(mean / weight if weight else math.nan)
    return result


def thinned(
    x: Sequence[float], y: Sequence[float], most: int = MOST_POINTS
) -> tuple[list[float], list[float]]:
    """Average neighbouring points in groups of one size, so that at most `most` are left; nan is passed over."""
    size = max(1, math.ceil(len(x) / most))
    if size == 1:
        return list(x), list(y)
    groups = [range(start, min(start + size, len(x))) for start in range(0, len(x), size)]
    return [_mean([x[i] for i in group]) for group in groups], [
        _mean([y[i] for i in group]) for group in groups
    ]


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _groups(evaluations: Columns) -> dict[str, dict[str, str]]:
    """Columns such as "loss:SOURCE" (or with / or @): figure to source to column."""
    found: dict[str, dict[str, str]] = {}
    for name in evaluations:
        match = _GROUP.fullmatch(name)
        if match and (match["figure"] in ("loss", "perplexity") or _RIGHT.fullmatch(match["figure"])):
            found.setdefault(match["figure"], {})[match["group"]] = name
    return found


def _said(name: str) -> str:
    """Write a column's name as words: "top_5" as "top 5"."""
    return re.sub(r"[_-]", " ", re.sub(r"^top(\d)", r"top \1", name))


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def main(
    work: Path = typer.Argument(..., help="Folder of the run's logs (beside the output: OUTPUT.work)."),
    output: Path = typer.Option(None, "--output", help="Folder for the pictures [WORK/curves]."),
) -> None:
    """Draw a run's curves as SVG pictures."""
    output = output or work / FOLDER
    try:
        names = draw_curves(work, output)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"written    {os.fspath(output)}: {', '.join(names)}")


if __name__ == "__main__":
    typer.run(main)
