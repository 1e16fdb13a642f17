"""Learning-rate schedules as multipliers of the recipe's rate, pure functions of what has elapsed.

Those of ModernBERT's and BioClinical ModernBERT's program (two of them Composer's), and Google BERT's. Elapsed,
warm-up, decay, cosine, span and duration are counted in one unit, pieces or steps, as the recipe says; a step uses the
value at its beginning. Having no state, a schedule needs nothing in a checkpoint.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from spacy_bioclinical.errors import Errors

Cooldown = Literal["linear", "cosine"]
_WARM_UP_FROM = 1e-10  # where warmup_stable_decay starts


@dataclass(frozen=True)
class Schedule:
    """Shape of the learning rate over a run.

    kind (str): a key of `SCHEDULES`.
    warmup (int): length of the linear rise.
    decay (int | None): length of the fall at the end; None for the whole run (cosine_inverse_sqrt: for none).
        Those that fall from the warm-up's end to the run's end have no use for it.
    floor (float): multiplier at which the fall ends.
    span (int | None): length over which the curve is laid; None for the run's. A longer span than the run breaks off in
        the midst of the curve, as Clinical ModernBERT's did.
    cosine (int | None): cosine_inverse_sqrt's length of the cosine; None for a quarter of the span.
    start (float): cosine_inverse_sqrt's multiplier at the warm-up's beginning.
    cooldown (str): cosine_inverse_sqrt's last fall, "linear" or "cosine".
    """

    kind: str
    warmup: int = 0
    decay: int | None = None
    floor: float = 0.0
    span: int | None = None
    cosine: int | None = None
    start: float = 0.0
    cooldown: Cooldown = "linear"

    def check(self) -> None:
        """RAISES (ValueError): BC709 or BC730 for values out of range, BC710 for an unknown kind."""
        if self.kind not in SCHEDULES:
            raise ValueError(Errors.BC710.format(name=self.kind, known=", ".join(SCHEDULES)))
        for what, least in (("warmup", 0), ("decay", 0), ("cosine", 1), ("span", 1)):
            value = getattr(self, what)
            if value is not None and value < least:
                raise ValueError(
                    Errors.BC709.format(what=f"schedule.{what}", value=value, range=f"[{least}, inf)")
                )
        for what in ("floor", "start"):
            value = getattr(self, what)
            if not 0.0 <= value <= 1.0:
                raise ValueError(Errors.BC709.format(what=f"schedule.{what}", value=value, range="[0, 1]"))
        if self.kind == "cosine_inverse_sqrt" and self.floor >= 1.0:
            raise ValueError(Errors.BC709.format(what="schedule.floor", value=self.floor, range="[0, 1)"))
        if self.cooldown not in get_args(Cooldown):
            known = ", ".join(get_args(Cooldown))
            raise ValueError(Errors.BC730.format(what="schedule.cooldown", value=self.cooldown, known=known))

    def multiplier(self, elapsed: int, duration: int) -> float:
        """Return the factor on the learning rate after `elapsed`. RAISES (ValueError): BC710."""
        if self.kind not in SCHEDULES:
            raise ValueError(Errors.BC710.format(name=self.kind, known=", ".join(SCHEDULES)))
        return SCHEDULES[self.kind](self, elapsed, duration if self.span is None else self.span)

    def scaled(self, factor: float) -> "Schedule":
        """Return the same shape for a run whose duration is `factor` times as long."""
        return self.mapped(lambda length: length * factor)

    def mapped(self, place: Callable[[float], float], duration: int | None = None) -> "Schedule":
        """Return the schedule with its landmarks moved to other places in the run, for another unit or length.

        place (Callable): where a point of the run, counted from its beginning, comes to lie.
        duration (int | None): the run's length, if `place` is not a plain factor; for what counts from the end.
        """
        end = self.span if self.span is not None else duration

        def before_end(length: int | None) -> int | None:
            if length is None or end is None:
                return None if length is None else round(place(length))
            return round(place(end) - place(max(0, end - length)))

        def after_warmup(length: int | None) -> int | None:
            return None if length is None else max(1, round(place(self.warmup + length) - place(self.warmup)))

        return replace(
            self,
            warmup=round(place(self.warmup)),
            decay=before_end(self.decay),
            span=None if self.span is None else max(1, round(place(self.span))),
            cosine=after_warmup(self.cosine),
        )


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


def cosine_with_warmup(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Rise linearly from 0, then fall along half a cosine to the floor at the end (Composer's)."""
    if elapsed < schedule.warmup:
        return elapsed / schedule.warmup
    passed = _passed(schedule.warmup, elapsed, duration)
    return schedule.floor + (1.0 - schedule.floor) * _half_cosine(passed)


def linear_decay_with_warmup(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Rise linearly from 0, then fall linearly from 1 to the floor at the end (Composer's, transformers')."""
    if elapsed < schedule.warmup:
        return elapsed / schedule.warmup
    return 1.0 - (1.0 - schedule.floor) * _passed(schedule.warmup, elapsed, duration)


def linear_decay_bert(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Rise linearly from 0, then follow 1 - elapsed / duration to the floor.

    Google BERT's: the line begins with the run, so the rate steps down by warmup / duration where the warm-up ends.
    """
    if elapsed < schedule.warmup:
        return elapsed / schedule.warmup
    return 1.0 - (1.0 - schedule.floor) * _passed(0, elapsed, duration)


def cosine_inverse_sqrt(schedule: Schedule, elapsed: int, duration: int) -> float:
    """Rise linearly, follow a cosine half-way to the floor, then gamma / sqrt(n + delta), then cool down to the floor.

    gamma and delta make value and slope run on smoothly where the cosine ends (n is counted from the warm-up's end).
    """
    if schedule.decay and elapsed > duration - schedule.decay:
        top = _before_cooldown(schedule, duration - schedule.decay, duration)
        fallen = _fallen(schedule, elapsed, duration)
        kept = _half_cosine(fallen) if schedule.cooldown == "cosine" else 1.0 - fallen
        return schedule.floor + (top - schedule.floor) * kept
    return _before_cooldown(schedule, elapsed, duration)


def _before_cooldown(schedule: Schedule, elapsed: int, duration: int) -> float:
    if elapsed < schedule.warmup:
        return schedule.start + (1.0 - schedule.start) * elapsed / schedule.warmup
    floor, n = schedule.floor, elapsed - schedule.warmup
    length = duration / 4 if schedule.cosine is None else schedule.cosine
    if n < length:
        return floor + (1.0 - floor) * _half_cosine(0.5 * n / length)
    delta = length * (1.0 + floor - math.pi * (1.0 - floor)) / (math.pi * (1.0 - floor))
    gamma = (1.0 + floor) / 2.0 * math.sqrt(length + delta)
    return gamma / math.sqrt(n + delta)


def _half_cosine(share: float) -> float:
    """1 at 0, 0 at 1."""
    return 0.5 * (1.0 + math.cos(math.pi * share))


def _passed(begin: int, elapsed: int, duration: int) -> float:
    """Share of what lies between `begin` and the end that has passed, 0 to 1."""
    return min(1.0, (elapsed - begin) / (duration - begin)) if duration > begin else 1.0


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
    "cosine_with_warmup": cosine_with_warmup,
    "linear_decay_with_warmup": linear_decay_with_warmup,
    "linear_decay_bert": linear_decay_bert,
    "cosine_inverse_sqrt": cosine_inverse_sqrt,
}
