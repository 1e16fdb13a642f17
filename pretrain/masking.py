"""Choose the pieces to predict: 80 % of them become [MASK], 10 % a random piece, 10 % stay.

Devlin et al. 2019 (arXiv 1810.04805), section 3.1. One uniform number per piece decides, as in the published
run; unlike it, [CLS] and [SEP] are never chosen and random pieces are never special ones (the published
packed path masks both). The generator is the caller's, so that a batch is a pure function of seed, step and
row.
"""

from dataclasses import dataclass

import numpy as np

from spacy_bioclinical.errors import Errors

IGNORED = -100  # label of a piece that is not predicted
SHARE_MASK, SHARE_RANDOM = 0.8, 0.1


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know about the tokenizer.

    mask_id (int): id of [MASK].
    is_special (np.ndarray): bool (V,), pieces that are never chosen nor drawn.
    ordinary (np.ndarray): int64, ids from which random pieces are drawn.
    """

    mask_id: int
    is_special: np.ndarray
    ordinary: np.ndarray

    @classmethod
    def of(cls, size: int, mask_id: int, special_ids: frozenset[int]) -> "Vocabulary":
        """Build it from the vocabulary's size and its special pieces."""
        is_special = np.zeros(size, dtype=bool)
        is_special[[i for i in (*special_ids, mask_id) if i < size]] = True
        return cls(mask_id, is_special, np.flatnonzero(~is_special))


def mask_pieces(
    ids: np.ndarray, *, rate: float, vocabulary: Vocabulary, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide pieces of a packed row.

    ids (np.ndarray): int64 (T,), special pieces included.
    rate (float): probability that an ordinary piece is chosen. At least one is, if there is any.
    RETURNS (tuple): masked ids and labels (the original id where chosen, -100 elsewhere), both int64 (T,).
    RAISES (ValueError): BC709 for a rate outside (0, 1).
    """
    if not 0.0 < rate < 1.0:
        raise ValueError(Errors.BC709.format(what="mask_rate", value=rate, range="(0, 1)"))
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
