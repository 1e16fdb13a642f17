"""Hooks of `bioclinical_ner`: temperature, token probabilities, and the recall target, which only ever adds."""

import itertools

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bioclinical.models.crf import Transitions
from spacy_bioclinical.models.tag_sequence import TagSequence
from spacy_bioclinical.models.viterbi import TagSpan
from spacy_bioclinical.pipeline.recall import (
    _PRECISION,
    add_likely_runs,
    entity_probabilities,
    over_white_space,
)
from tests.small_cnn import WORDS_CNN

WORDS = ["one", "two", "\n", "three", "four", "\n ", "\n", "five", "six", "\n"]


@pytest.fixture(scope="module", params=["BioTagger", "CrfTagger"])
def nlp(request):
    nlp = spacy.blank("en")
    model = {"@architectures": f"spacy-bioclinical.{request.param}.v1", "tok2vec": WORDS_CNN}
    ner = nlp.add_pipe("bioclinical_ner", config={"model": model})
    doc = Doc(nlp.vocab, words=WORDS)
    gold = doc.copy()
    gold.set_ents([Span(gold, 0, 1, label="A"), Span(gold, 3, 4, label="B")])
    nlp.initialize(lambda: [Example(doc, gold)])
    layer = ner.model.get_ref("output_layer")
    rng = np.random.default_rng(0)
    layer.set_param("W", rng.normal(size=layer.get_param("W").shape).astype("f"))
    layer.set_param("b", rng.normal(size=layer.get_param("b").shape).astype("f"))
    if request.param == "CrfTagger":
        crf = ner.model.get_ref("transitions")
        for name in Transitions._fields:
            crf.set_param(name, rng.normal(size=crf.get_param(name).shape).astype("f"))
    return nlp


@pytest.fixture
def ner(nlp):
    ner = nlp.get_pipe("bioclinical_ner")
    stored = dict(ner.cfg)
    yield ner
    ner.cfg.clear()
    ner.cfg.update(stored)


def make_doc(nlp, words=WORDS):
    return Doc(nlp.vocab, words=words)


def found(nlp, doc):
    doc = nlp(doc)
    return [(ent.start, ent.end, ent.label_, ent._.confidence) for ent in doc.ents]


