"""Headline figures with their intervals, scores by type, by matching rule and by parts of the documents, and speed."""

import re
from typing import Any

from spacy_bioclinical.cli.report.inputs import Inputs
from spacy_bioclinical.cli.report.parts import (
    DASH,
    Part,
    Range,
    Section,
    Table,
    interval,
    number,
    percent,
    ranged,
)

EVALUATE = (
    "python -m spacy bioclinical evaluate MODEL DATA --train TRAIN --output metrics/NAME.json "
    "--predictions metrics/NAME.predictions.jsonl.gz"
)
WORDS = {
    "p": "precision",
    "r": "recall",
    "f": "F1",
    "partial_f": "F1, partial overlap worth half",
    "type_f": "F1, any overlap of the same type",
    "ece": "calibration error (less is better)",
    "weighted_f": "weighted F1",
    "micro_f": "micro F1",
    "macro_f": "macro F1",
    "macro_auroc": "AUROC, mean over labels",
    "weighted_auroc": "AUROC, weighted",
    "macro_auprc": "AUPRC, mean over labels",
    "weighted_auprc": "AUPRC, weighted",
}
MAIN = ("f", "weighted_f", "micro_f", "macro_auroc")
SLICES = {
    "position": "By place of the mention in the document, in pieces",
    "length": "By length of the document, in pieces",
    "seen": "By mentions that the training corpus holds, and others",
    "section": "By section",
}
MOST_SECTIONS = 20
OUTCOMES = ("correct", "incorrect", "partial", "missed", "spurious")


def headline_section(inputs: Inputs) -> Section:
    """RETURNS (Section): the headline figures of all score files; scores by type and by matching rule of each."""
    scores = inputs.of("scores")
    parts: list[Part] = []
    rows, ranges = [], []
    for found in scores:
        for name, value, bounds in main_figures(found.content):
            rows.append((found.name, name, percent(value), interval(bounds)))
            ranges.append(ranged(value, bounds))
    if rows:
        header = ("", "figure", "%", "95 % interval")
        note = "Intervals: bootstrap over documents, percentiles."
        parts.append(Table("Main figures", header, rows, 2, ranges, note=note, main=True))
    for found in scores:
        parts += _all_figures(found.name, found.content)
        for title, judged in judged_mentions(found.content):
            parts += [
                _by_type(f"{found.name}, {title}, by type", judged),
                _by_rule(f"{found.name}, {title}, by matching rule", judged),
            ]
        for component, judged in _details(found.content).get("classes", {}).items():
            parts.append(_by_class(f"{found.name}, {component}, by class", judged))
    return Section(
        "figures",
        "Figures and how sure they are",
        "A 95 % interval says how far a figure would go if other documents of the same kind had been drawn.",
        parts,
        EVALUATE,
    )


def main_figures(report: dict[str, Any]) -> list[tuple[str, float | None, Any]]:
    """RETURNS (list[tuple]): (name, value, interval or None) of the figures that stand for a report."""
    headline = _details(report).get("headline")
    if headline:
        return [
            (figure_name(key), figure["value"], figure.get("interval"))
            for key, figure in headline.items()
            if key.rsplit(".", 1)[1] in MAIN
        ]
    found = []
    if report.get("entities"):
        found.append(("entities, F1", report["entities"]["spacy"]["f"], None))
    for component, scores in report["classes"].items():
        found.append((f"{component}, weighted F1", scores["weighted_f"], None))
    return found


def figure_name(key: str) -> str:
    """RETURNS (str): "classes.textcat.weighted_f" in words."""
    kind, figure = key.rsplit(".", 1)
    kind = re.sub(r"^classes\.", "", re.sub(r"^spans\.", "spans ", kind))
    return f"{kind}, {WORDS.get(figure, figure)}"


