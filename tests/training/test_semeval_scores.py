"""SemEval 2013 counts against nervaluate: stored counts of version 1.2.1, the library itself where it is installed."""

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pipeline.matching import (
    CORRECT,
    INCORRECT,
    MISSED,
    OUTCOMES,
    PARTIAL,
    SCHEMES,
    SPURIOUS,
    match_counts,
    precision_recall_f,
)
from spacy_bioclinical.training.predictions import Mention, Mentions
from spacy_bioclinical.training.semeval_scores import semeval_counts, semeval_scores

# Drawn at random and counted by nervaluate 1.2.1 (its "ent_type" is our "type"), ends inclusive there.
CASES = json.loads((Path(__file__).parent / "nervaluate_counts.json").read_text())
LABELS = "ABC"


def as_places(document):
    return [tuple(place) for place in document]


@st.composite
def apart(draw):
    """Mentions that do not overlap each other."""
    found, at = [], 0
    for gap, length, label in draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.sampled_from(LABELS)), max_size=6)
    ):
        found.append((at + gap, at + gap + length, label))
        at += gap + length
    return found


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_counts_equal_those_of_nervaluate(case):
    pairs = [(as_places(g), as_places(p)) for g, p in zip(case["gold"], case["predicted"])]
    for exact_first in (False,) if case["overlapping"] else (False, True):
        counts = sum(match_counts(gold, predicted, exact_first=exact_first) for gold, predicted in pairs)
        prf = precision_recall_f(counts)
        for row, scheme in enumerate(SCHEMES):
            assert counts[row].tolist() == case["counts"][scheme]
            assert prf[row] == pytest.approx(case["prf"][scheme])


def test_counts_by_type_equal_those_of_nervaluate():
    cases = [case for case in CASES if not case["overlapping"]]
    assert cases
    for case in cases:
        documents = [
            Mentions(*(tuple(Mention(*place) for place in side) for side in pair))
            for pair in zip(case["gold"], case["predicted"])
        ]
        per_type = semeval_scores(documents)["per_type"]
        assert set(per_type) == set(case["per_type"])
        for label, schemes in case["per_type"].items():
            for scheme, counts in schemes.items():
                assert [per_type[label][scheme][outcome] for outcome in OUTCOMES] == counts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(apart(), apart()), min_size=1, max_size=3))
def test_counts_equal_the_library_where_it_is_installed(pairs):
    nervaluate = pytest.importorskip("nervaluate")
    if not all(gold and predicted for gold, predicted in pairs):
        return  # it cannot tell what an empty document is
    sides = [
        [[{"label": label, "start": start, "end": end - 1} for start, end, label in doc] for doc in side]
        for side in zip(*pairs)
    ]
    expected = nervaluate.Evaluator(*sides, tags=list(LABELS), loader="dict").evaluate()["overall"]
    counts = sum(match_counts(gold, predicted) for gold, predicted in pairs)
    for row, name in enumerate(("strict", "exact", "partial", "ent_type")):
        assert counts[row].tolist() == [getattr(expected[name], outcome) for outcome in OUTCOMES]


@settings(max_examples=80, deadline=None)
@given(apart(), apart())
def test_counts_hold_together(gold, predicted):
    counts = match_counts(gold, predicted)
    assert (counts == match_counts(gold, predicted, exact_first=False)).all()
    assert (counts[:, [CORRECT, INCORRECT, PARTIAL, MISSED]].sum(axis=1) == len(gold)).all()
    assert (counts[:, [CORRECT, INCORRECT, PARTIAL, SPURIOUS]].sum(axis=1) == len(predicted)).all()
    strict, exact, partial, kind = counts
    assert strict[CORRECT] == len(set(gold) & set(predicted))
    ranges = {place[:2] for place in gold} & {place[:2] for place in predicted}
    assert exact[CORRECT] == partial[CORRECT] == len(ranges)
    assert partial[INCORRECT] == 0
    assert strict[PARTIAL] == exact[PARTIAL] == kind[PARTIAL] == 0
    assert (strict[MISSED], strict[SPURIOUS]) == (partial[MISSED], partial[SPURIOUS])
    reverse = match_counts(predicted, gold)
    assert reverse[0, CORRECT] == strict[CORRECT]


@settings(max_examples=100, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 6), st.integers(1, 4), st.sampled_from("AB")), max_size=4), st.data())
def test_nested_mentions_equal_ones_always_count(drawn, data):
    """Whatever the order, each prediction that is a gold mention is correct: nervaluate's order may lose it."""
    gold = sorted((start, start + length, label) for start, length, label in drawn)
    extra = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(7, 9), st.just("C")), max_size=2))
    chosen = [place for place in gold if data.draw(st.booleans())] + extra
    results = {tuple(match_counts(gold, list(order))[0, [CORRECT]]) for order in permutations(chosen[:4])}
    assert results == {(len(set(gold) & set(chosen[:4])),)}


def test_order_of_nervaluate_can_lose_an_equal_mention():
    gold, predicted = [(0, 10, "A"), (0, 4, "A")], [(0, 4, "A"), (0, 10, "A")]
    assert match_counts(gold, [(0, 9, "A"), *predicted], exact_first=True)[0, CORRECT] == 2
    assert match_counts(gold, [(0, 9, "A"), *predicted], exact_first=False)[0, CORRECT] == 1


def test_overlap_must_cover_a_part_of_the_gold_mention():
    gold = [(0, 200, "A")]
    assert match_counts(gold, [(199, 230, "A")])[2].tolist() == [0, 0, 0, 1, 1]
    assert match_counts(gold, [(198, 230, "A")])[2].tolist() == [0, 0, 1, 0, 0]
    assert match_counts(gold, [(199, 230, "A")], min_overlap=0.001)[2, PARTIAL] == 1


def test_partial_matches_are_worth_half():
    prf = precision_recall_f(np.array([2, 1, 2, 3, 1]))
    assert prf[:2] == pytest.approx([3 / 6, 3 / 8])
    assert precision_recall_f(np.zeros(5)).tolist() == [0, 0, 0]


def test_documents_without_annotation_count_nothing():
    documents = [None, Mentions(), Mentions((Mention(0, 3, "A"),), ())]
    counts = semeval_counts(documents)
    assert counts[:2].sum() == 0
    assert counts[2, :, MISSED].tolist() == [1, 1, 1, 1]
    assert semeval_counts(documents, "B").sum() == 0
