"""Where a training stands, and what the training loop of this package tells a logger that wants to know."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Progress:
    """Where a training stands; plain data, kept in its checkpoints.

    step (int): steps done.
    epoch (int): of the last step.
    words (int): trained on so far, tokens of spaCy.
    seconds (float): over all processes that have worked on it.
    losses (dict[str, float]): sums since the last evaluation.
    results (list): [score, step] of each evaluation.
    since_best (int): evaluations since a better score.
    """

    step: int = 0
    epoch: int = 0
    words: int = 0
    seconds: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    results: list[list[float]] = field(default_factory=list)
    since_best: int = 0


class StepNotes:
    """A logger that is told of each step, not only of evaluations."""

    def begin(self, output: Path, *, progress: Progress, total: int) -> None:
        """Learn where the training writes, what is done already, and how many steps there will be (0: unknown)."""

    def note(self, step: dict[str, Any]) -> None:
        """Learn of a step: step, epoch, losses (sums since the last evaluation), learn_rate, grad_norm, words."""
