"""Choose a threshold on dev so that recall on documents to come is at least a target, with stated confidence.

For de-identification: a gold mention is covered at a threshold t if each of its tokens has a probability of at least t
to be part of some entity; so its score is the least of them, and a lower t only ever covers more.

How many misses on dev can be allowed? If dev's n mentions and the m to come are drawn alike, the misses of dev are
hypergeometric given those of both together; the largest total that is not improbable (below 1 - confidence) bounds the
misses to come: a prediction bound, exact for mentions drawn independently. With m = None (infinitely many) it is the
bound of Clopper and Pearson (1934). More misses allow less, so the thresholds that pass are those up to one; taking
the last is testing in a fixed sequence (Angelopoulos et al. 2021, "Learn then Test", arXiv 2110.01052), which costs
nothing for choosing among many. Mentions of one document are alike, so n and m are divided by the design effect (Kish
1965): the variance of the misses summed by document over that of independent mentions. Where few are missed it cannot
be measured, so the largest of several thresholds is taken, those at which 2 % to 50 % are missed; and as a variance
from d documents is itself uncertain, its upper 95 % limit, 1 + 1.64 · sqrt(2 / (d - 1)) times as much.

`risk_control` is the weaker promise in expectation (Angelopoulos et al. 2024, "Conformal Risk Control", arXiv
2208.02814), on the mean over documents of the share of their mentions that is missed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.predictions import DocumentPrediction

LEAST_THRESHOLD = 1e-4  # token probabilities below this are not kept
GAP = 1  # characters between two tokens
_UPPER = 1.64  # standard errors of the design effect
_MARGIN = 1e-4  # a threshold is lowered by this share: other batches and rounding move probabilities by less


class NoPromiseError(ValueError):
    """No threshold promises the recall that was asked for."""


@dataclass(frozen=True)
class RecallPromise:
    """A threshold and what it promises.

    threshold (float): tokens of at least this probability are taken as part of an entity. target, confidence (float):
    recall to come is at least `target`, in a share `confidence` of such choices. n (int): gold mentions it rests on, of
    n_documents. recall (float): on dev. design_effect (float): by which the mentions count less. to_come (int | None):
    mentions that the promise is about; None: infinitely many.
    """

    threshold: float
    target: float
    confidence: float
    n: int
    n_documents: int
    recall: float
    design_effect: float
    to_come: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data, as `bioclinical_ner` keeps it."""
        return asdict(self)


def choose_threshold(
    scores: np.ndarray,
    documents: np.ndarray,
    *,
    target: float = 0.99,
    confidence: float = 0.95,
    to_come: int | None = None,
) -> RecallPromise:
    """Choose the highest threshold that promises the recall.

    scores (np.ndarray): float (n,), for each gold mention the least probability among its tokens; 0 for one that
        cannot be covered at any threshold.
    documents (np.ndarray): int (n,), the document of each.
    to_come (int | None): gold mentions to come; the fewer, the more their recall varies by chance.
    RAISES: NoPromiseError (a ValueError, BC460) if none passes: too few mentions, or too many that the model does not
        see at all; ValueError, BC461 for settings out of range.
    """
    for what, value in (("target", target), ("confidence", confidence)):
        if not 0.0 < value < 1.0:
            raise ValueError(Errors.BC461.format(what=what, value=value))
    scores, documents = np.asarray(scores, dtype=np.float64), np.asarray(documents)
    n = len(scores)
    n_documents = len(np.unique(documents))
    effect = largest_effect(scores, documents)
    allowed = _most_misses(n, to_come, target, confidence, effect)
    ordered = np.sort(scores)
    threshold = float(ordered[min(allowed, n - 1)]) if allowed >= 0 else 0.0
    if threshold < LEAST_THRESHOLD:
        found = float((scores >= LEAST_THRESHOLD).mean()) if n else 0.0
        told = {"target": target, "confidence": confidence, "n": n, "n_documents": n_documents}
        raise NoPromiseError(Errors.BC460.format(found=found, **told))
    recall = float((scores >= threshold).mean())
    return RecallPromise(threshold, target, confidence, n, n_documents, recall, effect, to_come)


