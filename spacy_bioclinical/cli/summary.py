"""`python -m spacy bioclinical summary`: one table of all results, on the screen, as Markdown and as JSON."""

import json
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_aside, write_json
from spacy_bioclinical.errors import Errors

COLUMNS = ("task", "score", "value", "on", "words/s", "minutes", "wheel")
CUT_SUFFIX = "_512"


@bioclinical.command("summary")
def summary_cli(
    metrics: Path = typer.Argument(
        ..., help="Folder of the results of evaluate, train and speed", exists=True
    ),
    packages: Path = typer.Option(Path("packages"), "--packages", help="Folder of the pipelines' wheels"),
    plugin: Path = typer.Option(Path("dist"), "--plugin", help="Folder of the plugin's wheel"),
) -> None:
    """Show scores, speed, training time and wheels of every task that was evaluated."""
    try:
        rows = collect(metrics, packages)
    except ValueError as error:
        msg.fail("Nothing to sum up", str(error), exits=1)
    cells = [tuple(show(row[column]) for column in COLUMNS) for row in rows]
    lines = closing_lines(rows, metrics, plugin)
    write_json(metrics / "summary.json", {"results": rows, "notes": lines})
    write_aside(metrics / "summary.md", markdown(cells, lines))
    aligns = ("l", "l", "r", "l", "r", "r", "l")
    msg.table(cells, header=COLUMNS, divider=True, aligns=aligns, max_col=80)
    print("\n".join(lines))


def collect(metrics: Path, packages: Path) -> list[dict[str, Any]]:
    """Gather one row for each score of each task.

    metrics (Path): Holds TASK.json (evaluate), perhaps TASK.train.json and TASK.speed.json.
    packages (Path): Holds the pipelines' wheels.
    RETURNS (list[dict]): Rows with the keys of COLUMNS, None where nothing was measured.
    RAISES (ValueError): BC513 if nothing was evaluated.
    """
    rows = []
    for file in sorted(metrics.glob("*.json")):
        report = read(file)
        if "signature" not in report:
            continue
        task = file.stem
        wheels = sorted(packages.glob(f"*_bioclinical_{task}-*.whl"))
        scores = [("entity F1", report["entities"]["spacy"]["f"])] if report["entities"] else []
        scores += [("textcat weighted F1", found["weighted_f"]) for found in report["classes"].values()]
        spans = (report.get("details") or {}).get("spans") or {}
        scores += [
            ("span F1" if len(spans) == 1 else f"span F1 of {key}", each["f"]) for key, each in spans.items()
        ]
        for name, value in scores:
            row = {
                "task": task,
                "score": name,
                "value": round(value, 4),
                "on": f"{report['signature']['data']['file']}, {report['documents']} documents",
                "words/s": read(metrics / f"{task}.speed.json").get("words_per_second"),
                "minutes": read(metrics / f"{task}.train.json").get("minutes"),
                "wheel": wheels[-1].as_posix() if wheels else None,
            }
            rows.append(row)
    if not rows:
        raise ValueError(Errors.BC513.format(path=metrics, what="results of evaluate", step="evaluate"))
    return rows


def closing_lines(rows: list[dict[str, Any]], metrics: Path, plugin: Path) -> list[str]:
    """What does not fit into the table: the worth of the long context, the plugin's wheel, the fresh install.

    rows (list[dict]): As `collect` gives them.
    metrics (Path): Holds install.json if the installation was checked.
    plugin (Path): Folder of the plugin's wheel.
    RETURNS (list[str]): Sentences.
    """
    values = {(row["task"], row["score"]): row["value"] for row in rows}
    lines = []
    for (task, score), value in values.items():
        short = values.get((f"{task}{CUT_SUFFIX}", score))
        if short is not None:
            lines.append(f"{task}: {value - short:+.4f} {score} over the same notes cut after 512 pieces")
    lines += [f"plugin: {wheel.as_posix()}" for wheel in sorted(plugin.glob("*.whl"))]
    installed = read(metrics / "install.json")
    if installed:
        names = ", ".join(installed["pipelines"])
        lines.append(f"fresh environment, offline: {names} say what they said before packaging")
    return lines


def markdown(cells: list[tuple[str, ...]], lines: list[str]) -> str:
    """Write the table and the sentences below it as Markdown.

    cells (list[tuple[str, ...]]): Rows in the order of COLUMNS.
    lines (list[str]): Sentences.
    RETURNS (str): The text of summary.md.
    """
    rows = [COLUMNS, ("---",) * len(COLUMNS), *cells]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return table + "\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"


def show(value: Any) -> str:
    """One cell: scores with four digits, large numbers without decimals, nothing as a dash.

    value: Text, number or None.
    RETURNS (str): The cell.
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.4f}".rstrip("0").rstrip(".")
    return str(value)


def read(file: Path) -> dict[str, Any]:
    """Read a JSON file, nothing if there is none.

    file (Path): The file.
    RETURNS (dict): Its content.
    """
    return json.loads(file.read_text(encoding="utf8")) if file.is_file() else {}
