"""The table of the paper beside ours: medians, ranges and seeds from suite.json, and the context-value study."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.report.inputs import Inputs
from spacy_bioclinical.cli.report.parts import DASH, Part, Range, Section, Table, percent
from spacy_bioclinical.cli.suite.context_study import HEADER as STUDY_HEADER
from spacy_bioclinical.cli.suite.context_study import table_rows
from spacy_bioclinical.cli.suite.table import HEADER, read_published, score_of, spread, summary_rows

Published = dict[str, dict[str, tuple[float, str]]]


def suite_section(inputs: Inputs, files: Sequence[Path] = ()) -> Section:
    """Make the section of the suites.

    inputs (Inputs): with or without suite.json. files (Sequence[Path]): further published figures (--published).
    RETURNS (Section): the paper's table with our rows in it, and all lines of ours with their ranges.
    RAISES (ValueError): BC456 for a damaged file of figures.
    """
    suites = [found.content for found in inputs.of("suite")]
    published = published_figures(suites, files)
    parts: list[Part] = []
    lines = [line for data in suites for line in suite_lines(data, published)]
    parts += paper_tables(lines, published)
    if lines:
        marks = [_mark(line) for line in lines]
        ranges = [Range(line["median"], line["low"], line["high"], mark) for line, mark in zip(lines, marks)]
        drawn = "Dot: median; line: from the lowest to the highest seed. Diamond: published."
        note = ""
        failed = sum(len(data.get("failures", ())) for data in suites)
        if failed:
            note = f"Failed, and not in it: {failed}. The suite's file says why."
        rows = [
            (f"{line['task']}: {line['label']}" if line["label"] else row[0], *row[1:])
            for line, row in zip(lines, summary_rows(lines))
        ]
        parts.append(Table("All runs, in %", HEADER, rows, 4, ranges, note=note, drawn=drawn, main=True))
    return Section(
        "paper",
        "The paper's table and ours",
        "F1 in percent: median of the seeds, in brackets the lowest and the highest, and how many.",
        parts,
        "python -m spacy bioclinical evaluate-suite --suite configs/suite/paper.yml --output metrics/suite.json",
    )


def published_figures(suites: Iterable[dict[str, Any]], files: Sequence[Path]) -> Published:
    """RETURNS (dict): task (or task:label) → system → (score, source): those of the files, and those suites hold."""
    found: Published = {}
    for data in suites:
        for line in data.get("summary", ()):
            key = line["task"] if line.get("label") is None else f"{line['task']}:{line['label']}"
            source = "; ".join(line.get("sources", ()))
            for system, score in (line.get("published") or {}).items():
                found.setdefault(key, {})[system] = (score, source)
    for key, systems in read_published(files).items():
        found.setdefault(key, {}).update(systems)
    return found


def suite_lines(data: dict[str, Any], published: Published) -> list[dict[str, Any]]:
    """Sum up the rows of a suite file; only runs of one config, one encoder and one corpus are put together.

    data (dict): suite.json. published (dict): see `published_figures`.
    RETURNS (list[dict]): lines as `suite.table.summarise` makes them.
    """
    together: dict[tuple, list[dict[str, Any]]] = {}
    for row in data.get("rows", ()):
        if row.get("kind") != "run":
            continue
        names = (row["task"], row["encoder"]["name"], row["recipe"]["name"])
        same = (
            row["encoder"].get("sha256"),
            row["recipe"].get("config_sha256"),
            (row.get("data") or {}).get("test"),
        )
        how = (row.get("beyond"), row.get("cut"), row.get("parameter"), row.get("value"), row.get("version"))
        calibrated = bool(row.get("calibrated"))  # rows of older files do not say
        together.setdefault((names, tuple(map(str, (*same, *how, calibrated)))), []).append(row)
    visible = [names for names, _ in together]
    lines = []
    for (names, same), rows in together.items():
        task, encoder, recipe = names
        if visible.count(names) > 1:
            told = ", calibrated" if rows[0].get("calibrated") else ""
            recipe = f"{recipe} ({same[1][:6]}, data {same[2][:6]}{told})"
        rows = sorted(rows, key=lambda row: row["seed"])
        labels = [None, *sorted(key.split(":", 1)[1] for key in published if key.startswith(f"{task}:"))]
        for label in labels:
            scores = [score for row in rows if (score := score_of(row, label)) is not None]
            if label is not None and not scores:
                continue
            figures = published.get(task if label is None else f"{task}:{label}", {})
            lines.append(
                {
                    **{"task": task, "encoder": encoder, "recipe": recipe, "label": label, "missing": 0},
                    "metric": rows[0]["metric"] if label is None else "entity_f",
                    **{"parameter": rows[0].get("parameter"), "value": rows[0].get("value")},
                    "seeds": [row["seed"] for row in rows],
                    **spread(scores),
                    "published": {system: score for system, (score, _) in figures.items()},
                }
            )
    return lines


def paper_tables(lines: Sequence[dict[str, Any]], published: Published) -> list[Table]:
    """RETURNS (list[Table]): for each source systems by tasks, published rows and ours below each other."""
    sources: dict[str, list[str]] = {}
    for task, figures in published.items():
        if ":" not in task:
            for source in sorted({source for _, source in figures.values()}):
                sources.setdefault(source, []).append(task)
    whole = [line for line in lines if line["label"] is None]
    tables = []
    for source, tasks in sources.items():
        shown = {
            task: {system: score for system, (score, from_) in published[task].items() if from_ == source}
            for task in tasks
        }
        systems = list(dict.fromkeys(system for task in tasks for system in shown[task]))
        ours = list(
            dict.fromkeys((line["encoder"], line["recipe"]) for line in whole if line["task"] in tasks)
        )
        rows = []
        for system in dict.fromkeys([*systems, *(encoder for encoder, _ in ours)]):
            if system in systems:
                rows.append((system, "published", *(percent(shown[task].get(system), 1) for task in tasks)))
            for encoder, recipe in ours:
                if encoder == system:
                    mine = {line["task"]: line for line in whole if _names(line)[1:] == (encoder, recipe)}
                    whose = "ours" if recipe == "default" else f"ours, {recipe}"
                    rows.append((system, whose, *(_ours(mine.get(task)) for task in tasks)))
        title = f"Published and ours, F1 in %. {source}"
        tables.append(Table(title, ("system", "whose", *tasks), rows, 2, main=True))
    return tables


def study_section(inputs: Inputs) -> Section:
    """RETURNS (Section): what longer context is worth, from `context-value`."""
    parts: list[Part] = []
    for found in inputs.of("study"):
        data = found.content
        entries = data["conditions"]
        ranges = []
        for entry in entries:
            ranges.append(Range(entry["median"], entry["low"], entry["high"]))
        title = f"{found.name}: {data['task']}, {data['encoder']['name']}, {data['metric']}"
        note = " ".join(data["sentences"])
        parts.append(Table(title, STUDY_HEADER, table_rows(entries), 1, ranges, note=note, main=True))
    return Section(
        "context",
        "What longer context is worth",
        "The same task with shorter windows, and with documents cut short; paired by document and seed.",
        parts,
        "python -m spacy bioclinical context-value --task TASK --encoder ENCODER --output metrics/context_value.json",
    )


def _names(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["task"], line["encoder"], line["recipe"]


def _ours(line: dict[str, Any] | None) -> str:
    if line is None or line["median"] is None:
        return DASH
    between = f"{percent(line['low'], 1)}–{percent(line['high'], 1)}; {line['n']}"
    return f"{percent(line['median'], 1)} ({between})"


def _mark(line: dict[str, Any]) -> float | None:
    """The published figure of the same encoder; the best of the others where there is none, as in the table."""
    figures = line["published"]
    return figures.get(line["encoder"], max(figures.values(), default=None))
