"""The stream of batches: a pure function of (data, seed, step), so that any step can be made again anywhere.

Rows of all epochs are numbered (epochs.py); step s takes the rows behind those of the steps before it, and row
r is masked with a generator seeded by (seed, r). Nothing depends on the number of processes or workers or on
what was drawn before, so resuming needs the step's number alone.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pretrain.epochs import PUBLISHED_RANKS, Epochs, generator_for
from pretrain.masking import (
    IGNORED,
    MASKINGS,
    Vocabulary,
    mask_pieces,
    mask_published,
    mask_words,
    published_generator,
)
from pretrain.packing import pack
from pretrain.recipes.recipe import Recipe
from pretrain.shards import Shards
from pretrain.terms import TermList
from spacy_bioclinical.errors import Errors

# Streams of random numbers drawn from one seed; each use has its own.
ORDER, MASKING, EVALUATION, DROPOUT = range(4)
EVALUATION_CHOICE = 4
TERM_FACTOR = 2.0


@dataclass(frozen=True)
class Row:
    """A packed, masked row.

    ids, labels (np.ndarray): int64 (T,). lengths (list[int]): pieces of each sequence, summing to T.
    sequences (list[int]): their numbers in the shards.
    padding (int): pieces of padding at the end, which the published packer computes as one more sequence: they
        are then the last of `lengths`, but none of `sequences`. Our own rows have none.
    """

    ids: np.ndarray
    labels: np.ndarray
    lengths: list[int]
    sequences: list[int]
    padding: int = 0

    @property
    def n_labelled(self) -> int:
        """Pieces to predict."""
        return int((self.labels != IGNORED).sum())

    @property
    def n_pieces(self) -> int:
        """Pieces of text, padding not counted: what the clock of a run in pieces adds up."""
        return len(self.ids) - self.padding


def build_row(
    shards: Shards,
    sequences: list[int],
    rate: float,
    vocabulary: Vocabulary,
    generator: np.random.Generator,
    masking: str = "uniform",
    terms: TermList | None = None,
    term_factor: float = TERM_FACTOR,
) -> Row:
    """Lay sequences end to end and mask them; masking "uniform", "whole_word" or "terms"."""
    parts = [shards.sequence(index) for index in sequences]
    ids = np.concatenate(parts)
    if masking == "uniform":
        masked, labels = mask_pieces(ids, rate=rate, vocabulary=vocabulary, generator=generator)
    else:
        starts, is_term = vocabulary.word_starts(ids), None
        if masking == "terms" and terms is not None:
            starts, is_term = terms.units(ids, starts)
        masked, labels = mask_words(
            ids,
            rate=rate,
            vocabulary=vocabulary,
            generator=generator,
            starts=starts,
            is_term=is_term,
            factor=term_factor,
        )
    return Row(masked, labels, [len(part) for part in parts], list(sequences))


class BatchStream:
    """Rows of training steps, by number. Safe to use from several threads.

    shards (Shards), sequences (np.ndarray): the text, and which of its sequences to train on.
    row_pieces, rows_per_step, packing, max_length (int): see `Recipe` and `Epochs`, also for published_ranks,
        shuffle_seed, draw and cache.
    mask_rate (float | Callable): share of pieces to predict; or that share as a function of a step and of the
        epoch in which it begins.
    masking (str): "uniform", "whole_word", "terms" (needs `terms`; `term_factor` times as often) or
        "published" (needs packing "published").
    first_row (Callable | None): how many rows the steps before a step have (batch warm-up); None: rows_per_step
        each.
    RAISES (ValueError): BC709, BC745, BC747.
    """

    def __init__(
        self,
        shards: Shards,
        sequences: np.ndarray,
        vocabulary: Vocabulary,
        *,
        row_pieces: int,
        rows_per_step: int,
        mask_rate: float | Callable[[int, int], float],
        seed: int,
        packing: str = "best_fit",
        masking: str = "uniform",
        max_length: int | None = None,
        terms: TermList | None = None,
        term_factor: float = TERM_FACTOR,
        first_row: Callable[[int], int] | None = None,
        published_ranks: int = PUBLISHED_RANKS,
        shuffle_seed: int | None = None,
        draw: Callable[[int], np.ndarray] | None = None,
        cache: Path | None = None,
    ):
        _check_masking(masking, packing, vocabulary, terms)
        self.shards, self.sequences, self.vocabulary = shards, sequences, vocabulary
        self.row_pieces, self.rows_per_step = row_pieces, rows_per_step
        self.mask_rate, self.seed = mask_rate, seed
        self.packing, self.masking = packing, masking
        self.terms, self.term_factor = terms, term_factor
        self._first_row = first_row
        self.epochs = Epochs(
            shards.lengths,
            sequences,
            row_pieces=row_pieces,
            rows_per_step=rows_per_step,
            seed=seed,
            order_stream=ORDER,
            packing=packing,
            max_length=max_length,
            ranks=published_ranks,
            shuffle_seed=shuffle_seed,
            draw=draw,
            cache=cache,
        )
        self._lock = threading.Lock()
        self._blocks: dict[tuple[int, int, int, float], list[Row]] = {}

    @classmethod
    def of_recipe(
        cls,
        recipe: Recipe,
        shards: Shards,
        sequences: np.ndarray,
        vocabulary: Vocabulary,
        *,
        weights: Mapping[str, float] | None = None,
        terms: TermList | None = None,
        cache: Path | None = None,
    ) -> "BatchStream":
        """Build the stream that a recipe asks for.

        weights (Mapping | None): how often each source's documents are read in an epoch, see `Shards.weighted`.
        """

        def draw(epoch: int) -> np.ndarray:
            return shards.weighted(sequences, weights, epoch, recipe.seed)

        return cls(
            shards,
            sequences,
            vocabulary,
            row_pieces=recipe.row_pieces,
            rows_per_step=recipe.rows_per_step,
            mask_rate=recipe.mask_rate_of_step,
            seed=recipe.seed,
            packing=recipe.packing,
            masking=recipe.masking,
            max_length=recipe.max_length,
            terms=terms,
            first_row=recipe.first_row_of_step,
            draw=draw if weights else None,
            cache=cache,
        )

    def step(self, number: int, rank: int = 0, world: int = 1) -> list[Row]:
        """Return the rows of one step, counted from 0, that one process computes.

        rank, world (int): the process and how many there are. Row r of the step is that of process r % world:
            together they compute the same batch, however many they are.
        """
        first, stop = self.first_row(number), self.first_row(number + 1)
        rate = self.rate(number)
        return [self._row(row, rate) for row in range(first + rank, stop, world)]

    def first_row(self, step: int) -> int:
        """Return the number of rows of all steps before this one."""
        return step * self.rows_per_step if self._first_row is None else self._first_row(step)

    def elapsed_pieces(self, step: int) -> int:
        """Return the pieces of all steps before this one, padding not counted."""
        return self.epochs.pieces_before(self.first_row(step))

    def rate(self, step: int) -> float:
        """Return the mask rate of a step."""
        return self.mask_rate(step, self.epoch(step)) if callable(self.mask_rate) else self.mask_rate

    def epoch(self, step: int) -> int:
        """Return the epoch in which a step begins."""
        return self.epochs.locate(self.first_row(step))[0]

    @property
    def packing_efficiency(self) -> float:
        """Share of the rows' budget that holds pieces, in the epoch read last."""
        return self.epochs.efficiency

    def _row(self, number: int, rate: float) -> Row:
        if self.packing == "published":
            return self._published_row(number, rate)
        return self._masked(self.epochs.row(number), number, rate)

    def _masked(self, sequences: list[int], number: int, rate: float) -> Row:
        generator = generator_for(self.seed, MASKING, number)
        settings = (self.masking, self.terms, self.term_factor)
        return build_row(self.shards, sequences, rate, self.vocabulary, generator, *settings)

    def _published_row(self, number: int, rate: float) -> Row:
        """Return a rectangular row, its rest padded as one more sequence."""
        if self.masking != "published":
            row = self._masked(self.epochs.row(number), number, rate)
            padding = self.row_pieces - len(row.ids)
            ids = np.pad(row.ids, (0, padding), constant_values=self.vocabulary.pad_id)
            labels = np.pad(row.labels, (0, padding), constant_values=IGNORED)
            return Row(ids, labels, row.lengths + [padding] * (padding > 0), row.sequences, padding)
        epoch, place = self.epochs.locate(number)
        batch, place = divmod(place, self.epochs.ranks * self.epochs.rows_per_rank)
        place, rank = divmod(place, self.epochs.ranks)
        key = (epoch, batch, rank, rate)
        with self._lock:
            block = self._blocks.get(key)
        if block is None:
            block = self._published_block(*key)
            with self._lock:  # a step's blocks, and those of the step before it
                self._blocks[key] = block
                while len(self._blocks) > 2 * self.epochs.ranks:
                    del self._blocks[next(iter(self._blocks))]
        return block[place]

    def _published_block(self, epoch: int, batch: int, rank: int, rate: float) -> list[Row]:
        """Build the batch of one of the published processes: its rows are masked together."""
        ranks, n_rows = self.epochs.ranks, self.epochs.rows_per_rank
        plan = self.epochs.plan(epoch)
        rows = [plan.row((batch * n_rows + place) * ranks + rank) for place in range(n_rows)]
        ids = np.full((n_rows, self.row_pieces), self.vocabulary.pad_id, dtype=np.int64)
        lengths = []
        for line, sequences in zip(ids, rows):
            parts = [self.shards.sequence(index) for index in sequences]
            text = np.concatenate(parts)
            line[: len(text)] = text
            lengths.append([len(part) for part in parts])
        masked, labels = mask_published(
            ids,
            rate=rate,
            mask_id=self.vocabulary.mask_id,
            pad_id=self.vocabulary.pad_id,
            generator=published_generator(epoch, self.epochs.shuffle_seed, batch),
        )
        padding = [self.row_pieces - sum(part) for part in lengths]
        return [
            Row(masked[i], labels[i], lengths[i] + [padding[i]] * (padding[i] > 0), rows[i], padding[i])
            for i in range(n_rows)
        ]


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

    most_pieces (int): stop at so many pieces; one sequence is always taken. If not all can be, they are drawn at
        random, so that each source has its share.
    """
    lengths = shards.lengths[sequences]
    if lengths.sum() > most_pieces:
        order = generator_for(EVALUATION_CHOICE).permutation(len(sequences))
        taken = max(1, int(np.searchsorted(np.cumsum(lengths[order]), most_pieces, side="right")))
        sequences = np.asarray(sequences)[np.sort(order[:taken])]
        lengths = shards.lengths[sequences]
    for number, row in enumerate(pack(lengths, row_pieces)):
        generator = generator_for(EVALUATION, number)
        yield build_row(shards, sequences[row].tolist(), mask_rate, vocabulary, generator)


def _check_masking(masking: str, packing: str, vocabulary: Vocabulary, terms: TermList | None) -> None:
    if masking not in MASKINGS:
        raise ValueError(Errors.BC709.format(what="masking", value=masking, range=", ".join(MASKINGS)))
    whys = {
        "it goes with packing 'published' only": masking == "published" and packing != "published",
        "a list of terms is missing (--terms FILE)": masking == "terms" and terms is None,
        "the vocabulary knows no words": masking in ("whole_word", "terms")
        and vocabulary.begins_word is None,
    }
    for why, is_wrong in whys.items():
        if is_wrong:
            raise ValueError(Errors.BC747.format(masking=masking, why=why))
