"""The CRF against a brute force over every legal sequence: mass, gradients, Viterbi, marginals; and its speed."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.models.crf import (
    MISSING,
    Transitions,
    crf_decode,
    crf_span_log_probabilities,
    crf_tag_probabilities,
    legal_pairs,
    negative_log_likelihood,
)
from spacy_bioclinical.models.scanning import scan
from spacy_bioclinical.models.viterbi import (
    TagSpan,
    decode,
    is_legal,
    log_softmax,
    n_tags,
    span_log_probabilities,
    spans_of,
    tag_probabilities,
)


def draw_transitions(rng, n, scale):
    return Transitions(
        rng.normal(size=n) * scale, rng.normal(size=(n, n)) * scale, rng.normal(size=n) * scale
    )


def score(scores, transitions, tags):
    """From the definition of the model."""
    own = sum(scores[t, tag] for t, tag in enumerate(tags))
    between = sum(transitions.pairs[a, b] for a, b in itertools.pairwise(tags))
    return float(transitions.start[tags[0]] + own + between + transitions.end[tags[-1]])


def legal_sequences(n_tokens, width):
    return [tags for tags in itertools.product(range(width), repeat=n_tokens) if is_legal(tags)]


def log_sum(values):
    highest = max(values)
    return highest + float(np.log(sum(np.exp(value - highest) for value in values)))


@st.composite
def models(draw):
    n_types = draw(st.integers(1, 3))
    n_tokens = draw(st.integers(1, {1: 6, 2: 5, 3: 4}[n_types]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    scores = rng.normal(size=(n_tokens, n_tags(n_types))) * draw(st.sampled_from([0.1, 1.0, 5.0, 30.0]))
    return scores, draw_transitions(rng, n_tags(n_types), draw(st.sampled_from([0.0, 0.5, 3.0, 20.0]))), rng


def test_pairs_are_legal_as_the_automaton_says():
    legal = legal_pairs(7)
    for a, b in np.ndindex(7, 7):
        prefix = [a - 1, a] if a and a % 2 == 0 else [a]  # I-x stands behind its B-x
        assert legal[a, b] == is_legal([*prefix, b])


@settings(max_examples=80, deadline=None)
@given(models())
def test_viterbi_finds_the_best_of_all_legal_sequences(model):
    scores, transitions, _ = model
    best = max(score(scores, transitions, tags) for tags in legal_sequences(*scores.shape))
    tags = crf_decode(scores, transitions)
    assert is_legal(tags)
    assert score(scores, transitions, tags.tolist()) == pytest.approx(best, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(models())
def test_marginals_equal_the_sum_over_all_legal_sequences(model):
    scores, transitions, _ = model
    sequences = legal_sequences(*scores.shape)
    values = [score(scores, transitions, tags) for tags in sequences]
    weights = np.exp(np.array(values) - log_sum(values))
    of_tags = np.zeros(scores.shape)
    of_spans: dict[TagSpan, float] = {}
    for tags, weight in zip(sequences, weights.tolist()):
        of_tags[np.arange(len(tags)), tags] += weight
        for span in spans_of(tags):
            of_spans[span] = of_spans.get(span, 0.0) + weight
    np.testing.assert_allclose(crf_tag_probabilities(scores, transitions), of_tags, rtol=1e-7, atol=1e-12)
    spans = list(of_spans)
    found = np.exp(crf_span_log_probabilities(scores, transitions, spans))
    np.testing.assert_allclose(found, [of_spans[span] for span in spans], rtol=1e-7, atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(models(), st.sampled_from([0.0, 0.3, 1.0]))
def test_likelihood_equals_the_sum_over_all_completions(model, share_missing):
    scores, transitions, rng = model
    sequences = legal_sequences(*scores.shape)
    tags = np.array(sequences[rng.integers(len(sequences))])
    tags[rng.random(len(tags)) < share_missing] = MISSING
    fitting = [s for s in sequences if all(tag in (MISSING, own) for tag, own in zip(tags, s))]
    expected = log_sum([score(scores, transitions, s) for s in sequences]) - log_sum(
        [score(scores, transitions, s) for s in fitting]
    )
    loss, _, _ = negative_log_likelihood(scores, [len(scores)], transitions, tags)
    assert loss == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_equal_finite_differences(seed):
    """Over documents of 0 to 4 tokens with tags that are not known; illegal places have no gradient."""
    rng = np.random.default_rng(seed)
    lengths, width = [3, 0, 1, 4], n_tags(2)
    scores = rng.normal(size=(sum(lengths), width)) * 2
    transitions = draw_transitions(rng, width, 1.0)
    tags = np.array([0, 1, MISSING, 3, MISSING, 2, 0, 3])
    if seed == 3:
        tags[:] = MISSING
    loss, d_scores, d_transitions = negative_log_likelihood(scores, lengths, transitions, tags)
    if seed == 3:
        assert loss == pytest.approx(0.0, abs=1e-9)
    for array, gradient in [(scores, d_scores), *zip(transitions, d_transitions)]:
        assert array.shape == gradient.shape
        for index in np.ndindex(array.shape):
            keep = array[index]
            values = []
            for step in (1e-5, -1e-5):
                array[index] = keep + step
                values.append(negative_log_likelihood(scores, lengths, transitions, tags)[0])
            array[index] = keep
            assert gradient[index] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-7)
    assert not d_transitions.pairs[~legal_pairs(width)].any()
    assert not d_transitions.start[2::2].any()


def test_documents_in_one_batch_do_not_know_of_each_other():
    rng = np.random.default_rng(5)
    lengths, width = [70, 1, 0, 200, 33], n_tags(4)
    scores, transitions = rng.normal(size=(sum(lengths), width)) * 3, draw_transitions(rng, width, 1.0)
    tags = rng.choice([0, 1, 3, 5, 7, MISSING], size=len(scores))
    together = negative_log_likelihood(scores, lengths, transitions, tags)
    ends = np.cumsum(lengths)[:-1]
    alone = [
        negative_log_likelihood(row, [len(row)], transitions, own)
        for row, own in zip(np.split(scores, ends), np.split(tags, ends))
    ]
    assert together[0] == pytest.approx(sum(loss for loss, _, _ in alone), rel=1e-10)
    np.testing.assert_allclose(together[1], np.concatenate([d for _, d, _ in alone]), atol=1e-10)
    for name, gradient in together[2]._asdict().items():
        np.testing.assert_allclose(gradient, sum(getattr(d, name) for _, _, d in alone), atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(models())
def test_without_transitions_it_is_the_constrained_softmax(model):
    scores, transitions, _ = model
    zeros, log_probs = transitions.scaled(0.0), log_softmax(scores)
    assert crf_decode(scores, zeros).tolist() == decode(log_probs).tolist()
    np.testing.assert_allclose(
        crf_tag_probabilities(scores, zeros), tag_probabilities(log_probs), rtol=1e-8, atol=1e-12
    )
    spans = [TagSpan(0, end, 0) for end in range(1, len(scores) + 1)]
    np.testing.assert_allclose(
        crf_span_log_probabilities(scores, zeros, spans), span_log_probabilities(log_probs, spans), atol=1e-8
    )


@settings(max_examples=40, deadline=None)
@given(models())
def test_softmax_tag_marginals_equal_the_sum_over_all_legal_sequences(model):
    log_probs = log_softmax(model[0])
    sequences = legal_sequences(*log_probs.shape)
    weights = np.exp([sum(log_probs[t, tag] for t, tag in enumerate(tags)) for tags in sequences])
    expected = np.zeros(log_probs.shape)
    for tags, weight in zip(sequences, weights / weights.sum()):
        expected[np.arange(len(tags)), tags] += weight
    np.testing.assert_allclose(tag_probabilities(log_probs), expected, rtol=1e-7, atol=1e-12)


def test_nothing_and_no_types():
    for width in (1, 5):
        transitions = Transitions(np.zeros(width), np.zeros((width, width)), np.zeros(width))
        empty = np.zeros((0, width))
        assert crf_decode(empty, transitions).tolist() == []
        assert crf_tag_probabilities(empty, transitions).shape == (0, width)
        assert tag_probabilities(empty).shape == (0, width)
        loss, d_scores, d_transitions = negative_log_likelihood(empty, [0, 0], transitions, np.zeros(0, int))
        assert (loss, d_scores.shape, d_transitions.pairs.any()) == (0.0, (0, width), False)
    transitions = Transitions(np.zeros(1), np.zeros((1, 1)), np.zeros(1))
    assert crf_decode(np.zeros((3, 1)), transitions).tolist() == [0, 0, 0]
    assert negative_log_likelihood(np.zeros((3, 1)), [3], transitions, np.zeros(3, int))[0] == 0
    assert crf_span_log_probabilities(np.zeros((3, 1)), transitions, []).tolist() == []


def test_extreme_scores_stay_finite():
    scores = np.array([[-5e4, 0, 5e4], [-5e4, 0, 5e4], [5e4, 0, -5e4]])  # I- with no start, twice
    transitions = Transitions(np.zeros(3), np.full((3, 3), 90.0), np.full(3, -90.0))
    tags = crf_decode(scores, transitions)
    assert tags.tolist() == [1, 2, 0]
    (probability,) = np.exp(crf_span_log_probabilities(scores, transitions, spans_of(tags)))
    assert probability == pytest.approx(1.0)
    parts = negative_log_likelihood(scores, [3], transitions, np.array([0, 0, 1]))
    assert all(np.isfinite(array).all() for array in (parts[0], parts[1], *parts[2]))


def plain_viterbi(scores, transitions):
    """A textbook Viterbi over the full matrix; RETURNS the best score."""
    pairs = np.where(legal_pairs(scores.shape[1]), transitions.pairs, -np.inf)
    best = transitions.start + scores[0]
    best[2::2] = -np.inf
    for row in scores[1:]:
        best = (best[:, None] + pairs).max(axis=0) + row
    return float((best + transitions.end).max())


def plain_forward(scores, transitions):
    """A textbook forward pass in log space; RETURNS the log of the mass of all legal sequences."""
    pairs = np.where(legal_pairs(scores.shape[1]), transitions.pairs, -np.inf)
    mass = transitions.start + scores[0]
    mass[2::2] = -np.inf
    for row in scores[1:]:
        mass = np.logaddexp.reduce(mass[:, None] + pairs, axis=0) + row
    return float(np.logaddexp.reduce(mass + transitions.end))


@pytest.mark.parametrize(("scale", "strength"), [(3.0, 1.0), (0.1, 3.0), (0.0, 0.0), (0.01, 8.0)])
def test_long_documents_equal_the_textbook_whether_they_forget_or_not(scale, strength):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(1500, n_tags(4))) * scale
    transitions = draw_transitions(rng, n_tags(4), strength)
    tags = crf_decode(scores, transitions)
    assert is_legal(tags)
    assert score(scores, transitions, tags.tolist()) == pytest.approx(plain_viterbi(scores, transitions))
    loss, d_scores, _ = negative_log_likelihood(scores, [len(scores)], transitions, tags)
    expected = plain_forward(scores, transitions) - score(scores, transitions, tags.tolist())
    assert loss == pytest.approx(expected, rel=1e-9, abs=1e-7)  # a difference of large sums
    wanted = crf_tag_probabilities(scores, transitions)
    wanted[np.arange(len(tags)), tags] -= 1.0
    np.testing.assert_allclose(d_scores, wanted, atol=1e-10)


def test_long_document_is_fast():
    """10,000 tokens × 51 tags: tens of ms on one idle core. The bounds leave room for a busy machine."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(10_000, n_tags(25))) * 2
    scores[:, 0] += 6  # most words are outside, as in notes
    transitions = draw_transitions(rng, n_tags(25), 1.0)

    def fastest(function):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return min(times)

    assert fastest(lambda: crf_decode(scores, transitions)) < 0.3
    assert fastest(lambda: crf_tag_probabilities(scores, transitions)) < 0.3


@pytest.mark.parametrize("n_steps", [0, 1, 2, 63, 1000])
def test_scan_equals_a_loop_where_nothing_is_forgotten(n_steps):
    rng = np.random.default_rng(0)
    steps = rng.integers(0, 100, size=(n_steps, 2)).astype(float)
    states = scan(n_steps, np.array([3.0, 4.0]), lambda before, at: before + steps[at])  # sums: exact
    np.testing.assert_array_equal(states, np.array([3.0, 4.0]) + np.cumsum(steps, axis=0))
