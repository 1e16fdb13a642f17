"""Processes that convert shards: submitted in order, given back in order, never more under way than are useful."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any

from corpus_scripts.record import Record


class Pool:
    """Runs ``work(records, *arguments)`` for one shard after the other.

    workers (int): Processes; with 1 the work is done here, when the result is asked for.
    work (Callable): A function of a module.
    arguments: What each call gets besides the records.
    """

    def __init__(self, workers: int, work: Callable[..., Any], *arguments: Any) -> None:
        self.here = workers == 1
        self._work = work
        self._arguments = arguments
        self._limit = 1 if self.here else workers + 1
        self._waiting: deque[tuple[int, str, int, Callable[[], Any]]] = deque()
        self._executor: ProcessPoolExecutor | None = None
        if not self.here:
            # A forked child would inherit the parent's threads (progress bars) in an unknown state.
            self._executor = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(os.getpid(),)
            )

    @property
    def waiting(self) -> bool:
        """Whether a shard was submitted and not yet given back."""
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        """Whether a result must be taken before another shard is submitted."""
        return len(self._waiting) >= self._limit

    def submit(self, number: int, checksum: str, records: Sequence[Record], progress: Any) -> None:
        """Hand over a shard."""
        if self._executor is None:
            self._waiting.append(
                (number, checksum, len(records), lambda: self._work(records, *self._arguments, progress))
            )
        else:
            future: Future[Any] = self._executor.submit(self._work, records, *self._arguments)
            self._waiting.append((number, checksum, len(records), future.result))

    def next(self) -> tuple[int, str, int, Any]:
        """Number, checksum, size and result of the shard that was submitted first; waits for it.

        RAISES: What the work raised.
        """
        number, checksum, size, result = self._waiting.popleft()
        return number, checksum, size, result()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.clear()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)


def _start(parent: int) -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
