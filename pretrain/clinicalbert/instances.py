"""Pairs of sentences with hidden pieces, as BERT was pretrained: a pure function of (seed, duplicate, document).

Devlin et al. 2019 (arXiv 1810.04805), section 3.1 and appendix A; values of Alsentzer et al. 2019 (arXiv
1904.03323). Each document is gone through `dupe_factor` times, every time cut and masked anew. A segment A of whole
sentences is followed, half of the time, by the sentences that follow it, else by sentences of a random other
document (A's unused sentences are then used next). Both are cut to `max_length - 3` pieces. Unlike the published
code, random pieces are never special ones (see `pretrain.masking`). Shape letters: T packed pieces, B pairs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pretrain.batches import generator_for
from pretrain.masking import IGNORED, SHARE_MASK, SHARE_RANDOM, Vocabulary
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

FOLLOWS, RANDOM = 0, 1  # what next-sentence prediction tells apart
# Streams of random numbers drawn from one seed, apart from those of pretrain.batches.
PAIRS, HIDING = 100, 101
_BLOCK = 1024  # sentences tokenised at once


@dataclass(frozen=True)
class PairSettings:
    """How pairs are made; the defaults are Bio_ClinicalBERT's.

    max_length (int): most pieces of a pair, special ones included. dupe_factor (int): passes over each document.
    short_share (float): share of documents whose pairs aim at a random, shorter length. masked_share (float): share
    of all pieces that are predicted, at most max_predictions (published: 22 in the data, 20 in training; neither
    binds at 128 pieces). random_share (float): share of pairs whose B is random. seed (int).
    """

    max_length: int = 128
    dupe_factor: int = 5
    short_share: float = 0.1
    masked_share: float = 0.15
    max_predictions: int = 20
    random_share: float = 0.5
    seed: int = 12345


class Sentences:
    """Tokenised sentences of all documents, in three flat arrays (4 bytes a piece).

    ids (np.ndarray): int32 (pieces,). sentence_starts (np.ndarray): int64 (sentences + 1,), into ids.
    document_starts (np.ndarray): int64 (documents + 1,), into sentence_starts. Neither may be empty.
    chosen (np.ndarray | None): int (n,), the documents to take, which are then counted from 0; None: all.
    """

    def __init__(
        self,
        ids: np.ndarray,
        sentence_starts: np.ndarray,
        document_starts: np.ndarray,
        chosen: np.ndarray | None = None,
    ):
        self.ids, self.sentence_starts, self.document_starts = ids, sentence_starts, document_starts
        self.chosen = np.arange(len(document_starts) - 1) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def only(self, documents: np.ndarray) -> "Sentences":
        """Return the same sentences with some documents alone, by their numbers here; nothing is copied."""
        return Sentences(self.ids, self.sentence_starts, self.document_starts, self.chosen[documents])

    @classmethod
    def of(cls, documents: Iterable[Iterable[np.ndarray]]) -> "Sentences":
        """Lay out documents of tokenised sentences; empty sentences and documents are left out."""
        parts: list[np.ndarray] = []
        starts = [0]
        for document in documents:
            parts += [np.asarray(sentence, dtype=np.int32) for sentence in document if len(sentence)]
            if len(parts) > starts[-1]:
                starts.append(len(parts))
        lengths = np.array([0, *map(len, parts)], dtype=np.int64)
        ids = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
        return cls(ids, lengths.cumsum(), np.array(starts, dtype=np.int64))

    @classmethod
    def tokenised(cls, notes: Iterable[list[str]], tokenizer: PieceTokenizer) -> "Sentences":
        """Tokenise notes of sentences (`sentences.read_notes`)."""

        def encoded() -> Iterator[list[np.ndarray]]:
            for note in notes:
                blocks = (note[i : i + _BLOCK] for i in range(0, len(note), _BLOCK))
                yield [pieces.ids for block in blocks for pieces in tokenizer.encode(block)]

        return cls.of(encoded())

    def lengths(self, document: int) -> np.ndarray:
        """Return the pieces of each sentence of a document, int64."""
        number = self.chosen[document]
        first, end = self.document_starts[number], self.document_starts[number + 1]
        return np.diff(self.sentence_starts[first : end + 1])

    def pieces(self, document: int, first: int, end: int) -> np.ndarray:
        """Return the pieces of sentences first … end - 1 of a document."""
        offset = self.document_starts[self.chosen[document]]
        return self.ids[self.sentence_starts[offset + first] : self.sentence_starts[offset + end]]


class Pair(NamedTuple):
    """Which sentences make up one pair: document, then first sentence and end, for A and for B.

    duplicate, number (int): pass over A's document, and place among its pairs in that pass.
    """

    duplicate: int
    number: int
    document: int
    first: int
    end: int
    other: int
    other_first: int
    other_end: int
    answer: int  # FOLLOWS or RANDOM


class Instance(NamedTuple):
    """One pair, masked: ids, token types and labels (-100: not predicted), int64 (T,), and FOLLOWS or RANDOM."""

    ids: np.ndarray
    token_types: np.ndarray
    labels: np.ndarray
    answer: int


@dataclass(frozen=True)
class PairRow:
    """Pairs laid end to end.

    ids, token_types, labels (np.ndarray): int64 (T,). lengths (list[int]): pieces of each pair. next_sentence
    (np.ndarray | None): int64 (B,), -100 not to count; None if it is not predicted. documents (list[int]): document
    of each A.
    """

    ids: np.ndarray
    token_types: np.ndarray
    labels: np.ndarray
    lengths: list[int]
    next_sentence: np.ndarray | None
    documents: list[int]

    @property
    def n_labelled(self) -> int:
        """Pieces to predict."""
        return int((self.labels != IGNORED).sum())

    @property
    def n_pairs(self) -> int:
        """Pairs whose next sentence is predicted."""
        return 0 if self.next_sentence is None else int((self.next_sentence != IGNORED).sum())

    @property
    def n_pieces(self) -> int:
        """Pieces of text, special ones included; there is no padding."""
        return len(self.ids)

    @property
    def sequences(self) -> list[int]:
        """What a log names, as `Row.sequences`: the document of each pair's A."""
        return self.documents


