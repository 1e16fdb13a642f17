"""The promise of recall: bounds against enumeration and scipy, and the promise kept on simulated clustered corpora."""

import builtins
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.training.conformal import (
    LEAST_THRESHOLD,
    NoPromiseError,
    check_splits,
    choose_threshold,
    design_effect,
    largest_effect,
    mention_scores,
    miss_bound,
    risk_control,
)
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention, Mentions


def exact_bound(missed, n, m, alpha):
    """Share of m to come: the largest total of misses with P(at most `missed` of them on dev) > alpha."""
    possible = [
        total
        for total in range(missed, missed + m + 1)
        if sum(comb(total, j) * comb(n + m - total, n - j) for j in range(missed + 1))
        > Fraction(alpha) * comb(n + m, n)
    ]
    return (max(possible) - missed) / m


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_bound_equals_enumeration_of_the_hypergeometric_tail(data):
    n = data.draw(st.integers(1, 25))
    m = data.draw(st.integers(1, 25))
    missed = data.draw(st.integers(0, n))
    alpha = data.draw(st.sampled_from([0.0503, 0.1009, 0.3001]))  # no tail of these sizes equals one
    assert miss_bound(missed, n, m, 1 - alpha) == pytest.approx(exact_bound(missed, n, m, alpha))