def lowered(promise: RecallPromise) -> RecallPromise:
    """RETURNS (RecallPromise): with a threshold that holds also after rounding, and in batches of other sizes."""
    return replace(promise, threshold=float(np.floor(promise.threshold * (1 - _MARGIN) * 1e9) / 1e9))


def _most_misses(n: int, to_come: int | None, target: float, confidence: float, effect: float) -> int:
    """Return the most misses among n that still promise the target; -1 if not even none does."""
    low, high = -1, n
    allowed = 1.0 - target
    guess = min(n, int(allowed * n) + 1)  # rarely more than the target's own share
    if miss_bound(guess, n, to_come, confidence, effect) > allowed:
        high = guess - 1
    while low < high:
        missed = (low + high + 1) // 2
        if miss_bound(missed, n, to_come, confidence, effect) <= allowed:
            low = missed
        else:
            high = missed - 1
    return low


def largest_effect(scores: np.ndarray, documents: np.ndarray) -> float:
    """Return the largest design effect at the thresholds below which 2, 5, 10, 20, 35 and 50 % of the scores lie.

    RETURNS (float): its upper 95 % limit, see the head of this file; the number of scores if all are of one document.
    """
    n_documents = len(np.unique(documents))
    if n_documents < 2:
        return float(max(1, len(scores)))
    limit = 1 + _UPPER * np.sqrt(2 / (n_documents - 1))
    levels = np.quantile(scores, (0.02, 0.05, 0.1, 0.2, 0.35, 0.5))
    return float(limit) * max(design_effect(scores < level, documents) for level in levels)


def design_effect(missed: np.ndarray, documents: np.ndarray) -> float:
    """Say how many times fewer independent mentions would tell as much; at least 1.

    missed (np.ndarray): bool (n,). documents (np.ndarray): int (n,).
    RETURNS (float): with share p missed, sum over documents of (misses - p · mentions)², over n p (1 - p), times
        d / (d - 1) for d documents; 1 where nothing or everything is missed.
    """
    n, p = len(missed), float(missed.mean()) if len(missed) else 0.0
    _, place = np.unique(documents, return_inverse=True)
    d = int(place.max()) + 1 if n else 0
    if d < 2 or p in (0.0, 1.0):
        return 1.0
    sums = np.bincount(place, weights=missed - p)
    return max(1.0, float((sums**2).sum()) * d / (d - 1) / (n * p * (1.0 - p)))


def miss_bound(missed: int, n: int, to_come: int | None, confidence: float, effect: float = 1.0) -> float:
    """Bound the share of mentions to come that are missed, given `missed` of n on dev; see above.

    effect (float): the design effect; n, misses and to_come are divided by it.
    RETURNS (float): 1 if nothing can be said.
    """
    stats = _scipy_stats()
    size, k = n / effect, missed / effect
    if size < 1:
        return 1.0
    alpha = 1.0 - confidence
    if to_come is None:
        return 1.0 if k >= size else float(stats.beta.ppf(confidence, k + 1.0, size - k))
    size_int, k_int, m = round(size), int(np.ceil(k - 1e-9)), max(1, round(to_come / effect))
    low, high = k_int, k_int + m  # the total of misses: the largest that is not improbable
    while low < high:
        total = (low + high + 1) // 2
        if stats.hypergeom.cdf(k_int, size_int + m, total, size_int) > alpha:
            low = total
        else:
            high = total - 1
    return (low - k_int) / m


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(Errors.BC465) from error
    return stats


def risk_control(scores: np.ndarray, documents: np.ndarray, *, target: float = 0.99) -> float | None:
    """Choose the highest threshold whose expected share of missed mentions, by document, is at most 1 - target.

    RETURNS (float | None): None if there is none. n documents: n / (n + 1) · mean loss + 1 / (n + 1) ≤ 1 - target.
    """
    scores = np.asarray(scores, dtype=np.float64)
    _, place = np.unique(np.asarray(documents), return_inverse=True)
    if not len(scores):
        return None
    mentions = np.bincount(place)
    n, chosen = len(mentions), None
    for threshold in np.unique(np.concatenate(([LEAST_THRESHOLD], scores[scores >= LEAST_THRESHOLD]))):
        risk = float((np.bincount(place, weights=scores < threshold) / mentions).mean())
        if n / (n + 1) * risk + 1 / (n + 1) > 1.0 - target:
            break
        chosen = float(threshold)
    return chosen


