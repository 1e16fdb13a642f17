"""How many threads torch uses in worker processes: one in a forked worker, and by default one in a spawned worker.

A forked worker (`nlp.pipe(n_process=…)` on Linux before Python 3.14) inherits OpenMP's bookkeeping without its
threads: the first parallel loop would wait for ever, so it must compute with one. A spawned worker may use any
number; torch would take all cores in each of them. Where OMP_NUM_THREADS is set, it holds there.
"""

import multiprocessing
import os

import torch

_home = os.getpid()  # where this module was imported; another process with the same value in memory is a fork
_settled = 0  # the process whose threads are settled


def settle_threads() -> None:
    """Choose the number of torch's threads, once a process; cheap afterwards. Call before torch computes."""
    global _settled
    pid = os.getpid()
    if pid == _settled:
        return
    _settled = pid
    forked = pid != _home
    spawned = multiprocessing.parent_process() is not None and "OMP_NUM_THREADS" not in os.environ
    if forked or spawned:
        torch.set_num_threads(1)
