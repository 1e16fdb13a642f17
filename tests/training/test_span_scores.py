"""Exact counts of mentions: brute force on random overlapping mentions, recall by label, coverage, slices."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.training.details import describe_records
from spacy_bioclinical.training.intervals import wilson_interval
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention, Mentions
from spacy_bioclinical.training.slices import LENGTHS, SLICES, length_of, position_of, slice_mentions
from spacy_bioclinical.training.span_scores import (
    confidences,
    count_mentions,
    f_scores,
    of_entities,
    of_spans,
    recall_per_label,
)

SECTIONS = (None, "plan", "other")
LENGTHS_NAMES = list(LENGTHS)


def attributes(start, end, label):
    """What is the same for a place, gold or predicted."""
    draw = random.Random(f"{start} {end} {label}")
    return {
        "piece": draw.choice([0, 511, 512, 4095, 4096, 9000]),
        "section": SECTIONS[start % 3],
        "seen": draw.random() < 0.5,
    }


@st.composite
def documents(draw):
    places = st.tuples(st.integers(0, 9), st.integers(1, 4), st.sampled_from("XYZ"))
    sides = []
    for is_gold in (True, False):
        drawn = draw(st.lists(places, max_size=6))
        triples = [(start, start + length, label) for start, length, label in drawn]
        sides.append(
            tuple(
                Mention(*triple, **attributes(*triple), confidence=None if is_gold else 0.5)
                for triple in triples
            )
        )
    pieces = draw(st.sampled_from([1, 512, 513, 2049, 4097, 9000]))
    return DocumentPrediction(
        "d", 20, 20, pieces, pieces, Mentions(*sides), {"k": Mentions(sides[0], sides[0][:1])}
    )


def places_of(mentions):
    return {(each.start, each.end, each.label) for each in mentions}


@settings(max_examples=100, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=4))
def test_counts_equal_sets(records):
    _, table = count_mentions(records, of_entities)
    for i, record in enumerate(records):
        gold, found = places_of(record.entities.gold), places_of(record.entities.predicted)
        assert table[i, 0].tolist() == [len(gold & found), len(found - gold), len(gold - found)]
    tp, fp, fn = table[:, 0].sum(axis=0)
    f = f_scores(table[:, 0].sum(axis=0))
    assert f[2] == pytest.approx(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0)
    _, spans = count_mentions(records, of_spans("k"))
    assert spans[:, 0, 1].sum() == 0
    assert count_mentions(records, of_spans("absent"))[1].sum() == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=4))
def test_slices_add_up_and_equal_a_plain_selection(records):
    found = slice_mentions(records, of_entities, n_resamples=0, seed=0)
    n_gold = sum(len(places_of(record.entities.gold)) for record in records)
    n_predicted = sum(len(places_of(record.entities.predicted)) for record in records)
    for name, parts in found.items():
        assert sum(part["gold"] for part in parts.values()) == n_gold
        assert sum(part["predicted"] for part in parts.values()) == n_predicted
        for part, scores in parts.items():
            hits = gold = predicted = 0
            for record in records:
                sides = [
                    places_of(each for each in side if SLICES[name](each, record) == part)
                    for side in (record.entities.gold, record.entities.predicted)
                ]
                gold, predicted = gold + len(sides[0]), predicted + len(sides[1])
                hits += len(sides[0] & sides[1])
            assert (scores["gold"], scores["predicted"]) == (gold, predicted)
            assert scores["r"] == pytest.approx(hits / gold if gold else 0)
            assert scores["p"] == pytest.approx(hits / predicted if predicted else 0)
            assert scores["r_interval"] == wilson_interval(hits, gold)


def test_borders_of_places_and_lengths():
    assert [position_of(n) for n in (0, 511, 512, 4095, 4096)] == [
        "0-511",
        "0-511",
        "512-4095",
        "512-4095",
        "4096-",
    ]
    assert [length_of(n) for n in (0, 512, 513, 2048, 2049, 4096, 4097, 8192, 8193)] == [
        LENGTHS_NAMES[k] for k in (0, 0, 1, 1, 2, 2, 3, 3, 4)
    ]


def record_of(gold, predicted, **kwargs):
    sides = (tuple(Mention(*place) for place in side) for side in (gold, predicted))
    return DocumentPrediction("d", 99, 9, 9, 9, Mentions(*sides), **kwargs)


def test_slice_intervals_leave_out_resamples_without_the_part():
    whole = record_of([(0, 2, "X")], [(0, 2, "X")])
    empty = [record_of([(4, 6, "Y")], [(4, 5, "Y")]) for _ in range(9)]
    found = slice_mentions([whole, *empty], of_entities, n_resamples=300, seed=1)["label"]
    assert found["X"]["f_interval"] == [1.0, 1.0]
    assert found["Y"]["f_interval"] == [0.0, 0.0]
    assert found["X"]["documents"] == 1
    assert "seen" not in slice_mentions([whole], of_entities, n_resamples=0, seed=0)


def test_recall_counts_exact_and_covered_mentions():
    gold = [(0, 10, "NAME"), (20, 25, "NAME"), (30, 34, "DATE"), (40, 45, "DATE")]
    predicted = [
        (0, 4, "DATE"),
        (5, 12, "NAME"),
        (20, 24, "NAME"),
        (30, 34, "DATE"),
        (40, 42, "DATE"),
        (44, 45, "DATE"),
    ]
    found = recall_per_label([record_of(gold, predicted)], of_entities)
    assert (found["all"]["gold"], found["all"]["found"], found["all"]["covered"]) == (4, 1, 2)
    assert (found["NAME"]["found"], found["NAME"]["covered"]) == (0, 1)  # over the gap of one character
    assert (found["DATE"]["recall"], found["DATE"]["covered_recall"]) == (0.5, 0.5)  # not over two
    assert found["NAME"]["interval"] == wilson_interval(0, 2)
    nothing = recall_per_label([record_of([], predicted)], of_entities)
    assert nothing["all"]["recall"] is None
    assert list(nothing) == ["all"]


def test_confidences_say_which_are_right():
    gold = (Mention(0, 2, "X"),)
    predicted = (Mention(0, 2, "X", confidence=0.9), Mention(0, 2, "Y", confidence=0.4), Mention(5, 6, "X"))
    record = DocumentPrediction("d", 9, 9, 9, 9, Mentions(gold, predicted))
    document, confidence, hit = confidences([record_of([], []), record], of_entities)
    assert (document.tolist(), confidence.tolist(), hit.tolist()) == ([1, 1], [0.9, 0.4], [1.0, 0.0])


def test_details_of_nothing_and_of_documents_without_entities():
    details = describe_records([DocumentPrediction("d", 9, 9, 12, 10)], n_resamples=20)
    assert details["headline"] == {}
    assert (details["entities"], details["spans"], details["classes"]) == (None, {}, {})
    assert details["coverage"] == {"documents": 1, "pieces": 12, "seen_pieces": 10}


def test_details_hold_values_within_their_intervals():
    rng = np.random.default_rng(0)
    records = []
    for _ in range(30):
        gold = [(10 * k, 10 * k + 3, "XY"[k % 2]) for k in range(6)]
        predicted = [place for place in gold if rng.random() < 0.7] + [(95, 97, "X")] * (rng.random() < 0.5)
        records.append(record_of(gold, predicted))
    details = describe_records(records, n_resamples=400, seed=2)
    assert details["headline"]["entities.f"]["value"] == pytest.approx(details["entities"]["f"])
    assert details["headline"]["entities.partial_f"]["value"] == pytest.approx(
        details["entities"]["semeval"]["partial"]["f"]
    )
    for figure in details["headline"].values():
        low, high = figure["interval"]
        assert low < figure["value"] < high
    assert details["headline"] == describe_records(records, n_resamples=400, seed=2)["headline"]
    other = describe_records(records, n_resamples=400, seed=3)["headline"]
    assert other["entities.f"]["interval"] != details["headline"]["entities.f"]["interval"]
