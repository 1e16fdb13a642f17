"""Runs many cells, several at once: what is done is skipped, what fails is written down and the rest goes on."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from spacy_bioclinical.cli.suite.cells import Cell, Planner, group_names, groups
from spacy_bioclinical.cli.suite.config_text import digest
from spacy_bioclinical.cli.suite.plan import EncoderChoice, Recipe, Suite, Sweep, Task
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.cli.suite.run_cell import Workplace, cell_folder, make_failure, run_cell

PLANNING_ERRORS = (ValueError, OSError)
Group = tuple[Task, EncoderChoice, Recipe]


@dataclass
class Planned:
    """cells (list[Cell]): what can be run. failures (list[dict]): groups that cannot, and why."""

    cells: list[Cell] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """How many of the cells were done before, are done now, and failed."""

    skipped: int
    done: int
    failed: int


def plan_cells(
    planner: Planner,
    suite: Suite,
    chosen: dict[int, tuple[Sweep, float]] | None = None,
    only: Iterable[int] | None = None,
) -> Planned:
    """Make the cells of a suite; a group that cannot be composed, for want of its corpus say, does not stop the others.

    planner (Planner): makes cells. suite (Suite): what of.
    chosen (dict): number of a group (see `groups`) to the value that a sweep has chosen for it.
    only (Iterable[int]): numbers of the groups wanted; None: all.
    RETURNS (Planned): cells in order, and what is wrong with the others.
    """
    planned = Planned()
    wanted = None if only is None else set(only)
    for number, group in enumerate(groups(suite)):
        if wanted is not None and number not in wanted:
            continue
        sweep, value = (chosen or {}).get(number, (None, None))
        try:
            planned.cells += [
                planner.cell(suite, *group, seed, sweep=sweep, value=value) for seed in suite.seeds
            ]
        except PLANNING_ERRORS as error:
            planned.failures.append(group_failure(group, error))
    return planned


def group_failure(group: Group, error: Exception | str) -> dict[str, Any]:
    """RETURNS (dict): what suite.json says of a task, encoder and recipe that could not even be begun."""
    task, encoder, recipe = group_names(group)
    return {
        "task": task,
        "encoder": {"name": encoder},
        "recipe": {"name": recipe},
        "seed": None,
        "signature": group_signature(group),
        "kind": "plan",
        "error": str(error) if isinstance(error, (str, ValueError)) else type(error).__name__,
        "log": None,
    }


def group_signature(group: Group) -> str:
    """RETURNS (str): stands for a group among the failures."""
    return digest(["plan", *group_names(group)])


def run_cells(
    cells: Iterable[Cell],
    place: Workplace,
    results: Results,
    *,
    jobs: int = 1,
    gpu_ids: Iterable[int] = (),
    progress: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Run what is missing.

    cells (Iterable[Cell]): some may have been done before, or be the same as others.
    place (Workplace): where and with what. results (Results): gets a row or a failure for each cell, at once.
    jobs (int): cells at the same time. gpu_ids (Iterable[int]): dealt out to them; none: the CPU.
    progress (bool): show a bar with the time left. tell (Callable): gets a line for each cell that ends.
    RETURNS (Outcome): counts.
    RAISES (KeyboardInterrupt): after the children have been told to end; the same command goes on later.
    """
    from tqdm import tqdm

    unique = list({cell.signature: cell for cell in cells}.values())
    todo = [cell for cell in unique if results.row(cell.signature) is None]
    devices = _Devices(list(gpu_ids))
    locks = {cell.training: threading.Lock() for cell in todo}
    scorings = Counter(cell.training for cell in todo)
    n_failed = 0

    def run(cell: Cell) -> dict[str, Any]:
        with locks[cell.training], devices.one() as gpu_id:
            scorings[cell.training] -= 1
            # a model that others are still to score is not thrown away
            is_wanted = place.keep == "none" and scorings[cell.training] > 0
            return run_cell(cell, replace(place, keep="best") if is_wanted else place, gpu_id)

    bar = tqdm(
        total=len(unique),
        initial=len(unique) - len(todo),
        desc="cells",
        unit="cell",
        disable=None if progress else True,
    )
    pool = ThreadPoolExecutor(max_workers=max(1, jobs))
    futures: dict[Future, Cell] = {}
    try:
        futures = {pool.submit(run, cell): cell for cell in todo}
        waiting = set(futures)
        while waiting:
            # with a timeout, so that a signal that another thread took is seen here too
            ended, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in ended:
                cell = futures[future]
                error = future.exception()
                if error is None:
                    row = future.result()
                    results.add_row(row)
                    line = f"✔ {cell.title}: {cell.metric} {row['score']:.4f} on {cell.part}"
                elif isinstance(error, Exception) and not getattr(place.runner, "stopped", False):
                    n_failed += 1
                    failure = make_failure(cell, cell_folder(place.folder, cell), error)
                    results.add_failure(failure)
                    line = f"✘ {cell.title}: {failure['error']}"
                else:
                    raise error
                bar.update()
                if tell is not None:
                    bar.clear()
                    tell(line)
    except BaseException:
        stop = getattr(place.runner, "stop", None)
        if stop is not None:
            stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        bar.close()
    return Outcome(len(unique) - len(todo), len(todo) - n_failed, n_failed)


class _Devices:
    """Deals GPU ids out to cells; without GPUs everyone gets -1, the CPU."""

    def __init__(self, gpu_ids: list[int]) -> None:
        self._free: SimpleQueue[int] = SimpleQueue()
        self._has_gpus = bool(gpu_ids)
        for gpu_id in gpu_ids:
            self._free.put(gpu_id)

    def one(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def borrowed() -> Iterator[int]:
            gpu_id = self._free.get() if self._has_gpus else -1
            try:
                yield gpu_id
            finally:
                if self._has_gpus:
                    self._free.put(gpu_id)

        return borrowed()
