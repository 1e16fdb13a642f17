"""Turn the numbers of a survey into findings: good, warn or fail, each with what to do next.

Fail is what makes a score mean something else than it says (the same documents in train and test, labels that cannot
be learned); warn is what costs score or surprises later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.debug_corpus.file_facts import share
from spacy_bioclinical.cli.debug_corpus.fingerprints import LEVELS
from spacy_bioclinical.cli.debug_corpus.report import Survey

SIMILAR_SHARE = 0.01  # of a file; so few documents that are alike may be templates
MISSED_SHARE = 0.005
RATIO = 100.0
GOOD, WARN, FAIL = "good", "warn", "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    severity (str): "good", "warn" or "fail".
    topic (str): short name, for tables and tests.
    text (str): what was found: numbers, labels, file names.
    advice (str): what to do next; "" for what is good.
    """

    severity: str
    topic: str
    text: str
    advice: str = ""


def judge(survey: Survey, least: int) -> list[Finding]:
    """Judge a survey.

    survey (Survey): from `survey_files`.
    least (int): examples that a label should have to be learned.
    RETURNS (list[Finding]): in the order of the report, good ones where nothing was found.
    """
    findings: list[Finding] = []
    has_mentions = any(facts.mentions for facts in survey.files)
    for topic, found in (
        ("leakage", _leakage(survey)),
        ("groups", _groups(survey)),
        ("labels", _labels(survey, least)),
        ("annotation", _annotation(survey)),
        ("mentions", _mentions(survey)),
        ("tokens", _edges(survey)),
        ("consistency", _consistency(survey)),
        ("length", _length(survey)),
    ):
        listed = list(found)
        findings += listed
        applies = {"leakage": len(survey.files) > 1, "mentions": has_mentions, "tokens": has_mentions}
        if topic in GOODS and applies.get(topic, True) and not any(f.severity != GOOD for f in listed):
            findings.append(Finding(GOOD, topic, GOODS[topic]))
    return findings


GOODS = {
    "leakage": "No document occurs in two files",
    "labels": "Every label occurs in train, often enough",
    "annotation": "Every document is annotated",
    "mentions": "Mentions neither overlap nor cross lines or sentences, nor have white-space edges",
    "tokens": "The pipeline's tokenizer can reach every mention",
    "consistency": "No contradictions in the annotation were found",
}


def _leakage(survey: Survey) -> Iterator[Finding]:
    for cell in survey.report["duplicates"]:
        here, there = (Path(name).name for name in cell["files"])
        if not cell["documents"]:
            continue
        levels = ", ".join(f"{cell['levels'][name]} {name}" for name in LEVELS if cell["levels"][name])
        if cell["files"][0] == cell["files"][1]:
            text = f"{here}: copies of earlier documents: {cell['documents']} ({levels})"
            yield Finding(
                WARN,
                "duplicates",
                text,
                "Keep one of each, or know that copies count twice in training and in scores",
            )
            continue
        same = cell["levels"][LEVELS[0]] + cell["levels"][LEVELS[1]]
        is_leak = same or max(cell["share"], cell["share_of_first"]) > SIMILAR_SHARE
        text = f"Documents of {there} found in {here}: {cell['documents']} ({cell['share']:.1%}; {levels})"
        advice = "Take them out of one file (their ids are in the --output report), or split again by patient (--group)"
        yield Finding(FAIL if is_leak else WARN, "leakage", text, advice)


def _groups(survey: Survey) -> Iterator[Finding]:
    found = survey.report["groups"]
    if found is None:
        return
    if found["documents_not_matched"]:
        text = f"--group matches no id of {found['documents_not_matched']} documents"
        yield Finding(WARN, "groups", text, "Correct the expression; these documents were not compared")
    if found["in_several_files"]:
        text = f"{found['in_several_files']} of {found['groups']} groups have documents in several files"
        yield Finding(
            FAIL, "groups", text, "Split again so that a group stays together: corpus_scripts.split --group"
        )
    elif found["groups"]:
        yield Finding(GOOD, "groups", f"Each of {found['groups']} groups lies in one file")