def judged_mentions(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """RETURNS (list[tuple]): what details a report has of mentions: ("entities", …), ("spans KEY", …)."""
    details = _details(report)
    found = [("entities", details["entities"])] if details.get("entities") else []
    return [*found, *((f"spans {key}", each) for key, each in details.get("spans", {}).items())]


def _details(report: dict[str, Any]) -> dict[str, Any]:
    return report.get("details") or {}


def _all_figures(name: str, report: dict[str, Any]) -> list[Part]:
    headline = _details(report).get("headline") or {}
    rows = [
        (figure_name(key), percent(figure["value"]), interval(figure.get("interval")))
        for key, figure in headline.items()
    ]
    ranges = [
        Range() if key.endswith(".ece") else ranged(figure["value"], figure.get("interval"))
        for key, figure in headline.items()
    ]
    title = f"{name}, all figures ({number(report.get('documents'))} documents)"
    return [Table(title, ("figure", "%", "95 % interval"), rows, 1, ranges)] if rows else []


def _by_type(title: str, judged: dict[str, Any]) -> Table:
    labels = judged["slices"].get("label", {})
    rows, ranges = [], []
    for label, found in judged["recall"].items():
        scores = labels.get(label, judged)
        rows.append(
            (
                label if label in labels else "all",
                *(number(scores["gold"]), number(scores["predicted"])),
                *(percent(scores["p"]), percent(found["recall"]), interval(found["interval"])),
                *(percent(scores["f"]), interval(scores.get("f_interval"))),
                *(percent(found["covered_recall"]), interval(found["covered_interval"])),
            )
        )
        ranges.append(ranged(found["recall"], found["interval"]))
    header = (
        *("type", "gold", "predicted", "P", "R", "R, 95 %", "F1", "F1, 95 %"),
        *("covered", "covered, 95 %"),
    )
    note = (
        "Intervals of recall are Wilson's. Covered: every character of a gold mention lies in predicted ones, of "
        "whatever type; what counts for de-identification."
    )
    return Table(title, header, rows, 1, ranges, note=note, drawn="Drawn: recall.", main=True)


def _by_rule(title: str, judged: dict[str, Any]) -> Table:
    rows = []
    for scheme in ("strict", "exact", "partial", "type"):
        scores = judged["semeval"][scheme]
        counts = (number(scores[outcome]) for outcome in OUTCOMES)
        rows.append((scheme, *counts, *(percent(scores[key]) for key in "prf")))
    note = (
        "As in SemEval 2013: strict, same place and type; exact, same place; partial, an overlap is worth half; type, "
        "any overlap of the same type."
    )
    return Table(title, ("rule", *OUTCOMES, "P", "R", "F1"), rows, note=note)


def _by_class(title: str, judged: dict[str, Any]) -> Table:
    rows, ranges = [], []
    for label, scores in judged["per_label"].items():
        rows.append(
            (
                *(label, number(scores["support"]), percent(scores["p"]), percent(scores["r"])),
                *(interval(scores["r_interval"]), percent(scores["f"])),
                *(percent(scores["auroc"]), percent(scores["auprc"])),
            )
        )
        ranges.append(ranged(scores["r"], scores["r_interval"]))
    header = ("class", "documents", "P", "R", "R, 95 %", "F1", "AUROC", "AUPRC")
    return Table(title, header, rows, 1, ranges, drawn="Drawn: recall, Wilson's interval.", main=True)


def slice_section(inputs: Inputs) -> Section:
    """RETURNS (Section): scores by place, length, section, and seen or unseen mentions."""
    parts: list[Part] = []
    for found in inputs.of("scores"):
        for title, judged in judged_mentions(found.content):
            for kind, words in SLICES.items():
                slices = judged["slices"].get(kind, {})
                if slices:
                    parts.append(_slice_table(f"{found.name}, {title}. {words}", kind, slices))
        for component, judged in _details(found.content).get("classes", {}).items():
            slices = judged["slices"].get("length", {})
            if slices:
                rows = [
                    (
                        *(part, number(each["documents"]), percent(each["weighted_f"])),
                        *(interval(each.get("weighted_f_interval")), percent(each["micro_f"])),
                        percent(each["macro_f"]),
                    )
                    for part, each in slices.items()
                ]
                ranges = [
                    ranged(each["weighted_f"], each.get("weighted_f_interval")) for each in slices.values()
                ]
                header = ("pieces", "documents", "weighted F1", "95 %", "micro F1", "macro F1")
                parts.append(
                    Table(
                        f"{found.name}, {component}. {SLICES['length']}", header, rows, 1, ranges, main=True
                    )
                )
    return Section(
        "parts",
        "By place, length, section, and seen or unseen",
        "Where a model is good and where it is not. Few mentions, wide intervals.",
        parts,
        EVALUATE,
    )


def _slice_table(title: str, kind: str, slices: dict[str, Any]) -> Table:
    chosen = list(slices.items())
    note = ""
    if kind == "section" and len(chosen) > MOST_SECTIONS:
        kept = sorted(chosen, key=lambda each: (-each[1]["gold"], each[0]))[:MOST_SECTIONS]
        note = f"The {MOST_SECTIONS} of {len(chosen)} sections with the most mentions."
        chosen = [each for each in chosen if each in kept]
    rows = [
        (
            *(part, number(each["documents"]), number(each["gold"]), number(each["predicted"])),
            *(percent(each[key]) for key in "prf"),
            interval(each.get("f_interval")),
        )
        for part, each in chosen
    ]
    ranges = [ranged(each["f"], each.get("f_interval")) for _, each in chosen]
    header = ("part", "documents", "gold", "predicted", "P", "R", "F1", "F1, 95 %")
    return Table(title, header, rows, 1, ranges, note=note, main=kind != "section")


def speed_section(inputs: Inputs) -> Section:
    """RETURNS (Section): words per second, and minutes of training."""
    rows = []
    trained = {found.name: found.content for found in inputs.of("training")}
    for found in inputs.of("speed"):
        data, training = found.content, trained.pop(found.name, {})
        low, high = data["ci_95"]
        rows.append(
            (
                *(found.name, "speed", str(data.get("device") or DASH), number(data["words_per_second"])),
                *(f"{number(low)}–{number(high)}", number(data.get("batch_size")), _minutes(training)),
            )
        )
    for found in inputs.of("scores"):
        if found.content.get("words_per_second") is not None:
            speed = number(found.content["words_per_second"])
            rows.append((found.name, "while scoring", DASH, speed, DASH, DASH, DASH))
    for name, training in trained.items():
        device = str(training.get("device") or DASH)
        rows.append((name, "training", device, DASH, DASH, DASH, _minutes(training)))
    header = ("", "measured by", "device", "words/s", "95 % interval", "batch", "training, minutes")
    note = "speed: by spacy benchmark speed, warmed up. While scoring: once, with scoring around it; an order of size."
    parts = [Table("Speed", header, rows, 3, note=note, main=True)] if rows else []
    return Section(
        "speed",
        "Speed",
        "Words per second of the whole pipeline, on the machine that ran the command.",
        parts,
        "python -m spacy bioclinical speed MODEL CORPUS --output metrics/NAME.speed.json",
    )


def _minutes(training: dict[str, Any]) -> str:
    minutes = training.get("minutes")
    return DASH if minutes is None else f"{minutes:.1f}"
