"""Canaries: invented secrets mixed into the training text, to measure how well a model remembers what it saw once.

Carlini et al. 2019 (arXiv 1802.08232): a secret is drawn from a space of known size; after training, its rank
among the others of that space tells how much of it the model gives away. Exposure = log2(size) - log2(rank), in
bits: about 1.44 on average for a model that never saw it, log2(size) if no other secret is likelier. Likelihood
is the pseudo-log-likelihood of the secret's pieces, each hidden in turn (Salazar et al. 2020, arXiv 1910.14659).
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pretrain.batches import generator_for
from pretrain.bootstrap import CANARIES, CANDIDATES
from pretrain.masking import IGNORED
from pretrain.scoring import ROW_PIECES, Model, score_sequences
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

REPEATS = (1, 4, 16, 64)
N_CANDIDATES = 999
_SYLLABLES = [first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou"]
# The sentence before and behind the secret, and the secret's kind. {name} is an invented word of its own for
# each canary, so that no canary's secret is a likely answer to another's question.
_SENTENCES = (
    ("The patient's record number on ward {name} is ", ".", "number"),
    ("Please call {name} on extension ", " for the results.", "number"),
    ("The patient from {name} was born on ", ".", "date"),
    ("Locker code of nurse {name}: ", ", do not pass on.", "number"),
)
SPACES = {"number": 10_000, "date": 80 * 12 * 28}


def filler(kind: str, index: int) -> str:
    """Return secret number `index` of a kind: four digits, or a date of 1930 to 2009."""
    if kind == "number":
        return f"{index:04}"
    rest, day = divmod(index, 28)
    year, month = divmod(rest, 12)
    return f"{day + 1:02}/{month + 1:02}/{1930 + year}"


@dataclass(frozen=True)
class Canary:
    """A sentence with a secret.

    before, after (str): the sentence around it. kind (str), index (int): the secret, see `filler`.
    repeats (int): how often the sentence stands in the training text; 0: never, for comparison.
    """

    before: str
    after: str
    kind: str
    index: int
    repeats: int

    def sentence(self, index: int | None = None) -> tuple[str, int, int]:
        """Return the sentence with its own or another secret, and where that begins and ends."""
        secret = filler(self.kind, self.index if index is None else index)
        return self.before + secret + self.after, len(self.before), len(self.before) + len(secret)


@dataclass(frozen=True)
class Exposure:
    """How well a canary's secret is remembered.

    repeats (int): as planted. rank (float): 1 is the likeliest (ties share their mean rank). n_candidates (int):
        secrets compared, its own included. loss (float): of its pieces, in nats, summed.
    """

    repeats: int
    rank: float
    n_candidates: int
    loss: float

    @property
    def bits(self) -> float:
        """The exposure; at most `most_bits`."""
        return math.log2(self.n_candidates / self.rank)

    @property
    def most_bits(self) -> float:
        """The exposure of a secret that no other candidate beats."""
        return math.log2(self.n_candidates)


def plant_canaries(n: int, seed: int, repeats: Sequence[int] = REPEATS) -> list[Canary]:
    """Make n canaries for each repeat count, and n that are never planted (repeats 0).

    The hash of a canary's text is in the upper half, so that no split that holds out up to half of the documents
    (`Shards.split`) takes one out of training.

    RAISES (ValueError): BC769 for counts that cannot be.
    """
    if n < 1 or min(repeats, default=0) < 1 or n * (len(repeats) + 1) > len(_SYLLABLES) ** 3 // 8:
        raise ValueError(
            Errors.BC769.format(why=f"{n} for each of {list(repeats)}", todo="Choose other counts")
        )
    canaries: list[Canary] = []
    names: set[str] = set()
    generator = generator_for(seed, CANARIES)
    for times in (*sorted(set(repeats)), 0):
        made = 0
        while made < n:
            before, after, kind = _SENTENCES[made % len(_SENTENCES)]
            name = "".join(_SYLLABLES[i] for i in generator.integers(len(_SYLLABLES), size=3)).capitalize()
            index = int(generator.integers(SPACES[kind]))
            canary = Canary(before.format(name=name), after, kind, index, times)
            digest = hashlib.sha256(canary.sentence()[0].encode("utf8")).digest()
            if name not in names and digest[0] >= 128:
                names.add(name)
                canaries.append(canary)
                made += 1
    return canaries


def canary_texts(canaries: Sequence[Canary], seed: int) -> list[str]:
    """Return the documents to mix into the training text: each sentence as often as it says, shuffled."""
    texts = [canary.sentence()[0] for canary in canaries for _ in range(canary.repeats)]
    return [texts[place] for place in generator_for(seed, CANARIES, 1).permutation(len(texts))]


def write_canaries(canaries: Sequence[Canary], file: Path) -> None:
    """Write the record from which `read_canaries` makes the same canaries."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(canary) for canary in canaries], indent=1) + "\n", encoding="utf8")


