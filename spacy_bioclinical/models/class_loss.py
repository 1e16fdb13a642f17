"""The cross-entropy of document classes, with class weights and label smoothing, and its gradient in the logits.

The formulas are torch's (`cross_entropy(weight, label_smoothing)`, `binary_cross_entropy_with_logits(pos_weight)`),
except that a mean is taken over documents, not over weights: batches may then be added up (`accumulate_gradient`).
For K exclusive classes, p = softmax(z), smoothed target t = (1 − ε) y + ε/K and class weights w:
loss = −Σ w_k t_k log p_k, gradient (Σ w_k t_k) p − w t. For independent classes, p = σ(z), t = (1 − ε) y + ε/2 and
weights v, w of the negative and the positive side: loss = −Σ [w t log p + v (1 − t) log(1 − p)].
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from thinc.api import get_array_module
from thinc.types import Floats2d

_LEAST = 1e-12  # a probability that has underflowed costs 27.6 nats


def class_loss(
    probabilities: Floats2d,
    truths: Floats2d,
    known: Floats2d,
    *,
    exclusive: bool,
    weights: Floats2d | None = None,
    smoothing: float = 0.0,
) -> tuple[float, Floats2d]:
    """Compute the loss of a batch of documents and its gradient.

    probabilities (Floats2d): softmax (exclusive) or logistic function of the logits, (documents, labels).
    truths (Floats2d): 1 where a label is true, else 0, (documents, labels).
    known (Floats2d): 1 where the truth is known, else 0, (documents, labels); if exclusive, the same for all
        labels of a document. What is not known costs nothing and has no gradient.
    exclusive (bool): exactly one label is true.
    weights (Floats2d | None): weight of a label where it is false and where it is true, (labels, 2); if exclusive
        only the second counts. None: all 1.
    smoothing (float): ε in [0, 1): the share of the target that is spread evenly.
    RETURNS (Tuple[float, Floats2d]): the loss in nats, the mean over documents with a known label of the sum over
        labels, and its gradient with respect to the logits.
    """
    xp = get_array_module(probabilities)
    n_labels = probabilities.shape[1]
    n_known = max(int(known.any(axis=1).sum()), 1)
    negative, positive = (1.0, 1.0) if weights is None else (weights[:, 0], weights[:, 1])
    target = (1.0 - smoothing) * truths + smoothing / (n_labels if exclusive else 2)
    log_p = xp.log(xp.maximum(probabilities, _LEAST))
    if exclusive:
        target = target * positive
        losses = -target * log_p
        gradient = target.sum(axis=1, keepdims=True) * probabilities - target
    else:
        rest = negative * (1.0 - target)
        target = positive * target
        losses = -target * log_p - rest * xp.log(xp.maximum(1.0 - probabilities, _LEAST))
        gradient = rest * probabilities - target * (1.0 - probabilities)
    loss = float((losses * known).sum()) / n_known
    return loss, (gradient * known / n_known).astype(probabilities.dtype)


def balanced_weights(
    cats: Iterable[Mapping[str, float]], labels: Sequence[str], *, exclusive: bool
) -> dict[str, list[float]]:
    """Compute the weights that let rare labels count as much as frequent ones, as scikit-learn's "balanced".

    Of n documents with a known truth, K labels, a label true in n_k: n / (K · n_k) if exclusive; otherwise
    n / (2 · n_k) where it is true and n / (2 · (n − n_k)) where it is false. 1 for what never occurs. The mean
    weight is 1, so that the loss keeps its scale beside other heads.

    cats (Iterable[Mapping[str, float]]): the gold categories of each document; a label that is absent is unknown,
        or false if exclusive.
    labels (Sequence[str]): all labels.
    exclusive (bool): exactly one label is true; documents with none or several are left out.
    RETURNS (Dict[str, List[float]]): by label, the weight where it is false and where it is true.
    """
    counts = np.zeros((len(labels), 2), dtype=np.int64)
    for gold in cats:
        truth = [gold.get(label, 0.0 if exclusive else None) for label in labels]
        if exclusive and sum(bool(value) for value in truth) != 1:
            continue
        for i, value in enumerate(truth):
            if value is not None:
                counts[i, int(value > 0.5)] += 1
    weights = {}
    for label, (n_false, n_true) in zip(labels, counts.tolist()):
        n = n_false + n_true
        if exclusive:
            weights[label] = [1.0, n / (len(labels) * n_true) if n_true else 1.0]
        else:
            weights[label] = [n / (2 * count) if count else 1.0 for count in (n_false, n_true)]
    return weights
