"""Learning-rate schedules as multipliers of the recipe's rate, pure functions of what has elapsed.

The three that ModernBERT and BioClinical ModernBERT were trained with. Elapsed, warm-up, decay and duration
are counted in one unit, pieces or steps, as the recipe says; a step uses the value at its beginning. Having
no state, a schedule needs nothing in a checkpoint.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from spacy_bioclinical.errors import Errors

_WARM_UP_FROM = 1e-10  # where warmup_stable_decay starts


@dataclass(frozen=True)
class Schedule:
    """Shape of the learning rate over a run.

    kind (str): a key of `SCHEDULES`.
    warmup (int): length of the linear rise.
    decay (int | None): length of the fall at the end; None for the whole run.
    floor (float): multiplier at which the fall ends.
    """

    kind: str
    warmup: int = 0
    decay: int | None = None
    floor: float = 0.0

    def multiplier(self, elapsed: int, duration: int) -> float:
        """Return the factor on the learning rate after `elapsed`. RAISES (ValueError): BC710."""
        if self.kind not in SCHEDULES:
            raise ValueError(Errors.BC710.format(name=self.kind, known=", ".join(SCHEDULES)))
        return SCHEDULES[self.kind](self, elapsed, duration)

    def scaled(self, factor: float) -> "Schedule":
        """Return the same shape for a run whose duration is `factor` times as long."""
        decay = None if self.decay is None else round(self.decay * factor)
        return replace(self, warmup=round(self.warmup * factor), decay=decay)


def constant_with_warmup(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Rise linearly from 0 to 1 over the warm-up, then stay."""
    return elapsed / schedule.warmup if elapsed < schedule.warmup else 1.0


def warmup_stable_decay(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Rise linearly, stay, then fall linearly to the floor over the last `decay`."""
    if elapsed < schedule.warmup:
        return _WARM_UP_FROM + (1.0 - _WARM_UP_FROM) * elapsed / schedule.warmup
    fallen = _fallen(schedule, elapsed, duration)
    return max(0.0, 1.0 - fallen * (1.0 - schedule.floor))


def one_minus_sqrt(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Stay, then fall as 1 - sqrt(share of the decay that has passed) to the floor (Hägele et al. 2024)."""
    fallen = _fallen(schedule, elapsed, duration)
    return max(schedule.floor, schedule.floor + (1.0 - schedule.floor) * (1.0 - math.sqrt(fallen)))


def _fallen(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Share of the decay that has passed, 0 to 1."""
    decay = duration if schedule.decay is None else schedule.decay
    if decay <= 0 or elapsed <= duration - decay:
        return 0.0
    return min(1.0, (elapsed - (duration - decay)) / decay)


SCHEDULES: dict[str, Callable[[Schedule, int, int], float]] = {
    "constant_with_warmup": constant_with_warmup,
    "warmup_stable_decay": warmup_stable_decay,
    "one_minus_sqrt": one_minus_sqrt,
}
