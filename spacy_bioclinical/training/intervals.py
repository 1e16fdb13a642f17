"""Confidence intervals: Wilson's for a share, the bootstrap over documents for everything else.

Documents, not mentions, are drawn again: mentions of one note resemble each other, and drawing them one by one would
make the intervals too narrow. A resample is a row of weights (how often each document was drawn); a score is a function
of weights, so that all resamples are computed at once from sums kept for each document.
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]  # weights (B, n_documents) → values (B, …)
LEVEL = 0.95
CHUNK_CELLS = 2_000_000  # weights held at once


def resample_weights(n_documents: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Draw documents with replacement, as often as there are documents.

    n_documents (int): at least 1.
    n_resamples (int): rows in all.
    seed (int): the same numbers give the same rows, however they are chunked.
    YIELDS (float64 (b, n_documents)): rows of counts that sum to n_documents.
    """
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK_CELLS // n_documents)
    for first in range(0, n_resamples, size):
        n_rows = min(size, n_resamples - first)
        drawn = rng.integers(0, n_documents, size=(n_rows, n_documents))
        drawn += np.arange(n_rows)[:, None] * n_documents
        counts = np.bincount(drawn.ravel(), minlength=n_rows * n_documents)
        yield counts.reshape(n_rows, n_documents).astype(np.float64)


def bootstrap(statistic: Statistic, n_documents: int, n_resamples: int, seed: int) -> np.ndarray:
    """Compute a statistic on resampled documents.

    RETURNS (float64 (n_resamples, …)): its values; the same documents are drawn for each statistic of one seed.
    """
    return np.concatenate([statistic(w) for w in resample_weights(n_documents, n_resamples, seed)])


def percentile_interval(values: np.ndarray, level: float = LEVEL) -> Any:
    """Cut off equal parts on both sides of the resampled values (Efron's percentile interval).

    values (float64 (B, …)): from `bootstrap`; NaN (the score was not defined in that resample) is left out.
    level (float): in (0, 1).
    RETURNS (list): [low, high] for each value of the statistic, nested as it is; None for NaN.
    """
    tail = 100 * (1 - level) / 2
    flat = values.reshape(len(values), -1)
    bounds = [
        [None, None] if np.isnan(column).all() else np.nanpercentile(column, [tail, 100 - tail]).tolist()
        for column in flat.T
    ]
    return np.array(bounds, dtype=object).reshape(*values.shape[1:], 2).tolist()


def wilson_interval(n_hits: float, n_all: float, level: float = LEVEL) -> list[float | None]:
    """Wilson's score interval of a share (Wilson 1927, without continuity correction).

    n_hits, n_all (float): counts; 0 <= n_hits <= n_all.
    level (float): in (0, 1).
    RETURNS (list): [low, high] within [0, 1], [None, None] without any case.
    """
    if n_all <= 0:
        return [None, None]
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, scale = n_hits / n_all, 1 + z * z / n_all
    middle = (share + z * z / (2 * n_all)) / scale
    half = z * math.sqrt(share * (1 - share) / n_all + z * z / (4 * n_all * n_all)) / scale
    low = 0.0 if n_hits == 0 else middle - half
    high = 1.0 if n_hits == n_all else middle + half
    return [max(low, 0.0), min(high, 1.0)]
