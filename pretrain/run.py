"""A run under way: model, optimizer, logs and checkpoints, and what to do with the next step."""

import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.batches import Row
from pretrain.branching import CHECKPOINTS, Branch, begin
from pretrain.checkpoints import (
    LATEST,
    check_same_run,
    latest_checkpoint,
    point_to_latest,
    restore,
    save_checkpoint,
)
from pretrain.compute import checkpoint_activations, compile_blocks, set_dropout
from pretrain.devices import Team, whole_model
from pretrain.evaluation import evaluate
from pretrain.flops import flops_per_piece, peak_flops
from pretrain.log import STEP_COLUMNS, CsvLog, evaluation_columns
from pretrain.loggers import MetricLog, numbers, open_loggers
from pretrain.optimizer import make_optimizer
from pretrain.progress import Progress
from pretrain.recipes.recipe import Recipe
from pretrain.recovery import MOST_BACK_OFFS, Guard, Patience, what_is_bad
from pretrain.start import Model
from pretrain.step import StepFigures, Stream, compute_step, update
from spacy_bioclinical.errors import Errors

STEP_LOG, EVALUATION_LOG = "steps.csv", "evaluations.csv"


@dataclass(frozen=True)
class Options:
    """What a run does besides its recipe; none of it changes the numbers of a run without bad steps.

    patience (Patience): with losses that are not finite. loggers (tuple): see `pretrain.loggers`.
    is_compiled (bool): torch.compile for the feed-forward blocks (numbers differ in their last bits).
    sources (tuple), source_of (np.ndarray | None): names for the log, and int (n_sequences,) the source of each
        sequence of the shards; given, evaluations are logged for each source.
    """

    patience: Patience = field(default_factory=Patience)
    loggers: tuple[str, ...] = ()
    is_compiled: bool = False
    sources: tuple[str, ...] = ()
    source_of: np.ndarray | None = None