@pytest.mark.parametrize(("missed", "n"), [(0, 300), (3, 500), (17, 400), (399, 400), (400, 400)])
def test_bound_for_infinitely_many_is_that_of_clopper_and_pearson(missed, n):
    from scipy.stats import binomtest

    one_sided = binomtest(missed, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert miss_bound(missed, n, None, 0.95) == pytest.approx(one_sided)
    assert miss_bound(missed, n, 300_000, 0.95) == pytest.approx(one_sided, abs=2e-3)


def test_bound_grows_with_misses_and_design_effect_and_falls_with_n():
    for to_come in (None, 40, 5000):
        by_misses = [miss_bound(k, 200, to_come, 0.95) for k in range(0, 201, 5)]
        assert by_misses == sorted(by_misses)
        by_effect = [miss_bound(6, 400, to_come, 0.95, effect) for effect in (1, 1.5, 3, 10, 100)]
        assert by_effect == sorted(by_effect)
        by_size = [miss_bound(n // 100, n, to_come, 0.95) for n in (100, 200, 400, 800)]
        assert by_size == sorted(by_size, reverse=True)
        by_confidence = [miss_bound(4, 300, to_come, confidence) for confidence in (0.5, 0.9, 0.99)]
        assert by_confidence == sorted(by_confidence)
        assert by_confidence[0] < by_confidence[-1]
    assert miss_bound(0, 10, None, 0.95, effect=11.0) == 1.0


def test_threshold_is_the_highest_that_passes():
    """Brute force over all thresholds: the chosen one passes, the next higher score does not."""
    draw = np.random.default_rng(1)
    scores, documents = draw.beta(8, 0.4, size=600), draw.integers(60, size=600)
    for to_come in (None, 500):
        promise = choose_threshold(scores, documents, target=0.95, confidence=0.9, to_come=to_come)
        effect = largest_effect(scores, documents)

        def passes(threshold, to_come=to_come, effect=effect):
            missed = int((scores < threshold).sum())
            return miss_bound(missed, len(scores), to_come, 0.9, effect) <= 0.05

        higher = np.sort(scores[scores > promise.threshold])
        assert passes(promise.threshold)
        assert not passes(higher[0])
        assert all(passes(t) == (t <= promise.threshold) for t in np.unique(scores)[::20])
        assert promise.recall == (scores >= promise.threshold).mean() >= 0.95
        assert (promise.n, promise.n_documents, promise.to_come) == (600, 60, to_come)
    assert choose_threshold(scores, documents, target=0.95).to_dict()["target"] == 0.95


def test_threshold_falls_as_more_is_asked_for():
    draw = np.random.default_rng(2)
    scores, documents = draw.beta(9, 0.3, size=900), np.repeat(np.arange(90), 10)
    by_target = [choose_threshold(scores, documents, target=t).threshold for t in (0.7, 0.9, 0.95, 0.98)]
    by_confidence = [
        choose_threshold(scores, documents, target=0.95, confidence=c).threshold for c in (0.5, 0.9, 0.99)
    ]
    for thresholds in (by_target, by_confidence):
        assert thresholds == sorted(thresholds, reverse=True)
        assert thresholds[0] > thresholds[-1]


@pytest.mark.parametrize(
    "scores", [np.zeros(0), np.ones(20), np.r_[np.zeros(50), np.ones(950)], np.full(500, 5e-5)]
)
def test_what_cannot_be_promised_is_refused(scores):
    """Nothing; too few; too many that cannot be covered at all; all below what is kept."""
    with pytest.raises(NoPromiseError, match="BC460"):
        choose_threshold(scores, np.arange(len(scores)), target=0.99)


@pytest.mark.parametrize("given_settings", [{"target": 1.0}, {"target": 0.0}, {"confidence": 1.0}])
def test_settings_out_of_range_are_refused(given_settings):
    with pytest.raises(ValueError, match="BC461"):
        choose_threshold(np.ones(9), np.arange(9), **given_settings)


def test_promise_without_scipy_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "scipy":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="BC465"):
        miss_bound(0, 100, None, 0.95)


def test_design_effect_is_one_for_independent_and_the_size_for_equal_mentions():
    draw = np.random.default_rng(3)
    documents = np.repeat(np.arange(2000), 5)
    independent = design_effect(draw.random(10_000) < 0.1, documents)
    assert 1.0 <= independent < 1.1
    all_alike = design_effect(np.repeat(draw.random(2000) < 0.1, 5), documents)
    assert all_alike == pytest.approx(5.0, rel=0.05)
    assert design_effect(np.zeros(10, dtype=bool), np.arange(10)) == 1.0
    assert design_effect(np.ones(10, dtype=bool), np.zeros(10)) == 1.0


def clustered(draw, n_documents):
    """Documents of 1 to 30 mentions whose quality varies by document: the hard ones have most of the misses."""
    sizes = draw.integers(1, 31, size=n_documents)
    level = np.repeat(draw.normal(6.0, 1.5, size=n_documents), sizes)
    logits = level + draw.normal(0, 2.0, size=sizes.sum())
    return 1 / (1 + np.exp(-logits)), np.repeat(np.arange(n_documents), sizes)


@pytest.mark.parametrize(("target", "n_documents"), [(0.97, 240), (0.9, 120)])
def test_promise_holds_in_new_corpora_of_alike_documents(target, n_documents):
    """200 times: choose on one half of a new corpus, look at the other. A test on mentions alone would fail here."""
    draw = np.random.default_rng(4)
    held = naive_held = 0
    n_runs, promised = 200, 0
    for _ in range(n_runs):
        scores, documents = clustered(draw, n_documents)
        dev = documents < n_documents // 2
        try:
            promise = choose_threshold(scores[dev], documents[dev], target=target, to_come=int((~dev).sum()))
        except NoPromiseError:
            continue
        promised += 1
        held += (scores[~dev] >= promise.threshold).mean() >= target
        if promised > 60:
            continue
        alone = choose_threshold(scores[dev], np.arange(dev.sum()), target=target, to_come=int((~dev).sum()))
        naive_held += (scores[~dev] >= alone.threshold).mean() >= target
    assert promised >= 0.9 * n_runs
    assert held >= 0.95 * promised
    assert naive_held < 0.9 * 60  # so the design effect matters in this simulation


def test_promise_holds_in_splits_of_one_file():
    scores, documents = clustered(np.random.default_rng(5), 400)
    check = check_splits(scores, documents, n_splits=200, target=0.97, seed=0)
    assert check["promised"] == 200
    assert check["share"] >= 0.95
    few = [check_splits(scores, documents, n_splits=5, target=0.97, seed=seed) for seed in (3, 3, 4)]
    assert few[0] == few[1] != few[2]
    assert check["recall"][0] <= check["recall"][1] <= check["recall"][2]
    assert (check["mentions"], check["documents"]) == (len(scores), 400)


def test_splits_without_a_promise_are_told():
    check = check_splits(np.ones(30), np.arange(30), n_splits=5, target=0.99)
    assert (check["promised"], check["share"], check["recall"]) == (0, None, None)


def test_risk_control_keeps_the_mean_loss_of_documents():
    draw = np.random.default_rng(6)
    losses = []
    for _ in range(200):
        scores, documents = clustered(draw, 200)
        dev = documents < 100
        chosen = risk_control(scores[dev], documents[dev], target=0.95)
        assert chosen is not None
        assert chosen >= LEAST_THRESHOLD
        counts = np.bincount(documents[~dev] - 100)
        losses.append((np.bincount(documents[~dev] - 100, weights=scores[~dev] < chosen) / counts).mean())
    assert np.mean(losses) <= 0.05
    assert risk_control(np.zeros(0), np.zeros(0)) is None
    assert risk_control(np.ones(9), np.arange(9), target=0.99) is None


def record(gold, found, tokens):
    entities = Mentions(*(tuple(Mention(a, b, "NAME") for a, b in side) for side in (gold, found)))
    return DocumentPrediction("#0", 100, 20, 20, 20, entities=entities, token_scores=tokens)


@pytest.mark.parametrize(
    ("gold", "found", "tokens", "score"),
    [
        ((10, 20), [], ((10, 14, 0.3), (15, 20, 0.8)), 0.3),  # the least token, a space between
        ((10, 20), [], ((10, 20, 0.7), (21, 25, 0.1)), 0.7),  # what lies beside does not count
        ((10, 20), [], ((10, 14, 0.3), (16, 20, 0.8)), 0.0),  # two characters between
        ((10, 20), [], ((11, 20, 0.9),), 0.0),  # its first character is missing
        ((10, 20), [], ((10, 19, 0.9),), 0.0),  # its last character is missing
        ((10, 20), [], (), 0.0),
        ((10, 20), [(8, 22)], ((10, 14, 0.2), (15, 20, 0.3)), 1.0),  # found anyway
        ((10, 20), [(10, 14)], ((10, 14, 0.2), (15, 20, 0.3)), 0.3),  # half of it found
        ((10, 20), [], ((8, 22, 0.4),), 0.4),  # one token around it
    ],
)
def test_coverage_of_a_mention_in_a_prediction_file(gold, found, tokens, score):
    scores, documents = mention_scores([record([], [], ()), record([gold], found, tokens)])
    assert (scores.tolist(), documents.tolist()) == ([score], [1])


def test_found_entities_of_a_pipeline_with_a_target_are_not_trusted():
    records = [record([(10, 20)], [(10, 20)], ((10, 20, 0.2),))]
    assert mention_scores(records)[0].tolist() == [1.0]
    assert mention_scores(records, trust_found=False)[0].tolist() == [0.2]


def test_prediction_file_without_scores_is_refused():
    with pytest.raises(ValueError, match="BC466"):
        mention_scores([record([(10, 20)], [], None)])
