"""Dropout of a head's own, at the rate its config gives, whatever `training.dropout` says.

Thinc's `Dropout` keeps its rate in the attribute "dropout_rate", which spaCy overwrites with
`training.dropout` in every update; a rate written into an architecture would never be used. This one keeps
its rate under another name.
"""

from collections.abc import Callable
from typing import Any

from thinc.api import Model


def head_dropout(rate: float) -> Model[Any, Any]:
    """Zero a share of the cells in training, and scale up the others so that the mean stays.

    rate (float): the share, in [0, 1). 0 passes everything through.
    RETURNS (Model): takes and returns an array or a list of arrays.
    """
    return Model("head_dropout", _forward, attrs={"head_dropout_rate": rate})


def _forward(model: Model, X: Any, is_train: bool) -> tuple[Any, Callable]:
    rate = model.attrs["head_dropout_rate"]
    if not is_train or not rate:
        return X, lambda dY: dY
    if isinstance(X, list):
        masks = [model.ops.get_dropout_mask(x.shape, rate) for x in X]
        return [x * mask for x, mask in zip(X, masks)], lambda dY: [dy * mask for dy, mask in zip(dY, masks)]
    mask = model.ops.get_dropout_mask(X.shape, rate)
    return X * mask, lambda dY: dY * mask