def _labels(survey: Survey, least: int) -> Iterator[Finding]:
    train = survey.files[survey.train].labels()
    for facts in survey.files:
        for layer, counts in facts.labels().items():
            known = train.get(layer, {})
            new = sorted(label for label, n in counts.items() if n and not known.get(label))
            if new and facts is not survey.files[survey.train]:
                text = f"{_file(facts.name)}, {layer}: labels that are not in train: {_list(new)}"
                yield Finding(FAIL, "labels", text, "They cannot be learned: split again, or map the labels")
    for layer, known in train.items():
        name = _file(survey.names[survey.train])
        few = sorted(label for label, n in known.items() if n < least)
        if few:
            text = f"{name}, {layer}: labels with fewer than {least} examples: {_list(few)}"
            yield Finding(
                WARN, "few examples", text, "Join them with others, annotate more, or expect low scores"
            )
        ratio = survey.report["files"][survey.names[survey.train]]["imbalance"][layer]
        if ratio and ratio >= RATIO:
            text = f"{name}, {layer}: the largest label is {ratio:,.0f} times as frequent as the smallest"
            yield Finding(WARN, "imbalance", text, "Read macro scores too, and scores by label")
        for facts in survey.files:
            counts = facts.labels().get(layer, {})
            absent = sorted(label for label, n in known.items() if n and not counts.get(label))
            if absent and counts:
                text = f"{_file(facts.name)}, {layer}: labels of train that do not occur: {_list(absent)}"
                yield Finding(WARN, "labels not scored", text, "This file says nothing about them")


def _annotation(survey: Survey) -> Iterator[Finding]:
    entities = any(facts.is_entity_corpus for facts in survey.files)
    categories = any(facts.cats for facts in survey.files)
    for facts in survey.files:
        name, n = _file(facts.name), facts.documents
        n_docs = len(facts.tokens) - n["empty"]
        if n["empty"]:
            yield Finding(
                WARN, "empty", f"{name}: documents without text: {n['empty']}", "Convert again without them"
            )
        if n["without any annotation"]:
            is_all = n["without any annotation"] == n_docs
            text = f"{name}: {n['without any annotation']} of {n_docs} documents have no annotation at all"
            yield Finding(FAIL if is_all else WARN, "not annotated", text, "Is this the annotated file?")
        elif entities and n["entities missing"] and not (facts.groups and not facts.ents):
            text = f"{name}: in {n['entities missing']} of {n_docs} documents nobody looked for entities"
            advice = (
                'They teach the entity head nothing; "annotated, none found" is written by Doc.set_ents([])'
            )
            yield Finding(WARN, "entities missing", text, advice)
        if n["entities partly"]:
            text = f"{name}: documents with tokens whose entity is unknown: {n['entities partly']}"
            yield Finding(WARN, "entities partly", text, "These tokens are neither learned nor scored")
        if categories and n["without categories"] and not n["without any annotation"]:
            text = f"{name}: {n['without categories']} of {n_docs} documents have no categories"
            yield Finding(
                WARN, "categories missing", text, "Write all labels of a document, 0.0 for those it lacks"
            )
        if n["unknown spaces"]:
            text = f"{name}: documents that do not know their white space: {n['unknown spaces']}"
            yield Finding(
                WARN, "unknown spaces", text, "Training uses their tokens, not the pipeline's: convert texts"
            )
    if not survey.files[survey.train].labels():
        text = f"{_file(survey.names[survey.train])} has no labels of any kind"
        yield Finding(
            FAIL, "no labels", text, "Nothing can be learned from it: check the conversion's report"
        )


