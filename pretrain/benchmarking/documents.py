"""Documents to train on: note-like or real lengths, invented pieces, masked once for all contestants.

Speed depends on lengths, not on what the pieces are; so real collections lend their lengths alone and nothing
of their text gets here. Everything is a pure function of (lengths, seed).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pretrain.batches import generator_for
from pretrain.masking import IGNORED, Vocabulary, mask_pieces
from pretrain.shards import META, open_shards
from spacy_bioclinical.errors import Errors

PAD, CLS, SEP, MASK = range(4)  # ids of the special pieces in invented documents
LEAST = 16  # pieces of the shortest note-like document
_LENGTHS, _PICK, _PIECES, _MASKING = range(
    100, 104
)  # streams of random numbers, apart from those of training


@dataclass(frozen=True)
class Document:
    """A masked document.

    ids, labels (np.ndarray): int64 (L,), as in `pretrain.batches.Row`.
    """

    ids: np.ndarray
    labels: np.ndarray

    @property
    def n_labelled(self) -> int:
        """Pieces to predict."""
        return int((self.labels != IGNORED).sum())


def note_like_lengths(
    n: int, *, seed: int, median: float = 600.0, sigma: float = 0.9, most: int = 8192
) -> np.ndarray:
    """Draw lengths as clinical notes have them: log-normal.

    n (int): number of documents. median, sigma (float): of the distribution, in pieces and in natural logs.
    most (int): longer ones are cut to it.
    RETURNS (np.ndarray): int64 (n,), special pieces included, from 16 to `most`.
    """
    drawn = median * np.exp(sigma * generator_for(seed, _LENGTHS).standard_normal(n))
    return np.clip(np.rint(drawn), min(LEAST, most), most).astype(np.int64)


def real_lengths(folder: Path, n: int, *, seed: int, most: int) -> np.ndarray:
    """Take the lengths of n sequences drawn from shards (all of them if there are fewer), cut to `most`.

    folder (Path): the shards, or a run's working folder that holds one collection of them.
    RAISES (ValueError): BC766 without shards, BC707 for damaged ones.
    """
    found = [folder] if (folder / META).is_file() else sorted(folder.glob("shards-*"))
    if len(found) != 1:
        raise ValueError(Errors.BC766.format(folder=folder, n=len(found)))
    lengths = open_shards(found[0]).lengths
    picked = np.sort(generator_for(seed, _PICK).permutation(len(lengths))[:n])
    return np.minimum(lengths[picked], most).astype(np.int64)


def invent(
    lengths: Sequence[int] | np.ndarray, *, vocab_size: int, mask_rate: float, seed: int
) -> list[Document]:
    """Fill documents of given lengths with random pieces between [CLS] and [SEP], and mask them.

    lengths (Sequence[int]): pieces of each, at least 3.
    RAISES (ValueError): BC776 for a document without room for a piece.
    """
    if len(lengths) == 0 or min(lengths) < 3:
        raise ValueError(
            Errors.BC776.format(
                what="the shortest document", given=f"{min(lengths, default=0)} pieces", wanted="3"
            )
        )
    vocabulary = Vocabulary.of(vocab_size, MASK, frozenset((PAD, CLS, SEP, MASK)))
    documents = []
    for number, length in enumerate(lengths):
        ids = generator_for(seed, _PIECES, number).integers(MASK + 1, vocab_size, size=int(length))
        ids[0], ids[-1] = CLS, SEP
        masked, labels = mask_pieces(
            ids, rate=mask_rate, vocabulary=vocabulary, generator=generator_for(seed, _MASKING, number)
        )
        documents.append(Document(masked, labels))
    return documents


def data_hash(documents: Sequence[Document]) -> str:
    """SHA-256 over all pieces, labels and bounds: equal hash, equal documents."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(len(document.ids).to_bytes(8, "little"))
        digest.update(document.ids.astype("<i8").tobytes())
        digest.update(document.labels.astype("<i8").tobytes())
    return digest.hexdigest()
