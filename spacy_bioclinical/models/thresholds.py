"""Choose for each label the score from which on it is assigned, so that F1 on documents to come is largest.

F1 on a development set changes only where a threshold passes a score, so all its values are found from the sorted
scores, O(n log n) for a label (Lipton et al. 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure", ECML
PKDD, on why 0.5 is too high for rare labels). Maximising each label's F1 maximises macro F1, micro F1 not quite.

The best threshold of some hundred documents is much a matter of chance, and can be worse than none on others. So it is
found on many resamples of them, and averaged (bagging; Breiman 1996, Machine Learning 24, 123-140), in log odds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DEFAULT_THRESHOLD = 0.5
DECIMALS = 10  # as many as spaCy keeps of a component's settings
RESAMPLES = 50
SEED = 0
EDGE = 1e-9  # thresholds this close to 0 and 1 are averaged as if they were no closer


class TunedThreshold(NamedTuple):
    """A threshold; what it gives on the scores it was chosen on, in [0, 1]; how often the label was true there."""

    threshold: float
    f: float
    n_true: int


def tune_thresholds(
    truths: np.ndarray,
    scores: np.ndarray,
    *,
    default: float | Sequence[float] = DEFAULT_THRESHOLD,
    resamples: int = RESAMPLES,
) -> list[TunedThreshold]:
    """Find a threshold of large F1 for each label. A label is assigned where its score is >= its threshold.

    On one set of documents, between two neighbouring scores every threshold does the same; the middle is taken, or the
    default where it lies between them. Among gaps of equal F1 the one whose threshold is nearest to the default wins,
    then the higher; without a true case it is the default. The result depends on nothing but the scores, not on the
    order of documents either. A label that is never true keeps the default.

    truths (np.ndarray): 1 where a label is true, 0 where not, nan where that is unknown, (documents, labels).
    scores (np.ndarray): in [0, 1], (documents, labels).
    default (float | Sequence[float]): where nothing speaks for another threshold; one for all labels or one for each.
    resamples (int): bootstrap resamples of the documents whose best thresholds are averaged. 0: the best threshold of
        these very documents.
    RETURNS (List[TunedThreshold]): one for each label.
    """
    truths, scores = np.asarray(truths, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    defaults = np.broadcast_to(np.asarray(default, dtype=np.float64), truths.shape[1])
    tuned = []
    for column, score, start in zip(truths.T, scores.T, defaults.tolist()):
        known = ~np.isnan(column)
        tuned.append(_tune_one(column[known] > 0.5, score[known], start, resamples))
    return tuned


def _tune_one(truth: np.ndarray, score: np.ndarray, default: float, resamples: int) -> TunedThreshold:
    n_true = int(truth.sum())
    if not n_true:
        return TunedThreshold(default, 0.0, 0)
    order = np.lexsort((truth, score))
    truth, score = truth[order], score[order]
    if resamples:
        rng, n = np.random.default_rng(SEED), len(score)
        draws = (rng.multinomial(n, np.full(n, 1 / n)) for _ in range(resamples))
        best = np.array([_best_threshold(truth, score, draw, default) for draw in draws])
        threshold = default if (best == default).all() else _mean_in_log_odds(best)
    else:
        threshold = _best_threshold(truth, score, np.ones(len(score)), default)
    assigned = score >= threshold
    f = 2.0 * (assigned & truth).sum() / (assigned.sum() + n_true)
    return TunedThreshold(threshold, float(f), n_true)


def _best_threshold(truth: np.ndarray, score: np.ndarray, times: np.ndarray, default: float) -> float:
    """RETURNS (float): the threshold of largest F1 where each case, sorted by score, comes so many times."""
    n_true = (truth * times).sum()
    if not n_true:
        return default
    values, index = np.unique(score, return_inverse=True)
    n_true_at = np.bincount(index, weights=truth * times)[::-1]
    n_at = np.bincount(index, weights=times)[::-1]
    true_positives, n_assigned = np.cumsum(n_true_at), np.cumsum(n_at)  # from the highest score down
    f = (2.0 * true_positives / (n_assigned + n_true))[::-1]  # of a threshold in (below[i], values[i]]
    below = np.concatenate(([0.0], values[:-1]))
    middle = (below + values) / 2
    middle = np.where(
        (middle > below) & (middle <= values), middle, values
    )  # neighbouring floats have no middle
    middle = np.where((below < default) & (default <= values), default, middle)
    best = np.flatnonzero(f == f.max())  # equal fractions are equal floats: division rounds correctly
    distance = np.abs(middle[best] - default)
    nearest = best[distance == distance.min()]
    return float(middle[nearest[-1]])  # ascending: the last is the higher


def _mean_in_log_odds(thresholds: np.ndarray) -> float:
    inside = np.clip(thresholds, EDGE, 1 - EDGE)
    return float(1 / (1 + np.exp(-np.log(inside / (1 - inside)).mean())))
