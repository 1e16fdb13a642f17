"""The registered scorers: spaCy's own keys unchanged, ours by characters, usable in a config."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.pipeline.spancat import spancat_score
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry

from spacy_bioclinical.pipeline.scorers import build_entity_scorer_v1, build_span_group_scorer_v1

NLP = spacy.blank("en")
WORDS = [chr(ord("a") + i) for i in range(8)]


def doc_with(ents=(), spans=None, words=WORDS):
    doc = Doc(NLP.vocab, words=words)
    doc.ents = [Span(doc, *place) for place in ents]
    if spans is not None:
        doc.spans["gold"] = [Span(doc, *place) for place in spans]
    return doc


spans_of_doc = st.sets(
    st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from("XY")).map(
        lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2])
    ),
    max_size=5,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(spans_of_doc, spans_of_doc), min_size=1, max_size=3))
def test_span_scores_equal_spacy_where_tokens_are_equal(pairs):
    """Overlapping and nested spans too: strict by characters is exact by tokens."""
    examples = [Example(doc_with(spans=sorted(p)), doc_with(spans=sorted(g))) for p, g in pairs]
    scores = build_span_group_scorer_v1(spans_key="gold")(examples)
    expected = spancat_score(examples, spans_key="gold", allow_overlap=True)
    assert {key: scores[key] for key in expected} == expected
    n_both = sum(len(p & g) for p, g in pairs)
    n_all = sum(len(p) + len(g) for p, g in pairs)
    strict = 2 * n_both / n_all if n_all else 0.0
    assert scores["spans_gold_strict_f"] == pytest.approx(strict)
    if n_both:
        assert scores["spans_gold_f"] == pytest.approx(strict)
    assert scores["spans_gold_partial_f"] >= scores["spans_gold_exact_f"] >= strict - 1e-12
    assert scores["spans_gold_type_f"] >= strict - 1e-12


def test_entity_scores_by_hand():
    gold = doc_with([(0, 2, "X"), (3, 4, "Y"), (6, 8, "X")])
    predicted = doc_with([(0, 2, "X"), (3, 4, "X"), (6, 7, "X")])
    example = Example(predicted, gold)
    scores = build_entity_scorer_v1()([example])
    assert scores["ents_f"] == get_ner_prf([example])["ents_f"] == pytest.approx(1 / 3)
    names = ("strict", "exact", "partial", "type")
    values = [scores[f"ents_{name}_f"] for name in names]
    assert values == pytest.approx([1 / 3, 2 / 3, 2.5 / 3, 2 / 3])


def test_entities_inside_a_gold_token_are_wrong_by_characters():
    gold, predicted = (
        Doc(NLP.vocab, words=["12-year-old"]),
        Doc(NLP.vocab, words=["12", "-", "year", "-", "old"], spaces=[False] * 4 + [True]),
    )
    gold.ents, predicted.ents = [Span(gold, 0, 1, "AGE")], [Span(predicted, 0, 1, "AGE")]
    scores = build_entity_scorer_v1()([Example(predicted, gold)])
    assert (scores["ents_f"], scores["ents_strict_f"], scores["ents_partial_f"]) == (1.0, 0.0, 0.5)


def test_without_annotation_there_is_no_score():
    bare = Doc(NLP.vocab, words=WORDS)
    assert build_entity_scorer_v1()([Example(doc_with([(0, 1, "X")]), bare)])["ents_partial_f"] is None
    scores = build_span_group_scorer_v1(spans_key="gold")([Example(doc_with(spans=[]), bare)])
    assert scores["spans_gold_type_f"] is None


def test_component_names_the_scorer_in_its_config():
    nlp = spacy.blank("en")
    scorer = {"@scorers": "spacy-bioclinical.EntityScorer.v1"}
    ruler = nlp.add_pipe("entity_ruler", config={"scorer": scorer})
    ruler.add_patterns([{"label": "X", "pattern": "a b"}])
    gold = nlp.make_doc("a b c")
    gold.ents = [Span(gold, 0, 3, "X")]
    scores = nlp.evaluate([Example(nlp.make_doc("a b c"), gold)])
    assert (scores["ents_f"], scores["ents_partial_f"]) == (0.0, 0.5)
    assert nlp.from_bytes(nlp.to_bytes()).config["components"]["entity_ruler"]["scorer"] == scorer
    assert registry.scorers.get("spacy-bioclinical.SpanGroupScorer.v1") is build_span_group_scorer_v1
