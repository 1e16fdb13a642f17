"""The training loop of `python -m spacy bioclinical train`: spaCy's, step for step, and able to stop and go on.

Reused from spaCy as they are: the config's schema and its blocks (corpora, batcher, optimizer, logger, callbacks), the
evaluation with its weighted score, `nlp.update`, the meta data, the cleaning of the output folder. Rewritten is what
`train_while_improving` and `create_train_batches` keep in local variables where nobody can save it. With the same
config the weights are those of `spacy train`, bit for bit (a test compares them); beyond it, this loop knows

- checkpoints: after each evaluation, every few minutes, and when the process is asked to end (SIGTERM, SIGINT);
- evaluation after each epoch (`spacy-bioclinical.EachEpoch.v1`), and the number of steps for a linear decay;
- parts of a batch, whose gradients are averaged instead of added up (`spacy-bioclinical.batch_by_pieces.v1`).
"""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from spacy import util
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    clean_output_dir,
    create_before_to_disk_callback,
    create_evaluation_callback,
    subdivide_batch,
    update_meta,
)
from thinc.api import Model, Optimizer, fix_random_seed, set_gpu_allocator

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training import checkpoints
from spacy_bioclinical.training.batcher import Batch
from spacy_bioclinical.training.callbacks import EachEpoch
from spacy_bioclinical.training.identity import check_identity, identity_of
from spacy_bioclinical.training.interruption import Signals
from spacy_bioclinical.training.layers import scale_gradients
from spacy_bioclinical.training.progress import Progress, StepNotes
from spacy_bioclinical.training.schedules import LinearDecay
from spacy_bioclinical.training.stream import BatchStream


@dataclass(frozen=True)
class Outcome:
    """What came of a training: whether it is finished, and where it stands."""

    finished: bool
    progress: Progress


