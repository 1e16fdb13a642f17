"""What a pretraining recipe is: every value that shapes a run, in one frozen record.

Two runs with equal recipe, seed, data and starting weights are the same run; checkpoints are refused
otherwise.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pretrain.schedules import SCHEDULES, Schedule
from spacy_bioclinical.encoder.base import PRECISIONS
from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class Recipe:
    """One pretraining run.

    summary, source (str): what it is, and where its figures come from.
    continues (str): the weights it starts from, in words; empty for random ones.
    shape (ModernBertSettings): the encoder, for runs from random weights and for estimates. Vocabulary size
        and special ids are the tokenizer's.
    unit (str): what duration and schedule count, "pieces" (real ones, nothing is padded) or "steps".
    duration (int): length of the run in that unit.
    lr (float): highest learning rate; betas, eps, weight_decay: StableAdamW's. attention_out_dropout: dropout
        behind each attention block while training (it leaves no trace in the exported config).
    max_length (int): most pieces of one document, special ones included; longer ones are cut.
    row_pieces, rows_per_step (int): a step computes so many rows of at most so many pieces, one after the
        other.
    mask_rate, eval_mask_rate (float): share of pieces to predict in training and on held-out documents.
    held_out (float): share of documents kept out of training; eval_pieces: most pieces of them that are
        evaluated.
    eval_every, save_every (int): steps between evaluations and checkpoints; keep: checkpoints kept (0: all).
    """

    name: str
    summary: str
    source: str
    shape: ModernBertSettings
    unit: Literal["pieces", "steps"]
    duration: int
    schedule: Schedule
    lr: float
    weight_decay: float
    row_pieces: int
    rows_per_step: int
    mask_rate: float
    eval_every: int
    save_every: int
    seed: int
    continues: str = ""
    max_length: int = 8192
    eval_mask_rate: float = 0.15
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    attention_out_dropout: float = 0.0
    held_out: float = 0.01
    eval_pieces: int = 2**20
    keep: int = 2
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        checks: tuple[tuple[str, float, float, float], ...] = (
            ("mask_rate", self.mask_rate, 0.0, 1.0),
            ("eval_mask_rate", self.eval_mask_rate, 0.0, 1.0),
            ("held_out", self.held_out, -1e-9, 1.0),
            ("max_length", self.max_length, 2, self.row_pieces + 1),
            ("rows_per_step", self.rows_per_step, 0, float("inf")),
            ("duration", self.duration, 0, float("inf")),
        )
        for what, value, low, high in checks:
            if not low < value < high:
                raise ValueError(Errors.BC709.format(what=what, value=value, range=f"({low:g}, {high:g})"))
        if self.schedule.kind not in SCHEDULES:
            raise ValueError(Errors.BC710.format(name=self.schedule.kind, known=", ".join(SCHEDULES)))
        if self.precision not in PRECISIONS:
            raise ValueError(
                Errors.BC709.format(what="precision", value=self.precision, range=", ".join(PRECISIONS))
            )

    @property
    def step_pieces(self) -> int:
        """Most pieces of one optimizer step."""
        return self.row_pieces * self.rows_per_step

    @property
    def full_steps(self) -> int:
        """Steps of the run if every row were full (real runs in pieces take a few more)."""
        return self.duration if self.unit == "steps" else -(-self.duration // self.step_pieces)

    def learning_rate(self, elapsed: int) -> float:
        """Return the learning rate after `elapsed` pieces or steps."""
        return self.lr * self.schedule.multiplier(elapsed, self.duration)

    def for_steps(self, n_steps: int) -> "Recipe":
        """Return the recipe cut or stretched to a number of steps, schedule and intervals with it."""
        factor = n_steps / self.full_steps
        steps = self if self.unit == "steps" else self._counted_in_steps()
        return replace(
            steps,
            duration=n_steps,
            schedule=steps.schedule.scaled(factor),
            eval_every=max(1, round(self.eval_every * factor)),
            save_every=max(1, round(self.save_every * factor)),
        )

    def _counted_in_steps(self) -> "Recipe":
        return replace(
            self, unit="steps", duration=self.full_steps, schedule=self.schedule.scaled(1 / self.step_pieces)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all values as JSON-ready data."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every value that shapes the run, except the seed."""
        words = ("summary", "source", "continues", "save_every", "keep", "seed")
        values = {key: value for key, value in self.to_dict().items() if key not in words}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest()
