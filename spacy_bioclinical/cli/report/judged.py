"""Learning curves, confusion of types and classes, and calibration: the sections with charts."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from spacy_bioclinical.cli.report.charts import line_chart, reliability_chart
from spacy_bioclinical.cli.report.figures import EVALUATE, judged_mentions
from spacy_bioclinical.cli.report.inputs import Inputs, TrainingLog
from spacy_bioclinical.cli.report.mistakes import (
    CORRECT,
    KINDS,
    NOTHING,
    class_errors,
    confusion,
    pair_mentions,
)
from spacy_bioclinical.cli.report.parts import DASH, Charts, Part, Section, Table, number, percent
from spacy_bioclinical.training.class_tables import class_table
from spacy_bioclinical.training.headlines import class_components, mention_picks
from spacy_bioclinical.training.predictions import DocumentPrediction

MOST_TYPES = 12
MOST_PAIRS = 15
OTHERS = "(others)"
SHADED = "Shaded by the share of the row."
READ = (
    "Points on the dashed line: what is claimed with 80 % confidence comes true in 80 of 100 cases. Below it: too "
    "sure. The area of a point grows with its cases."
)
MOST_POINTS = 200


def curve_section(inputs: Inputs) -> Section:
    """RETURNS (Section): scores on dev and losses over steps, trainings of one kind in one chart."""
    groups: dict[str, list[TrainingLog]] = {}
    for found in inputs.of("log"):
        groups.setdefault(found.content.group, []).append(found.content)
    parts: list[Part] = []
    for group, logs in groups.items():
        columns = dict.fromkeys(name for log in logs for row in log.rows for name in row)
        shown = ["score", *(name for name in columns if name.startswith("loss_"))]
        drawings = []
        for column in shown:
            lines = [(log.line, points) for log in logs if (points := _points(log, column))]
            if lines:
                title = (
                    f"{group}: score on dev"
                    if column == "score"
                    else f"{group}: {column.replace('_', ' of ', 1)}"
                )
                drawings.append(line_chart(title, "step", lines, top=1.0 if column == "score" else None))
        if drawings:
            parts.append(Charts(drawings))
        rows = [row for log in logs if (row := _best_row(log))]
        if rows:
            header = ("training", "steps", "epochs", "best on dev, %", "at step", "minutes")
            parts.append(Table(f"{group}: the best step", header, rows))
    return Section(
        "curves",
        "Learning curves",
        "Losses are means over the steps since the row before; a score of 1 is 100 %.",
        parts,
        "python -m spacy bioclinical train CONFIG --output training/NAME, with [training.logger] "
        '@loggers = "spacy-bioclinical.CsvLogger.v1"; then report … training/NAME/log.csv',
    )


def _points(log: TrainingLog, column: str) -> list[tuple[float, float]]:
    found = [(row["step"], row[column]) for row in log.rows if column in row and math.isfinite(row[column])]
    every = -(-len(found) // MOST_POINTS)
    return [*found[:: max(every, 1)], *found[-1:]] if every > 1 else found


def _best_row(log: TrainingLog) -> tuple[str, ...] | None:
    scored = [row for row in log.rows if "score" in row]
    if not scored:
        return None
    best = max(scored, key=lambda row: (row["score"], row["step"]))
    seconds = max((row.get("seconds", 0.0) for row in log.rows), default=0.0)
    last = log.rows[-1]
    begun = None if last.get("epoch") is None else last["epoch"] + 1  # the log counts from 0, as spaCy does
    return (
        *(log.line, number(last["step"]), number(begun)),
        *(percent(best["score"]), number(best["step"]), f"{seconds / 60:.1f}"),
    )


def confusion_section(inputs: Inputs) -> Section:
    """RETURNS (Section): predicted types against gold ones, and kinds of errors, of each prediction file."""
    parts: list[Part] = []
    for found in inputs.of("predictions"):
        records = found.content.records
        for kind, pick in mention_picks(records).items():
            mentions = [each for record in records if (each := pick(record)) is not None]
            pairs = [pair for each in mentions for pair in pair_mentions(each)]
            kinds = Counter(pair.kind for pair in pairs)
            title = f"{found.name}, {kind.replace('.', ' ')}"
            rows = [
                (name, number(kinds[name]), _share(kinds[name], len(pairs))) for name in (CORRECT, *KINDS)
            ]
            parts.append(Table(f"{title}: kinds of errors", ("", "pairs", "% of all"), rows, main=True))
            parts += _confusion_tables(title, confusion(pairs))
        for component in class_components(records):
            parts += _class_confusion(f"{found.name}, {component}", records, component)
    return Section(
        "confusion",
        "Confusion",
        "Rows: gold; columns: predicted. Mentions are paired by overlap, the closest first; (none) is where the other "
        "side has nothing.",
        parts,
        EVALUATE,
    )


def _share(count: int, total: int) -> str:
    return DASH if not total else f"{100 * count / total:.1f}"


def _confusion_tables(title: str, counts: Counter[tuple[str, str]]) -> list[Part]:
    """A matrix of the most frequent types, and the confusions by number, all types told apart."""
    if not counts:
        return []
    sizes: Counter[str] = Counter()
    for (gold, predicted), count in counts.items():
        for label in {gold, predicted} - {NOTHING}:
            sizes[label] += count
    order = sorted(sizes, key=lambda label: (-sizes[label], label))
    names = order if len(order) <= MOST_TYPES else [*order[: MOST_TYPES - 1], OTHERS]
    folded: Counter[tuple[str, str]] = Counter()
    known = {*names, NOTHING}
    for (gold, predicted), count in counts.items():
        folded[(gold if gold in known else OTHERS, predicted if predicted in known else OTHERS)] += count
    axis = [*names, NOTHING]
    rows, shades = [], []
    for gold in axis:
        line = [folded[(gold, predicted)] for predicted in axis]
        total = sum(line)
        rows.append((gold, *(number(count) if count else "" for count in line), number(total)))
        shades.append([0.0, *(count / total if total else 0.0 for count in line), 0.0])
    note = ""
    if OTHERS in names:
        note = f"{OTHERS}: {len(order) - MOST_TYPES + 1} rarer types together."
    header = ("gold", *axis, "all")
    tables: list[Part] = [
        Table(f"{title}: gold and predicted types", header, rows, shades=shades, note=note, drawn=SHADED)
    ]
    wrong = [(pair, count) for pair, count in counts.items() if pair[0] != pair[1] and NOTHING not in pair]
    if wrong:
        wrong.sort(key=lambda each: (-each[1], each[0]))
        listed = [(gold, predicted, number(count)) for (gold, predicted), count in wrong[:MOST_PAIRS]]
        note = f"The first {MOST_PAIRS} of {len(wrong)}." if len(wrong) > MOST_PAIRS else ""
        tables.append(Table(f"{title}: confused types", ("gold", "predicted", "times"), listed, 2, note=note))
    return tables


def _class_confusion(title: str, records: Sequence[DocumentPrediction], component: str) -> list[Part]:
    table = class_table(records, component)
    if table is None:
        return []
    if table.exclusive:
        counts: Counter[tuple[str, str]] = Counter()
        for i in range(len(records)):
            if table.known[i].any():
                true, chosen = int(table.truth[i].argmax()), int(table.predicted[i].argmax())
                counts[(table.labels[true], table.labels[chosen])] += 1
        return _confusion_tables(title, counts)
    wrong = Counter((each.kind, each.label) for found in class_errors(records, component) for each in found)
    truth = (table.truth & table.known).sum(axis=0)
    limits = next((record.cats[component].threshold for record in records if component in record.cats), 0.5)
    rows = []
    for k, label in enumerate(table.labels):
        limit = limits.get(label, 0.5) if isinstance(limits, dict) else limits
        missed, spurious = wrong[("missed", label)], wrong[("spurious", label)]
        right = int(truth[k]) - missed
        cells = (int(truth[k]), right, missed, spurious)
        rows.append((label, *(number(count) for count in cells), f"{limit:.3g}"))
    header = ("class", "gold", "found", "missed", "spurious", "threshold")
    return [Table(f"{title}: errors by class", header, rows)]


def calibration_section(inputs: Inputs) -> Section:
    """RETURNS (Section): reliability of confidences, and what `calibrate` found and promised."""
    parts: list[Part] = []
    drawings, rows = [], []
    for found in inputs.of("scores"):
        details = found.content.get("details") or {}
        judged = [*judged_mentions(found.content), *(details.get("classes") or {}).items()]
        for name, each in judged:
            report = each.get("calibration")
            if not report:
                continue
            drawings.append(reliability_chart(f"{found.name}, {name}", report["bins"]))
            cells = (percent(report[key]) for key in ("confidence", "accuracy", "ece", "ece_adaptive"))
            rows.append((f"{found.name}, {name}", number(report["n"]), *cells, f"{report['brier']:.4f}"))
    if drawings:
        header = (
            "",
            "cases",
            "mean confidence",
            "came true",
            "error (ECE)",
            "error, equal bins",
            "Brier score",
        )
        note = "ECE: mean gap between confidence and truth over 15 bins, in points of percent; 0 is best."
        parts += [
            Charts(drawings, READ),
            Table("How far confidences hold, in %", header, rows, note=note, main=True),
        ]
    for found in inputs.of("calibration"):
        parts += _calibrated(found.name, found.content)
    return Section(
        "calibration",
        "Calibration",
        "A confidence is calibrated if what is claimed with 80 % comes true in 80 of 100 cases.",
        parts,
        f"{EVALUATE}; to improve it: python -m spacy bioclinical calibrate MODEL DEV --output CALIBRATED",
    )


def _calibrated(name: str, data: dict[str, Any]) -> list[Part]:
    rows = []
    for component, each in data["calibration"]["components"].items():
        errors = (percent(each[key].get("ece")) for key in ("before", "after"))
        rows.append((component, number(each["n"]), f"{each['temperature']:.4f}", *errors))
    header = ("component", "cases", "temperature", "ECE before, %", "ECE after, %")
    parts: list[Part] = [Table(f"{name}: calibrated on dev", header, rows, main=True)]
    target = data.get("recall_target") or {}
    promised: list[tuple[str, ...]] = []
    for component, promise in (target.get("components") or {}).items():
        promised.append(
            (
                *(component, percent(promise["target"]), percent(promise["confidence"])),
                *(f"{promise['threshold']:.6f}", number(promise["n"]), percent(promise.get("recall"))),
            )
        )
    if promised:
        check = target.get("check") or {}
        note = ""
        if check.get("promised"):
            note = (
                f"Tried on {check['splits']} random halves: promised in {check['promised']}, held in "
                f"{check['held']} of them."
            )
        columns = (
            "component",
            "recall, at least",
            "with confidence",
            "threshold",
            "mentions",
            "recall on dev",
        )
        parts.append(Table(f"{name}: recall that is promised, in %", columns, promised, note=note, main=True))
    prices = {component: price for component, price in (target.get("price") or {}).items() if price}
    return [*parts, *_priced(name, prices)]


def _priced(name: str, prices: dict[str, dict[str, Any]]) -> list[Part]:
    """RETURNS (list[Part]): what promised recalls cost on dev, before and after; nothing where none is told."""
    rows = [
        (
            *(component, side, number(each["entities"]), percent(each["precision"])),
            *(f"{each['words_flagged_per_1000']:.1f}", percent(each["word_precision"])),
        )
        for component, price in prices.items()
        for side, each in (("before", price["before"]), ("after", price["after"]))
    ]
    if not rows:
        return []
    header = (
        *("component", "", "entities found", "precision, %"),
        *("words flagged of 1,000", "of them in a gold mention, %"),
    )
    return [Table(f"{name}: what that recall costs on dev", header, rows, 2, main=True)]
