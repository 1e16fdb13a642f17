"""Class weights and label smoothing against torch's losses; balanced weights against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from spacy_bioclinical.models.class_loss import balanced_weights, class_loss

N, K = 6, 4
WEIGHTS = np.array([[0.5, 2.0], [1.5, 0.25], [1.0, 3.0], [2.0, 1.0]], dtype="f")


def draw(exclusive, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(N, K)).astype("f")
    truths = (
        np.eye(K, dtype="f")[rng.integers(K, size=N)]
        if exclusive
        else rng.integers(2, size=(N, K)).astype("f")
    )
    known = np.ones((N, K), dtype="f")
    known[2] = 0.0  # a document without annotation
    if not exclusive:
        known[3, 1] = 0.0
    p = torch.softmax(torch.tensor(logits), 1) if exclusive else torch.sigmoid(torch.tensor(logits))
    return logits, p.numpy(), truths, known


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_exclusive_loss_and_gradient_equal_torch(weights, smoothing):
    logits, p, truths, known = draw(True)
    loss, gradient = class_loss(p, truths, known, exclusive=True, weights=weights, smoothing=smoothing)
    z = torch.tensor(logits, requires_grad=True)
    expected = cross_entropy(
        z[known[:, 0] > 0],
        torch.tensor(truths.argmax(axis=1)[known[:, 0] > 0]),
        weight=None if weights is None else torch.tensor(weights[:, 1]),
        label_smoothing=smoothing,
        reduction="sum",
    ) / (N - 1)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(gradient, z.grad.numpy(), atol=1e-6)
    assert not gradient[2].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_independent_loss_and_gradient_equal_torch(weights, smoothing):
    logits, p, truths, known = draw(False)
    loss, gradient = class_loss(p, truths, known, exclusive=False, weights=weights, smoothing=smoothing)
    z = torch.tensor(logits, requires_grad=True)
    negative, positive = (np.ones(K, dtype="f"),) * 2 if weights is None else (weights[:, 0], weights[:, 1])
    target = torch.tensor((1 - smoothing) * truths + smoothing / 2)
    # v · BCE with pos_weight w / v, per label
    cells = binary_cross_entropy_with_logits(
        z, target, pos_weight=torch.tensor(positive / negative), reduction="none"
    )
    expected = (cells * torch.tensor(negative * known)).sum() / (N - 1)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(gradient, z.grad.numpy(), atol=1e-6)
    assert not gradient[2].any()
    assert not gradient[3, 1]


@pytest.mark.parametrize("exclusive", [True, False])
def test_loss_stays_finite_where_a_probability_has_underflowed(exclusive):
    p = np.array([[0.0, 1.0]], dtype="f")
    loss, gradient = class_loss(p, 1 - p, np.ones_like(p), exclusive=exclusive)
    assert 20 < loss < 60
    np.testing.assert_array_equal(gradient, [[-1.0, 1.0]])


def test_batch_without_any_known_document_has_no_gradient():
    p = np.full((2, 2), 0.5, dtype="f")
    loss, gradient = class_loss(p, np.ones_like(p), np.zeros_like(p), exclusive=False)
    assert loss == 0.0
    assert not gradient.any()


def test_balanced_weights_equal_scikit_learn_and_have_mean_1():
    drawn = np.random.default_rng(3).choice(3, size=40, p=[0.7, 0.2, 0.1])
    cats = [{label: float(i == label_index) for label_index, label in enumerate("ABC")} for i in drawn]
    found = balanced_weights([*cats, {}, {"A": 1.0, "B": 1.0}], "ABC", exclusive=True)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=drawn)
    np.testing.assert_allclose([found[label][1] for label in "ABC"], expected)
    assert np.mean([found["ABC"[i]][1] for i in drawn]) == pytest.approx(1.0)
    found = balanced_weights([*cats, {"B": 1.0}], "ABC", exclusive=False)
    for i, label in enumerate("ABC"):
        truth = (
            [*(drawn == i), True] if label == "B" else drawn == i
        )  # A and C are unknown in the last document
        np.testing.assert_allclose(
            found[label], compute_class_weight("balanced", classes=np.array([False, True]), y=np.array(truth))
        )


def test_label_that_never_occurs_weighs_1():
    assert balanced_weights([{"A": 1.0, "B": 0.0}], "AB", exclusive=True)["B"] == [1.0, 1.0]
    assert balanced_weights([{"A": 0.0}], "AB", exclusive=False) == {"A": [0.5, 1.0], "B": [1.0, 1.0]}
