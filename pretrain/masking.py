"""Choose the pieces to predict: 80 % of them become [MASK], 10 % a random piece, 10 % stay.

Devlin et al. 2019 (arXiv 1810.04805), section 3.1. Four rules: each piece alone (the default); whole words;
words of a term list more often than others; and as the published runs did. The generator is the caller's, so
that a batch is a pure function of seed, step and row.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.words import word_bounds
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

IGNORED = -100  # label of a piece that is not predicted
SHARE_MASK, SHARE_RANDOM = 0.8, 0.1
MASKINGS = ("uniform", "published", "whole_word", "terms")
MOST_TERM_RATE = 0.9  # a term must stay visible now and then


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know about the tokenizer.

    mask_id, pad_id (int): ids of [MASK] and of the padding piece.
    is_special (np.ndarray): bool (V,), pieces that are never chosen nor drawn.
    ordinary (np.ndarray): int64, ids from which random pieces are drawn.
    begins_word, ends_word (np.ndarray): bool (V,), see `pretrain.words`. None: every piece is a word.
    """

    mask_id: int
    is_special: np.ndarray
    ordinary: np.ndarray
    pad_id: int = 0
    begins_word: np.ndarray | None = None
    ends_word: np.ndarray | None = None

    @classmethod
    def of(cls, size: int, mask_id: int, special_ids: frozenset[int]) -> "Vocabulary":
        """Build it from the vocabulary's size and its special pieces; it knows nothing of words."""
        is_special = np.zeros(size, dtype=bool)
        is_special[[i for i in (*special_ids, mask_id) if i < size]] = True
        return cls(mask_id, is_special, np.flatnonzero(~is_special))

    @classmethod
    def of_tokenizer(cls, tokenizer: PieceTokenizer) -> "Vocabulary":
        """Build it from a tokenizer, words included. RAISES (ValueError): BC717 without a mask piece."""
        if tokenizer.mask_id is None:
            raise ValueError(Errors.BC717.format(folder="use", what="mask piece"))
        plain = cls.of(tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)
        begins, ends = word_bounds(tokenizer.strings(range(tokenizer.vocab_size)))
        return cls(plain.mask_id, plain.is_special, plain.ordinary, tokenizer.pad_id, begins, ends)

    def word_starts(self, ids: np.ndarray) -> np.ndarray:
        """Say which pieces of a packed row begin a word, bool (T,). A special piece is a word of its own.

        Words never reach over two documents, which special pieces part.
        """
        special = self.is_special[ids]
        if self.begins_word is None or self.ends_word is None:
            return np.ones(len(ids), dtype=bool)
        starts = self.begins_word[ids] | special
        starts[:1] = True
        starts[1:] |= (self.ends_word[ids] | special)[:-1]
        return starts


