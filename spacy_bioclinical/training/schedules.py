"""`spacy-bioclinical.linear_decay.v1`: a learn rate that falls to 0 over exactly as many steps as there will be.

Thinc's `warmup_linear.v1` wants the number of steps in the config, which for "10 epochs" depends on the corpus and on
how the batcher cuts it. This one may leave it open; `python -m spacy bioclinical train` counts the steps beforehand.
"""

from collections.abc import Iterable

from spacy_bioclinical.errors import Errors


def build_linear_decay_v1(
    *, initial_rate: float, warmup_steps: int = 0, warmup_share: float = 0.0, total_steps: int = 0
) -> Iterable[float]:
    """Rise from 0 to `initial_rate` over the warm-up, then fall in a straight line and reach 0 after the last step.

    The values are those of transformers' `get_linear_schedule_with_warmup`: step i (from 0) of n, w of them
    warm-up: initial_rate × i / w, then initial_rate × (n - i) / (n - w).

    initial_rate (float): the highest learn rate, the name as in Thinc's schedule.
    warmup_steps (int): steps of the warm-up.
    warmup_share (float): or as a share of all steps, in [0, 1); one of the two is 0.
    total_steps (int): all steps; 0 leaves it open until training knows.
    RETURNS (Iterable[float]): for `learn_rate` of an optimizer.
    RAISES (ValueError): BC444 if a setting is out of range; BC443 at the second step if the number of steps is open
        still, as in plain `spacy train`.
    """
    return LinearDecay(
        initial_rate, warmup_steps=warmup_steps, warmup_share=warmup_share, total_steps=total_steps
    )


class LinearDecay:
    """See `build_linear_decay_v1`.

    step (int): how many values were given.
    total_steps (int): 0 while open.
    """

    def __init__(
        self, rate: float, *, warmup_steps: int = 0, warmup_share: float = 0.0, total_steps: int = 0
    ):
        for what, given, is_fine, want in (
            ("initial_rate", rate, rate > 0, "above 0"),
            ("warmup_steps", warmup_steps, warmup_steps >= 0, "0 or more"),
            ("warmup_share", warmup_share, 0 <= warmup_share < 1, "in [0, 1)"),
            ("warmup_share", warmup_share, not (warmup_share and warmup_steps), "0 beside warmup_steps"),
            ("total_steps", total_steps, total_steps >= 0, "0 or more"),
        ):
            if not is_fine:
                raise ValueError(Errors.BC444.format(what=f"learn_rate.{what}", given=given, want=want))
        self.rate, self.warmup_steps, self.warmup_share = rate, warmup_steps, warmup_share
        self.total_steps = total_steps
        self.step = 0

    def __iter__(self) -> "LinearDecay":
        return self

    def __next__(self) -> float:
        step, self.step = self.step, self.step + 1
        if not self.total_steps:
            if step:
                raise ValueError(Errors.BC443)
            return 0.0 if self.warmup_steps or self.warmup_share else self.rate
        warmup = self.warmup_steps or round(self.warmup_share * self.total_steps)
        if step < warmup:
            return self.rate * step / warmup
        return self.rate * max(0.0, (self.total_steps - step) / max(1, self.total_steps - warmup))

    def bind(self, total_steps: int) -> None:
        """Say how many steps there will be; a number that the config gives stays."""
        self.total_steps = self.total_steps or max(total_steps, 1)
