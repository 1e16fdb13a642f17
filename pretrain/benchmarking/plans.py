"""Which documents go into which batch: packed rows, randomly drawn padded batches, and length-sorted padded ones.

A plan is a list of optimizer steps; a step is a list of batches computed one after the other; a batch is a
list of document numbers. Each plan holds every document exactly once.
"""

from collections.abc import Sequence

import numpy as np

from pretrain.packing import pack

Plan = list[list[list[int]]]
MEGA_BATCH = 50  # batches of one mega-batch, transformers' most


def packed_plan(lengths: np.ndarray, order: np.ndarray, row_pieces: int) -> Plan:
    """One row of at most `row_pieces` pieces a step, filled from documents that arrive in this order."""
    return [[[int(order[i]) for i in row]] for row in pack(lengths[order], row_pieces)]


def one_by_one_plan(lengths: np.ndarray, order: np.ndarray, row_pieces: int) -> Plan:
    """The steps of `packed_plan`, but each document computed alone."""
    return [[[index] for index in step[0]] for step in packed_plan(lengths, order, row_pieces)]


def random_plan(order: np.ndarray, batch: int) -> Plan:
    """`batch` documents a step as they arrive, the last one smaller."""
    return _cut([int(i) for i in order], batch)


def sorted_plan(
    lengths: np.ndarray, order: np.ndarray, batch: int, mega_batch: int | None = MEGA_BATCH
) -> Plan:
    """Batches of documents of similar length, as `group_by_length` of transformers' Trainer makes them.

    Mega-batches are cut from the order of arrival and sorted within, longest first; the longest document of all
    is exchanged with the first one, so that a lack of memory shows at once. (reference: transformers 4.53.2,
    `get_length_grouped_indices`)

    mega_batch (int | None): batches of a mega-batch. None: transformers' rule, at most 50 and so few that there
        are four of them; a fixed 50 sorts a small set as well as a training run sorts a large one.
    """
    if mega_batch is None:
        mega_batch = max(1, min(len(order) // (4 * batch), MEGA_BATCH))
    size = mega_batch * batch
    groups = [
        sorted((int(i) for i in order[start : start + size]), key=lambda i: -int(lengths[i]))
        for start in range(0, len(order), size)
    ]
    longest = int(np.argmax([lengths[group[0]] for group in groups]))
    groups[0][0], groups[longest][0] = groups[longest][0], groups[0][0]
    return _cut([index for group in groups for index in group], batch)


def padded_pieces(lengths: Sequence[int] | np.ndarray, plan: Plan) -> int:
    """Pieces that a padded implementation computes: each batch counts documents x its longest document."""
    return sum(len(batch) * max(int(lengths[i]) for i in batch) for step in plan for batch in step)


def padding_share(lengths: Sequence[int] | np.ndarray, plan: Plan) -> float:
    """Share of padding in a padded implementation's batches, 0 to 1."""
    real = sum(int(lengths[i]) for step in plan for batch in step for i in batch)
    return 1.0 - real / padded_pieces(lengths, plan)


def _cut(order: list[int], batch: int) -> Plan:
    return [[order[start : start + batch]] for start in range(0, len(order), batch)]
