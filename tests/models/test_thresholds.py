"""Tuned thresholds against trying every threshold there is, and against documents that were not seen."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from spacy_bioclinical.models.thresholds import tune_thresholds

SCORES = st.one_of(
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1, width=32, allow_subnormal=False)
)
COLUMN = st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), SCORES), min_size=1, max_size=12)


def f_at(truth, score, threshold):
    known = ~np.isnan(truth)
    assigned, true = score[known] >= threshold, truth[known] > 0.5
    return 2.0 * (assigned & true).sum() / max(assigned.sum() + true.sum(), 1)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(COLUMN, st.sampled_from([0.5, 0.2]))
def test_no_threshold_is_better(column, default):
    truth, score = np.array(column).T
    (found,) = tune_thresholds(truth[:, None], score[:, None], default=default, resamples=0)
    all_of_them = [default, 0.0, *score.tolist(), *np.nextafter(score, 2.0).tolist()]
    best = max(f_at(truth, score, threshold) for threshold in all_of_them)
    assert 0.0 <= found.threshold <= 1.0
    assert found.f == f_at(truth, score, found.threshold) == best
    assert found.n_true == np.nansum(truth)
    if f_at(truth, score, default) == best:
        assert found.threshold == default, "nothing speaks for another one"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(COLUMN, st.sampled_from([0, 7]))
def test_order_of_documents_does_not_matter(column, resamples):
    truth, score = np.array(column).T
    (there,) = tune_thresholds(truth[:, None], score[:, None], resamples=resamples)
    (back,) = tune_thresholds(truth[::-1, None], score[::-1, None], resamples=resamples)
    assert there == back


def test_labels_are_tuned_one_by_one_and_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truths = (rng.random((200, 3)) < [0.5, 0.1, 0.02]).astype(float)
    scores = 1 / (1 + np.exp(-(2 * truths - 2 + rng.normal(size=truths.shape))))
    tuned = tune_thresholds(truths, scores, resamples=0)
    for i, found in enumerate(tuned):
        assert found.f == pytest.approx(f1_score(truths[:, i], scores[:, i] >= found.threshold))
        assert found.f >= f1_score(truths[:, i], scores[:, i] >= 0.5)
    assert tuned[2].threshold < 0.5, "a rare label"


def test_threshold_lies_in_the_middle_and_ties_go_to_the_default_then_up():
    def tuned(*pairs, **settings):
        truth, score = np.array(pairs).T
        return tune_thresholds(truth[:, None], score[:, None], resamples=0, **settings)[0].threshold

    assert tuned((0, 0.1), (1, 0.3)) == pytest.approx(0.2)
    assert tuned((0, 0.1), (1, 0.9)) == 0.5
    assert tuned((1, 0.9)) == 0.5
    assert tuned((0, 0.9), (0, 0.1)) == 0.5, "never true"
    assert tuned((0, 0.9), (0, 0.1), default=[0.3]) == 0.3
    # F1 is 2/3 up to 0.2 (middle 0.1) and above 0.8 (middle 0.9), both as far from 0.5
    assert tuned((1, 1.0), (0, 0.8), (0, 0.6), (1, 0.2)) == pytest.approx(0.9)


def best_by_trying(truth, score, places, default):
    """The middle of every gap between places, tried; of equals the nearest to the default, then the higher."""
    tried = []
    for below, value in pairwise([0.0, *places]):
        middle = (below + value) / 2
        threshold = default if below < default <= value else middle if below < middle else value
        tried.append((f_at(truth, score, threshold), -abs(threshold - default), threshold))
    return max(tried)[2] if (truth > 0.5).any() else default


@settings(max_examples=100, deadline=None, derandomize=True)
@given(COLUMN, st.sampled_from([0.5, 0.2]))
def test_mean_of_the_best_thresholds_of_resamples(column, default):
    truth, score = np.array(column).T
    (found,) = tune_thresholds(truth[:, None], score[:, None], default=default, resamples=5)
    assert found.f == f_at(truth, score, found.threshold)
    known = ~np.isnan(truth)
    if not (truth[known] > 0.5).any():
        assert found == (default, 0.0, 0)
        return
    order = np.lexsort((truth[known], score[known]))
    truth, score = truth[known][order], score[known][order]
    rng, n, odds = np.random.default_rng(0), len(score), []
    for _ in range(5):
        drawn = np.repeat(np.arange(n), rng.multinomial(n, np.full(n, 1 / n)))
        best = np.clip(best_by_trying(truth[drawn], score[drawn], np.unique(score), default), 1e-9, 1 - 1e-9)
        odds.append(np.log(best / (1 - best)))
    assert found.threshold == pytest.approx(1 / (1 + np.exp(-np.mean(odds))), rel=1e-6)


def test_averaged_thresholds_do_better_on_documents_that_were_not_seen():
    """Few documents to choose on, many to judge: 200 draws of a rare label and a common one."""
    rng = np.random.default_rng(1)

    def sample(n):
        truths = (rng.random((n, 2)) < [0.3, 0.06]).astype(float)
        return truths, 1 / (1 + np.exp(-(2.5 * truths - 2 + rng.normal(size=truths.shape))))

    truths, scores = sample(20_000)
    won = []
    for _ in range(200):
        few = sample(80)
        judged = []
        for resamples in (0, 50):
            tuned = tune_thresholds(*few, resamples=resamples)
            judged.append(np.mean([f_at(truths[:, k], scores[:, k], tuned[k].threshold) for k in range(2)]))
        won.append(judged[1] - judged[0])
    mean, error = np.mean(won), np.std(won) / np.sqrt(len(won))
    assert mean > 3 * error > 0
