"""The packer with which ModernBERT and BioClinical ModernBERT were trained, for comparisons: packing = "published".

A stream, one packer a process: sequences wait in a first-in-first-out buffer of five loader batches; each
output batch has a fixed number of rectangular rows, filled by best fit until the buffer is dry. What fits
nowhere is set aside and comes first in the next batch, in reversed order. The rest of a row is padding and is
computed. Reference: AnswerDotAI/ModernBERT, sequence packer, behaviour only.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacy_bioclinical.errors import Errors

BUFFER_BATCHES = 5  # capacity of the buffer, in batches of the loader


@dataclass(frozen=True)
class PublishedPacker:
    """Sizes of one process's packer.

    n_rows (int): rows of an output batch. row_pieces (int): pieces of a row, padding included.
    batch (int): sequences that the loader hands over at once. capacity (int): most sequences that wait.
    """

    n_rows: int
    row_pieces: int
    batch: int
    capacity: int

    @classmethod
    def of(cls, n_rows: int, row_pieces: int, max_length: int) -> "PublishedPacker":
        """Take the published proportions: a row stands for row_pieces / max_length sequences of the loader."""
        batch = n_rows * max(1, row_pieces // max_length)
        return cls(n_rows, row_pieces, batch, BUFFER_BATCHES * batch)

    def batches(self, lengths: Sequence[int] | np.ndarray) -> list[list[list[int]]]:
        """Pack one process's sequences of one epoch; a pure function.

        lengths (Sequence[int]): pieces of each sequence, in the order of the sampler. Empty ones are skipped.
        RETURNS (list): for each batch, for each of its rows, the indices of the row's sequences. Padding of a
            row: row_pieces less its pieces. What is left when no batch can give every row a sequence is
            dropped.
        RAISES (ValueError): BC708 if a sequence is longer than a row.
        """
        sizes = np.asarray(lengths, dtype=np.int64).tolist()
        longest = max(sizes, default=0)
        if longest > self.row_pieces:
            raise ValueError(Errors.BC708.format(length=longest, budget=self.row_pieces))
        batches: list[list[list[int]]] = []
        waiting: list[int] = []  # the buffer, to be read from its end
        position = 0
        while True:
            rows: list[list[int]] = [[] for _ in range(self.n_rows)]
            free = [(self.row_pieces, row) for row in range(self.n_rows)]
            aside: list[int] = []
            while True:
                if not waiting:
                    fetched, position = self._refill(sizes, position, len(aside))
                    if not fetched:
                        break
                    waiting = fetched[::-1]
                index = waiting.pop()
                place = bisect_left(free, (sizes[index], -1))
                if place == len(free):
                    aside.append(index)
                    continue
                space, row = free.pop(place)
                rows[row].append(index)
                insort(free, (space - sizes[index], row))
            if not all(rows):
                return batches
            batches.append(rows)
            waiting = aside  # read from its end: the one set aside last comes first

    def _refill(self, sizes: list[int], position: int, n_aside: int) -> tuple[list[int], int]:
        """Fetch batches of the loader into the empty buffer; return them and the loader's new position."""
        added: list[int] = []
        while position < len(sizes):
            # A strict comparison where "at least" would do: kept, the published runs had it.
            if not self.capacity - len(added) > self.batch:
                break
            if len(added) + self.batch > self.capacity - n_aside:
                break
            stop = min(position + self.batch, len(sizes))
            added.extend(index for index in range(position, stop) if sizes[index] > 0)
            position = stop
        return added, position


def sampler_order(n_sequences: int, epoch: int, shuffle_seed: int) -> np.ndarray:
    """Return the published sampler's permutation of an epoch, int64 (n_sequences,)."""
    return np.random.Generator(np.random.PCG64DXSM(shuffle_seed + epoch)).permutation(n_sequences)


def rank_share(order: np.ndarray, rank: int, world: int) -> np.ndarray:
    """Return a process's part of the permutation: elements rank, rank + world, …; the remainder is dropped."""
    return order[: len(order) - len(order) % world][rank::world]


def published_rows(
    lengths: np.ndarray,
    *,
    epoch: int,
    shuffle_seed: int,
    ranks: int,
    rows_per_rank: int,
    row_pieces: int,
    max_length: int,
) -> list[list[int]]:
    """Pack one epoch as `ranks` processes did and lay out all their rows.

    lengths (np.ndarray): pieces of each sequence of the data set.
    RETURNS (list[list[int]]): sequence indices of each row. Row (batch * rows_per_rank + i) * ranks + r is
        row i of that batch of process r, so that, shared out row by row, each of `ranks` processes gets its
        own. The epoch ends for all with the first process that runs dry.
    """
    order = sampler_order(len(lengths), epoch, shuffle_seed)
    packer = PublishedPacker.of(rows_per_rank, row_pieces, max_length)
    shares = [rank_share(order, rank, ranks) for rank in range(ranks)]
    batches = [packer.batches(lengths[share]) for share in shares]
    return [
        shares[rank][batches[rank][number][row]].tolist()
        for number in range(min(map(len, batches)))
        for row in range(rows_per_rank)
        for rank in range(ranks)
    ]