class Run:
    """One process's part in a run; see `pretrain.loop.train` for the arguments."""

    def __init__(
        self,
        model: Model,
        stream: Stream,
        recipe: Recipe,
        work: Path,
        identity: dict[str, Any],
        held_out_rows: Callable[[], list[Row]],
        team: Team,
        branch: Branch | None,
        options: Options,
    ):
        self.model, self.stream, self.recipe, self.team = model, stream, recipe, team
        self.work, self.identity, self.held_out_rows = work, identity, held_out_rows
        self.guard, self.options = Guard(options.patience), options
        set_dropout(model, recipe.attention_out_dropout)
        if recipe.activation_checkpointing:
            checkpoint_activations(model)
        if options.is_compiled:
            compile_blocks(model)
        self.wrapped = team.wrap(model)
        self.optimizer = make_optimizer(
            model,
            lr=recipe.lr,
            betas=recipe.betas,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
            kind=recipe.optimizer,
        )
        self.progress = self._begin(branch)
        self.n_last = self.progress.step
        self.peak = peak_flops(team.device) if recipe.precision == "bf16" else None
        self.loggers: list[MetricLog] = []
        if team.is_main:
            work.mkdir(parents=True, exist_ok=True)
            self._open_logs()
            self.loggers = open_loggers(
                options.loggers, work=work, recipe=recipe, identity=identity, after=self.progress.step
            )
        model.train()

    @property
    def elapsed(self) -> int:
        """Steps or pieces done, as the recipe counts."""
        return self.progress.step if self.recipe.unit == "steps" else self.progress.pieces

    def rate(self) -> float:
        """The learning rate of the next step."""
        lr = self.recipe.learning_rate(self.elapsed)
        return lr if self.progress.lr_scale == 1.0 else lr * self.progress.lr_scale

    def step(self) -> StepFigures | None:
        """Compute the next step; None if it led back to an earlier checkpoint. RAISES (ValueError): BC716."""
        lr, number = self.rate(), self.progress.step
        begun = time.perf_counter()
        figures = compute_step(self.wrapped, self.optimizer, self.stream, number, lr, self.team)
        what = what_is_bad(figures.loss, figures.grad_norm)
        if what is None:
            update(self.optimizer, figures.grad_norm, self.recipe.grad_clip)
            self.guard.note_good()
        else:
            self.optimizer.zero_grad(set_to_none=True)
            if self.guard.is_too_much(number + 1, what, self.model, self.team):
                self._go_back_or_stop(what, lr, figures)
                return None
            self.progress.skipped += 1
        self.progress.step += 1
        self.progress.pieces += figures.n_pieces
        figures = replace(figures, seconds=time.perf_counter() - begun)
        self._log(number, figures)
        return figures

    def scores(self) -> dict[str, Any] | None:
        """Evaluate, on the main process (with FSDP on a copy that holds all weights); the others wait."""
        model = whole_model(self.model, self.team)
        if not self.team.is_main:
            self.team.wait()
            return None
        if model is not self.model:
            model.to(self.team.device).model.set_compute(precision=self.recipe.precision)
        options = self.options
        result = evaluate(model, self.held_out_rows(), options.sources, options.source_of)
        self.team.wait()
        if result is None:
            return None
        line = (self.progress.step, self.progress.pieces, *result.line(options.sources))
        self._write(self.evaluations, *line)
        for logger in self.loggers:
            logger.write("eval", self.progress.step, numbers(evaluation_columns(options.sources), line))
        return result.to_dict()

    def save(self, *, must_succeed: bool) -> None:
        """Write a checkpoint. RAISES (ValueError): BC755 if it must succeed and the disk is full.

        In the midst of bad steps none is written, so that a way back leads behind them; resuming computes them
        again.
        """
        if self.guard.in_row and self.elapsed < self.recipe.duration:
            return
        state = {**self.progress.to_state(), "run": self.identity, "config": self.model.model.config}
        state.update(base_lr=self.recipe.lr * self.progress.lr_scale, lr=self.rate())
        folder, why = self.work / CHECKPOINTS, None
        try:
            place = save_checkpoint(
                *(folder, self.model, self.optimizer, state),
                keep=self.recipe.keep,
                is_writer=self.team.is_main,
            )
            if self.team.is_main:
                point_to_latest(self.work / LATEST, place)
        except OSError as error:
            why = error.strerror or str(error)
        if self.team.largest(float(why is not None))[0]:
            told = Errors.BC763
            if why is not None:
                told = Errors.BC755.format(what="checkpoint", step=self.progress.step, folder=folder, why=why)
            if must_succeed:
                raise ValueError(told)
            if self.team.is_main:
                warnings.warn(told, stacklevel=2)
        else:
            self.n_last = self.progress.step

    def close(self) -> None:
        """Close all logs."""
        if self.team.is_main:
            self.steps.close()
            self.evaluations.close()
            for logger in self.loggers:
                logger.close()

    def _begin(self, branch: Branch | None) -> Progress:
        """Take up this run's latest checkpoint, or the branch's, or begin anew."""
        folder = self.work / CHECKPOINTS
        if self.team.is_main:
            for left_over in folder.glob(".writing-*"):  # a kill in the midst of writing
                shutil.rmtree(left_over, ignore_errors=True)
        self.team.wait()
        checkpoint = latest_checkpoint(folder)
        if checkpoint is None:
            return begin(branch, self.model, self.optimizer, self.recipe) if branch else Progress()
        check_same_run(checkpoint, self.identity)
        if checkpoint.passed_over and self.team.is_main:
            why = "; ".join(checkpoint.passed_over)
            warnings.warn(Errors.BC761.format(why=why, step=checkpoint.state["step"]), stacklevel=2)
        restore(checkpoint, self.model, self.optimizer)
        return Progress.of(checkpoint.state)

    def _go_back_or_stop(self, what: str, lr: float, figures: StepFigures) -> None:
        """Take up the last checkpoint with a lower rate. RAISES (ValueError): BC716 where there is no way back."""
        bad, back_off = self.guard.first, self.options.patience.back_off
        checkpoint = latest_checkpoint(self.work / CHECKPOINTS)
        back_offs = self.progress.back_offs
        if back_off is None or checkpoint is None or back_offs >= MOST_BACK_OFFS:
            used = figures.sequences
            names = f"sequences {', '.join(map(str, used[:8]))}" + (" …" if len(used) > 8 else "")
            raise ValueError(Errors.BC716.format(step=bad, what=what, lr=lr, last=self.n_last, rows=names))
        scale = self.progress.lr_scale * back_off
        restore(checkpoint, self.model, self.optimizer)
        saved = Progress.of(checkpoint.state)
        self.progress = replace(saved, lr_scale=scale, back_offs=back_offs + 1)
        self.n_last = saved.step
        self.guard.note_good()
        if self.team.is_main:
            self.steps.close()
            self.evaluations.close()
            self._open_logs()
            told = Errors.BC762.format(step=self.progress.step, scale=scale, what=what, bad=bad)
            warnings.warn(told, stacklevel=2)

    def _open_logs(self) -> None:
        self.steps = CsvLog(self.work / STEP_LOG, STEP_COLUMNS, after=self.progress.step)
        columns = evaluation_columns(self.options.sources)
        self.evaluations = CsvLog(self.work / EVALUATION_LOG, columns, after=self.progress.step)

    def _log(self, number: int, figures: StepFigures) -> None:
        if not self.team.is_main:
            return
        speed = figures.n_pieces / figures.seconds
        predicted = figures.n_labelled / max(1, figures.n_pieces)
        mfu: float | str = ""
        if self.peak is not None:
            operations = flops_per_piece(self.model.settings, figures.mean_length, predicted)
            mfu = operations * speed / (self.peak * self.team.world)
        packing = figures.n_pieces / (figures.n_rows * self.recipe.row_pieces)
        line = (
            *(self.progress.step, self.stream.epoch(number), self.progress.pieces, figures.n_labelled),
            *(figures.loss, figures.lr, figures.grad_norm, packing, round(speed)),
            *(predicted, figures.n_rows, self.progress.skipped, mfu),
        )
        self._write(self.steps, *line)
        for logger in self.loggers:
            logger.write("train", self.progress.step, numbers(STEP_COLUMNS, line))

    def _write(self, log: CsvLog, *line: object) -> None:
        try:
            log.write(*line)
        except OSError as error:
            why = error.strerror or str(error)
            told = Errors.BC755.format(what="log line", step=self.progress.step, folder=self.work, why=why)
            raise ValueError(told) from error
