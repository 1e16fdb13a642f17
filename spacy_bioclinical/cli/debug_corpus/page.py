"""The survey as one HTML page: tables, inline SVG, no script, nothing from outside; light, dark and on paper.

Its content security policy lets no browser fetch or run anything, whatever a label or an id holds.
"""

from __future__ import annotations

import itertools
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

MOST_BARS = 60  # labels of a chart
SHOWN_TOKENS = 600  # of a sample
COLORS = ("#a8d8ea", "#fcd5ce", "#cdeac0", "#e2cfea", "#ffe5a8", "#bde0fe", "#f7c6d9", "#d6d6c2")
SIGNS = {"good": "✔", "warn": "⚠", "fail": "✘"}
STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --faint: #59636e; --line: #d8dee4;
  --blue: #0969da; --orange: #bc4c00; --green: #1a7f37; --violet: #8250df; --teal: #1b7c83; --red: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #30363d;
  --blue: #4493f8; --orange: #db6d28; --green: #3fb950; --violet: #ab7df8; --teal: #39c5cf; --red: #f85149; } }
@media print { :root { color-scheme: light; --page: #ffffff; --ink: #000000; --faint: #444444; --line: #bbbbbb;
  --blue: #0969da; --orange: #bc4c00; --green: #1a7f37; --violet: #8250df; --teal: #1b7c83; --red: #cf222e; }
  svg, tr, li, figure { break-inside: avoid; } rect, mark { print-color-adjust: exact; } }
body { background: var(--page); color: var(--ink); max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15rem 0.8rem 0.15rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } .scroll { overflow-x: auto; }
ul { list-style: none; padding: 0; } li { margin: 0.35rem 0; } .advice { color: var(--faint); }
.good { color: var(--green); } .warn { color: var(--orange); } .fail { color: var(--red); }
.notice { border: 2px solid var(--red); padding: 0.5rem 1rem; font-weight: 600; }
svg { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
svg text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
svg text.panel { font-size: 14px; font-weight: 600; } svg text.faint { fill: var(--faint); }
svg text.limit-name { fill: var(--red); } .grid { stroke: var(--line); }
.limit { stroke: var(--red); stroke-dasharray: 4 3; }
.bar { fill: var(--blue); } .cell { fill: var(--red); stroke: var(--line); }
.file-0 { fill: var(--blue); } .file-1 { fill: var(--orange); } .file-2 { fill: var(--green); }
.file-3 { fill: var(--violet); } .file-4 { fill: var(--teal); } .file-5 { fill: var(--red); }
figure { margin: 1.5rem 0; } figcaption { color: var(--faint); }
.sample { background: #ffffff; color: #1f2328; padding: 0.5rem 1rem; overflow-x: auto; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


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
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(title)}</h1>",
    ]
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
    return "\n".join([*parts, "</body>\n</html>\n"])


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
    from spacy import displacy

    mentions = [mention for mention in mentions_of(doc) if mention.end <= SHOWN_TOKENS]
    shown = doc[:SHOWN_TOKENS]
    labels = sorted({mention.label for mention in mentions})
    colors = {escape(label).upper(): COLORS[number % len(COLORS)] for number, label in enumerate(labels)}
    overlap = any(one.end > other.start for one, other in itertools.pairwise(mentions))
    # displaCy escapes text but not labels.
    if overlap:
        spans = [{"start_token": m.start, "end_token": m.end, "label": escape(m.label)} for m in mentions]
        tokens: dict[str, Any] = {"text": shown.text, "tokens": [t.text for t in shown], "spans": spans}
        markup = displacy.render(
            tokens, style="span", manual=True, page=False, jupyter=False, options={"colors": colors}
        )
    else:
        ents = [{"start": m.first, "end": m.last, "label": escape(m.label)} for m in mentions]
        text: dict[str, Any] = {"text": shown.text, "ents": ents, "title": None}
        markup = displacy.render(
            text, style="ent", manual=True, page=False, jupyter=False, options={"colors": colors}
        )
    positive = [label for label, value in sorted(doc.cats.items()) if value >= 0.5]
    said = f"{name} ({Path(file).name})" + (f": {', '.join(positive)}" if positive else "")
    if len(doc) > SHOWN_TOKENS:
        said += f"; the first {SHOWN_TOKENS} of {len(doc)} tokens"
    return f'<figure><figcaption>{escape(said)}</figcaption><div class="sample">{markup}</div></figure>'
