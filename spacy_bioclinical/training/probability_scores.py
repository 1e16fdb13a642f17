"""How good probabilities are: the area under the ROC and the precision-recall curve, and the calibration error.

Areas take a weight for each case and many rows of weights at once, which makes them fit for the bootstrap. They equal
scikit-learn's `roc_auc_score` and `average_precision_score` (a test compares them).
"""

from typing import Any

import numpy as np

from spacy_bioclinical.pipeline.matching import divide

N_BINS = 15


def auroc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive case scores above a negative one, ties half.

    truth (bool (n,)): the positive cases.
    scores (float (n,)): any numbers, larger for positive.
    weights (float (B, n) | None): of the cases; None: one row of ones.
    RETURNS (float64 (B,)): NaN where there is no positive or no negative case.
    """
    positive, negative = _at_thresholds(truth, scores, weights)
    above = np.cumsum(positive, axis=1) - positive
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (negative * (above + 0.5 * positive)).sum(axis=1) / np.where(pairs > 0, pairs, np.nan)


def average_precision(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the precision-recall curve by steps: the sum of precision times the gain in recall.

    truth, scores, weights: see `auroc`.
    RETURNS (float64 (B,)): NaN where there is no positive case.
    """
    positive, negative = _at_thresholds(truth, scores, weights)
    hits, all_ = np.cumsum(positive, axis=1), np.cumsum(positive + negative, axis=1)
    n_positive = positive.sum(axis=1)
    area = (positive * divide(hits, all_)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return area / np.where(n_positive > 0, n_positive, np.nan)


def _at_thresholds(
    truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of positive and negative cases at each different score, from the largest down: two (B, K)."""
    truth, scores = np.asarray(truth, dtype=bool), np.asarray(scores, dtype=np.float64)
    weights = np.ones((1, len(scores))) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(scores):
        return np.zeros((len(weights), 1)), np.zeros((len(weights), 1))
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    first = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    sorted_weights, true = weights[:, order], truth[order]
    positive = np.add.reduceat(sorted_weights * true, first, axis=1)
    negative = np.add.reduceat(sorted_weights * ~true, first, axis=1)
    return positive, negative


def bin_edges(confidences: np.ndarray, n_bins: int = N_BINS, *, adaptive: bool = False) -> np.ndarray:
    """Choose the bins of a reliability table.

    confidences (float (n,)): in [0, 1].
    n_bins (int): most bins.
    adaptive (bool): bins of (nearly) equal numbers of cases, equal confidences never parted; else of equal width.
    RETURNS (float64 (n + 1,)): edges from 0 to 1, ascending. A bin is (low, high], the first [0, high].
    """
    if not adaptive or not len(confidences):
        return np.linspace(0, 1, n_bins + 1)
    ranked = np.sort(np.asarray(confidences, dtype=np.float64))
    last = np.ceil(np.arange(1, n_bins) * len(ranked) / n_bins).astype(int) - 1
    inner = np.unique(ranked[np.maximum(last, 0)])
    return np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])


def bin_sums(confidences: np.ndarray, hits: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Sum up cases by bin.

    confidences (float (n,)), hits (float (n,)): probability, and 1 where it came true.
    edges (float (K + 1,)): from `bin_edges`.
    RETURNS (float64 (K, 3)): number of cases, sum of confidences, sum of hits.
    """
    index = bin_index(confidences, edges)
    values = np.stack([np.ones(len(index)), confidences, hits], axis=1)
    table = np.zeros((len(edges) - 1, 3))
    np.add.at(table, index, values)
    return table


def bin_index(confidences: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """RETURNS (int64 (n,)): the bin of each confidence."""
    index = np.searchsorted(edges, np.asarray(confidences, dtype=np.float64), side="left") - 1
    return np.clip(index, 0, len(edges) - 2)


def calibration_error(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017, equation 3).

    sums (float (…, K, 3)): from `bin_sums`.
    RETURNS (float64 (…)): mean gap between confidence and share of hits, weighted by cases; NaN without any.
    """
    gaps = np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1)
    n_cases = sums[..., 0].sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return gaps / np.where(n_cases > 0, n_cases, np.nan)


def calibration_report(confidences: np.ndarray, hits: np.ndarray) -> dict[str, Any] | None:
    """Say how well confidences hold: ECE, Brier score, reliability tables.

    confidences (float (n,)): in [0, 1].
    hits (float (n,)): 1 where it came true, else 0.
    RETURNS (dict | None): "n", "confidence" and "accuracy" (means), "brier", "ece" (15 bins of equal width),
        "ece_adaptive" (bins of equal numbers), "bins" and "bins_adaptive": for each bin that is not empty "low",
        "high", "n", "confidence", "accuracy". None without any case.
    """
    confidences, hits = np.asarray(confidences, dtype=np.float64), np.asarray(hits, dtype=np.float64)
    if not len(confidences):
        return None
    report: dict[str, Any] = {
        "n": len(confidences),
        "confidence": float(confidences.mean()),
        "accuracy": float(hits.mean()),
        "brier": float(((confidences - hits) ** 2).mean()),
    }
    for ending, adaptive in (("", False), ("_adaptive", True)):
        edges = bin_edges(confidences, adaptive=adaptive)
        sums = bin_sums(confidences, hits, edges)
        report[f"ece{ending}"] = float(calibration_error(sums))
        report[f"bins{ending}"] = [
            {
                "low": float(edges[k]),
                "high": float(edges[k + 1]),
                "n": int(n),
                "confidence": float(total / n),
                "accuracy": float(n_hits / n),
            }
            for k, (n, total, n_hits) in enumerate(sums.tolist())
            if n
        ]
    return report
