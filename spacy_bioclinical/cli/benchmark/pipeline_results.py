"""What `benchmark pipeline` tells: words a second, what is spent outside the encoder, ours against each peer."""

from statistics import median
from typing import Any

from spacy_bioclinical.cli.benchmark.chart import Bar, Panel, bar_chart
from spacy_bioclinical.cli.benchmark.figures import Figure, rate, ratio, shown
from spacy_bioclinical.cli.benchmark.race import Contestant
from spacy_bioclinical.cli.benchmark.record import Record

Row = dict[str, Any]
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
KINDS = {"pipeline": "ours", "spacy-transformers": "spacy-transformers + ner", "edsnlp": "EDS-NLP + ner_crf"}


def pipeline_rows(record: Record, contestants: list[Contestant], name: str) -> list[Row]:
    """Compute one row for each pipeline that was measured.

    record (Record): the measurements.
    contestants (list[Contestant]): who took part.
    name (str): the set of notes.
    RETURNS (list[dict]): in the order of turns; "ratios" to every peer stand only beside ours.
    """
    words = record.data["sets"][name]["words"]
    there = [contestant for contestant in contestants if record.runs(contestant.key, name)]
    rows = []
    for contestant in there:
        runs = record.runs(contestant.key, name)
        peak = record.data["peaks"].get(contestant.key, {}).get(name, {}).get("document")
        outside = [1 - run["encoder_seconds"] / run["seconds"] for run in runs if "encoder_seconds" in run]
        rows.append(
            {
                **contestant.facts(),
                "key": contestant.key,
                "words_per_second": rate(words, runs).as_dict(),
                "outside_the_encoder": Figure.of(outside).as_dict() if outside else None,
                "entities_per_100_words": round(100 * median(run["entities"] for run in runs) / words, 1),
                "peak_mb_of_one_note": None if peak is None else round(peak / 2**20, 1),
                "ratios": _ratios(record, contestant, there, name),
                "rounds": len(runs),
            }
        )
    return rows


def _ratios(record: Record, ours: Contestant, there: list[Contestant], name: str) -> list[Row]:
    found = []
    for peer in there if ours.is_ours else ():
        figure = ratio(record.runs(ours.key, name), record.runs(peer.key, name))
        if peer.is_ours or figure is None:
            continue
        equal = peer.precision == ours.precision
        found.append({"peer": peer.key, "equal_precision": equal, **figure.as_dict()})
    return found


def tables(rows: list[Row]) -> list[Table]:
    """Header and lines of two tables: each pipeline, and ours against each peer."""
    first: Table = (("pipeline", "words/s", "outside the encoder", "entities/100 words", "MB, one note"), [])
    second: Table = (("ours", "peer", "x, equal precision", "x, across precisions"), [])
    for row in rows:
        speed, outside, peak = row["words_per_second"], row["outside_the_encoder"], row["peak_mb_of_one_note"]
        first[1].append(
            (
                row["key"],
                shown(_figure(speed), 0),
                "–" if outside is None else f"{100 * outside['median']:.1f} %",
                str(row["entities_per_100_words"]),
                "–" if peak is None else f"{peak:,.0f}",
            )
        )
        for found in row["ratios"]:
            cells = (shown(_figure(found)), "–")
            second[1].append(
                (row["key"], found["peer"], *(cells if found["equal_precision"] else cells[::-1]))
            )
    return [table for table in (first, second) if table[1]]


def draw_chart(rows: list[Row], record: Record) -> str:
    """Draw words a second. RETURNS (str): an SVG document."""
    bars = []
    for row in rows:
        speed = row["words_per_second"]
        kind = row["kind"].removesuffix("-pipeline") or row["kind"]
        # Behind a peer's bar: how many times faster ours is in the same precision.
        ours = [found for own in rows for found in own["ratios"] if found["peer"] == row["key"]]
        remark = ", ".join(f"ours {found['median']:.2f}×" for found in ours if found["equal_precision"])
        bars.append(
            Bar(row["key"], kind, row["precision"], speed["median"], speed["low"], speed["high"], remark)
        )
    present = {bar.kind for bar in bars}
    machine = record.data["signature"]["machine"]
    notes = next(iter(record.data["sets"].values()))
    title = f"notes of {notes['words'] // notes['documents']:,} words, from text to entities"
    note = (
        "Higher is better; × at equal precision; lines: range over the rounds. Random weights. "
        f"{machine.get('gpu') or machine['processor']}, {machine['threads']} threads."
    )
    kinds = {kind: text for kind, text in KINDS.items() if kind in present}
    return bar_chart("Whole pipelines", "words a second", [Panel(title, bars)], kinds, note, columns=1)


def _figure(found: Row) -> Figure:
    return Figure(found["median"], found["low"], found["high"])