def plan_pairs(sentences: Sentences, document: int, duplicate: int, settings: PairSettings) -> list[Pair]:
    """Choose the pairs of one pass over one document; from lengths alone, without masking."""
    generator = generator_for(settings.seed, PAIRS, duplicate, document)
    lengths = sentences.lengths(document)
    budget = settings.max_length - 3
    short = generator.random() < settings.short_share
    target = int(generator.integers(2, budget + 1)) if short else budget
    pairs: list[Pair] = []
    start = 0
    while start < len(lengths):
        end = _reach(lengths, start, target)
        cut = start + (1 if end - start == 1 else int(generator.integers(1, end - start)))
        if end - start == 1 or generator.random() < settings.random_share:
            other = int(generator.integers(len(sentences) - 1))
            other += other >= document
            other_lengths = sentences.lengths(other)
            first = int(generator.integers(len(other_lengths)))
            wanted = target - int(lengths[start:cut].sum())
            place = (other, first, _reach(other_lengths, first, wanted), RANDOM)
            following = cut
        else:
            place = (document, cut, end, FOLLOWS)
            following = end
        pairs.append(Pair(duplicate, len(pairs), document, start, cut, *place))
        start = following
    return pairs


def _reach(lengths: np.ndarray, start: int, wanted: int) -> int:
    """Return the end of the fewest sentences, at least one, that hold the wanted number of pieces."""
    end, total = start + 1, int(lengths[start])
    while end < len(lengths) and total < wanted:
        total += int(lengths[end])
        end += 1
    return end


def truncate(
    first: np.ndarray, second: np.ndarray, budget: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a pair to the budget: piece by piece from the longer one, from its front or its back at random."""
    a, b = len(first), len(second)
    if a + b > budget:
        least = min(a, b)
        if least > budget // 2:
            a, b = budget - budget // 2, budget // 2
        elif a > b:
            a = budget - b
        else:
            b = budget - a
    return _shorten(first, a, generator), _shorten(second, b, generator)


def _shorten(ids: np.ndarray, length: int, generator: np.random.Generator) -> np.ndarray:
    front = int(generator.binomial(len(ids) - length, 0.5))
    return ids[front : front + length]


def build_instance(
    sentences: Sentences, pair: Pair, settings: PairSettings, vocabulary: Vocabulary, cls_id: int, sep_id: int
) -> Instance:
    """Lay one pair out as [CLS] A [SEP] B [SEP] and hide pieces of it."""
    key = (settings.seed, HIDING, pair.duplicate, pair.document, pair.number)
    generator = generator_for(*key)
    first, second = truncate(
        sentences.pieces(pair.document, pair.first, pair.end),
        sentences.pieces(pair.other, pair.other_first, pair.other_end),
        settings.max_length - 3,
        generator,
    )
    ids = np.concatenate(([cls_id], first, [sep_id], second, [sep_id])).astype(np.int64)
    token_types = np.zeros_like(ids)
    token_types[len(first) + 2 :] = 1
    candidates = np.setdiff1d(np.arange(len(ids)), (0, len(first) + 1, len(ids) - 1))
    wanted = min(settings.max_predictions, max(1, round(len(ids) * settings.masked_share)))
    chosen = np.sort(generator.permutation(candidates)[:wanted])
    draw = generator.random(len(chosen))
    drawn = generator.choice(vocabulary.ordinary, size=len(chosen))
    masked = ids.copy()
    masked[chosen] = np.where(draw < SHARE_MASK, vocabulary.mask_id, ids[chosen])
    is_random = (draw >= SHARE_MASK) & (draw < SHARE_MASK + SHARE_RANDOM)
    masked[chosen[is_random]] = drawn[is_random]
    labels = np.full_like(ids, IGNORED)
    labels[chosen] = ids[chosen]
    return Instance(masked, token_types, labels, pair.answer)


def pack_pairs(instances: list[Instance], documents: list[int], *, next_sentence: bool = True) -> PairRow:
    """Lay instances end to end; next_sentence (bool): with their answers."""
    ids, token_types, labels = (np.concatenate(parts) for parts in list(zip(*instances, strict=True))[:3])
    answers = None
    if next_sentence:
        answers = np.array([instance.answer for instance in instances], dtype=np.int64)
    return PairRow(ids, token_types, labels, [len(one.ids) for one in instances], answers, documents)


def check_pairs(sentences: Sentences, settings: PairSettings) -> None:
    """Refuse what no pairs can be made of. RAISES (ValueError): BC753."""
    if len(sentences) < 2:
        raise ValueError(Errors.BC753.format(why=f"{len(sentences)} documents hold text"))
    if settings.max_length < 5 or settings.dupe_factor < 1 or settings.max_predictions < 1:
        why = (
            f"max_length is {settings.max_length}, dupe_factor {settings.dupe_factor}, max_predictions "
            f"{settings.max_predictions}"
        )
        raise ValueError(Errors.BC753.format(why=why))