def train(
    nlp: Language,
    output: Path,
    *,
    use_gpu: int = -1,
    checkpoint_minutes: float = 10.0,
    checkpoint_steps: int = 0,
    restart: bool = False,
    signals: Signals | None = None,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Outcome:
    """Train a pipeline, or go on where its last checkpoint in `output` left off.

    nlp (Language): initialized (`spacy.training.initialize.init_nlp`), with the full config.
    output (Path): folder for model-best, model-last and the checkpoint, which goes when the training is finished.
    use_gpu (int): as for spaCy's loop.
    checkpoint_minutes (float): time between checkpoints; those after evaluations come besides.
    checkpoint_steps (int): steps between checkpoints; 0: by time only.
    restart (bool): throw an earlier checkpoint away.
    signals (Signals): tells when to stop after the present step; None: never.
    RETURNS (Outcome): what came of it.
    RAISES (ValueError): BC446 and BC447 for a checkpoint that does not fit; what training raises.
    """
    config = nlp.config.interpolate()
    if config["training"]["seed"] is not None:
        fix_random_seed(config["training"]["seed"])
    if use_gpu >= 0 and config["training"]["gpu_allocator"]:
        set_gpu_allocator(config["training"]["gpu_allocator"])
    T = util.registry.resolve(config["training"], schema=ConfigSchemaTraining)
    corpora = util.resolve_dot_names(config, [T["train_corpus"], T["dev_corpus"]])
    run = _Run(nlp, T, corpora, output)
    identity = identity_of(nlp)
    file = output / checkpoints.FILE
    if restart:
        file.unlink(missing_ok=True)
    if file.exists():
        if "@schedules" in str(config["training"]["batcher"]):
            raise ValueError(Errors.BC447.format(path=file, why="the size of its batches follows a schedule"))
        state = checkpoints.read_state(file)
        check_identity(file, state["identity"], identity)
        run.resume(file, state)
    else:
        clean_output_dir(output)
    output.mkdir(parents=True, exist_ok=True)

    def save() -> None:
        run.progress.losses = {name: float(loss) for name, loss in run.progress.losses.items()}
        state = {"identity": identity, "progress": vars(run.progress), "place": run.stream.place}
        checkpoints.save_checkpoint(file, nlp, run.optimizer, state)

    with nlp.select_pipes(disable=T["frozen_components"]):
        log_step, finalize = T["logger"](nlp, stdout, stderr)
    notes = log_step if isinstance(log_step, StepNotes) else None
    if notes is not None:
        notes.begin(output, progress=run.progress, total=run.total_steps)
    saved = time.perf_counter()
    try:
        for info, is_best in run.steps():
            if is_best is not None:
                with nlp.select_pipes(disable=T["frozen_components"]):
                    update_meta(T, nlp, info)
                run.save_models(is_best)
                info["output_path"] = str(output / DIR_MODEL_LAST)
            if notes is not None:
                notes.note(run.note())
            log_step(info if is_best is not None else None)
            if is_best is not None:
                run.progress.losses = {}
            is_due = checkpoint_steps and run.progress.step % checkpoint_steps == 0
            if is_best is not None or is_due or time.perf_counter() - saved > 60 * checkpoint_minutes:
                save()
                saved = time.perf_counter()
            if signals is not None and signals.received:
                save()
                return Outcome(False, run.progress)
    finally:
        finalize()
    run.save_models(False)
    file.unlink(missing_ok=True)
    return Outcome(True, run.progress)


class _Run:
    """The parts of one training, and its steps."""

    def __init__(self, nlp: Language, T: dict[str, Any], corpora: Any, output: Path):
        self.nlp, self.T, self.output = nlp, T, output
        self.optimizer: Optimizer = T["optimizer"]
        self.each_epoch = T["before_update"] if isinstance(T["before_update"], EachEpoch) else None
        train_corpus, dev_corpus = corpora
        self.stream = BatchStream(
            nlp, train_corpus, T["batcher"], T["max_epochs"], look_ahead=self.each_epoch is not None
        )
        self.evaluate: Callable[[], tuple[float, Any]] = create_evaluation_callback(
            nlp, dev_corpus, T["score_weights"]
        )
        self.before_to_disk = create_before_to_disk_callback(T["before_to_disk"])
        self.progress = Progress()
        self.total_steps = self._total_steps()
        for schedule in self.optimizer.schedules.values():
            if isinstance(schedule, LinearDecay):
                schedule.bind(self.total_steps)

    def _total_steps(self) -> int:
        """Steps until the end if nothing ends it early; 0 if there is no end. spaCy takes max_steps + 1 of them."""
        most = self.T["max_steps"] + 1 if self.T["max_steps"] else 0
        is_open = any(
            isinstance(schedule, LinearDecay) and not schedule.total_steps
            for schedule in self.optimizer.schedules.values()
        )
        counted = self.stream.count_steps() if is_open or not most else 0
        if is_open and not (most or counted):
            raise ValueError(Errors.BC443)
        return min(number for number in (most, counted) if number) if most or counted else 0

    def resume(self, file: Path, state: dict[str, Any]) -> None:
        """Go back to where a checkpoint was written."""
        self.progress = Progress(**state["progress"])
        self.stream.go_to(state["place"])
        for _ in range(self.progress.step):
            self.optimizer.step_schedules()
        checkpoints.restore_checkpoint(file, self.nlp, self.optimizer)

    def steps(self) -> Iterator[tuple[dict[str, Any], bool | None]]:
        """Train; give after each step what spaCy's loop gives to loggers, and whether it is the best so far."""
        if self._is_over():
            return
        began = time.perf_counter() - self.progress.seconds
        for epoch, batch, ends_epoch in self.stream:
            step = self.progress.step
            if self.T["before_update"] and self.each_epoch is None:
                self.T["before_update"](self.nlp, {"step": step, "epoch": epoch})
            self._update(batch)
            self.progress.step, self.progress.epoch = step + 1, epoch
            self.progress.words += sum(len(eg) for eg in batch)
            is_best, score, scores = None, None, None
            if self._is_evaluated(step, ends_epoch):
                with self.nlp.use_params(self.optimizer.averages or {}):
                    score, scores = self.evaluate()
                is_best = self._rank(score, step)
            self.progress.seconds = time.perf_counter() - began
            yield self._info(epoch, step, score, scores), is_best
            if self._is_over():
                return

    def _update(self, batch: Any) -> None:
        excluded = self.T["frozen_components"]
        parts = batch.parts if isinstance(batch, Batch) else None
        if parts is None or (len(parts) == 1 and self.T["accumulate_gradient"] > 1):
            parts, shares = list(subdivide_batch(batch, self.T["accumulate_gradient"])), None
        else:
            shares = batch.shares() if len(parts) > 1 else None
        for number, part in enumerate(parts):
            if shares and number:
                scale_gradients(self.nlp, shares[number - 1] / shares[number])
            self.nlp.update(
                part,
                drop=self.T["dropout"],
                losses=self.progress.losses,
                sgd=False,  # type: ignore[arg-type]
                exclude=excluded,
                annotates=self.T["annotating_components"],
            )
        if shares:
            scale_gradients(self.nlp, shares[-1])
        pipes: list[tuple[str, Any]] = list(self.nlp.pipeline)
        for name, pipe in pipes:
            if name not in excluded and isinstance(getattr(pipe, "model", None), Model) and pipe.is_trainable:
                pipe.finish_update(self.optimizer)
        self.optimizer.step_schedules()

    def _is_evaluated(self, step: int, ends_epoch: bool) -> bool:
        if self.each_epoch is None:
            return step % self.T["eval_frequency"] == 0
        return ends_epoch or bool(self.T["max_steps"] and step >= self.T["max_steps"])

    def _rank(self, score: float, step: int) -> bool:
        """Note a result. spaCy takes the last of equally good models, transformers (and each epoch here) the first."""
        best = max((result[0] for result in self.progress.results), default=None)
        self.progress.results.append([float(score), step])
        self.progress.since_best = 0 if best is None or score > best else self.progress.since_best + 1
        return best is None or score > best or (score == best and self.each_epoch is None)

    def _is_over(self) -> bool:
        step, results = self.progress.step - 1, self.progress.results
        if results and self.T["patience"]:
            best_step = -max((score, -at) for score, at in results)[1]
            if step - best_step >= self.T["patience"]:
                return True
        if self.each_epoch is not None and 0 < self.each_epoch.patience <= self.progress.since_best:
            return True
        return bool(self.T["max_steps"] and step >= self.T["max_steps"])

    def _info(self, epoch: int, step: int, score: float | None, scores: Any) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "step": step,
            "score": score,
            "other_scores": scores,
            "losses": self.progress.losses,
            "checkpoints": [(score, step) for score, step in self.progress.results],
            "seconds": int(self.progress.seconds),
            "words": self.progress.words,
        }

    def note(self) -> dict[str, Any]:
        """What our logger wants to know of each step."""
        return {
            "step": self.progress.step,
            "epoch": self.progress.epoch,
            "losses": dict(self.progress.losses),
            "learn_rate": getattr(self.optimizer, "used_rate", self.optimizer.learn_rate),
            "grad_norm": getattr(self.optimizer, "grad_norm", None),
            "words": self.progress.words,
        }

    def save_models(self, is_best: bool) -> None:
        """Write model-last, and model-best from it; each is exchanged when it is whole."""
        with self.nlp.use_params(self.optimizer.averages or {}):
            _exchange(
                self.output / DIR_MODEL_LAST, lambda aside: self.before_to_disk(self.nlp).to_disk(aside)
            )
        if is_best:
            _exchange(
                self.output / DIR_MODEL_BEST,
                lambda aside: shutil.copytree(self.output / DIR_MODEL_LAST, aside),
            )


def _exchange(folder: Path, write: Callable[[Path], Any]) -> None:
    aside, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    write(aside)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
