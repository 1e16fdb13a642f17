"""Areas under curves against scikit-learn and by pairs; calibration errors by hand and by a plain loop."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.training.class_tables import areas, average_areas, average_f, class_table
from spacy_bioclinical.training.details import describe_records
from spacy_bioclinical.training.predictions import Classes, DocumentPrediction
from spacy_bioclinical.training.probability_scores import (
    auroc,
    average_precision,
    bin_edges,
    bin_sums,
    calibration_error,
    calibration_report,
)

# (truth, score in tenths, so that ties are common, weight)
CASES = st.lists(st.tuples(st.booleans(), st.integers(0, 10), st.integers(0, 3)), min_size=1, max_size=25)


def class_records(truths, scores, *, exclusive=False, threshold=0.5, pieces=10):
    labels = [chr(ord("A") + k) for k in range(len(scores[0]))]
    return [
        DocumentPrediction(
            id=str(i),
            characters=5,
            tokens=1,
            pieces=pieces,
            seen_pieces=pieces,
            cats={
                "textcat": Classes(
                    exclusive,
                    threshold,
                    {label: float(v) for label, v in zip(labels, truth) if not np.isnan(v)},
                    dict(zip(labels, map(float, score))),
                )
            },
        )
        for i, (truth, score) in enumerate(zip(truths, scores))
    ]


@settings(max_examples=50, deadline=None)
@given(CASES)
def test_areas_equal_scikit_learn(cases):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, tenths, weights = (np.array(column) for column in zip(*cases))
    scores = tenths / 10
    for each in (np.ones(len(truth)), weights.astype(float)):
        n_positive, n_negative = each[truth].sum(), each[~truth].sum()
        area = auroc(truth, scores, each[None])[0]
        if n_positive and n_negative:
            assert area == pytest.approx(metrics.roc_auc_score(truth, scores, sample_weight=each))
        else:
            assert np.isnan(area)
        area = average_precision(truth, scores, each[None])[0]
        if n_positive:
            assert area == pytest.approx(metrics.average_precision_score(truth, scores, sample_weight=each))
        else:
            assert np.isnan(area)


@settings(max_examples=100, deadline=None)
@given(CASES)
def test_area_under_the_roc_is_the_share_of_pairs_in_order(cases):
    truth, scores, _ = (np.array(column) for column in zip(*cases))
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[truth] for n in scores[~truth]]
    area = auroc(truth, scores)[0]
    assert area == pytest.approx(np.mean(pairs)) if pairs else np.isnan(area)


def test_areas_of_nothing_are_not_defined():
    nothing = np.zeros(0)
    assert np.isnan(auroc(nothing, nothing, np.ones((3, 0)))).all()
    assert average_precision(nothing, nothing, np.ones((3, 0))).shape == (3,)


@pytest.mark.parametrize("seed", range(4))
def test_class_averages_equal_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    truths = rng.random((40, 3)) < [0.5, 0.3, 0.2]
    truths[0], truths[1] = True, False
    scores = np.round(rng.random((40, 3)), 1)
    details = describe_records(class_records(truths, scores), n_resamples=0)["classes"]["textcat"]
    for average in ("macro", "weighted"):
        assert details[f"{average}_auroc"] == pytest.approx(
            metrics.roc_auc_score(truths, scores, average=average)
        )
        expected = metrics.average_precision_score(truths, scores, average=average)
        assert details[f"{average}_auprc"] == pytest.approx(expected)
        expected = metrics.f1_score(truths, scores >= 0.5, average=average, zero_division=0)
        assert details[f"{average}_f"] == pytest.approx(expected)
    each = metrics.roc_auc_score(truths, scores, average=None)
    assert [row["auroc"] for row in details["per_label"].values()] == pytest.approx(list(each))


def test_exclusive_classes_are_scored_one_against_the_rest():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    truths = np.eye(3)[rng.integers(0, 3, size=30)]
    scores = rng.dirichlet(np.ones(3), size=30)
    table = class_table(class_records(truths, scores, exclusive=True), "textcat")
    expected = metrics.f1_score(truths.argmax(1), scores.argmax(1), average="weighted", zero_division=0)
    assert average_f(table.counts().sum(axis=0))[0] == pytest.approx(expected)
    support = truths.sum(axis=0)[None]
    expected = metrics.roc_auc_score(truths.argmax(1), scores, multi_class="ovr", average="macro")
    assert average_areas(areas(table)[0], support)[0, 0] == pytest.approx(expected)
    _, confidence, hit = table.confidences()
    assert confidence == pytest.approx(scores.max(axis=1))
    assert hit.tolist() == (scores.argmax(1) == truths.argmax(1)).tolist()


def test_unknown_labels_count_nowhere():
    truths = np.array([[1, np.nan], [0, 1], [np.nan, np.nan], [1, 0]])
    scores = np.array([[0.9, 0.9], [0.2, 0.7], [0.9, 0.9], [0.4, 0.1]])
    table = class_table(class_records(truths, scores), "textcat")
    assert table.counted.tolist() == [True, True, False, True]
    assert table.counts().sum(axis=0).tolist() == [[1, 0, 1], [1, 0, 0]]
    assert areas(table)[0, 0].tolist() == [1.0, 1.0]
    assert len(table.confidences()[0]) == 5
    assert class_table(class_records(truths[2:3], scores[2:3]), "textcat") is None


def test_each_label_has_its_own_threshold():
    truths, scores = np.array([[1, 1]]), np.array([[0.4, 0.4]])
    records = class_records(truths, scores, threshold={"A": 0.3, "B": 0.5})
    assert class_table(records, "textcat").predicted.tolist() == [[True, False]]


def test_calibration_error_by_hand():
    confidences = np.array([0.95, 0.95, 0.85, 0.25])
    hits = np.array([1, 0, 1, 0])
    report = calibration_report(confidences, hits)
    # bins of 1/15: (14/15, 1] holds two with accuracy 1/2, the others stand alone
    assert report["ece"] == pytest.approx((2 * 0.45 + 0.15 + 0.25) / 4)
    assert [row["n"] for row in report["bins"]] == [1, 1, 2]
    assert report["brier"] == pytest.approx(np.mean((confidences - hits) ** 2))
    assert report["bins"][-1] == pytest.approx(
        {"low": 14 / 15, "high": 1.0, "n": 2, "confidence": 0.95, "accuracy": 0.5}
    )
    assert calibration_report(np.zeros(0), np.zeros(0)) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=40), st.booleans())
def test_calibration_error_equals_a_plain_loop(cases, adaptive):
    confidences = np.array([c / 60 for c, _ in cases])
    hits = np.array([hit for _, hit in cases], dtype=float)
    edges = bin_edges(confidences, adaptive=adaptive)
    assert edges[0] == 0
    assert edges[-1] == 1
    assert (np.diff(edges) > 0).all()
    total = 0.0
    for k, (low, high) in enumerate(pairwise(edges)):
        inside = (confidences <= high) & ((confidences > low) | (k == 0))
        if inside.any():
            total += inside.sum() * abs(confidences[inside].mean() - hits[inside].mean())
    sums = bin_sums(confidences, hits, edges)
    assert sums[:, 0].sum() == len(cases)
    assert calibration_error(sums) == pytest.approx(total / len(cases))


def test_adaptive_bins_hold_equal_numbers():
    confidences = np.linspace(0.5, 1.0, 150)
    edges = bin_edges(confidences, adaptive=True)
    assert bin_sums(confidences, np.ones(150), edges)[:, 0].tolist() == [10] * 15
    assert bin_sums(np.full(9, 0.7), np.ones(9), bin_edges(np.full(9, 0.7), adaptive=True))[:, 0].sum() == 9
