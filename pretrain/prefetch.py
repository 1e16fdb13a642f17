"""Prepare the batches of the next steps in threads while the model computes; order and content stay the same."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pretrain.batches import BatchStream, Row
from pretrain.clinicalbert.stream import PairStream


def prefetch(
    stream: BatchStream,
    start: int,
    stop: int | None = None,
    *,
    workers: int = 2,
    rank: int = 0,
    world: int = 1,
) -> Iterator[list[Row]]:
    """Yield steps start, start + 1, … while threads prepare the next ones: the same as `stream.step`.

    stop (int | None): the first step not to yield; None: endless.
    workers (int): threads; twice as many steps are prepared ahead. 0: none, each step when it is asked for.
    """
    if workers < 1:
        while stop is None or start < stop:
            yield stream.step(start, rank, world)
            start += 1
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    waiting: deque[Future[list[Row]]] = deque()
    try:
        while True:
            while len(waiting) < 2 * workers and (stop is None or start < stop):
                waiting.append(pool.submit(stream.step, start, rank, world))
                start += 1
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Ahead:
    """A stream whose next steps a thread prepares while the model computes; bit for bit the same rows.

    stream (BatchStream | PairStream): may be used from several threads. steps (int): how many to prepare ahead.
    A step that is not the one awaited (a run that went back to a checkpoint) is made when asked for. Use it as a
    context, which ends its thread.
    """

    def __init__(self, stream: BatchStream | PairStream, steps: int = 2):
        self.stream, self.steps = stream, steps
        self._waiting: dict[tuple[int, int, int], Future] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def seed(self) -> int:
        """Of what else is drawn in a run."""
        return self.stream.seed

    def epoch(self, step: int) -> int:
        """Return the epoch in which a step begins."""
        return self.stream.epoch(step)

    def step(self, number: int, rank: int = 0, world: int = 1) -> list[Any]:
        """Return the rows of a step, as the stream's own `step`, and begin on the next ones."""
        key = (number, rank, world)
        if key not in self._waiting:
            for other in self._waiting.values():
                other.cancel()
            self._waiting.clear()
            rows = self._make(*key)
        else:
            rows = self._waiting.pop(key).result()
        for ahead in range(number + 1, number + 1 + self.steps):
            key = (ahead, rank, world)
            if key not in self._waiting:
                self._waiting[key] = self._pool.submit(self._make, *key)
        return rows

    def _make(self, number: int, rank: int, world: int) -> list[Any]:
        return self.stream.step(number, rank, world)
