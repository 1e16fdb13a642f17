"""Which sequences lie in which row of which epoch: the plan behind the stream of batches.

Epoch e permutes the sequences with a generator seeded by (seed, e) and packs them; the rows of all epochs are
laid end to end and numbered. A plan costs some seconds for a million sequences, lengths only. The last ones
are kept; rows and pieces of every epoch ever planned are noted in a small file, so that resuming in epoch 7
packs epoch 7 alone.
"""

import hashlib
import json
import math
import os
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.packing import LOOK_AHEAD, OPEN_ROWS, pack
from pretrain.published_packing import published_rows
from spacy_bioclinical.errors import Errors

PACKINGS = ("best_fit", "published")
PUBLISHED_RANKS = 8  # processes of the published runs
_KEPT = 2  # plans kept in memory: a step may reach from one epoch into the next


def generator_for(*key: int) -> np.random.Generator:
    """Return a generator that depends on the numbers of its key alone."""
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(key)))


@dataclass(frozen=True, eq=False)
class Plan:
    """Rows of one epoch.

    sequences (np.ndarray): int64 (S,), sequence numbers of all rows, one row behind the other.
    offsets (np.ndarray): int64 (R + 1,), bounds of the rows in it.
    pieces (np.ndarray): int64 (R + 1,), pieces before each row, and of all.
    """

    sequences: np.ndarray
    offsets: np.ndarray
    pieces: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Sequence[int] | np.ndarray], lengths: np.ndarray) -> "Plan":
        """Build it from rows of sequence numbers and the lengths of all sequences."""
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        parts = [np.asarray(row, dtype=np.int64) for row in rows]
        sequences = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        before = np.concatenate([[0], np.cumsum(lengths[sequences], dtype=np.int64)])
        return cls(sequences, offsets, before[offsets])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, place: int) -> list[int]:
        """Return the sequence numbers of a row."""
        return self.sequences[self.offsets[place] : self.offsets[place + 1]].tolist()


