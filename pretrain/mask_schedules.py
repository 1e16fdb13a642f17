"""Mask-rate schedules: the share of pieces to predict as a pure function of the share of the run, or of the epoch.

Clinical ModernBERT (Lee et al. 2025) advertises a fall from 30 % to 15 %. Its code sets p(e) = 0.30 - 0.15 * e / 49 at
the start of epoch e, 49 being a fixed setting, while the number of epochs follows from the amount of text: at 12 epochs
the last rate is 26.6 %. Both are here: "linear" is what was meant, "linear_epochs" what was run.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from spacy_bioclinical.errors import Errors

MaskScheduleKind = Literal["constant", "linear", "linear_epochs"]
# Samples below which so many epochs are run, in Clinical ModernBERT's code; more samples get the last number.
PUBLISHED_EPOCHS: tuple[tuple[float, int], ...] = (
    (10_000, 100),
    (100_000, 50),
    (1_000_000, 25),
    (float("inf"), 12),
)


@dataclass(frozen=True)
class MaskSchedule:
    """How the mask rate moves away from the recipe's `mask_rate`, with which every run begins.

    kind (str): "constant"; "linear" to `last` over the first `share` of the run, then staying; "linear_epochs" by
        whole epochs, (last - mask_rate) / (epochs - 1) each, for as long as the run lasts; before it would reach 0
        or 1 (published: 0 in epoch 98), it stays.
    last (float): rate at the end of the movement, within (0, 1).
    share (float): share of the run that the movement takes, within (0, 1]. A shortened run keeps its shape.
    epochs (int): epochs that the movement is laid out for, at least 2, however many the run has.
    RAISES (ValueError): BC709, BC730.
    """

    kind: MaskScheduleKind = "constant"
    last: float = 0.15
    share: float = 1.0
    epochs: int = 50

    def __post_init__(self) -> None:
        kinds = get_args(MaskScheduleKind)
        if self.kind not in kinds:
            raise ValueError(
                Errors.BC730.format(what="mask_schedule", value=self.kind, known=", ".join(kinds))
            )
        for what, value, is_right, span in (
            ("mask_schedule.last", self.last, 0.0 < self.last < 1.0, "(0, 1)"),
            ("mask_schedule.share", self.share, 0.0 < self.share <= 1.0, "(0, 1]"),
            ("mask_schedule.epochs", self.epochs, self.epochs >= 2, "[2, inf)"),
        ):
            if not is_right:
                raise ValueError(Errors.BC709.format(what=what, value=value, range=span))

    def rate(self, first: float, share: float, epoch: int = 0) -> float:
        """Return the rate at a share of the run and in an epoch (from 0); `first` is the recipe's mask_rate."""
        if self.kind == "linear":
            return first + (self.last - first) * min(1.0, max(0.0, share) / self.share)
        if self.kind == "linear_epochs":
            rate = self._at_epoch(first, epoch)
            if 0.0 < rate < 1.0 or not 0.0 < first < 1.0:
                return min(1.0, max(0.0, rate))
            bound = 0.0 if self.last < first else 1.0
            epoch = round((bound - first) * (self.epochs - 1) / (self.last - first)) + 1
            while not 0.0 < self._at_epoch(first, epoch) < 1.0:
                epoch -= 1
            return self._at_epoch(first, epoch)
        return first

    def _at_epoch(self, first: float, epoch: int) -> float:
        return first + (self.last - first) * epoch / (self.epochs - 1)


CONSTANT = MaskSchedule()


def published_epochs(n_samples: int) -> int:
    """Return the epochs that Clinical ModernBERT's code runs for so many documents."""
    return next(epochs for below, epochs in PUBLISHED_EPOCHS if n_samples < below)
