"""The stream of batches: a pure function of (data, seed, step), so that any step can be made again anywhere.

Epoch e permutes the training sequences with a generator seeded by (seed, e) and packs them into rows; step s
takes rows s * rows_per_step … of all epochs laid end to end; row r is masked with a generator seeded by
(seed, r). Nothing depends on the number of workers or on what was drawn before, so resuming needs the step's
number alone (the plans of earlier epochs are packed again: lengths only, about a second for a million
documents).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pretrain.masking import IGNORED, Vocabulary, mask_pieces
from pretrain.packing import efficiency, pack
from pretrain.shards import Shards

# Streams of random numbers drawn from one seed; each use has its own.
ORDER, MASKING, EVALUATION, DROPOUT = range(4)


@dataclass(frozen=True)
class Row:
    """A packed, masked row.

    ids, labels (np.ndarray): int64 (T,). lengths (list[int]): pieces of each sequence, summing to T.
    sequences (list[int]): their numbers in the shards.
    """

    ids: np.ndarray
    labels: np.ndarray
    lengths: list[int]
    sequences: list[int]

    @property
    def n_labelled(self) -> int:
        """Pieces to predict."""
        return int((self.labels != IGNORED).sum())


def generator_for(*key: int) -> np.random.Generator:
    """Return a generator that depends on the numbers of its key alone."""
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(key)))


def build_row(
    shards: Shards, sequences: list[int], rate: float, vocabulary: Vocabulary, generator: np.random.Generator
) -> Row:
    """Lay sequences end to end and mask them."""
    parts = [shards.sequence(index) for index in sequences]
    ids, labels = mask_pieces(np.concatenate(parts), rate=rate, vocabulary=vocabulary, generator=generator)
    return Row(ids, labels, [len(part) for part in parts], list(sequences))


class BatchStream:
    """Rows of training steps, by number.

    shards (Shards), sequences (np.ndarray): the text, and which of its sequences to train on.
    row_pieces, rows_per_step (int): see `Recipe`.
    """

    def __init__(
        self,
        shards: Shards,
        sequences: np.ndarray,
        vocabulary: Vocabulary,
        *,
        row_pieces: int,
        rows_per_step: int,
        mask_rate: float,
        seed: int,
    ):
        self.shards, self.sequences, self.vocabulary = shards, sequences, vocabulary
        self.row_pieces, self.rows_per_step = row_pieces, rows_per_step
        self.mask_rate, self.seed = mask_rate, seed
        self._lengths = shards.lengths[sequences]
        self._epoch, self._first_row = 0, 0
        self._plan = self._plan_epoch(0)

    def step(self, number: int) -> list[Row]:
        """Return the rows of one step, counted from 0."""
        first = number * self.rows_per_step
        return [self._row(row) for row in range(first, first + self.rows_per_step)]

    def epoch(self, step: int) -> int:
        """Return the epoch in which a step begins."""
        self._locate(step * self.rows_per_step)
        return self._epoch

    @property
    def packing_efficiency(self) -> float:
        """Share of the rows' budget that holds pieces, in the epoch read last."""
        return efficiency(self.shards.lengths, self._plan, self.row_pieces)

    def _row(self, number: int) -> Row:
        place = self._locate(number)
        generator = generator_for(self.seed, MASKING, number)
        return build_row(self.shards, self._plan[place], self.mask_rate, self.vocabulary, generator)

    def _locate(self, row: int) -> int:
        """Make the plan of a row's epoch current and return the row's place in it."""
        if row < self._first_row:
            self._epoch, self._first_row, self._plan = 0, 0, self._plan_epoch(0)
        while row >= self._first_row + len(self._plan):
            self._first_row += len(self._plan)
            self._epoch += 1
            self._plan = self._plan_epoch(self._epoch)
        return row - self._first_row

    def _plan_epoch(self, epoch: int) -> list[list[int]]:
        generator = generator_for(self.seed, ORDER, epoch)
        order = generator.permutation(len(self.sequences))
        rows = pack(self._lengths[order], self.row_pieces)
        # The rows opened last are the emptiest: do not let every epoch end on them.
        return [self.sequences[order[rows[i]]].tolist() for i in generator.permutation(len(rows))]


def evaluation_rows(
    shards: Shards,
    sequences: np.ndarray,
    vocabulary: Vocabulary,
    *,
    row_pieces: int,
    mask_rate: float,
    most_pieces: int,
) -> Iterator[Row]:
    """Yield the held-out rows: always the same sequences, rows and masks, whatever the run's seed.

    most_pieces (int): stop at so many pieces; the first sequence is always taken.
    """
    lengths = shards.lengths[sequences]
    taken = max(1, int(np.searchsorted(np.cumsum(lengths), most_pieces, side="right")))
    for number, row in enumerate(pack(lengths[:taken], row_pieces)):
        generator = generator_for(EVALUATION, number)
        yield build_row(shards, sequences[row].tolist(), mask_rate, vocabulary, generator)
