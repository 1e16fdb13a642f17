"""`spacy-bioclinical.CsvLogger.v1`: one row per evaluation and per so many steps, a bar with the time left, trackers.

Numbers only: steps, losses, rates, scores. The rows are for curves, so their columns never change during a training.
spaCy's loop tells a logger nothing between two evaluations; learn rate, gradient norm and rows of single steps come
from `python -m spacy bioclinical train`, and stay empty in plain `spacy train`.
"""

import csv
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from spacy.language import Language
from tqdm import tqdm

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.layers import encoder_shims
from spacy_bioclinical.training.progress import Progress, StepNotes
from spacy_bioclinical.training.trackers import Tracker, open_trackers

FIXED = (
    *("step", "epoch", "seconds", "eta_seconds", "words_per_second", "pieces_per_second"),
    *("learn_rate", "grad_norm", "score"),
)
DEFAULT_FILE = "log.csv"

LogStep = Callable[[dict[str, Any] | None], None]


def build_csv_logger_v1(
    *,
    path: str | None = None,
    every_steps: int = 10,
    progress_bar: bool = True,
    console: bool = True,
    wandb_project: str | None = None,
    mlflow_experiment: str | None = None,
    run_name: str | None = None,
) -> Callable[[Language, IO, IO], tuple[LogStep, Callable[[], None]]]:
    """Log a training as CSV.

    Columns: step, epoch, seconds, eta_seconds, words_per_second, pieces_per_second, learn_rate, grad_norm, score (empty
    between evaluations), loss_COMPONENT (mean of a step since the last row), and the dev scores of
    `[training.score_weights]`.

    path (Optional[str]): the file; null: log.csv in the output folder of `python -m spacy bioclinical train`.
    every_steps (int): steps between rows; 0: evaluations only.
    progress_bar (bool): a bar with the time left, on the error stream.
    console (bool): one line for each evaluation.
    wandb_project, mlflow_experiment (Optional[str]): send the rows there too. They leave this machine then: numbers
        and the config, never text.
    run_name (Optional[str]): the run's name there.
    RETURNS (Callable): for `[training.logger]`.
    RAISES (ValueError): BC444 for a negative number of steps. (ImportError): BC448 if a tracker is not installed.
    """
    if every_steps < 0:
        raise ValueError(Errors.BC444.format(what="logger.every_steps", given=every_steps, want="0 or more"))

    def setup(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        trackers = open_trackers(wandb_project, mlflow_experiment, run_name, nlp.config)
        bar = tqdm(disable=not progress_bar, file=stderr, unit="step", dynamic_ncols=True)
        log = CsvLog(
            nlp, Path(path) if path else None, every_steps, bar, stdout if console else None, trackers
        )
        return log, log.close

    return setup


class CsvLog(StepNotes):
    """See `build_csv_logger_v1`."""

    def __init__(
        self,
        nlp: Language,
        path: Path | None,
        every_steps: int,
        bar: tqdm,
        console: IO | None,
        trackers: list[Tracker],
    ):
        training = nlp.config["training"]
        self.path, self.every_steps, self.bar = path, every_steps, bar
        self.console, self.trackers = console, trackers
        self.shims = encoder_shims(nlp)
        self.components = [name for name, pipe in nlp.pipeline if getattr(pipe, "is_trainable", False)]
        self.scores = [name for name, weight in training["score_weights"].items() if weight is not None]
        self.columns = [*FIXED, *(f"loss_{name}" for name in self.components), *self.scores]
        self.total = training["max_steps"] + 1 if training["max_steps"] else 0
        self.kept = 0  # steps done before this process began
        self.step = self.epoch = self.words = 0
        self.noted: dict[str, Any] = {}
        self.began = self.last_time = time.perf_counter()
        self.last_words = self.last_pieces = self.last_step = 0
        self.loss_at_row: dict[str, float] = {}
        self.earlier_seconds = 0.0
        self.file: IO | None = None
        self.rows: Any = None

    def begin(self, output: Path, *, progress: Progress, total: int) -> None:
        """Take up the file of a training that goes on: rows after its checkpoint are dropped."""
        self.path = self.path or output / DEFAULT_FILE
        self.kept = self.step = self.last_step = progress.step
        self.last_words, self.loss_at_row = progress.words, dict(progress.losses)
        self.earlier_seconds = progress.seconds
        self.total = total or self.total
        if progress.step and self.path.is_file():
            with self.path.open(encoding="utf8", newline="") as file:
                self._open([row for row in csv.DictReader(file) if int(row["step"]) <= progress.step])

    def note(self, step: dict[str, Any]) -> None:
        """Take what the loop tells of a step."""
        self.noted = step

    def __call__(self, info: dict[str, Any] | None) -> None:
        """Log a step; `info` is what spaCy's loop gives after an evaluation, else None."""
        if self.step == self.kept:
            self.bar.reset(total=self.total or None)
            self.bar.update(self.step)
        self.step = self.noted.get("step", self.step + 1)
        self.bar.update(1)
        if info is None and not (self.every_steps and self.noted and self.step % self.every_steps == 0):
            return
        losses = (info or self.noted)["losses"]
        self.words = (info or self.noted)["words"]
        row = self._row(losses)
        row["epoch"] = (info or self.noted)["epoch"]
        if info is not None:
            row["score"] = float(info["score"])
            scores = info["other_scores"]
            row.update(
                {name: scores[name] for name in self.scores if isinstance(scores.get(name), float | int)}
            )
        self._write(row)
        self.loss_at_row = {} if info is not None else {name: float(loss) for name, loss in losses.items()}
        if info is not None and self.console is not None:
            self._tell(row)

    def _row(self, losses: dict[str, float]) -> dict[str, Any]:
        now, pieces = time.perf_counter(), sum(shim.pieces_trained for shim in self.shims)
        passed, steps = max(now - self.last_time, 1e-9), max(self.step - self.last_step, 1)
        left = (self.total - self.step) * (now - self.began) / max(self.step - self.kept, 1)
        row: dict[str, Any] = {
            "step": self.step,
            "seconds": round(self.earlier_seconds + now - self.began, 1),
            "eta_seconds": round(max(left, 0.0), 1) if self.total else None,
            "words_per_second": round(max(self.words - self.last_words, 0) / passed, 1),
            "pieces_per_second": round((pieces - self.last_pieces) / passed, 1),
            "learn_rate": self.noted.get("learn_rate"),
            "grad_norm": self.noted.get("grad_norm"),
        }
        for name in self.components:
            if name in losses:
                row[f"loss_{name}"] = (float(losses[name]) - self.loss_at_row.get(name, 0.0)) / steps
        self.last_time, self.last_words, self.last_pieces, self.last_step = now, self.words, pieces, self.step
        return row

    def _write(self, row: dict[str, Any]) -> None:
        if self.path is not None:
            if self.file is None:
                self._open([])
            assert self.file is not None
            self.rows.writerow({name: _short(value) for name, value in row.items()})
            self.file.flush()
        for tracker in self.trackers:
            numbers = {name: value for name, value in row.items() if isinstance(value, float | int)}
            tracker.log({name: value for name, value in numbers.items() if math.isfinite(value)}, self.step)

    def _open(self, earlier: list[dict[str, Any]]) -> None:
        assert self.path is not None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("w", encoding="utf8", newline="")
        self.rows = csv.DictWriter(self.file, self.columns, extrasaction="ignore")
        self.rows.writeheader()
        self.rows.writerows(earlier)
        self.file.flush()

    def _tell(self, row: dict[str, Any]) -> None:
        shown = [f"epoch {row['epoch']}", f"step {row['step']}", f"score {row['score']:.4f}"]
        shown += [f"{name} {row[name]:.4f}" for name in self.scores if name in row]
        shown += [f"{name} {row[name]:.4g}" for name in row if name.startswith("loss_")]
        self.bar.clear()
        print("  ".join(shown), file=self.console, flush=True)
        self.bar.refresh()

    def close(self) -> None:
        """Close file, bar and trackers."""
        self.bar.close()
        if self.file is not None:
            self.file.close()
        for tracker in self.trackers:
            tracker.close()


def _short(value: Any) -> Any:
    return f"{value:.8g}" if isinstance(value, float) else value
