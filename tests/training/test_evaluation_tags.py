"""Entities of tag sequences, strict and lenient, against seqeval on random tags; section names; exact counts."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pieces.headings import KNOWN_HEADINGS
from spacy_bioclinical.training.sections import OTHER, find_sections
from spacy_bioclinical.training.tag_scores import entities_of_tags, score_tags

TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y"]


@st.composite
def tag_pairs(draw):
    lengths = draw(st.lists(st.integers(1, 10), min_size=1, max_size=4))
    return [
        [draw(st.lists(st.sampled_from(TAGS), min_size=n, max_size=n)) for n in lengths] for _ in range(2)
    ]


@settings(max_examples=80, deadline=None)
@given(tag_pairs())
def test_scores_equal_seqeval_on_random_tags(pair):
    sequence_labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    v1 = pytest.importorskip("seqeval.metrics.v1")
    scheme = pytest.importorskip("seqeval.scheme").IOB2
    gold, predicted = pair
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lenient = sequence_labeling.precision_recall_fscore_support(gold, predicted, average="micro")
        strict = v1.precision_recall_fscore_support(gold, predicted, average="micro", scheme=scheme)
    for expected, is_lenient in ((lenient, True), (strict, False)):
        scores = score_tags(gold, predicted, lenient=is_lenient)
        assert [scores[key] for key in "prf"] == pytest.approx(list(expected[:3]))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_entities_equal_those_of_seqeval(tags):
    get_entities = pytest.importorskip("seqeval.metrics.sequence_labeling").get_entities
    expected = [(start, end + 1, label) for label, start, end in get_entities(list(tags))]
    assert entities_of_tags(tags, lenient=True) == expected
    strict = set(entities_of_tags(tags, lenient=False))
    legal = all(
        not tag.startswith("I-") or (before != "O" and before[2:] == tag[2:])
        for before, tag in zip(["O", *tags], tags)
    )
    if legal:
        assert strict == set(expected)


def test_stray_inside_tag_is_an_entity_only_leniently():
    tags = ["I-X", "I-X", "O", "B-X", "I-Y"]
    assert entities_of_tags(tags, lenient=False) == [(3, 4, "X")]
    assert entities_of_tags(tags, lenient=True) == [(0, 2, "X"), (3, 4, "X"), (4, 5, "Y")]
    assert score_tags([["O"]], [["O"]], lenient=True) == {"p": 0.0, "r": 0.0, "f": 0.0}


def test_sections_are_named_by_known_headings_and_never_quote():
    lines = ["Intro line", "History of Present Illness: short of breath", "Ada Quill: seen"]
    text = "\n".join([*lines, "2) MEDICATIONS:", "nothing", "## Plan", ""])
    sections = find_sections(text)
    assert sections.names == ["history of present illness", OTHER, "medications", "plan"]
    assert sections.at(0) is None
    assert sections.at(text.index("History")) == sections.at(text.index("breath")) == sections.names[0]
    assert sections.at(text.index("nothing")) == "medications"
    assert sections.at(len(text) - 1) == "plan"
    assert set(find_sections(text * 3).names) <= KNOWN_HEADINGS | {OTHER}
    assert find_sections("").at(0) is None
