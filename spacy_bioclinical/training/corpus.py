"""The reader `spacy-bioclinical.ShardedCorpus.v1`: training data in shards, mixed, shuffled, never all in memory.

spaCy's own reader keeps the order of its files, so a streamed corpus comes in that order each epoch; here each epoch
has an order of its own, which (seed, epoch) decides. Three steps make it: the shards are put in a random order, the
packed documents of a shard are permuted (no Doc is made for that), and a buffer of Docs mixes neighbouring shards. A
corpus in one file is thus permuted completely. Memory: one packed shard of each source, and `buffer` Docs.

An epoch is a call. spaCy calls once and keeps all examples unless [training] says max_epochs = -1: set that to stream.
It then initializes from the first 100 examples: name the labels with `spacy-bioclinical.CorpusLabels.v1` (labels.py).
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.vocab import Vocab

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.shards import read_shard, shards_of, take, unpack

Paths = str | Path | list[str] | dict[str, float]


def build_sharded_corpus_v1(
    *,
    path: Paths | None,
    shuffle: bool = False,
    seed: int = 0,
    buffer: int = 256,
    limit: int = 0,
    max_length: int = 0,
    gold_preproc: bool = False,
    augmenter: Callable | None = None,
) -> Callable[[Language], Iterable[Example]]:
    """Create a reader of one corpus, or of several mixed.

    path (str | list | dict): a .spacy file or a folder of shards; a list of such; or a dict with weights. The weight
        says how often each document is seen in an epoch: 2.0 twice, 0.5 a random half, another one each epoch.
    shuffle (bool): another order each epoch, sources mixed. Otherwise source after source as stored, for
        evaluation.
    seed (int): with the number of the epoch it decides the order and the choice.
    buffer (int): Docs kept for mixing neighbouring shards; a long note takes about a megabyte.
    limit (int): documents of an epoch, counted after mixing; 0 for all.
    max_length, gold_preproc, augmenter: as for spacy.Corpus.v1.
    RETURNS (Callable[[Language], Iterable[Example]]): a call is an epoch.
    RAISES (ValueError): BC450 without any path, BC453 if a setting is out of range; when read, BC450 or BC451 if a
        path holds no corpus, BC452 at a damaged shard, BC454 for a source without documents.
    """
    if path is None:
        raise ValueError(Errors.BC450.format(path="", why="none was given"))
    weights = (
        path if isinstance(path, dict) else dict.fromkeys(path if isinstance(path, list) else [path], 1.0)
    )
    if not weights:
        raise ValueError(Errors.BC450.format(path="", why="the list is empty"))
    if isinstance(path, list) and len(weights) < len(path):
        raise ValueError(
            Errors.BC453.format(what="path", value="a list that names a path twice", want="a dict")
        )
    for what, value, least in (("buffer", buffer, 1), ("limit", limit, 0), ("max_length", max_length, 0)):
        if value < least:
            raise ValueError(Errors.BC453.format(what=what, value=value, want=f"{least} or more"))
    sources = [Source(source, weight) for source, weight in weights.items()]
    stock = Corpus(sources[0].path, gold_preproc=gold_preproc, max_length=max_length, augmenter=augmenter)
    return ShardedCorpus(sources, stock, shuffle=shuffle, seed=seed, buffer=buffer, limit=limit)


class Source:
    """One corpus of a mix: its shards, and how often each of its documents is seen in an epoch."""

    def __init__(self, path: str | Path, weight: float = 1.0) -> None:
        """BC453 if the weight is not a number above 0. The shards are looked for when they are needed."""
        if isinstance(weight, bool) or not 0 < weight < math.inf:
            raise ValueError(Errors.BC453.format(what=f"weight of {path}", value=weight, want="above 0"))
        self.path = Path(path)
        self.weight = float(weight)

    @cached_property
    def shards(self) -> list[Path]:
        """The files of the corpus (BC450, BC451)."""
        return shards_of(self.path)

    @cached_property
    def counts(self) -> list[int]:
        """Documents of each shard; reads each shard once, and so finds a damaged one early."""
        return [len(read_shard(shard)) for shard in self.shards]

    def draw(self, rng: np.random.Generator) -> list[np.ndarray | None]:
        """Choose the documents of the passes that make up an epoch.

        rng (Generator): decides about the part of a pass.
        RETURNS (list): for each pass, None for all documents, or a mask over them. The number that a mask holds is
            the fraction times the documents, rounded up or down at random so that it is right on average.
        """
        whole, fraction = int(self.weight), self.weight % 1
        passes: list[np.ndarray | None] = [None] * whole
        if fraction:
            n_docs = sum(self.counts)
            mask = np.zeros(n_docs, dtype=bool)
            mask[rng.permutation(n_docs)[: math.floor(fraction * n_docs + rng.random())]] = True
            passes.append(mask)
        return passes

    def read(
        self, vocab: Vocab, passes: list[np.ndarray | None], rng: np.random.Generator | None
    ) -> Iterator[Doc]:
        """Read the documents of an epoch, each pass in a new order.

        passes (list): from `draw`.
        rng (Generator | None): decides the order; None: as stored.
        RAISES (ValueError): BC452, BC454.
        """
        n_seen = 0
        for mask in passes:
            order = list(range(len(self.shards)))
            if rng is not None:
                rng.shuffle(order)
            ends = np.cumsum(self.counts) if mask is not None else np.zeros(0)
            for number in order:
                packed = read_shard(self.shards[number])
                n_seen += len(packed)
                indices = np.arange(len(packed))
                if mask is not None:
                    indices = indices[mask[ends[number] - len(packed) : ends[number]]]
                if rng is not None:
                    rng.shuffle(indices)
                yield from unpack(take(packed, indices.tolist()), vocab, self.shards[number])
        if not n_seen:
            raise ValueError(Errors.BC454.format(path=self.path))


class ShardedCorpus:
    """Reads sources in shards; each call is the next epoch."""

    def __init__(
        self, sources: list[Source], stock: Corpus, *, shuffle: bool, seed: int, buffer: int, limit: int
    ) -> None:
        self.sources = sources
        self.stock = stock  # makes Examples of Docs as spacy.Corpus.v1 does
        self.shuffle = shuffle
        self.seed = seed
        self.buffer = buffer
        self.limit = limit
        self.epoch = 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the next epoch.

        nlp (Language): its tokenizer makes the predicted Docs.
        RETURNS (Iterator[Example]): reads as it goes.
        """
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self._examples(nlp, epoch)

    def _examples(self, nlp: Language, epoch: int) -> Iterator[Example]:
        docs = self.docs(nlp.vocab, epoch)
        make = self.stock.make_examples_gold_preproc if self.stock.gold_preproc else self.stock.make_examples
        for eg in make(nlp, docs):
            yield from self.stock.augmenter(nlp, eg)

    def docs(self, vocab: Vocab, epoch: int) -> Iterator[Doc]:
        """Read the reference Docs of an epoch, those without tokens left out.

        vocab (Vocab): shared by the Docs.
        epoch (int): counted from 0; with the seed it decides the order.
        YIELDS (Doc): documents.
        """
        # One generator for each source, so that adding a source leaves the order within the others as it was.
        rngs = [np.random.default_rng([self.seed, epoch, index]) for index in range(len(self.sources))]
        passes = [source.draw(rng) for source, rng in zip(self.sources, rngs)]
        streams = [
            source.read(vocab, chosen, rng if self.shuffle else None)
            for source, chosen, rng in zip(self.sources, passes, rngs)
        ]
        if self.shuffle:
            draw = random.Random(f"{self.seed} {epoch}")
            found = streams[0] if len(streams) == 1 else self._mixed(streams, passes, draw)
            found = _buffered(found, self.buffer, draw)
        else:
            found = (doc for stream in streams for doc in stream)
        n_docs = 0
        for doc in found:
            if len(doc):
                n_docs += 1
                yield doc
                if n_docs == self.limit:
                    return
            del doc

    def _mixed(
        self, streams: list[Iterator[Doc]], passes: list[list[np.ndarray | None]], draw: random.Random
    ) -> Iterator[Doc]:
        """Draw the next source by the documents it has left: all end together, as in one great permutation."""
        left = [
            sum(sum(source.counts) if mask is None else int(mask.sum()) for mask in chosen)
            for source, chosen in zip(self.sources, passes)
        ]
        empty = next((source.path for source in self.sources if not sum(source.counts)), None)
        if empty is not None:
            raise ValueError(Errors.BC454.format(path=empty))
        while any(left):
            (number,) = draw.choices(range(len(streams)), weights=left)
            left[number] -= 1
            yield next(streams[number])


def _buffered(docs: Iterator[Doc], size: int, draw: random.Random) -> Iterator[Doc]:
    """Keep so many documents and give a random one of them for each that comes."""
    kept: list[Doc] = []
    for doc in docs:
        kept.append(doc)
        del doc
        if len(kept) >= size:
            yield _pop(kept, draw)
    while kept:
        yield _pop(kept, draw)


def _pop(kept: list[Doc], draw: random.Random) -> Doc:
    index = draw.randrange(len(kept))
    kept[index], kept[-1] = kept[-1], kept[index]
    return kept.pop()
