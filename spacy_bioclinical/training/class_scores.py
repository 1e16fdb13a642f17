"""Score document classes: F1 per label and its weighted, micro and macro averages.

The numbers are those of scikit-learn's `f1_score` with `zero_division=0` over the component's labels (a
test compares them), except that a label which a gold document does not mention is unknown there and not
counted at all.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from spacy.training import Example


def score_classes(
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    exclusive: bool,
    threshold: float | dict[str, float],
) -> dict[str, Any] | None:
    """Score `doc.cats` for the labels of one text classifier.

    examples (Sequence[Example]): predictions with their gold documents.
    labels (Sequence[str]): the component's labels.
    exclusive (bool): one class per document: the largest score is the prediction, and documents without
        exactly one
        true label are left out. Otherwise every label with a score of at least the threshold is predicted.
    threshold (float | dict[str, float]): in [0, 1], of all labels or of each; not used for exclusive classes.
    RETURNS (dict | None): "weighted_f", "micro_f" and "macro_f" in [0, 1], counts, "per_label". None if no
        gold
        document has any of the labels.
    """
    each = threshold if isinstance(threshold, dict) else dict.fromkeys(labels, threshold)
    least = np.array([each[label] for label in labels], dtype=np.float64)
    truths, predictions = [], []
    n_skipped = 0
    for eg in examples:
        truth = np.array([eg.y.cats.get(label, np.nan) for label in labels], dtype=np.float64)
        scores = np.array([eg.x.cats.get(label, 0.0) for label in labels], dtype=np.float64)
        if np.isnan(truth).all():
            n_skipped += 1
            continue
        if exclusive:
            truth = np.nan_to_num(truth, nan=0.0)
            if (truth > 0.5).sum() != 1:
                n_skipped += 1
                continue
            predictions.append(np.arange(len(labels)) == scores.argmax())
        else:
            predictions.append(scores >= least)
        truths.append(truth)
    if not truths:
        return None
    truth_table, predicted = np.array(truths), np.array(predictions)
    known, true = ~np.isnan(truth_table), truth_table > 0.5
    tp = (known & true & predicted).sum(axis=0)
    fp = (known & ~true & predicted).sum(axis=0)
    fn = (known & true & ~predicted).sum(axis=0)
    support = tp + fn
    f = _ratio(2 * tp, 2 * tp + fp + fn)
    p, r = _ratio(tp, tp + fp), _ratio(tp, support)
    return {
        "exclusive": exclusive,
        "threshold": None if exclusive else threshold,
        "weighted_f": float(_ratio((f * support).sum(), support.sum())),
        "micro_f": float(_ratio(2 * tp.sum(), (2 * tp + fp + fn).sum())),
        "macro_f": float(f.mean()),
        "documents": len(truths),
        "skipped": n_skipped,
        "unknown": int((~known).sum()),
        "per_label": {
            label: {"p": float(p[i]), "r": float(r[i]), "f": float(f[i]), "support": int(support[i])}
            for i, label in enumerate(labels)
        },
    }


def _ratio(numerator: Any, denominator: Any) -> Any:
    """Divide; 0 where there is nothing to divide by."""
    denominator = np.asarray(denominator, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)
