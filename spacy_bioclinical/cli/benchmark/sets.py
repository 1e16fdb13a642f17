"""The document sets of the speed benchmark: true lengths, seeded, no document padded to anything.

The paper's six (`fixed` and `variable` at 512, 4,096 and 8,192 pieces): fixed documents have exactly the set's
length L, variable ones int(Normal(L / 2, L / 8)) clamped to [16, L]. `even` is ours: as many documents and pieces
as the variable set, all of one length, so that fixed and variable compare at equal mean length.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_bioclinical.errors import Errors

LENGTHS = (512, 4096, 8192)
LEAST = 16  # pieces of the shortest document of a variable set
ID_RANGE = (100, 16000)  # the paper's ids
LETTERS = "bcdfghjklmnpqrstvwxz"  # no vowels: no tokenizer has an exception for such words


@dataclass(frozen=True)
class DocumentSet:
    """Documents that are timed together.

    kind (str): "fixed", "variable", "even", or what another command calls its documents.
    length (int): L, the length that the set is named after.
    lengths (tuple[int, ...]): true pieces of each document, in the order drawn.
    """

    kind: str
    length: int
    lengths: tuple[int, ...]

    @property
    def name(self) -> str:
        """E.g. "variable-4096"."""
        return f"{self.kind}-{self.length}"

    @property
    def pieces(self) -> int:
        """Real pieces of all documents; no padding, no special pieces."""
        return sum(self.lengths)

    def padding(self, batch_documents: int) -> float:
        """Share of padding if batches of so many documents are padded to their longest, in the order drawn."""
        batches = [
            self.lengths[i : i + batch_documents] for i in range(0, len(self.lengths), batch_documents)
        ]
        return 1 - self.pieces / sum(len(batch) * max(batch) for batch in batches)

    def facts(self, batch_documents: int) -> dict[str, Any]:
        """What belongs beside a figure measured on this set."""
        return {
            "documents": len(self.lengths),
            "pieces": self.pieces,
            "mean": round(float(np.mean(self.lengths)), 1),
            "sd": round(float(np.std(self.lengths)), 1),
            "least": min(self.lengths),
            "most": max(self.lengths),
            "padding": round(self.padding(batch_documents), 4),
        }


def default_documents(length: int, is_cuda: bool) -> int:
    """Documents of a set unless asked otherwise: up to 16,384 pieces on a CPU, 64 times that on a GPU."""
    on_cpu = min(16, max(2, 16384 // length))
    return 64 * on_cpu if is_cuda else on_cpu


def draw_sets(
    lengths: Sequence[int],
    documents: Sequence[int],
    *,
    mean: float = 0.5,
    spread: float = 0.125,
    seed: int = 0,
    equal_mean: bool = True,
) -> list[DocumentSet]:
    """Draw the lengths of all sets.

    lengths (Sequence[int]): L of each pair of sets.
    documents (Sequence[int]): how many documents, one number for each length.
    mean, spread (float): mean and standard deviation of variable documents, as shares of L.
    seed (int): the same seed gives the same lengths, whatever other sets are drawn.
    equal_mean (bool): also make the `even` sets.
    RETURNS (list[DocumentSet]): fixed, (even,) variable for each length.
    RAISES (ValueError): BC530 if a length is given twice or numbers do not fit, naming what.
    """
    if len(set(lengths)) != len(lengths) or len(documents) != len(lengths) or min(lengths, default=0) < 1:
        raise ValueError(
            Errors.BC530.format(
                option="--length and --documents",
                given=f"{list(lengths)} and {list(documents)}",
                wanted="different lengths of at least 1, and one number of documents for each",
            )
        )
    sets = []
    for length, n_documents in zip(lengths, documents, strict=True):
        generator = np.random.default_rng([seed, length, 1])
        drawn = generator.normal(mean * length, spread * length, n_documents).astype("int64")
        variable = np.clip(drawn, min(LEAST, length), length)
        sets.append(DocumentSet("fixed", length, (length,) * n_documents))
        if equal_mean:  # next to the set that it is compared with
            share, rest = divmod(int(variable.sum()), n_documents)
            even = [share + (i < rest) for i in range(n_documents)]
            sets.append(DocumentSet("even", length, tuple(even)))
        sets.append(DocumentSet("variable", length, tuple(variable.tolist())))
    return sets


def draw_ids(documents: DocumentSet, vocab_size: int, special_ids: Sequence[int], seed: int) -> NDArray:
    """Draw piece ids uniformly from the paper's range, as far as the vocabulary has it, special pieces left out.

    documents (DocumentSet): the set.
    vocab_size (int): ids of the encoder.
    special_ids (Sequence[int]): ids that no document holds.
    seed (int): with the set's name it decides the ids.
    RETURNS (NDArray): int32 (pieces,), the documents one after the other.
    """
    low, high = (ID_RANGE[0] if vocab_size > 2 * ID_RANGE[0] else 0), min(ID_RANGE[1], vocab_size)
    allowed = np.setdiff1d(np.arange(low, high), np.asarray(special_ids, dtype="int64"))
    generator = np.random.default_rng([seed, zlib.crc32(documents.name.encode())])
    return generator.choice(allowed, documents.pieces).astype("int32")


def word_of(piece_id: int) -> str:
    """The word that stands for a piece where a contestant reads text: one word is one piece, for every tokenizer."""
    letters = []
    for _ in range(5):
        piece_id, digit = divmod(piece_id, len(LETTERS))
        letters.append(LETTERS[digit])
    return "q" + "".join(reversed(letters))
