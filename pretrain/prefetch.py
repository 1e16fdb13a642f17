"""Prepare the batches of the next steps in threads while the model computes; order and content stay the same."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from pretrain.batches import BatchStream, Row


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
