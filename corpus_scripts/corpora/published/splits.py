"""The splits of the paper, by position in the unsplit corpus, with numpy alone (the paper used two libraries).

Both libraries draw one permutation and take the held-out part from its front; they differ in the generator.
All of these splits are drawn by document: notes of one patient may stand in train and in test.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from spacy_bioclinical.errors import Errors

SEED = 42


def hf_split(n: int, test_size: float, seed: int = SEED) -> tuple[list[int], list[int]]:
    """What ``datasets.Dataset.train_test_split(test_size, seed)`` gives, as positions.

    n (int): Number of documents.
    test_size (float): Fraction held out, 0.0 … 1.0; rounded up to whole documents.
    seed (int): Of numpy's default generator.
    RETURNS (tuple[list[int], list[int]]): Positions of train and of what is held out, in the drawn order.
    """
    return _cut(np.random.default_rng(seed).permutation(n), test_size)


def sklearn_split(n: int, test_size: float, seed: int = SEED) -> tuple[list[int], list[int]]:
    """What ``sklearn.model_selection.train_test_split(test_size, random_state=seed)`` gives; see hf_split."""
    return _cut(np.random.RandomState(seed).permutation(n), test_size)


def _cut(drawn: np.ndarray, test_size: float) -> tuple[list[int], list[int]]:
    held_out = ceil(test_size * len(drawn))
    return drawn[held_out:].tolist(), drawn[:held_out].tolist()


_ALGORITHMS = {"hf": hf_split, "sklearn": sklearn_split}


@dataclass(frozen=True)
class PublishedSplit:
    """A three-way split made of two draws with the same seed.

    algorithm (str): "hf" (datasets) or "sklearn".
    held_out (float): Fraction the first draw takes away from train.
    again (str): What the second draw cuts: "held_out" (its second half is test) or "train" (a part of it
        becomes dev).
    fraction (float): Of the second draw.
    by_file_name (bool): Positions count documents in the order of their file names with the ending .txt.
    """

    algorithm: str
    held_out: float
    again: str
    fraction: float
    by_file_name: bool = False

    def indices(self, n: int, *, name: str = "") -> dict[str, list[int]]:
        """Positions of each part in the unsplit corpus, in the published order.

        n (int): Number of documents.
        name (str): Of the corpus, for the message.
        RETURNS (dict): "train", "dev", "test" → positions.
        RAISES (ValueError): BC643 if a part would be empty.
        """
        draw = _ALGORITHMS[self.algorithm]
        train, held_out = draw(n, self.held_out)
        again = held_out if self.again == "held_out" else train
        first, second = ([again[index] for index in part] for part in draw(len(again), self.fraction))
        if self.again == "held_out":
            parts = {"train": train, "dev": first, "test": second}
        else:
            parts = {"train": first, "dev": second, "test": held_out}
        if not all(parts.values()):
            sizes = "/".join(str(len(part)) for part in parts.values())
            raise ValueError(Errors.BC643.format(name=name, parts=sizes, total=n))
        return parts

    def describe(self) -> str:
        """One line for reports."""
        library = {"hf": "datasets", "sklearn": "scikit-learn"}[self.algorithm]
        return (
            f"the paper's: {library} train_test_split, {self.held_out:.1%} held out, then {self.fraction:.1%} of "
            f"{self.again.replace('_', '-')}, seed {SEED}; by document, not by patient"
        )


PHENOTYPE = PublishedSplit("hf", 0.2, "train", 0.125)
COS = PublishedSplit("hf", 0.3, "held_out", 0.5)
SOCIAL_HISTORY = PublishedSplit("hf", 0.3, "held_out", 0.5, by_file_name=True)
DEID = PublishedSplit("sklearn", 0.3, "held_out", 0.5)