@st.composite
def sequences(draw):
    """A random model of up to 12 tokens, softmax or CRF."""
    n_types, n_tokens = draw(st.integers(1, 3)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    width = 1 + 2 * n_types
    logits = rng.normal(size=(n_tokens, width)) * draw(st.sampled_from([0.5, 2.0, 5.0]))
    logits[:, 0] += draw(st.sampled_from([0.0, 3.0]))
    transitions = None
    if draw(st.booleans()):
        transitions = Transitions(*(rng.normal(size=shape) for shape in ((width,), (width, width), (width,))))
    return TagSequence(logits, transitions, temperature=draw(st.sampled_from([0.5, 1.0, 3.0])))


def covered(spans):
    return {t for start, end, _ in spans for t in range(start, end)}


@settings(max_examples=150, deadline=None)
@given(sequences())
def test_lower_thresholds_only_ever_add_covered_tokens(sequence):
    spans, marginals = sequence.spans(), sequence.tag_probabilities()
    in_entity = entity_probabilities(marginals)
    before = covered(spans)
    for threshold in (1.0, 0.9, 0.5, 0.3, 0.1, 0.01, 1e-6):
        found = add_likely_runs(spans, marginals, threshold)
        flagged = set(np.flatnonzero(in_entity >= threshold - min(_PRECISION, threshold / 2)).tolist())
        assert covered(found) == covered(spans) | flagged
        assert covered(found) >= before
        assert all(a.end <= b.start for a, b in itertools.pairwise(found))
        assert all(0 < p <= 1 for p in sequence.span_probabilities(found))
        before = covered(found)
    assert add_likely_runs(spans, marginals, 1.1) == spans


def test_runs_get_the_likeliest_type_and_join_what_they_continue():
    # columns O B-0 I-0 B-1 I-1
    outside = [0.9, 0.1, 0.0, 0.0, 0.0]
    begins = [0.1, 0.9, 0.0, 0.0, 0.0]
    goes_on = [0.6, 0.1, 0.3, 0.0, 0.0]
    anew = [0.6, 0.3, 0.1, 0.0, 0.0]
    other = [0.6, 0.0, 0.0, 0.3, 0.1]
    first = TagSpan(0, 1, 0)

    def add(*rows, spans=(first,)):
        return add_likely_runs(spans, np.array(rows), 0.3)

    assert add(begins, goes_on, outside) == [(0, 2, 0)]
    assert add(begins, anew, outside) == [(0, 1, 0), (1, 2, 0)]
    assert add(begins, other, outside) == [(0, 1, 0), (1, 2, 1)]
    assert add(begins, outside, goes_on, goes_on) == [(0, 1, 0), (2, 4, 0)]
    assert add(outside, other, other, goes_on, spans=()) == [(1, 4, 1)]
    continues = [0.2, 0.1, 0.7, 0.0, 0.0]
    assert add(begins, goes_on, continues, spans=(first, TagSpan(2, 3, 0))) == [(0, 3, 0)]
    assert add(begins, continues, spans=(first, TagSpan(1, 2, 0))) == [
        (0, 1, 0),
        (1, 2, 0),
    ]  # no run: as decoded


def test_token_at_the_threshold_counts_after_both_have_lost_digits():
    marginals = np.array([[0.7, 0.29999996, 0.00000001]])
    assert add_likely_runs([], marginals, 0.30000000000000004) == [TagSpan(0, 1, 0)]
    assert add_likely_runs([], marginals, 0.3001) == []


@settings(max_examples=60, deadline=None)
@given(sequences(), st.integers(0, 1000))
def test_white_space_is_as_likely_as_an_entity_over_it(sequence, seed):
    marginals = sequence.tag_probabilities()
    is_space = np.random.default_rng(seed).random(40) < 0.5
    visible = np.flatnonzero(~is_space)[: len(marginals)]
    marginals = marginals[: len(visible)]
    probabilities = over_white_space(marginals, visible, 40)
    own = dict(zip(visible.tolist(), range(len(visible))))
    for t in range(40):
        after = next((own[u] for u in range(t, 40) if u in own), None)
        if t in own:
            assert probabilities[t] == pytest.approx(marginals[own[t], 1:].sum())
        else:
            assert probabilities[t] == pytest.approx(0.0 if after is None else marginals[after, 2::2].sum())
    if len(visible) == len(sequence.tag_probabilities()):
        assert (probabilities[: visible[0]] < 1e-12).all()  # nothing goes on where nothing has begun


def test_token_probabilities_sum_up_the_entities(nlp, ner):
    """P(token in an entity) is the sum over all spans of their marginals, white space included."""
    doc = make_doc(nlp)
    probabilities = ner.token_probabilities(doc)
    assert probabilities.shape == (len(doc),)
    assert probabilities.dtype == np.float64
    visible = [token.i for token in doc if not token.is_space]
    scores = ner.model.predict([doc])
    sequence = TagSequence(scores[0][visible], getattr(scores, "transitions", None))
    expected = np.zeros(len(doc))
    n = len(visible)
    spans = [TagSpan(s, e, k) for s in range(n) for e in range(s + 1, n + 1) for k in range(len(ner.labels))]
    for span, p in zip(spans, sequence.span_probabilities(spans)):
        expected[visible[span.start] : visible[span.end - 1] + 1] += p
    np.testing.assert_allclose(probabilities, expected, atol=1e-9)
    assert ner.token_probabilities(make_doc(nlp, ["\n", " "])).tolist() == [0.0, 0.0]
    assert ner.token_probabilities(make_doc(nlp, [])).tolist() == []


def test_temperature_changes_probabilities_and_nothing_else(nlp, ner):
    docs = [make_doc(nlp, [f"word{i}" for i in range(start, start + 15)]) for start in range(0, 150, 15)]
    plain = [found(nlp, doc) for doc in docs]
    likely = np.concatenate([ner.token_probabilities(doc) for doc in docs])
    assert sum(map(len, plain)) > 10
    seen = {}
    for temperature in (0.2, 5.0):
        ner.cfg["temperature"] = temperature
        warm = [found(nlp, doc) for doc in docs]
        assert [[e[:3] for e in row] for row in warm] == [[e[:3] for e in row] for row in plain]
        seen[temperature] = np.mean([e[3] for row in warm for e in row])
        assert np.abs(np.concatenate([ner.token_probabilities(doc) for doc in docs]) - likely).max() > 0.01
    assert seen[0.2] > np.mean([e[3] for row in plain for e in row]) > seen[5.0]
    ner.cfg["temperature"] = 1.0
    assert [found(nlp, doc) for doc in docs] == plain


def test_recall_target_covers_every_likely_token_and_is_stored(nlp, ner, tmp_path):
    docs = [make_doc(nlp, [f"word{i}" for i in range(start, start + 15)]) for start in range(0, 90, 15)]
    docs.append(make_doc(nlp))
    plain = [{t for e in found(nlp, doc) for t in range(e[0], e[1])} for doc in docs]
    grown = 0
    for threshold in (0.6, 0.3):
        ner.cfg["recall_target"] = {"threshold": threshold, "target": 0.99, "confidence": 0.95, "n": 7}
        for i, doc in enumerate(docs):
            entities = found(nlp, doc)
            now = {t for e in entities for t in range(e[0], e[1])}
            likely = {
                t
                for t in np.flatnonzero(ner.token_probabilities(doc) >= threshold).tolist()
                if not doc[t].is_space
            }
            visible = {token.i for token in doc if not token.is_space}
            assert now & visible == (plain[i] & visible) | likely
            assert all(
                0 < e[3] <= 1 and not doc[e[0]].is_space and not doc[e[1] - 1].is_space for e in entities
            )
            grown += len(now - plain[i])
    assert grown
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert again.get_pipe("bioclinical_ner").cfg["recall_target"] == pytest.approx(ner.cfg["recall_target"])
    got = [e for doc in docs for e in found(again, make_doc(again, [t.text for t in doc]))]
    wanted = [e for doc in docs for e in found(nlp, doc)]
    assert [e[:3] for e in got] == [e[:3] for e in wanted]
    assert [e[3] for e in got] == pytest.approx([e[3] for e in wanted], abs=1e-6)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("temperature", 0, "BC431"),
        ("temperature", "hot", "BC431"),
        ("recall_target", {"target": 0.9}, "BC432"),
        ("recall_target", {"threshold": 0.0}, "BC432"),
    ],
)
def test_stored_values_that_make_no_sense_are_errors(nlp, ner, key, value, code):
    ner.cfg[key] = value
    with pytest.raises(ValueError, match=code):
        nlp(make_doc(nlp))
