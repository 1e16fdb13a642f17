"""What a pretraining recipe is: every value that shapes a run, in one frozen record.

Two runs with equal recipe, seed, data and starting weights are the same run; checkpoints are refused
otherwise. What changes over a run (learning rate, mask rate, rows of a step) is a pure function of what has elapsed.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from pretrain.batch_warmup import BatchWarmup
from pretrain.mask_schedules import CONSTANT, MaskSchedule
from pretrain.recipes.instances import ClinicalBertInstances
from pretrain.schedules import Schedule
from spacy_bioclinical.encoder.base import PRECISIONS
from spacy_bioclinical.encoder.bert import BertSettings
from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors

Masking = Literal["uniform", "published", "whole_word", "terms"]
Packing = Literal["best_fit", "published"]
Optimizer = Literal["stableadamw", "adamw"]
# Fields that do not shape a run, and the seed, which a run's identity names apart.
_WORDS = ("summary", "source", "continues", "text", "notes", "epoch_pieces", "save_every", "keep", "seed")


@dataclass(frozen=True)
class Recipe:
    """One pretraining run.

    summary, source (str): what it is, and where its figures come from.
    continues (str): the weights it starts from, in words; empty for random ones.
    text (str): what the published run read, in words; epoch_pieces (int | None): pieces of it, read once.
    notes (tuple): what a reader of the figures must know; above all, what this program does differently.
    shape (ModernBertSettings): the encoder, for runs from random weights and for estimates. Vocabulary size
        and special ids are the tokenizer's. bert (BertSettings | None): set if the run's encoder is a BERT; `shape` is
        then only the ModernBERT of like layers and width.
    unit (str): what duration and schedule count, "pieces" (real ones, nothing is padded) or "steps".
    duration (int): length of the run in that unit.
    lr (float): highest learning rate. optimizer (str), betas, eps, weight_decay: StableAdamW or AdamW. A step at the
        rate r shrinks weights by weight_decay x r / lr with "stableadamw" (decoupled), by weight_decay x r with "adamw"
        (Loshchilov & Hutter 2019). grad_clip (float | None): largest norm of the whole gradient; None for no limit.
    attention_out_dropout (float): dropout behind each attention block while training (it leaves no trace in the
        exported config).
    restart_override (bool): a run that begins at another run's checkpoint takes learning rate and weight decay from
        this recipe instead of from there.
    max_length (int): most pieces of one document, special ones included; longer ones are cut.
    row_pieces, rows_per_step (int): a step computes so many rows of at most so many pieces, one after the
        other. batch_warmup: fewer rows at first. packing: how documents are put into rows.
    mask_rate, eval_mask_rate (float): share of pieces to predict in training (at its beginning, see mask_schedule) and
        on held-out documents. masking: how they are chosen.
    instances (ClinicalBertInstances | None): train on sentence pairs as ClinicalBERT did, not on packed documents.
    held_out (float): share of documents kept out of training; eval_pieces: most pieces of them that are
        evaluated.
    eval_every, save_every (int): steps between evaluations and checkpoints; keep: checkpoints kept (0: all).
    activation_checkpointing (bool): compute activations twice instead of keeping them.
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
    text: str = ""
    epoch_pieces: int | None = None
    notes: tuple[str, ...] = ()
    bert: BertSettings | None = None
    instances: ClinicalBertInstances | None = None
    batch_warmup: BatchWarmup | None = None
    mask_schedule: MaskSchedule = CONSTANT
    masking: Masking = "uniform"
    packing: Packing = "best_fit"
    optimizer: Optimizer = "stableadamw"
    grad_clip: float | None = None
    restart_override: bool = False
    activation_checkpointing: bool = False

    def __post_init__(self) -> None:
        infinite = float("inf")
        checks: tuple[tuple[str, float, float, float], ...] = (
            ("mask_rate", self.mask_rate, 0.0, 1.0),
            ("eval_mask_rate", self.eval_mask_rate, 0.0, 1.0),
            ("held_out", self.held_out, -1e-9, 1.0),
            ("max_length", self.max_length, 2, self.row_pieces + 1),
            ("rows_per_step", self.rows_per_step, 0, infinite),
            ("duration", self.duration, 0, infinite),
            ("lr", self.lr, 0.0, infinite),
            ("grad_clip", 1.0 if self.grad_clip is None else self.grad_clip, 0.0, infinite),
            ("epoch_pieces", 1 if self.epoch_pieces is None else self.epoch_pieces, 0, infinite),
        )
        for what, value, low, high in checks:
            if not low < value < high:
                raise ValueError(Errors.BC709.format(what=what, value=value, range=f"({low:g}, {high:g})"))
        self.schedule.check()
        choices = (
            ("masking", self.masking, get_args(Masking)),
            ("packing", self.packing, get_args(Packing)),
            ("optimizer", self.optimizer, get_args(Optimizer)),
            ("unit", self.unit, ("pieces", "steps")),
        )
        for what, chosen, known in choices:
            if chosen not in known:
                raise ValueError(Errors.BC730.format(what=what, value=chosen, known=", ".join(known)))
        if self.precision not in PRECISIONS:
            raise ValueError(
                Errors.BC709.format(what="precision", value=self.precision, range=", ".join(PRECISIONS))
            )
        if self.batch_warmup is not None and self.batch_warmup.last_rows != self.rows_per_step:
            rows = self.batch_warmup.last_rows
            why = f"last_rows is {rows}, rows_per_step is {self.rows_per_step}"
            raise ValueError(Errors.BC731.format(why=why))
        if self.instances is not None and self.instances.max_length != self.max_length:
            wanted = f"{self.max_length}, the recipe's max_length"
            value = self.instances.max_length
            raise ValueError(Errors.BC709.format(what="instances.max_length", value=value, range=wanted))

    @property
    def step_pieces(self) -> int:
        """Most pieces of one optimizer step, after the batch warm-up."""
        return self.row_pieces * self.rows_per_step

    @property
    def full_steps(self) -> int:
        """Steps of the run if every row were full (real runs in pieces take a few more)."""
        if self.unit == "steps":
            return self.duration
        if self.batch_warmup is None:
            return -(-self.duration // self.step_pieces)
        return math.ceil(self.steps_at(self.duration) - 1e-6)

    def rows_of_step(self, step: int) -> int:
        """Return the rows of a step, counted from 0: a pure function of its number, by the budget of full rows."""
        if self.batch_warmup is None:
            return self.rows_per_step
        return self.batch_warmup.rows_of_step(step, self.row_pieces)

    def first_row_of_step(self, step: int) -> int:
        """Return how many rows the steps before this one have; 0 for step 0."""
        if self.batch_warmup is None:
            return step * self.rows_per_step
        return self.batch_warmup.first_row_of_step(step, self.row_pieces)

    def steps_at(self, pieces: float) -> float:
        """Return the steps, in fractions, after which full rows have brought so many pieces."""
        if self.batch_warmup is None:
            return pieces / self.step_pieces
        return self.batch_warmup.steps_for(pieces / self.row_pieces, self.row_pieces)

    def learning_rate(self, elapsed: int) -> float:
        """Return the learning rate after `elapsed` pieces or steps."""
        return self.lr * self.schedule.multiplier(elapsed, self.duration)

    def share_at_step(self, step: int) -> float:
        """Return the share of the run that is over when a step begins, 0 to 1, by the budget of full rows."""
        done = step if self.unit == "steps" else self.first_row_of_step(step) * self.row_pieces
        return min(1.0, done / self.duration)

    def mask_rate_of_step(self, step: int, epoch: int = 0) -> float:
        """Return the mask rate of a step in an epoch (from 0; only "linear_epochs" asks for it)."""
        return self.mask_schedule.rate(self.mask_rate, self.share_at_step(step), epoch)

    def for_steps(self, n_steps: int) -> "Recipe":
        """Return the recipe cut or stretched to a number of steps, with all that moves over a run.

        Schedule, intervals and batch warm-up keep their shares of the run; mask schedules are shares already, or count
        epochs, which the text decides.
        """
        factor = n_steps / self.full_steps
        steps = self if self.unit == "steps" else self._counted_in_steps()
        return replace(
            steps,
            duration=n_steps,
            schedule=steps.schedule.scaled(factor),
            batch_warmup=None if self.batch_warmup is None else self.batch_warmup.scaled(factor),
            eval_every=max(1, round(self.eval_every * factor)),
            save_every=max(1, round(self.save_every * factor)),
        )

    def _counted_in_steps(self) -> "Recipe":
        schedule = self.schedule.mapped(self.steps_at, self.duration)
        return replace(self, unit="steps", duration=self.full_steps, schedule=schedule)

    def to_dict(self) -> dict[str, Any]:
        """Return all values as JSON-ready data."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every value that shapes the run, except the seed."""
        values = {key: value for key, value in self.to_dict().items() if key not in _WORDS}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest()
