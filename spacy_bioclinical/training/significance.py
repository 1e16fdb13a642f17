"""Is one pipeline better than another on the same documents? Paired bootstrap and approximate randomisation.

Both take whole documents. The bootstrap draws the same documents for both and gives an interval of the difference; its
p value is the share of resamples whose difference, moved to mean zero, is at least as large as the observed one
(Berg-Kirkpatrick et al. 2012). Randomisation exchanges the two outputs of each document with probability 1/2 (Noreen
1989; Yeh 2000): how often is the difference then as large? Both are two-sided, with one added to numerator and
denominator, so that no p value is 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.headlines import headline_statistics
from spacy_bioclinical.training.intervals import (
    CHUNK_CELLS,
    LEVEL,
    Statistic,
    percentile_interval,
    resample_weights,
)
from spacy_bioclinical.training.predictions import DocumentPrediction

DEFAULT_RESAMPLES = 2000
TINY = 1e-12  # differences of sums in another order


def compare_records(
    first: Sequence[DocumentPrediction],
    second: Sequence[DocumentPrediction],
    *,
    n_resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two pipelines on every headline figure that both have.

    first, second (Sequence[DocumentPrediction]): predictions on the same documents.
    n_resamples (int): resamples and exchanges, each.
    seed (int): of both.
    RETURNS (dict): "documents", "n_resamples", "seed", and "figures": name → "a", "b", "difference" (b − a),
        "interval" (of the difference, 95 %), "p_bootstrap", "p_randomisation". A figure that is not defined for one
        of them has None throughout.
    RAISES (ValueError): BC414 if the documents differ, BC415 if the gold mentions or classes do, BC416 if there is no
        figure in common.
    """
    second = paired(first, second)
    n = len(first)
    both = headline_statistics([*first, *second])
    shared = set(headline_statistics(first)) & set(headline_statistics(second))
    names = [name for name in both if name in shared]
    if not names:
        raise ValueError(Errors.BC416)
    figures = {name: compare_statistic(both[name], n, n_resamples=n_resamples, seed=seed) for name in names}
    return {"documents": n, "n_resamples": n_resamples, "seed": seed, "level": LEVEL, "figures": figures}


def compare_statistic(statistic: Statistic, n: int, *, n_resamples: int, seed: int) -> dict[str, Any]:
    """Compare the two halves of a set of documents on one figure.

    statistic (Callable): of weights (B, 2n); the first n documents are those of one pipeline, the others the same
        documents in the same order by the other one.
    n (int): documents of each.
    n_resamples, seed (int): see `compare_records`.
    RETURNS (dict): see `compare_records`.
    """
    ones, none = np.ones((1, n)), np.zeros((1, n))
    a = float(statistic(np.hstack([ones, none]))[0])
    b = float(statistic(np.hstack([none, ones]))[0])
    result: dict[str, Any] = {"a": _plain(a), "b": _plain(b), "difference": _plain(b - a)}
    if np.isnan(b - a):
        return {**result, "interval": [None, None], "p_bootstrap": None, "p_randomisation": None}
    resampled = []
    for weights in resample_weights(n, n_resamples, seed):
        empty = np.zeros_like(weights)
        values = [statistic(np.hstack(pair)) for pair in ((weights, empty), (empty, weights))]
        resampled.append(values[1] - values[0])
    drawn = np.concatenate(resampled)
    exchanged = np.concatenate(
        [
            statistic(np.hstack([swap, 1 - swap])) - statistic(np.hstack([1 - swap, swap]))
            for swap in exchanges(n, n_resamples, seed)
        ]
    )
    result["interval"] = percentile_interval(drawn)
    result["p_bootstrap"] = p_value(drawn - np.nanmean(drawn), b - a)
    result["p_randomisation"] = p_value(exchanged, b - a)
    return result


def exchanges(n: int, n_resamples: int, seed: int) -> Any:
    """Draw which documents exchange their outputs.

    YIELDS (float64 (b, n)): rows of zeros and ones.
    """
    rng = np.random.default_rng([seed, 1])  # other numbers than those of the bootstrap
    size = max(1, CHUNK_CELLS // n)
    for first in range(0, n_resamples, size):
        shape = (min(size, n_resamples - first), n)
        yield rng.integers(0, 2, size=shape).astype(np.float64)


def p_value(null: np.ndarray, observed: float) -> float:
    """RETURNS (float): share of differences under the null hypothesis at least as far from 0 as the observed one.

    null (float (B,)): NaN is left out. observed (float): a difference.
    """
    null = null[~np.isnan(null)]
    return float(((np.abs(null) >= abs(observed) - TINY).sum() + 1) / (len(null) + 1))


def paired(
    first: Sequence[DocumentPrediction], second: Sequence[DocumentPrediction]
) -> list[DocumentPrediction]:
    """Put the documents of the second file into the order of the first, and check that both judge the same.

    RETURNS (list[DocumentPrediction]): the second file's documents.
    RAISES (ValueError): BC414, BC415.
    """
    by_id: dict[str, list[DocumentPrediction]] = {}
    for record in reversed(second):
        by_id.setdefault(record.id, []).append(record)
    ordered = []
    for record in first:
        waiting = by_id.get(record.id)
        if not waiting:
            raise ValueError(Errors.BC414.format(id=record.id, n_first=len(first), n_second=len(second)))
        ordered.append(waiting.pop())
    if len(first) != len(second) or not first:
        rest = next((key for key, waiting in by_id.items() if waiting), "")
        raise ValueError(Errors.BC414.format(id=rest, n_first=len(first), n_second=len(second)))
    for one, other in zip(first, ordered):
        what = _gold_difference(one, other)
        if what:
            raise ValueError(Errors.BC415.format(id=one.id, what=what))
    return ordered


def _gold_difference(one: DocumentPrediction, other: DocumentPrediction) -> str:
    """Name what the two files do not agree on as true; "" if they do."""
    if one.characters != other.characters:
        return "length of the text"
    if one.entities and other.entities and _places(one.entities) != _places(other.entities):
        return "gold entities"
    for key in one.spans.keys() & other.spans.keys():
        if _places(one.spans[key]) != _places(other.spans[key]):
            return f"gold spans '{key}'"
    for name in one.cats.keys() & other.cats.keys():
        if one.cats[name].gold != other.cats[name].gold:
            return f"gold classes of '{name}'"
    return ""


def _places(mentions: Any) -> set[tuple[int, int, str]]:
    return {(each.start, each.end, each.label) for each in mentions.gold}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value
