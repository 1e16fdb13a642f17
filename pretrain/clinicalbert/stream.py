"""The stream of rows of sentence pairs: a pure function of (data, seed, step), in bounded memory.

An epoch is every pass over every document (`dupe_factor` times the documents), in an order drawn by (seed, epoch).
It is taken in blocks; the pairs of a block are shuffled together, by (seed, epoch, block). Row r holds pairs
r * pairs_per_row … of all epochs laid end to end. Where a step begins follows from the numbers of pairs in the
blocks before it, which are planned again on resuming (lengths only).
"""

import threading
from bisect import bisect_right

import numpy as np

from pretrain.batches import generator_for
from pretrain.clinicalbert.instances import (
    Pair,
    PairRow,
    PairSettings,
    Sentences,
    build_instance,
    check_pairs,
    pack_pairs,
    plan_pairs,
)
from pretrain.masking import Vocabulary
from spacy_bioclinical.errors import Errors

UNITS, SHUFFLE = 102, 103  # streams of random numbers, beside those of `instances`


class PairStream:
    """Rows of training steps, by number. Safe to use from several threads.

    sentences (Sentences): the text. cls_id, sep_id (int): special pieces of the tokenizer.
    pairs_per_row, rows_per_step (int): published: 32 pairs a step.
    block (int): passes over documents whose pairs are shuffled together.
    passes (np.ndarray | None): int (documents,), passes over each document in an epoch, where it is not dupe_factor.
    next_sentence (bool): with labels of the next sentence. seed (int | None): of what else is drawn in a run, such as
        dropout; None: that of the pairs.
    RAISES (ValueError): BC753 if no pairs can be made.
    """

    def __init__(
        self,
        sentences: Sentences,
        vocabulary: Vocabulary,
        *,
        cls_id: int,
        sep_id: int,
        settings: PairSettings | None = None,
        pairs_per_row: int = 32,
        rows_per_step: int = 1,
        block: int = 4096,
        passes: np.ndarray | None = None,
        next_sentence: bool = True,
        seed: int | None = None,
    ):
        self.settings = settings or PairSettings()
        check_pairs(sentences, self.settings)
        self.seed = self.settings.seed if seed is None else seed
        self.next_sentence = next_sentence
        self._documents, self._duplicates = _units(len(sentences), self.settings.dupe_factor, passes)
        if not len(self._documents):
            raise ValueError(Errors.BC753.format(why="every document's weight rounds to no pass over it"))
        self._lock = threading.Lock()
        self.sentences, self.vocabulary = sentences, vocabulary
        self.cls_id, self.sep_id = cls_id, sep_id
        self.pairs_per_row, self.rows_per_step = pairs_per_row, rows_per_step
        self._block_size = min(block, self._n_units)
        self._firsts = [0]  # number of the first pair of each block seen so far, and of the next one
        self._block = -1
        self._pairs: list[Pair] = []
        self._epoch, self._order = -1, np.zeros(0, dtype=np.int64)

    @property
    def _n_units(self) -> int:
        return len(self._documents)

    @property
    def blocks_per_epoch(self) -> int:
        """Blocks that hold every pass over every document once."""
        return -(-self._n_units // self._block_size)

    def step(self, number: int, rank: int = 0, world: int = 1) -> list[PairRow]:
        """Return the rows of one step, counted from 0, that one process computes.

        rank, world (int): the process and how many there are. Row r of the step is that of process r % world.
        """
        first = number * self.rows_per_step
        return [self._row(row) for row in range(first + rank, first + self.rows_per_step, world)]

    def epoch(self, step: int) -> int:
        """Return the epoch in which a step begins."""
        with self._lock:
            self._pair(step * self.rows_per_step * self.pairs_per_row)
            return self._block // self.blocks_per_epoch

    @property
    def packing_efficiency(self) -> float:
        """Share of the first rows' budget (pairs x max_length) that holds pieces; the rest is not computed."""
        rows = self.step(0)
        return sum(row.n_pieces for row in rows) / (len(rows) * self.pairs_per_row * self.settings.max_length)

    def _row(self, number: int) -> PairRow:
        first = number * self.pairs_per_row
        with self._lock:
            pairs = [self._pair(i) for i in range(first, first + self.pairs_per_row)]
        return self.row_of(pairs)

    def row_of(self, pairs: list[Pair]) -> PairRow:
        """Lay out and mask some pairs; documents bear the numbers of the whole text."""
        instances = [
            build_instance(self.sentences, pair, self.settings, self.vocabulary, self.cls_id, self.sep_id)
            for pair in pairs
        ]
        documents = [int(self.sentences.chosen[pair.document]) for pair in pairs]
        return pack_pairs(instances, documents, next_sentence=self.next_sentence)

    def _pair(self, number: int) -> Pair:
        while number >= self._firsts[-1]:
            self._open(len(self._firsts) - 1)
            self._firsts.append(self._firsts[-1] + len(self._pairs))
        block = bisect_right(self._firsts, number) - 1
        self._open(block)
        return self._pairs[number - self._firsts[block]]

    def _open(self, block: int) -> None:
        """Make a block the current one."""
        if block == self._block:
            return
        epoch, place = divmod(block, self.blocks_per_epoch)
        seed = self.settings.seed
        if epoch != self._epoch:
            self._epoch, self._order = epoch, generator_for(seed, UNITS, epoch).permutation(self._n_units)
        pairs: list[Pair] = []
        for unit in self._order[place * self._block_size : (place + 1) * self._block_size]:
            document, duplicate = int(self._documents[unit]), int(self._duplicates[unit])
            pairs += plan_pairs(self.sentences, document, duplicate, self.settings)
        shuffled = generator_for(seed, SHUFFLE, epoch, place).permutation(len(pairs))
        self._block, self._pairs = block, [pairs[i] for i in shuffled]


def _units(n_documents: int, dupe_factor: int, passes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """List the passes of an epoch: document and number of the pass, int64 (units,) each."""
    if passes is None:
        passes = np.full(n_documents, dupe_factor)
    most = int(max(passes, default=0))
    documents = [np.flatnonzero(passes > duplicate) for duplicate in range(most)]
    duplicates = [np.full(len(part), number) for number, part in enumerate(documents)]
    nothing = np.zeros(0, dtype=np.int64)
    return np.concatenate([nothing, *documents]), np.concatenate([nothing, *duplicates])