def _mentions(survey: Survey) -> Iterator[Finding]:
    advice = {
        "overlapping": "Entities cannot overlap: use a span categorizer for all, or doc.ents for the longest",
        "not in ents": "An entity head never sees them: they are in doc.spans only",
        "discontinuous": "Each part counts as a mention of its own",
        "across lines": "Check whether lists or headings were taken into mentions",
        "across sentences": "Check them, or do not cut documents into sentences (max_length)",
        "white-space edges": "Trim them (corpus_scripts.convert does): spaCy's own NER refuses them",
        "blank": "Take them out: there is nothing to find",
    }
    for facts in survey.files:
        total = sum(facts.mentions.values())
        for kind, what in advice.items():
            if number := facts.oddities[kind]:
                nested = f", {facts.oddities['nested']} of them nested" if kind == "overlapping" else ""
                text = f"{_file(facts.name)}: mentions {kind}: {number} of {total}{nested}"
                yield Finding(FAIL if kind == "blank" else WARN, kind, text, what)


def _edges(survey: Survey) -> Iterator[Finding]:
    for facts in survey.files:
        total = sum(facts.mentions.values())
        by_count: dict[tuple[int, int], list[str]] = {}
        for name, counts in facts.edges.items():
            by_count.setdefault((counts["missed mentions"], counts["cut tokens"]), []).append(name)
        for (missed, cut), names in by_count.items():
            if missed:
                part = share(missed, total)
                text = (
                    f"{_file(facts.name)}: {missed} of {total} mentions ({part:.2%}) begin or end inside one of {cut} "
                    f"tokens of {' and of '.join(names)}"
                )
                advice = (
                    "The pipeline cannot find these exactly; with many, choose a tokenizer that cuts there"
                )
                yield Finding(WARN if part > MISSED_SHARE else GOOD, "token edges", text, advice)


def _consistency(survey: Survey) -> Iterator[Finding]:
    found = survey.report["consistency"]
    advice = "Settle these documents: the best model is wrong on one of them"
    for what in ("categories", "mentions"):
        if number := found["texts"][f"with other {what}"]:
            text = f"Texts that occur more than once, with different {what}: {number}"
            yield Finding(WARN, "texts disagree", text, advice)
    forgotten = {
        label: counts for label, counts in found["strings"].items() if counts["sometimes unlabelled"]
    }
    if forgotten:
        order = sorted(forgotten, key=lambda label: -forgotten[label]["unlabelled"])
        n_strings = sum(counts["sometimes unlabelled"] for counts in forgotten.values())
        n_times = sum(counts["unlabelled"] for counts in forgotten.values())
        shown = [f"{label} {forgotten[label]['unlabelled']}" for label in order]
        text = f"{n_strings} mention strings, mostly labelled, also stand unlabelled, {n_times} times: {_list(shown)}"
        yield Finding(WARN, "unlabelled", text, "Look at them: forgotten mentions teach a model to forget")
    if twice := found["labelled twice"]:
        shown = [f"{labels} {number}" for labels, number in twice.items()]
        text = f"{sum(twice.values())} mention strings have several labels: {_list(shown, most=6)}"
        yield Finding(WARN, "labelled twice", text, "Right where context decides; otherwise settle them")


def _length(survey: Survey) -> Iterator[Finding]:
    for facts in survey.files:
        report: dict[str, Any] = survey.report["files"][facts.name]
        if "beyond" not in report:
            return
        limit = survey.context or 512
        cell = report["beyond"][str(limit)]
        if cell["documents"]:
            text = (
                f"{_file(facts.name)}: {cell['documents_share']:.1%} of the documents ({cell['documents']}) have more "
                f"than the {limit:,} pieces that the encoder reads at once"
            )
            if facts.mentions:
                text += f"; {cell['mentions_share']:.1%} of the mentions start beyond"
            advice = 'Keep on_overflow = "window" (nothing is cut), or take an encoder with a longer context'
            yield Finding(WARN, "length", text, advice)
        else:
            text = f"{_file(facts.name)}: every document fits into the encoder's {limit:,} pieces"
            yield Finding(GOOD, "length", text)


def _file(name: str) -> str:
    return Path(name).name


def _list(labels: Sequence[str], most: int = 12) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
