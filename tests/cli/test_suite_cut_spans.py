"""Span groups of cut documents: what the cut loses is missed, counted against a loop over the whole documents."""

import random
from dataclasses import replace

import pytest
import spacy
from spacy.tokens import DocBin, SpanGroup

from spacy_bioclinical.cli.suite.cells import Cell, groups
from spacy_bioclinical.cli.suite.long_documents import cut_parts, restore_gold
from spacy_bioclinical.cli.suite.plan import Recipe
from spacy_bioclinical.cli.suite.run_cell import headline
from spacy_bioclinical.training.predictions import (
    DocumentPrediction,
    Mention,
    Mentions,
    read_predictions,
    write_predictions,
)
from tests.cli.suite_stub import make_planner, make_suite
from tests.conftest import NOTES

LABELS = ("A", "B")
COMPONENTS = {
    "spans": {"factory": "bioclinical_spans", "settings": {"spans_key": "gold"}, "gold_key": "gold"},
    "others": {"factory": "spancat", "settings": {"spans_key": "found"}, "gold_key": "true"},
}


def corpus(path, rng):
    """Notes of different lengths with overlapping spans of all lengths, in two groups; some groups are empty."""
    nlp, docs = spacy.blank("en"), []
    for number in range(6):
        doc = nlp(" ".join(rng.sample(NOTES, min(len(NOTES), 1 + number % 3))))
        for key in ("gold", "true"):
            starts = [rng.randrange(len(doc)) for _ in range(rng.randrange(9) if number else 0)]
            spans = {
                (start, min(len(doc), start + rng.randrange(1, 12)), rng.choice(LABELS)) for start in starts
            }
            made = [spacy.tokens.Span(doc, *ends, label=label) for *ends, label in sorted(spans)]
            doc.spans[key] = SpanGroup(doc, name=key, spans=made)
        docs.append(doc)
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return docs


def place(span):
    return span.start_char, span.end_char, span.label_


def guess(short, rng, key):
    """What a model could find in the cut document: some of what is there, and some that is not."""
    found = {place(span) for span in short.spans[key] if rng.random() < 0.7}
    for _ in range(rng.randrange(3)):
        token = short[rng.randrange(len(short))]
        found.add((token.idx, token.idx + len(token), rng.choice(LABELS)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_spans_beyond_the_cut_are_misses_as_a_loop_counts_them(tmp_path, short_encoder_folder, seed):
    rng = random.Random(seed)
    parts = {"test": tmp_path / "test.spacy"}
    whole = corpus(parts["test"], rng)
    source = str(short_encoder_folder)
    cell = Cell("t", "e", "r", 1, "spans_f", "", parts, {}, source=source, cut=24 + 8 * seed, beyond="miss")
    cut = cut_parts(cell, tmp_path / "cut")
    short = list(DocBin().from_disk(cut["test"]).get_docs(whole[0].vocab))
    assert sum(len(doc) for doc in short) < sum(len(doc) for doc in whole)
    records, guesses = [], []
    for number, doc in enumerate(short):
        found = {"gold": guess(doc, rng, "gold"), "found": guess(doc, rng, "true")}
        guesses.append(found)
        spans = {
            key: Mentions(
                tuple(Mention(*each, piece=1) for each in sorted(map(place, doc.spans[gold]))),
                tuple(Mention(*each, confidence=0.5) for each in sorted(found[key])),
            )
            for key, gold in (("gold", "gold"), ("found", "true"))
        }
        records.append(DocumentPrediction(str(number), len(doc.text), len(doc), 30, 30, spans=spans))
    file = tmp_path / "p.jsonl.gz"
    write_predictions(file, records, signature={}, components=COMPONENTS)
    result = restore_gold(file, parts["test"])
    scores = []
    for key, gold in (("gold", "gold"), ("found", "true")):
        hits = n_gold = n_found = beyond = 0
        for doc, cut_doc, found in zip(whole, short, guesses):
            for span in doc.spans[gold]:
                hits += place(span) in found[key]
                n_gold += 1
                beyond += span.end_char > len(cut_doc.text)
            n_found += len(found[key])
        assert beyond
        told = result["spans"][key]
        assert (told["gold"], told["beyond"]) == (n_gold, beyond)
        assert (told["p"], told["r"]) == (pytest.approx(hits / n_found), pytest.approx(hits / n_gold))
        assert told["f"] == pytest.approx(2 * hits / (n_gold + n_found))
        scores.append(told["f"])
    assert headline(result, "spans_f") == pytest.approx(sum(scores) / 2)
    again = read_predictions(file)
    for before, after, doc in zip(records, again, whole):
        assert [(each.start, each.end, each.label) for each in after.spans["found"].gold] == sorted(
            map(place, doc.spans["true"])
        )
        assert after.spans["gold"].predicted == before.spans["gold"].predicted
        assert set(before.spans["gold"].gold) <= set(after.spans["gold"].gold)
    assert restore_gold(file, parts["test"])["spans"]["gold"] == result["spans"]["gold"] | {"beyond": 0}


def test_tasks_of_span_groups_can_be_cut(tmp_path):
    suite = make_suite(tmp_path, tasks=("one",), encoders=("a",), seeds=(1,))
    cut = (Recipe("cut", cut=64, beyond="miss"), Recipe("left", cut=64, beyond="leave-out"))
    suite = replace(suite, recipes=cut, settings={"components.ner.factory": "bioclinical_spans"})
    cells = [make_planner(tmp_path).cell(suite, *group, 1) for group in groups(suite)]
    assert [(cell.metric, cell.cut, cell.beyond) for cell in cells] == [
        ("spans_f", 64, "miss"),
        ("spans_f", 64, "leave-out"),
    ]
