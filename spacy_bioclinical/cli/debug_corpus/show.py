"""Print a survey: a table of the files, one of the labels, and the findings with what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wasabi import msg

from spacy_bioclinical.cli.debug_corpus.findings import FAIL, WARN, Finding
from spacy_bioclinical.cli.debug_corpus.report import Survey

MOST_ROWS = 40


def print_survey(survey: Survey, findings: Sequence[Finding]) -> None:
    """Print numbers and findings; never text of a document.

    survey (Survey): the numbers.
    findings (Sequence[Finding]): from `judge`.
    """
    columns = {Path(name).name: report for name, report in survey.report["files"].items()}
    if len(survey.files) > 1:
        columns["together"] = survey.report["together"]
    msg.divider("Corpus")
    rows = [(name, *(show(report) for report in columns.values())) for name, show in size_rows(survey)]
    print_table(("", *columns), rows)
    rows = label_rows(list(columns.values()))
    if rows:
        msg.divider("Labels")
        _print_first(("", *columns), rows)
    if survey.report["mention_overlap"]:
        msg.divider("Mentions that train knows")
        _print_first(("file", "label", "mentions", "seen", "strings", "seen"), overlap_rows(survey))
    msg.divider("Findings")
    for finding in findings:
        if finding.severity == FAIL:
            msg.fail(finding.text, finding.advice)
        elif finding.severity == WARN:
            msg.warn(finding.text, finding.advice)
        else:
            msg.good(finding.text)


def size_rows(survey: Survey) -> list[tuple[str, Any]]:
    """Name of a row, and a function from a file's report to its cell."""

    def length(report: dict[str, Any], key: str) -> str:
        lengths = report.get(key) or {}
        return (
            f"{lengths['median']:,.0f} / {lengths['p90']:,.0f} / {lengths['most']:,.0f}" if lengths else "-"
        )

    def beyond(limit: int) -> Any:
        def cell(report: dict[str, Any]) -> str:
            found = report["beyond"][str(limit)]
            mentions = f" / {found['mentions_share']:.1%}" if has_mentions else ""
            return f"{found['documents_share']:.1%}{mentions}"

        return cell

    def count(key: str) -> Any:
        return lambda report: f"{report['counts'].get(key, 0):,}"

    has_mentions = any(facts.mentions for facts in survey.files)
    rows: list[tuple[str, Any]] = [
        ("documents", lambda report: f"{report['documents']:,}"),
        ("tokens", lambda report: f"{report['tokens']:,}"),
        ("characters", lambda report: f"{report['characters']:,}"),
    ]
    if has_mentions:
        rows += [
            ("mentions", lambda report: f"{report['mentions']:,}"),
            ("documents without mention", count("without mention")),
        ]
    if any(facts.cats for facts in survey.files):
        rows.append(("documents without positive category", count("without positive category")))
    rows += [
        ("tokens of a document: median / 90 % / most", lambda report: length(report, "tokens_per_document")),
    ]
    if survey.files[0].pieces:
        rows.append(
            ("pieces of a document: median / 90 % / most", lambda r: length(r, "pieces_per_document"))
        )
        rows += [
            (f"beyond {limit:,} pieces: documents{' / mentions' if has_mentions else ''}", beyond(limit))
            for limit in survey.files[0].limits
        ]
    return rows


def label_rows(reports: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Layer and label, with counts and shares for each file; the most frequent first."""
    rows = []
    layers = sorted({layer for report in reports for layer in report["labels"]})
    for layer in layers:
        total: dict[str, int] = {}
        for label, cell in reports[-1]["labels"].get(layer, {}).items():
            total[label] = cell["count"]
        for label in total:
            cells = [report["labels"].get(layer, {}).get(label) for report in reports]
            shown = (f"{cell['count']:,} ({cell['share']:.1%})" if cell else "0" for cell in cells)
            rows.append((f"{layer} {label}", *shown))
    return rows


def overlap_rows(survey: Survey) -> list[tuple[str, ...]]:
    """File, label, mentions and different strings, and the share of each that train knows."""
    return [
        (
            Path(name).name,
            label,
            f"{cell['mentions']:,}",
            f"{cell['mentions_seen']:.1%}",
            f"{cell['strings']:,}",
            f"{cell['strings_seen']:.1%}",
        )
        for name, labels in survey.report["mention_overlap"].items()
        for label, cell in labels.items()
    ]


def _print_first(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print_table(header, rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        print(f"… and {len(rows) - MOST_ROWS} more: see --output")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, numbers at the right."""
    aligns = ("l", *("l" if name == "label" else "r" for name in header[1:]))
    msg.table(rows, header=header, divider=True, aligns=aligns, max_col=60)