def mention_scores(
    records: Sequence[DocumentPrediction], *, trust_found: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Read off a prediction file from which threshold on each gold mention is covered.

    Without text it is not known what stands between two tokens with scores; one character counts as covered with them
    (a space), more do not. So a mention over a line break counts as missed: the file is judged harder than the text.

    records (Sequence[DocumentPrediction]): with token scores.
    trust_found (bool): what the pipeline found is covered at any threshold; false if it had a recall target.
    RETURNS (Tuple[np.ndarray, np.ndarray]): see `choose_threshold`: scores (n,) and documents (n,).
    RAISES (ValueError): BC466 if there is nothing to judge.
    """
    scores, documents = [], []
    for i, record in enumerate(records):
        if record.entities is None or record.token_scores is None:
            continue
        found = [(each.start, each.end) for each in record.entities.predicted] if trust_found else []
        for place in sorted({(each.start, each.end) for each in record.entities.gold}):
            scores.append(_coverage(place, found, record.token_scores))
            documents.append(i)
    if not scores:
        raise ValueError(
            Errors.BC466.format(components="prediction file without gold entities and token scores")
        )
    return np.array(scores), np.array(documents, dtype=np.int64)


def _coverage(
    place: tuple[int, int], found: Sequence[tuple[int, int]], tokens: Sequence[tuple[int, int, float]]
) -> float:
    start, end = place
    parts = [(a, b, 1.0) for a, b in found if a < end and start < b]
    parts += [
        (a, b, p)
        for a, b, p in tokens
        if a < end and start < b and not any(low <= a and b <= high for low, high in found)
    ]
    reached, least = start, 1.0
    for a, b, p in sorted(parts):
        if a > reached + (GAP if reached > start else 0):
            return 0.0
        reached, least = max(reached, b), min(least, p)
    return least if parts and reached >= end else 0.0


def check_splits(
    scores: np.ndarray,
    documents: np.ndarray,
    *,
    n_splits: int = 200,
    target: float = 0.99,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Try the promise out: choose on a random half of the documents, look at the other half, many times.

    scores, documents: see `choose_threshold`. The mentions to come are taken to be as many for each document as in the
    half that was chosen on.
    n_splits (int): how often. seed (int): of the halves.
    RETURNS (dict): "splits"; "promised": in how many a threshold was found; "held": in how many of these recall on the
        other half reached the target; "share": held / promised, None without any; "recall" and "threshold": least,
        median and largest over the promised; and the settings.
    """
    documents = np.unique(np.asarray(documents), return_inverse=True)[1]
    n_documents = int(documents.max()) + 1 if len(documents) else 0
    draw = np.random.default_rng(seed)
    recalls, thresholds = [], []
    for _ in range(n_splits):
        in_dev = np.zeros(n_documents, dtype=bool)
        in_dev[draw.permutation(n_documents)[: n_documents // 2]] = True
        dev = in_dev[documents]
        to_come = max(1, round(int(dev.sum()) * (n_documents - n_documents // 2) / max(1, n_documents // 2)))
        settings: dict[str, Any] = {"target": target, "confidence": confidence, "to_come": to_come}
        try:
            promise = choose_threshold(scores[dev], documents[dev], **settings)
        except NoPromiseError:
            continue
        thresholds.append(promise.threshold)
        recalls.append(float((scores[~dev] >= promise.threshold).mean()))
    held = sum(recall >= target for recall in recalls)
    return {
        "splits": n_splits,
        "promised": len(recalls),
        "held": held,
        "share": held / len(recalls) if recalls else None,
        "recall": _range(recalls),
        "threshold": _range(thresholds),
        "mentions": len(scores),
        "documents": n_documents,
        "target": target,
        "confidence": confidence,
        "seed": seed,
    }


def _range(values: Sequence[float]) -> list[float] | None:
    return [min(values), float(np.median(values)), max(values)] if values else None
