"""Find the temperature that makes probabilities mean what they say (Guo et al. 2017, ICML).

"On Calibration of Modern Neural Networks": all logits are divided by one number, chosen so that the log loss on a
development set is least. What is decided (the most probable sequence or class) stays the same. Targets are drawn in a
little, by as much as n cases leave open (Platt 1999, "Probabilistic Outputs for Support Vector Machines"), so that a
few cases that all came true do not claim certainty.
"""

from collections.abc import Callable

import numpy as np

from spacy_bioclinical.models.thresholds import DECIMALS
from spacy_bioclinical.pipeline.calibrated import logistic, logit

LEAST, MOST = 0.05, 20.0  # temperatures that are tried
_N_GRID = 13
_WIDTH = 2e-3  # of the logarithm, where the search ends
_GOLDEN = (5**0.5 - 1) / 2
_TINY = 1e-12


def best_temperature(loss: Callable[[float], float]) -> float:
    """Find the temperature of least loss: a grid on its logarithm, then golden sections around the best point.

    loss (Callable[[float], float]): of a temperature.
    RETURNS (float): from LEAST to MOST, to about 1 part in 1,000; it is evaluated about 30 times.
    """
    grid = np.linspace(np.log(LEAST), np.log(MOST), _N_GRID)
    at = int(np.argmin([loss(float(np.exp(x))) for x in grid]))
    low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, _N_GRID - 1)])
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    of_left, of_right = loss(float(np.exp(left))), loss(float(np.exp(right)))
    while high - low > _WIDTH:
        if of_left <= of_right:
            high, right, of_right = right, left, of_left
            left = high - _GOLDEN * (high - low)
            of_left = loss(float(np.exp(left)))
        else:
            low, left, of_left = left, right, of_right
            right = low + _GOLDEN * (high - low)
            of_right = loss(float(np.exp(right)))
    return round(float(np.exp((low + high) / 2)), 4)


def log_loss(probabilities: np.ndarray, hits: np.ndarray) -> float:
    """Compute the mean log loss of yes-or-no cases.

    probabilities (np.ndarray): float (n,), in [0, 1].
    hits (np.ndarray): bool or 0/1 (n,), what came true.
    RETURNS (float): nats; targets are (n₁ + 1) / (n₁ + 2) for the n₁ hits and 1 / (n₀ + 2) for the n₀ others.
    """
    target = _targets(np.asarray(hits, dtype=bool))
    p = np.clip(probabilities, _TINY, 1 - _TINY)
    return float(-(target * np.log(p) + (1 - target) * np.log1p(-p)).mean())


def class_loss(logits: np.ndarray, truth: np.ndarray) -> float:
    """Compute the mean log loss of exclusive classes.

    logits (np.ndarray): float (n, classes).
    truth (np.ndarray): int (n,), the true class.
    RETURNS (float): nats; 1 / (n + 2) of each target is spread evenly over all classes.
    """
    spread = 1 / (len(logits) + 2)
    log_p = log_softmax(logits)
    return float(-((1 - spread) * log_p[np.arange(len(truth)), truth] + spread * log_p.mean(axis=1)).mean())


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """RETURNS (np.ndarray): log-probabilities by row, float64, same shape."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def best_line(probabilities: np.ndarray, hits: np.ndarray) -> list[float]:
    """Find the line on the scale of logits that makes confidences come true (Platt 1999), by Newton's method.

    probabilities (np.ndarray): float (n,), in [0, 1].
    hits (np.ndarray): bool (n,), what came true.
    RETURNS (list[float]): slope, above 0, and intercept, of least `log_loss`; [1, 0] if no rising line is better.
    """
    x = np.stack([logit(probabilities), np.ones(len(hits))], axis=1)
    target = _targets(np.asarray(hits, dtype=bool))
    line = np.array([1.0, 0.0])

    def loss(line: np.ndarray) -> float:
        z = x @ line
        return float((np.logaddexp(0, z) - target * z).mean())

    for _ in range(50):
        p = logistic(x @ line)
        gradient = x.T @ (p - target)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        while loss(line - size * step) > loss(line) and size > 1e-6:
            size /= 2
        line = line - size * step
        if np.abs(size * step).max() < 1e-8:
            break
    slope, intercept = (round(float(value), DECIMALS) for value in line)
    return [slope, intercept] if slope > 0 and loss(line) < loss(np.array([1.0, 0.0])) else [1.0, 0.0]


def _targets(hits: np.ndarray) -> np.ndarray:
    n_hits = int(hits.sum())
    return np.where(hits, (n_hits + 1) / (n_hits + 2), 1 / (len(hits) - n_hits + 2))


def moved_threshold(threshold: float, temperature: float) -> float:
    """RETURNS (float): what a threshold becomes if all logits are divided by a temperature."""
    if not 0 < threshold < 1:
        return threshold
    return round(float(logistic(logit(np.array(threshold)) / temperature)), DECIMALS)