def mask_pieces(
    ids: np.ndarray, *, rate: float, vocabulary: Vocabulary, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide pieces of a packed row, each by itself.

    ids (np.ndarray): int64 (T,), special pieces included.
    rate (float): probability that an ordinary piece is chosen. At least one is, if there is any.
    RETURNS (tuple): masked ids and labels (the original id where chosen, -100 elsewhere), both int64 (T,).
    RAISES (ValueError): BC709 for a rate outside (0, 1).
    """
    _check(rate)
    draw = generator.random(len(ids))
    draw[vocabulary.is_special[ids]] = np.inf
    if (
        len(ids) and rate <= draw.min() < np.inf
    ):  # a row without a prediction has no loss: choose its lowest draw
        draw[draw.argmin()] = 0.0
    chosen = draw < rate
    replaced = (draw >= SHARE_MASK * rate) & (draw < (SHARE_MASK + SHARE_RANDOM) * rate)
    masked = np.where(draw < SHARE_MASK * rate, vocabulary.mask_id, ids)
    masked[replaced] = generator.choice(vocabulary.ordinary, size=int(replaced.sum()))
    return masked, np.where(chosen, ids, IGNORED)


def mask_words(
    ids: np.ndarray,
    *,
    rate: float,
    vocabulary: Vocabulary,
    generator: np.random.Generator,
    starts: np.ndarray | None = None,
    is_term: np.ndarray | None = None,
    factor: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Hide words of a packed row: all pieces of a word are predicted, or none; 80/10/10 piece by piece.

    A word is chosen with probability `rate` whatever its length, so a piece is too.

    starts (np.ndarray): bool (T,), pieces that begin a unit; left out, words do.
    is_term (np.ndarray): bool (T,), equal within a unit: units chosen `factor` times as often, see
        `term_rates`.
    RETURNS, RAISES: as `mask_pieces`.
    """
    _check(rate)
    if not len(ids):
        return ids.copy(), ids.copy()
    starts = vocabulary.word_starts(ids) if starts is None else starts
    unit = np.cumsum(starts) - 1
    # Special pieces are units of their own: they have draws, but are never taken.
    ordinary = ~vocabulary.is_special[ids]
    limit = np.full(len(ids), rate)
    if is_term is not None and ordinary.any():
        others, terms = term_rates(rate, factor, float(is_term[ordinary].mean()))
        limit = np.where(is_term, terms, others)
    draw = generator.random(int(unit[-1]) + 1)[unit]
    chosen = (draw < limit) & ordinary
    if not chosen.any() and ordinary.any():  # a row without a prediction has no loss: choose its lowest draw
        chosen = (unit == unit[np.where(ordinary, draw, np.inf).argmin()]) & ordinary
    kind = generator.random(len(ids))
    masked = np.where(chosen & (kind < SHARE_MASK), vocabulary.mask_id, ids)
    replaced = chosen & (kind >= SHARE_MASK) & (kind < SHARE_MASK + SHARE_RANDOM)
    masked[replaced] = generator.choice(vocabulary.ordinary, size=int(replaced.sum()))
    return masked, np.where(chosen, ids, IGNORED)


def term_rates(rate: float, factor: float, share: float) -> tuple[float, float]:
    """Return the rates of other pieces and of terms' pieces whose mean over a row is `rate`.

    share (float): share of ordinary pieces that belong to terms.
    RETURNS (tuple): (others, terms); terms = factor x others, as far as that stays at or below 0.9 or `rate`.
    """
    others = rate / (1.0 - share + factor * share)
    most = max(rate, MOST_TERM_RATE)
    if factor * others <= most:
        return others, factor * others
    if share == 0.0:
        return rate, most
    if rate <= most * share:
        return 0.0, rate / share
    return (rate - most * share) / (1.0 - share), most


def mask_published(
    ids: np.ndarray, *, rate: float, mask_id: int, pad_id: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide pieces as the published packed path did, its peculiarities included.

    One uniform number a position, padding too: below 0.8 rate [MASK], below 0.9 rate a random id, below rate
    unchanged. [CLS] and [SEP] can be chosen; random ids run from 0 to the highest id in the batch, [MASK]
    included; padding may be overwritten, but is never predicted.

    ids (np.ndarray): int64, any shape: one process's batch (rows, row_pieces).
    RETURNS (tuple): masked ids and labels, of the same shape.
    RAISES (ValueError): BC709 for a rate outside (0, 1).
    """
    _check(rate)
    draw = generator.random(ids.shape)
    labels = np.where((draw < rate) & (ids != pad_id), ids, IGNORED)
    masked = np.where(draw < SHARE_MASK * rate, mask_id, ids)
    replaced = (draw >= SHARE_MASK * rate) & (draw < (SHARE_MASK + SHARE_RANDOM) * rate)
    random_ids = generator.integers(0, int(masked.max(initial=0)) + 1, size=ids.shape)
    return np.where(replaced, random_ids, masked), labels


def published_generator(epoch: int, shuffle_seed: int, batch: int) -> np.random.Generator:
    """Return the generator of a batch of the published masking: one per epoch, the same on every process.

    The first batch of an epoch draws what default_rng(epoch + shuffle_seed) gives. For later ones, the
    original goes on wherever the batches before have left it; here each has a stretch of its own of the same
    sequence, so that any batch can be made without those before it.
    """
    generator = np.random.default_rng(epoch + shuffle_seed)
    generator.bit_generator.advance(batch << 64)  # type: ignore[attr-defined]
    return generator


def _check(rate: float) -> None:
    if not 0.0 < rate < 1.0:
        raise ValueError(Errors.BC709.format(what="mask_rate", value=rate, range="(0, 1)"))
