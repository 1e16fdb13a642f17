"""The chart of `benchmark speed`: a panel for each length, fixed beside variable documents."""

from typing import Any

from spacy_bioclinical.cli.benchmark.chart import Bar, Panel, bar_chart
from spacy_bioclinical.cli.benchmark.record import Record

KINDS = {
    "packed": "packed (ours)",
    "transformers": "transformers, padded",
    "component": "component (ours)",
    "spacy-transformers": "spacy-transformers",
    "edsnlp": "EDS-NLP",
}


def draw_chart(rows: list[dict[str, Any]], record: Record) -> str:
    """Draw the rows of `results.speed_rows`; ratios at equal precision stand behind our bars.

    rows (list[dict]): at least one.
    record (Record): for facts of the sets.
    RETURNS (str): an SVG document.
    """
    several = len({row["encoder"] for row in rows}) > 1
    panels = []
    for name, facts in record.data["sets"].items():
        here = [row for row in rows if row["set"] == name]
        kind, length = name.rsplit("-", 1)
        if not here or kind == "even":
            continue
        title = f"{kind}, {int(length):,} pieces"
        if kind == "variable":
            title = f"variable, up to {int(length):,} pieces (mean {facts['mean']:,.0f})"
        panels.append(Panel(title, [_bar(row, several) for row in here]))
    present = {row["kind"] for row in rows}
    kinds = {kind: text for kind, text in KINDS.items() if kind in present}
    machine, versions = record.data["signature"]["machine"], record.data["signature"]["versions"]
    note = (
        f"Real pieces only; higher is better. × = against a peer at equal precision. "
        f"{machine.get('gpu') or machine['processor']}, {machine['threads']} threads, torch {versions['torch']}, "
        f"transformers {versions['transformers']}. Lines: range over the rounds."
    )
    encoders = ", ".join(dict.fromkeys(row["encoder"] for row in rows))
    return bar_chart(f"Speed of {encoders}", "thousand pieces a second", panels, kinds, note)


def _bar(row: dict[str, Any], several: bool) -> Bar:
    speed = row["ktok_per_second"]
    equal = [found for found in row["ratios"] if found["equal_precision"]]
    remark = ", ".join(f"{found['median']:.2f}× {found['peer'].split(' ')[0]}" for found in equal[:1])
    label = row["key"] if several else row["label"]
    return Bar(label, row["kind"], row["precision"], speed["median"], speed["low"], speed["high"], remark)
