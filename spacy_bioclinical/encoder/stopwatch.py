"""Compares ways to compute the same thing on this CPU, undisturbed by what else the machine is doing.

One thread and its processor time: wall time on a shared machine, or threads that wait for each other, would let a
busy neighbour decide.
"""

import time
from collections.abc import Callable, Sequence

import torch


def cpu_seconds(ways: Sequence[Callable[[], object]], rounds: int = 2) -> list[float]:
    """Time functions in turn, after one unmeasured round.

    ways (Sequence[Callable]): what to run, without gradients.
    rounds (int): measured rounds; the fastest counts.
    RETURNS (list[float]): processor seconds of each.
    """
    fastest = [float("inf")] * len(ways)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for turn in range(rounds + 1):
                for i, way in enumerate(ways):
                    start = time.process_time()
                    way()
                    if turn:
                        fastest[i] = min(fastest[i], time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    return fastest
