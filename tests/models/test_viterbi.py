"""The BIO decoder and its marginals against a brute force over every legal sequence."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.models.viterbi import (
    TagSpan,
    decode,
    is_legal,
    log_softmax,
    n_tags,
    span_log_probabilities,
    spans_of,
)


def legal_by_definition(tags):
    """Written from the definition, over tag names, to check `is_legal` too."""
    names = ["O" if tag == 0 else ("BI"[(tag - 1) % 2], (tag - 1) // 2) for tag in tags]
    return all(
        name[0] != "I" or (i > 0 and names[i - 1] in (("B", name[1]), ("I", name[1])))
        for i, name in enumerate(names)
    )


def all_sequences(n_tokens, n_types):
    return [
        tags
        for tags in itertools.product(range(n_tags(n_types)), repeat=n_tokens)
        if legal_by_definition(tags)
    ]


def entities_by_definition(tags):
    entities = []
    for i, tag in enumerate(tags):
        if tag % 2 == 1:
            end = i + 1
            while end < len(tags) and tags[end] == tag + 1:
                end += 1
            entities.append((i, end, (tag - 1) // 2))
    return entities


def total(scores, tags):
    return float(sum(scores[t, tag] for t, tag in enumerate(tags)))


@st.composite
def score_tables(draw):
    n_types = draw(st.integers(1, 3))
    n_tokens = draw(st.integers(1, {1: 6, 2: 5, 3: 4}[n_types]))
    scale = draw(st.sampled_from([0.1, 1.0, 5.0, 40.0]))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n_tokens, n_tags(n_types))) * scale
    if draw(st.booleans()):
        table[:, 2::2] += scale  # lean towards I-, where sequences go illegal
    return table


@settings(max_examples=80, deadline=None)
@given(score_tables())
def test_decode_finds_the_best_of_all_legal_sequences(table):
    n_tokens, width = table.shape
    scores = log_softmax(table)
    best = max(total(scores, tags) for tags in all_sequences(n_tokens, (width - 1) // 2))
    tags = decode(scores)
    assert legal_by_definition(tags)
    assert total(scores, tags) == pytest.approx(best, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(score_tables())
def test_marginals_equal_the_sum_over_all_legal_sequences(table):
    n_tokens, width = table.shape
    scores = log_softmax(table)
    mass = 0.0
    expected: dict[tuple[int, int, int], float] = {}
    sequences = all_sequences(n_tokens, (width - 1) // 2)
    largest = max(total(scores, tags) for tags in sequences)
    for tags in sequences:
        weight = np.exp(total(scores, tags) - largest)
        mass += weight
        for entity in entities_by_definition(tags):
            expected[entity] = expected.get(entity, 0.0) + weight
    spans = [TagSpan(*entity) for entity in expected]
    probabilities = np.exp(span_log_probabilities(scores, spans))
    assert len(spans) == sum(range(n_tokens + 1)) * (width - 1) // 2  # every span of every type occurs
    np.testing.assert_allclose(
        probabilities, [expected[tuple(s)] / mass for s in spans], rtol=1e-8, atol=1e-12
    )
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@given(st.lists(st.integers(0, 6), max_size=8))
def test_is_legal_agrees_with_the_definition(tags):
    assert is_legal(tags) == legal_by_definition(tags)


@given(st.lists(st.integers(0, 6), max_size=8).filter(legal_by_definition))
def test_spans_of_reads_every_entity(tags):
    assert [tuple(span) for span in spans_of(tags)] == entities_by_definition(tags)


def test_decode_repairs_an_illegal_argmax():
    # Token by token the best tags are O, I-1: no start. The two legal readings nearby are B-1 I-1 and O O.
    scores = log_softmax(np.array([[2.0, 0, 0, 1.5, 0], [0.0, 0, 0, 0, 2.0]]))
    assert scores.argmax(axis=1).tolist() == [0, 4]
    assert decode(scores).tolist() == [3, 4]


def test_decode_of_nothing_and_of_no_types():
    assert decode(np.zeros((0, 5))).tolist() == []
    assert decode(np.zeros((3, 1))).tolist() == [0, 0, 0]
    assert span_log_probabilities(np.zeros((3, 1)), []).tolist() == []


def test_extreme_scores_stay_finite():
    scores = log_softmax(
        np.array([[-5e4, 0, 5e4], [-5e4, 0, 5e4], [5e4, 0, -5e4]])
    )  # I- with no start, twice
    tags = decode(scores)
    assert tags.tolist() == [1, 2, 0]
    (probability,) = np.exp(span_log_probabilities(scores, spans_of(tags)))
    assert probability == pytest.approx(1.0)


def test_long_document_is_legal_exact_and_fast():
    """10,000 tokens × 51 tags: about 20 ms on one idle core. The bound leaves room for a busy machine."""
    rng = np.random.default_rng(1)
    scores = log_softmax(rng.normal(size=(10_000, n_tags(25))) * 3)
    fastest = np.inf
    for _ in range(5):
        start = time.perf_counter()
        tags = decode(scores)
        fastest = min(fastest, time.perf_counter() - start)
    assert fastest < 0.1
    assert is_legal(tags)
    assert not is_legal(scores.argmax(axis=1))  # the constraint had something to do
    spans = spans_of(tags)
    assert len(spans) > 1000
    # All spans that begin at one token, and no span there, share the whole probability between them.
    at = spans[500].start
    candidates = [TagSpan(at, end, kind) for kind in range(25) for end in range(at + 1, at + 60)]
    begins = float(np.exp(span_log_probabilities(scores, candidates)).sum())
    assert 0 < begins <= 1 + 1e-9
    # A textbook Viterbi over the full transition matrix finds the same score.
    free = [tag == 0 or tag % 2 == 1 for tag in range(51)]  # O and every B-
    legal = np.array(
        [[free[tag] or previous in (tag, tag - 1) for tag in range(51)] for previous in range(51)]
    )
    transition = np.where(legal, 0.0, -np.inf)
    best = np.where(free, scores[0], -np.inf)
    for row in scores[1:2000]:
        best = (best[:, None] + transition).max(axis=0) + row
    assert total(scores[:2000], decode(scores[:2000])) == pytest.approx(best.max(), abs=1e-6)
