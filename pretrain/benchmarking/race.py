"""Lets contestants take turns, round by round, every other round in reverse, and times whole passes over all documents.

A machine that others use drifts by 10-15 % within minutes; neighbouring measurements share that drift, so ratios
are taken within a round. Batches are made before the clock starts (training makes them in the background). Each
round draws the order of documents anew, the same for all.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pretrain.benchmarking.contestants import (
    Contestant,
    Engines,
    Sizes,
    make_step,
    padding_of,
    plan_for,
)
from pretrain.benchmarking.documents import Document
from pretrain.benchmarking.engines import train_step
from pretrain.benchmarking.memory import PeakMeter
from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class Run:
    """One pass over all documents.

    wall_seconds, processor_seconds (float): processor time is that of all threads of this process together.
    steps (int): optimizer steps. padding (float): share of padding in the batches.
    """

    wall_seconds: float
    processor_seconds: float
    steps: int
    padding: float


@dataclass
class Outcome:
    """What the race found, by contestant: a run for each round, peak bytes of the largest step, and why some failed."""

    runs: dict[str, list[Run]]
    peaks: dict[str, int]
    failed: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return all as JSON-ready data."""
        runs = {key: [asdict(run) for run in found] for key, found in self.runs.items()}
        return {"runs": runs, "peaks": self.peaks, "failed": self.failed}


def race(
    contestants: Sequence[Contestant],
    engines: Engines,
    documents: Sequence[Document],
    sizes: Sizes,
    *,
    seed: int,
    rounds: int,
    is_quiet: bool = False,
) -> Outcome:
    """Warm up, then measure.

    RETURNS (Outcome): a contestant for which memory does not suffice leaves the race, the others go on.
    RAISES (ValueError): BC777 if that is ours.
    """
    lengths = np.array([len(document.ids) for document in documents])
    outcome = Outcome({contestant.key: [] for contestant in contestants}, {}, {})
    total = len(contestants) * (rounds + 1)
    with tqdm(total=total, unit="pass", disable=is_quiet) as bar:
        for number in range(-1, rounds):
            turn = contestants if number % 2 == 0 else contestants[::-1]
            for contestant in turn:
                bar.set_description(f"{contestant.key} {number + 1 or 'warm-up'}")
                if contestant.key not in outcome.failed:
                    try:
                        plan = plan_for(contestant, lengths, sizes, seed, max(number, 0))
                        if number < 0:
                            outcome.peaks[contestant.key] = _warm_up(contestant, engines, documents, plan)
                        else:
                            run = _pass(
                                contestant, engines, documents, plan, padding_of(contestant, lengths, plan)
                            )
                            outcome.runs[contestant.key].append(run)
                    except (RuntimeError, MemoryError) as error:
                        _fail(contestant, engines, outcome, error)
                bar.update()
    return outcome


def _warm_up(contestant: Contestant, engines: Engines, documents: Sequence[Document], plan: list) -> int:
    """Compute the largest step twice; RETURNS (int): peak bytes of the second above weights and optimizer."""
    engine = engines.of(contestant)

    def size(step: list[list[int]]) -> int:
        longest = [max(len(documents[i].ids) for i in batch) for batch in step]
        real = [sum(len(documents[i].ids) for i in batch) for batch in step]
        counts = real if contestant.is_ours else [len(b) * most for b, most in zip(step, longest)]
        return max(counts) * 2**20 + max(longest)

    largest = make_step(engine, documents, max(plan, key=size))
    train_step(engine, largest)
    meter = PeakMeter(_device(engine))
    meter.start()
    train_step(engine, largest)
    return meter.above()


def _pass(
    contestant: Contestant, engines: Engines, documents: Sequence[Document], plan: list, padding: float
) -> Run:
    engine = engines.of(contestant)
    steps = [make_step(engine, documents, step) for step in plan]
    _synchronize(_device(engine))
    wall, processor = time.perf_counter(), time.process_time()
    for step in steps:
        train_step(engine, step)
    _synchronize(_device(engine))
    return Run(time.perf_counter() - wall, time.process_time() - processor, len(steps), padding)


def _fail(contestant: Contestant, engines: Engines, outcome: Outcome, error: Exception) -> None:
    lines = str(error).strip().splitlines() or [""]
    why = f"{type(error).__name__}: {lines[0][:200]}"
    if contestant.key == "ours":
        raise ValueError(Errors.BC777.format(why=why)) from error
    engine = engines.of(contestant)
    engine.optimizer.zero_grad(set_to_none=True)
    if _device(engine).type == "cuda":
        torch.cuda.empty_cache()
    outcome.failed[contestant.key] = why
    outcome.runs[contestant.key] = []


def _device(engine: Any) -> torch.device:
    return next(engine.model.parameters()).device


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
