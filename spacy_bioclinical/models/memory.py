"""Fit forward passes into memory: windows in groups up to a budget of pieces, and what counts as out of memory."""

import contextlib
from collections.abc import Iterator, Sequence

import torch

from ..errors import Errors

# How torch words it where it raises a plain RuntimeError: CPU allocator (Linux, Windows), CUDA driver, cuBLAS, cuDNN.
SIGNS = (
    "DefaultCPUAllocator",
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory ran out, on a CPU or a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def first_group(lengths: Sequence[int], start: int, budget: int) -> list[int]:
    """Take windows from `start` on while they fit the budget of pieces; at least one."""
    group, total = [lengths[start]], lengths[start]
    for length in lengths[start + 1 :]:
        total += length
        if total > budget:
            break
        group.append(length)
    return group


def budget_groups(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Cut the windows' lengths into neighbouring groups of at most `budget` pieces (or one window)."""
    start = 0
    while start < len(lengths):
        group = first_group(lengths, start, budget)
        yield group
        start += len(group)


@contextlib.contextmanager
def advise_out_of_memory(lengths: list[int], device: torch.device) -> Iterator[None]:
    """Turn an out-of-memory error of a training step into advice. RAISES (ValueError): BC311."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = Errors.BC311.format(
            n_windows=len(lengths), n_pieces=sum(lengths), longest=max(lengths, default=0), device=device
        )
        raise ValueError(message) from error
