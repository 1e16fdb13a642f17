"""Batch-size warm-up: begin with few rows a step and add rows until the batch is whole.

As ModernBERT's first stage did (Warner et al. 2024; code: AnswerDotAI/ModernBERT, sequence packer). Each size gets
pieces in proportion to itself, that is, the same number of steps.

Which count is used: the published packer looks at the real pieces that each rank has packed. Here a step's rows must
be a pure function of its number, so `rows_of_step` counts the BUDGET, rows x row_pieces, as if every row were full.
At a packing efficiency of e the published warm-up takes 1/e as many steps (1 % more at 99 %). `rows_at` and
`rank_thresholds` are the published rule on any count.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class BatchWarmup:
    """Sizes first_rows, first_rows + increment, … below last_rows over the first `pieces`; last_rows afterwards.

    first_rows, last_rows (int): rows of a step, of all devices together.
    pieces (int): length of the warm-up, in pieces of all devices together.
    increment (int): rows added at once; the published runs add one row on each of 8 devices.
    RAISES (ValueError): BC731.
    """

    first_rows: int
    last_rows: int
    pieces: int
    increment: int = 1

    def __post_init__(self) -> None:
        whys = {
            f"first_rows is {self.first_rows}, but a step has at least one row": self.first_rows < 1,
            f"increment is {self.increment}, but must be at least 1": self.increment < 1,
            f"last_rows ({self.last_rows}) must be more than first_rows ({self.first_rows})": (
                self.last_rows <= self.first_rows
            ),
            f"pieces is {self.pieces}, but must be at least 1": self.pieces < 1,
        }
        for why, is_wrong in whys.items():
            if is_wrong:
                raise ValueError(Errors.BC731.format(why=why))
        if (self.last_rows - self.first_rows) % self.increment:
            why = f"{self.first_rows} to {self.last_rows} rows cannot be climbed in increments of {self.increment}"
            raise ValueError(Errors.BC731.format(why=why))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of a step during the warm-up, rising; last_rows is not among them."""
        return tuple(range(self.first_rows, self.last_rows, self.increment))

    @property
    def thresholds(self) -> tuple[int, ...]:
        """Pieces seen at which each of `sizes` ends; the last one is `pieces`."""
        return _thresholds(self.sizes, self.pieces)

    def rows_at(self, pieces_seen: int) -> int:
        """Return the rows of a step that begins when so many pieces were seen (one counter for all devices)."""
        place = bisect_right(self.thresholds, pieces_seen)
        return self.sizes[place] if place < len(self.sizes) else self.last_rows

    def rows_of_step(self, step: int, row_pieces: int) -> int:
        """Return the rows of a step, counted from 0, by the budget of `row_pieces` a row."""
        return self._section(step, row_pieces)[2]

    def first_row_of_step(self, step: int, row_pieces: int) -> int:
        """Return how many rows all steps before this one have, by the budget; 0 for step 0."""
        first_step, first_row, rows = self._section(step, row_pieces)
        return first_row + (step - first_step) * rows

    def steps_for(self, rows: float, row_pieces: int) -> float:
        """Return the steps, in fractions, after which so many rows are done: inverse of `first_row_of_step`."""
        sections = _sections(self, row_pieces)
        first_step, first_row, size = max(
            (one for one in sections if one[1] <= rows), key=lambda one: (one[1], one[0])
        )
        return first_step + (rows - first_row) / size

    def scaled(self, factor: float) -> "BatchWarmup":
        """Return the same climb over `factor` times as many pieces."""
        return replace(self, pieces=max(1, round(self.pieces * factor)))

    def _section(self, step: int, row_pieces: int) -> tuple[int, int, int]:
        sections = _sections(self, row_pieces)
        return sections[bisect_right(sections, step, key=lambda one: one[0]) - 1]


def rank_thresholds(first: int, last: int, pieces: int, world_size: int) -> tuple[int, ...]:
    """Return the published thresholds, in pieces that one rank has packed.

    first, last (int): rows of one rank at the beginning and at the end; sizes are first … last - 1.
    pieces (int): length of the warm-up over all ranks; each rank counts ceil(pieces / world_size).
    """
    return _thresholds(tuple(range(first, last)), -(-pieces // world_size))


def _thresholds(sizes: tuple[int, ...], pieces: int) -> tuple[int, ...]:
    """ceil(pieces / sum of sizes * running sum), in whole numbers."""
    whole = sum(sizes)
    return tuple(-(-pieces * so_far // whole) for so_far in accumulate(sizes))


@lru_cache(maxsize=64)
def _sections(warmup: BatchWarmup, row_pieces: int) -> tuple[tuple[int, int, int], ...]:
    """First step, first row and rows of a step, for each run of steps of one size."""
    step = row = 0
    sections = []
    for size, threshold in zip(warmup.sizes, warmup.thresholds, strict=True):
        left = threshold - row * row_pieces
        if left <= 0:
            continue  # the steps before were so large that this size is passed over
        sections.append((step, row, size))
        n_steps = -(-left // (size * row_pieces))
        step, row = step + n_steps, row + n_steps * size
    return (*sections, (step, row, warmup.last_rows))
