"""The stream of rows of sentence pairs: a pure function of (data, seed, step), in bounded memory.

An epoch is every pass over every document (`dupe_factor` times the documents), in an order drawn by (seed, epoch).
It is taken in blocks; the pairs of a block are shuffled together, by (seed, epoch, block). Row r holds pairs
r * pairs_per_row … of all epochs laid end to end. Where a step begins follows from the numbers of pairs in the
blocks before it, which are planned again on resuming (lengths only).
"""

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

UNITS, SHUFFLE = 102, 103  # streams of random numbers, beside those of `instances`


class PairStream:
    """Rows of training steps, by number.

    sentences (Sentences): the text. cls_id, sep_id (int): special pieces of the tokenizer.
    pairs_per_row, rows_per_step (int): published: 32 pairs a step.
    block (int): passes over documents whose pairs are shuffled together.
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
    ):
        self.settings = settings or PairSettings()
        check_pairs(sentences, self.settings)
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
        return len(self.sentences) * self.settings.dupe_factor

    @property
    def blocks_per_epoch(self) -> int:
        """Blocks that hold every pass over every document once."""
        return -(-self._n_units // self._block_size)

    def step(self, number: int) -> list[PairRow]:
        """Return the rows of one step, counted from 0."""
        first = number * self.rows_per_step
        return [self._row(row) for row in range(first, first + self.rows_per_step)]

    def epoch(self, step: int) -> int:
        """Return the epoch in which a step begins."""
        self._pair(step * self.rows_per_step * self.pairs_per_row)
        return self._block // self.blocks_per_epoch

    def _row(self, number: int) -> PairRow:
        first = number * self.pairs_per_row
        pairs = [self._pair(i) for i in range(first, first + self.pairs_per_row)]
        instances = [
            build_instance(self.sentences, pair, self.settings, self.vocabulary, self.cls_id, self.sep_id)
            for pair in pairs
        ]
        return pack_pairs(instances, [pair.document for pair in pairs])

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
        for unit in self._order[place * self._block_size : (place + 1) * self._block_size].tolist():
            duplicate, document = divmod(unit, len(self.sentences))
            pairs += plan_pairs(self.sentences, document, duplicate, self.settings)
        shuffled = generator_for(seed, SHUFFLE, epoch, place).permutation(len(pairs))
        self._block, self._pairs = block, [pairs[i] for i in shuffled]
