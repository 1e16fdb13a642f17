"""The survey as one HTML page: tables, inline SVG, no script, nothing from outside; light, dark and on paper.

Its content security policy lets no browser fetch or run anything, whatever a label or an id holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from spacy_bioclinical.cli.debug_corpus.charts import bars, bin_edges, histogram, matrix
from spacy_bioclinical.cli.debug_corpus.file_facts import LIMITS
from spacy_bioclinical.cli.debug_corpus.findings import Finding
from spacy_bioclinical.cli.debug_corpus.mentions import mentions_of
from spacy_bioclinical.cli.debug_corpus.report import Survey
from spacy_bioclinical.cli.debug_corpus.show import label_rows, overlap_rows, size_rows
from spacy_bioclinical.cli.html_page import STYLE, html_page
from spacy_bioclinical.cli.marked_text import mark_mentions

MOST_BARS = 60  # labels of a chart
SHOWN_TOKENS = 600  # of a sample
SIGNS = {"good": "✔", "warn": "⚠", "fail": "✘"}
OWN_STYLE = """
ul { list-style: none; padding: 0; } li { margin: 0.35rem 0; } .advice { color: var(--faint); }
svg text.limit-name { fill: var(--red); } .limit { stroke: var(--red); stroke-dasharray: 4 3; }
.bar { fill: var(--blue); } .cell { fill: var(--red); stroke: var(--line); }
"""


def render_page(survey: Survey, findings: Sequence[Finding]) -> str:
    """Render the page.

    survey (Survey): numbers; its samples, if any, are quoted.
    findings (Sequence[Finding]): from `judge`.
    RETURNS (str): an HTML document.
    """
    names = [Path(name).name for name in survey.names]
    reports = {Path(name).name: report for name, report in survey.report["files"].items()}
    if len(names) > 1:
        reports["together"] = survey.report["together"]
    title = f"Corpus: {', '.join(names)}"
    parts: list[str] = []
    if survey.samples:
        parts.append(
            f'<p class="notice">This page quotes {len(survey.samples)} documents (--samples). '
            "Handle it like the corpus.</p>"
        )
    else:
        parts.append("<p>Numbers, labels and file names only: no document is quoted.</p>")
    parts += ["<h2>Findings</h2>", _findings(findings), "<h2>Files</h2>"]
    size = [(name, *(show(report) for report in reports.values())) for name, show in size_rows(survey)]
    parts += [_table(("", *reports), size), "<h2>Lengths</h2>", *_histograms(survey)]
    parts += [
        "<h2>Labels</h2>",
        *_label_charts(survey, names),
        _table(("", *reports), label_rows(list(reports.values()))),
    ]
    parts += ["<h2>Duplicates</h2>", _duplicates(survey, names)]
    if survey.report["mention_overlap"]:
        header = ("file", "label", "mentions", "known to train", "strings", "known to train")
        parts += ["<h2>Mentions that train knows</h2>", _table(header, overlap_rows(survey))]
    if survey.samples:
        parts += ["<h2>Samples</h2>", *(_sample(*sample) for sample in survey.samples)]
    return html_page(title, STYLE + OWN_STYLE, parts)


def _findings(findings: Sequence[Finding]) -> str:
    lines = [
        f'<li><span class="{finding.severity}">{SIGNS[finding.severity]}</span> {escape(finding.text)}'
        + (f'<br><span class="advice">{escape(finding.advice)}</span>' if finding.advice else "")
        + "</li>"
        for finding in sorted(findings, key=lambda finding: ("fail", "warn", "good").index(finding.severity))
    ]
    return "\n".join(["<ul>", *lines, "</ul>"])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join(['<div class="scroll"><table>', f"<tr>{head}</tr>", *lines, "</table></div>"])


def _histograms(survey: Survey) -> list[str]:
    in_pieces = any(facts.pieces for facts in survey.files)
    lengths = [facts.pieces if in_pieces else facts.tokens for facts in survey.files]
    limits = survey.files[0].limits if in_pieces else LIMITS
    present = [length for file in lengths for length in file] or [1]
    longest = max(present)
    shown = max(longest, min((limit for limit in limits if limit > longest), default=longest))
    edges = bin_edges(shown, min(present))
    unit = "pieces of a document" if in_pieces else "tokens of a document (give --encoder to count in pieces)"
    return [
        histogram(Path(facts.name).name, file, edges, unit, limits if in_pieces else ())
        for facts, file in zip(survey.files, lengths)
    ]


def _label_charts(survey: Survey, names: Sequence[str]) -> list[str]:
    by_file = [facts.labels() for facts in survey.files]
    together: dict[str, Any] = survey.report["together"]["labels"]
    charts = []
    for layer in sorted(together):
        labels = list(together[layer])[:MOST_BARS]
        rows = [(label, [counts.get(layer, {}).get(label, 0) for counts in by_file]) for label in labels]
        more = f", the {MOST_BARS} most frequent" if len(together[layer]) > MOST_BARS else ""
        charts.append(bars(f"{layer}{more}", rows, names))
    return charts or ["<p>No labels.</p>"]


def _duplicates(survey: Survey, names: Sequence[str]) -> str:
    cells = [[(0, 0.0)] * len(names) for _ in names]
    for found in survey.report["duplicates"]:
        here, there = (survey.names.index(name) for name in found["files"])
        cells[there][here] = (found["documents"], found["share"])
        if here != there:
            cells[here][there] = (found["documents_of_first"], found["share_of_first"])
    return matrix("Documents of the row's file that are found in the column's file", names, cells)


def _sample(name: str, file: str, doc: Doc) -> str:
    """One document, by displaCy: spans where mentions overlap, entities otherwise."""
    mentions = [mention for mention in mentions_of(doc) if mention.end <= SHOWN_TOKENS]
    shown = doc[:SHOWN_TOKENS]
    markup = mark_mentions(shown, [(m.first, m.last, m.label) for m in mentions])
    positive = [label for label, value in sorted(doc.cats.items()) if value >= 0.5]
    said = f"{name} ({Path(file).name})" + (f": {', '.join(positive)}" if positive else "")
    if len(doc) > SHOWN_TOKENS:
        said += f"; the first {SHOWN_TOKENS} of {len(doc)} tokens"
    return f'<figure><figcaption>{escape(said)}</figcaption><div class="sample">{markup}</div></figure>'
