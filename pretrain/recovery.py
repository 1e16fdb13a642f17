"""What to do when a loss or gradient is not finite: leave the update out, go back with a lower rate, or stop.

One bad step is left out. When too many come in a row, or the weights themselves are no longer finite, the run
goes back to its last checkpoint with a lower learning rate if that was asked for, else it stops with advice.
All of it follows from the numbers alone, so a resumed run decides alike.
"""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import nn

from pretrain.devices import Team
from spacy_bioclinical.errors import Errors

MOST_BACK_OFFS = 3  # a run that fails three times at lower and lower rates has another fault


@dataclass(frozen=True)
class Patience:
    """How long to bear with bad steps.

    max_skips (int): so many in a row are too many. back_off (float | None): factor on the learning rate when
    going back to the last checkpoint; None to stop instead.
    """

    max_skips: int = 3
    back_off: float | None = None

    def __post_init__(self) -> None:
        if self.max_skips < 1:
            raise ValueError(Errors.BC709.format(what="max_skips", value=self.max_skips, range="[1, inf)"))
        if self.back_off is not None and not 0.0 < self.back_off < 1.0:
            raise ValueError(Errors.BC709.format(what="back_off", value=self.back_off, range="(0, 1)"))


@dataclass
class Guard:
    """Counts bad steps in a row and says when there are too many."""

    patience: Patience
    in_row: int = 0
    first: int = 0

    def is_too_much(self, step: int, what: str, model: nn.Module, team: Team) -> bool:
        """Note a bad step (counted from 1). RETURNS (bool): whether to go back or stop; else it is left out."""
        self.first = self.first if self.in_row else step
        self.in_row += 1
        if self.in_row >= self.patience.max_skips or not weights_are_finite(model, team):
            return True
        if team.is_main:
            warnings.warn(Errors.BC756.format(step=step, what=what, n=self.in_row), stacklevel=2)
        return False

    def note_good(self) -> None:
        """Note a step whose figures are finite."""
        self.in_row = 0


def what_is_bad(loss: float, grad_norm: float) -> str | None:
    """Return the name of the first figure that is not finite."""
    for what, value in (("the loss", loss), ("the gradient's norm", grad_norm)):
        if not math.isfinite(value):
            return what
    return None


@torch.no_grad()
def weights_are_finite(model: nn.Module, team: Team) -> bool:
    """Whether all weights are finite numbers, over all processes."""
    own = [p.to_local() if hasattr(p, "to_local") else p for p in model.parameters()]
    is_bad = not all(bool(torch.isfinite(tensor).all()) for tensor in own)
    return not team.largest(float(is_bad))[0]
