"""Turn the token rows of a document into one row: mean, max, or both side by side, over the whole document.

However many windows a document was read in, its rows arrive here as one array. A mean dilutes: one sentence
in 2,000 tokens moves it by a hundredth. A max keeps the single strongest token of every feature. A document
without tokens gets zeros, so that its class is what the bias says.
"""

from collections.abc import Callable
from typing import Any, Literal

from thinc.api import Model
from thinc.types import Floats2d

PoolingMode = Literal["mean", "max", "mean_max"]


def pool_documents(mode: PoolingMode) -> Model[list[Floats2d], Floats2d]:
    """Build the pooling layer.

    mode (str): "mean", "max" or "mean_max" (twice as wide: mean, then max).
    RETURNS (Model[List[Floats2d], Floats2d]): (documents, width) or (documents, 2 · width).
    """
    return Model("pool_documents", _forward, init=_init, attrs={"mode": mode}, dims={"nI": None})


def _init(model: Model, X: list[Floats2d] | None = None, Y: Floats2d | None = None) -> None:
    widths = [x.shape[1] for x in X or [] if len(x)]
    if widths:
        model.set_dim("nI", widths[0])


def _forward(
    model: Model, X: list[Floats2d], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Floats2d]]]:
    mode, ops, width = model.attrs["mode"], model.ops, model.get_dim("nI")
    uses_mean, uses_max = mode in ("mean", "mean_max"), mode in ("max", "mean_max")
    Y = ops.alloc2f(len(X), width * (uses_mean + uses_max))
    peaks: list[Any] = []  # for each document, the row in which each feature is largest
    for y, x in zip(Y, X):
        if not len(x):
            peaks.append(None)
            continue
        if uses_mean:
            y[:width] = x.mean(axis=0)
        peak = x.argmax(axis=0) if uses_max else None
        if peak is not None:
            y[-width:] = x[peak, ops.xp.arange(width)]
        peaks.append(peak)

    def backprop(dY: Floats2d) -> list[Floats2d]:
        dX = []
        for dy, x, peak in zip(dY, X, peaks):
            dx = ops.alloc2f(*x.shape)
            if len(x):
                if uses_mean:
                    dx += dy[:width] / len(x)
                if uses_max:
                    dx[peak, ops.xp.arange(width)] += dy[-width:]
            dX.append(dx)
        return dX

    return Y, backprop
