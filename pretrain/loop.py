"""The training loop: one update a step, with log, evaluation, checkpoints and a clean way out.

All that is random is a function of (seed, step); so a run that is killed and resumed computes the same
numbers as one that was not, bit for bit on one CPU with the same number of threads. Losses of a step's rows
are weighted by their predicted pieces, so that accumulating over rows equals one large row.
"""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pretrain.batches import DROPOUT, BatchStream, Row, generator_for
from pretrain.checkpoints import check_same_run, latest_checkpoint, restore, save_checkpoint
from pretrain.evaluation import Evaluation, evaluate, row_tensors
from pretrain.interruption import Interruption
from pretrain.log import EVALUATION_COLUMNS, STEP_COLUMNS, CsvLog
from pretrain.optimizer import make_optimizer, set_learning_rate
from pretrain.recipes.recipe import Recipe
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.errors import Errors

CHECKPOINTS, STEP_LOG, EVALUATION_LOG = "checkpoints", "steps.csv", "evaluations.csv"


@dataclass
class Progress:
    """Where a run stands: steps done, pieces seen, held-out scores before training and at the last look."""

    step: int = 0
    pieces: int = 0
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    interrupted: int | None = field(
        default=None, compare=False
    )  # signal that ended the call, 0 for stop_after


def train(
    model: ModernBertForMaskedLM,
    stream: BatchStream,
    recipe: Recipe,
    *,
    work: Path,
    identity: dict[str, Any],
    held_out_rows: Callable[[], list[Row]],
    stop_after: int | None = None,
    is_quiet: bool = False,
) -> Progress:
    """Train to the recipe's end, from the latest checkpoint in `work` if there is one.

    model (ModernBertForMaskedLM): the starting weights, on the device to use. Holds the trained ones
        afterwards.
    work (Path): folder of checkpoints and logs.
    identity (dict): what makes this run the one it is (recipe, seed, data, start, by hash).
    held_out_rows (Callable): returns the rows to evaluate on; empty for no evaluation.
    stop_after (int | None): pause after so many steps of this call, with a checkpoint, as a signal would.
    RAISES (ValueError): BC714 (checkpoint of another run), BC715 (damaged), BC716 (loss or gradient not
        finite).
    """
    optimizer = make_optimizer(
        model, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay
    )
    progress = _resume(work / CHECKPOINTS, model, optimizer, identity)
    work.mkdir(parents=True, exist_ok=True)
    steps = CsvLog(work / STEP_LOG, STEP_COLUMNS, after=progress.step)
    evaluations = CsvLog(work / EVALUATION_LOG, EVALUATION_COLUMNS, after=progress.step)

    def scores() -> dict[str, Any] | None:
        result: Evaluation | None = evaluate(model, held_out_rows())
        if result is None:
            return None
        evaluations.write(progress.step, progress.pieces, result.loss, result.accuracy, result.n_labelled)
        return result.to_dict()

    def save() -> None:
        state = {"step": progress.step, "pieces": progress.pieces, "run": identity}
        state.update(before=progress.before, after=progress.after)
        save_checkpoint(work / CHECKPOINTS, model, optimizer, state, keep=recipe.keep)

    _set_dropout(model, recipe.attention_out_dropout)
    model.train()
    if progress.step == 0:
        progress.before = scores()
    n_last, begun_at = progress.step, progress.step
    bar = tqdm(
        total=recipe.duration,
        initial=_elapsed(recipe, progress),
        unit=recipe.unit[:-1],
        disable=is_quiet,
        mininterval=1.0,
    )
    with Interruption() as interruption, bar:
        while _elapsed(recipe, progress) < recipe.duration:
            lr = recipe.learning_rate(_elapsed(recipe, progress))
            figures = _step(model, optimizer, stream, progress.step, lr, last_saved=n_last)
            epoch = stream.epoch(progress.step)
            progress.step += 1
            progress.pieces += figures.n_pieces
            packing = figures.n_pieces / recipe.step_pieces
            steps.write(
                *(progress.step, epoch, progress.pieces, figures.n_labelled, figures.loss, lr),
                *(figures.grad_norm, packing, round(figures.n_pieces / figures.seconds)),
            )
            bar.update(_elapsed(recipe, progress) - bar.n)
            speed = f"{figures.n_pieces / figures.seconds / 1000:.1f}k"
            bar.set_postfix(
                {"loss": f"{figures.loss:.3f}", "lr": f"{lr:.2e}", "pieces/s": speed}, refresh=False
            )
            is_over = _elapsed(recipe, progress) >= recipe.duration
            if is_over or progress.step % recipe.eval_every == 0:
                progress.after = scores()
            if interruption.received is not None:
                progress.interrupted = interruption.received
            elif stop_after is not None and progress.step - begun_at >= stop_after:
                progress.interrupted = 0
            must_stop = progress.interrupted is not None and not is_over
            if is_over or must_stop or progress.step % recipe.save_every == 0:
                save()
                n_last = progress.step
            if must_stop:
                break
            progress.interrupted = None
    steps.close()
    evaluations.close()
    return progress


@dataclass(frozen=True)
class _Figures:
    loss: float
    grad_norm: float
    n_pieces: int
    n_labelled: int
    seconds: float


def _step(
    model: ModernBertForMaskedLM,
    optimizer: torch.optim.Optimizer,
    stream: BatchStream,
    number: int,
    lr: float,
    last_saved: int,
) -> _Figures:
    begun = time.perf_counter()
    device = next(model.parameters()).device
    rows = stream.step(number)
    n_labelled = sum(row.n_labelled for row in rows)
    set_learning_rate(optimizer, lr)
    torch.manual_seed(int(generator_for(stream.seed, DROPOUT, number).integers(2**62)))
    loss = 0.0
    for row in rows:
        ids_T, labels_T = row_tensors(row, device)
        output = model(ids_T, row.lengths, labels_T)
        share = output.loss * (output.n_labelled / max(1, n_labelled))
        share.backward()
        loss += share.item()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    grad_norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    for what, value in (("the loss", loss), ("the gradient's norm", grad_norm)):
        if not math.isfinite(value):
            used = [index for row in rows for index in row.sequences]
            names = f"sequences {', '.join(map(str, used[:8]))}" + (" …" if len(used) > 8 else "")
            raise ValueError(
                Errors.BC716.format(step=number + 1, what=what, lr=lr, last=last_saved, rows=names)
            )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    n_pieces = sum(len(row.ids) for row in rows)
    return _Figures(loss, grad_norm, n_pieces, n_labelled, time.perf_counter() - begun)


def _resume(
    folder: Path, model: ModernBertForMaskedLM, optimizer: torch.optim.Optimizer, identity: dict[str, Any]
) -> Progress:
    for left_over in folder.glob(".writing-*"):  # a kill in the midst of writing
        shutil.rmtree(left_over, ignore_errors=True)
    checkpoint = latest_checkpoint(folder)
    if checkpoint is None:
        return Progress()
    check_same_run(checkpoint, identity)
    restore(checkpoint, model, optimizer)
    state = checkpoint.state
    return Progress(state["step"], state["pieces"], state["before"], state["after"])


def _elapsed(recipe: Recipe, progress: Progress) -> int:
    return progress.step if recipe.unit == "steps" else progress.pieces


def _set_dropout(model: ModernBertForMaskedLM, rate: float) -> None:
    """Dropout behind attention blocks, as published; transformers' config has no key for it alone."""
    if rate:
        for layer in model.model.layers:
            layer.attn.out_drop.p = rate  # type: ignore[union-attr]