class Epochs:
    """Plans of all epochs, by number. Safe to use from several threads.

    lengths (np.ndarray): pieces of every sequence there is. sequences (np.ndarray): which ones to read.
    seed (int), order_stream (int): key of the order, with the epoch.
    packing (str): "best_fit", or "published" (see published_packing.py), which needs `rows_per_step`, shared
        out over gcd(rows_per_step, ranks) processes, `max_length` and `shuffle_seed`.
    draw (Callable | None): gives the sequences of an epoch, repeats allowed (weights of sources); a pure
        function of the epoch.
    cache (Path | None): folder for the counts of planned epochs.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        sequences: np.ndarray,
        *,
        row_pieces: int,
        rows_per_step: int,
        seed: int,
        order_stream: int = 0,
        packing: str = "best_fit",
        max_length: int | None = None,
        ranks: int = PUBLISHED_RANKS,
        shuffle_seed: int | None = None,
        draw: Callable[[int], np.ndarray] | None = None,
        cache: Path | None = None,
    ):
        if packing not in PACKINGS:
            raise ValueError(Errors.BC709.format(what="packing", value=packing, range=", ".join(PACKINGS)))
        self.lengths, self.sequences = lengths, sequences
        self.row_pieces, self.seed, self.order_stream, self.packing = row_pieces, seed, order_stream, packing
        self.ranks = math.gcd(rows_per_step, ranks)
        self.rows_per_rank = rows_per_step // self.ranks
        self.max_length = min(max_length or row_pieces, row_pieces)
        self.shuffle_seed = seed if shuffle_seed is None else shuffle_seed
        self._draw = draw
        self._lock = threading.RLock()
        self._kept: dict[int, Plan] = {}
        self._rows, self._pieces = [0], [0]  # before each epoch of which the counts are known
        self._file = None if cache is None else cache / f"epochs-{self._key()[:16]}.json"
        for rows, pieces in self._read_counts():
            self._note(rows, pieces)

    def plan(self, epoch: int) -> Plan:
        """Return the plan of an epoch. RAISES (ValueError): BC745 if it has no row, BC708."""
        with self._lock:
            plan = self._kept.pop(epoch, None) or self._make(epoch)
            self._kept[epoch] = plan  # to the end: the one used last
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
            if epoch == len(self._rows) - 1:
                self._note(len(plan), int(plan.pieces[-1]))
                self._write_counts()
            return plan

    def locate(self, row: int) -> tuple[int, int]:
        """Return the epoch of a row and its place there."""
        with self._lock:
            while row >= self._rows[-1]:
                self.plan(len(self._rows) - 1)
            epoch = bisect_right(self._rows, row) - 1
            return epoch, row - self._rows[epoch]

    def row(self, number: int) -> list[int]:
        """Return the sequence numbers of a row."""
        epoch, place = self.locate(number)
        return self.plan(epoch).row(place)

    def pieces_before(self, row: int) -> int:
        """Return the pieces of all rows before this one, padding not counted."""
        with self._lock:
            epoch, place = self.locate(row)
            # Rows at an epoch's beginning need no plan: most questions on resuming are such.
            return self._pieces[epoch] + (int(self.plan(epoch).pieces[place]) if place else 0)

    @property
    def efficiency(self) -> float:
        """Share of the rows' budget that holds pieces, in the plan used last (at first: that of epoch 0)."""
        with self._lock:
            plan = self.plan(next(reversed(self._kept), 0))
            return int(plan.pieces[-1]) / (self.row_pieces * len(plan))

    def _make(self, epoch: int) -> Plan:
        sequences = self.sequences if self._draw is None else self._draw(epoch)
        lengths = self.lengths[sequences]
        if self.packing == "published":
            rows: list[Any] = published_rows(
                lengths,
                epoch=epoch,
                shuffle_seed=self.shuffle_seed,
                ranks=self.ranks,
                rows_per_rank=self.rows_per_rank,
                row_pieces=self.row_pieces,
                max_length=self.max_length,
            )
            plan = Plan.of([sequences[row] for row in rows], self.lengths)
        else:
            generator = generator_for(self.seed, self.order_stream, epoch)
            order = generator.permutation(len(sequences))
            # Eight windows at least: in a small corpus, too, rows are to change from epoch to epoch.
            rows = pack(
                lengths[order], self.row_pieces, look_ahead=max(1, min(LOOK_AHEAD, len(sequences) // 8))
            )
            # The rows opened last are the emptiest: do not let every epoch end on them.
            plan = Plan.of(
                [sequences[order[rows[i]]] for i in generator.permutation(len(rows))], self.lengths
            )
        if not len(plan):
            raise ValueError(Errors.BC745.format(n=len(sequences), packing=self.packing))
        return plan

    def _note(self, rows: int, pieces: int) -> None:
        self._rows.append(self._rows[-1] + rows)
        self._pieces.append(self._pieces[-1] + pieces)

    def _key(self) -> str:
        """Hash of all that the counts depend on."""
        first = np.asarray(self.sequences if self._draw is None else self._draw(0), dtype=np.int64)
        settings = (
            *("epochs.1", self.packing, self.row_pieces, self.seed, self.order_stream, LOOK_AHEAD, OPEN_ROWS),
            *(self.ranks, self.rows_per_rank, self.max_length, self.shuffle_seed, self._draw is not None),
        )
        key = hashlib.sha256(json.dumps(settings).encode("ascii"))
        key.update(first.tobytes())
        key.update(self.lengths[first].astype(np.int64).tobytes())
        return key.hexdigest()

    def _read_counts(self) -> list[tuple[int, int]]:
        """Return rows and pieces of each epoch noted by an earlier run; none if there is no sound file."""
        if self._file is None:
            return []
        try:
            counts = [(int(rows), int(pieces)) for rows, pieces in json.loads(self._file.read_text("ascii"))]
        except (OSError, ValueError, TypeError):
            return []  # made again as needed
        return counts if all(rows > 0 and pieces > 0 for rows, pieces in counts) else []

    def _write_counts(self) -> None:
        if self._file is None:
            return
        counts = np.diff(np.array([self._rows, self._pieces], dtype=np.int64), axis=1).T.tolist()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=self._file.parent, prefix=".epochs-")
        with open(handle, "w", encoding="ascii") as file:
            json.dump(counts, file)
        os.replace(aside, self._file)