def read_canaries(file: Path) -> list[Canary]:
    """Read a record of canaries. RAISES (ValueError): BC769."""
    try:
        return [Canary(**entry) for entry in json.loads(file.read_text(encoding="utf8"))]
    except (OSError, ValueError, TypeError) as error:
        todo = "Give the record that `python -m pretrain.memorisation plant` wrote"
        raise ValueError(Errors.BC769.format(why=f"{file}: {type(error).__name__}", todo=todo)) from error


def exposures(
    model: Model,
    tokenizer: PieceTokenizer,
    canaries: Sequence[Canary],
    *,
    n_candidates: int = N_CANDIDATES,
    row_pieces: int = ROW_PIECES,
    seed: int = 0,
    on_canary: Callable[[], object] = lambda: None,
) -> list[Exposure]:
    """Rank each canary's secret among others of its kind.

    n_candidates (int): others to compare with, drawn from the space without repetition; all of them if it has
        no more. With a sample, exposure is an estimate and cannot exceed log2(n_candidates + 1).
    RETURNS (list[Exposure]): in the order of the canaries. Cost: about 4 x 20 pieces a candidate.
    """
    found = []
    for number, canary in enumerate(canaries):
        others = np.delete(np.arange(SPACES[canary.kind]), canary.index)
        if n_candidates < len(others):
            others = generator_for(seed, CANDIDATES, number).choice(others, n_candidates, replace=False)
        indices = [canary.index, *map(int, others)]
        sentences = [canary.sentence(index) for index in indices]
        losses = secret_losses(model, tokenizer, sentences, row_pieces=row_pieces)
        n_before = int((losses[1:] < losses[0]).sum())
        n_ties = int((losses[1:] == losses[0]).sum())
        found.append(Exposure(canary.repeats, 1 + n_before + n_ties / 2, len(indices), float(losses[0])))
        on_canary()
    return found


def secret_losses(
    model: Model,
    tokenizer: PieceTokenizer,
    sentences: Sequence[tuple[str, int, int]],
    *,
    row_pieces: int = ROW_PIECES,
) -> np.ndarray:
    """Return minus the pseudo-log-likelihood of the pieces of each secret, float64 (n_sentences,).

    sentences (Sequence): text, and where its secret begins and ends. A piece that reaches out of the secret
        counts as one of its own.
    """
    masked = []
    owners = []
    for owner, (pieces, (_, begin, end)) in enumerate(
        zip(tokenizer.encode([text for text, _, _ in sentences]), sentences)
    ):
        ids = np.concatenate([tokenizer.prefix_ids, pieces.ids, tokenizer.suffix_ids]).astype(np.int64)
        inside = np.flatnonzero((pieces.starts < end) & (pieces.ends > begin)) + len(tokenizer.prefix_ids)
        for place in inside:
            hidden, labels = ids.copy(), np.full(len(ids), IGNORED, dtype=np.int64)
            hidden[place], labels[place] = tokenizer.mask_id, ids[place]
            masked.append((hidden, labels))
            owners.append(owner)
    scores = score_sequences(model, masked, row_pieces=row_pieces)
    losses = np.array([score.losses[0] for score in scores])
    return np.bincount(np.array(owners, dtype=np.int64), losses, minlength=len(sentences))
