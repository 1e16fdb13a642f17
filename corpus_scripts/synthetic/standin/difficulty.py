"""How hard a stand-in is: one number from 0 to 1, and the table of what each step of it adds.

====================  ==========================  =====  =====  =====
What                  Unit                          at 0  at 0.5   at 1
====================  ==========================  =====  =====  =====
held out              share of test's and dev's      0      1      1
                      templates and fillers that
                      come from banks of their own
variety               values a filler may take       8    250   8000
distractors           share of places where one      0    0.3    0.6
                      may stand: negated, a
                      relative's, another pair, the
                      same word unmarked
headings              share of sections headed in    0    0.5      1
                      another fashion
wraps                 share of notes wrapped at      0    0.5      1
                      about 72 characters, mentions
                      not spared
abbreviations         share of the words that have   0   0.15    0.3
                      one
typos                 share of words of five         0   0.02   0.04
                      letters and more
noise                 share of spaces that become    0  0.005   0.01
                      two, or get a stray sign
====================  ==========================  =====  =====  =====

Between the columns the numbers run evenly (variety by its logarithm). From 0.5 on nothing of test's templates
and fillers occurs in train: what is then learned is how mentions are written about, not which ones there are.
Function words ("denies", "left") and sentences that bear no label are common to all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from corpus_scripts.synthetic.identities import part_of
from spacy_bioclinical.errors import Errors

T = TypeVar("T")

# Of each five templates of a bank: three for train, one for dev, one for test.
_TURNS = ("train", "train", "train", "dev", "test")
_TRIES = 20_000


@dataclass(frozen=True)
class Difficulty:
    """The numbers of the table for one difficulty.

    value (float): From 0 (easy) to 1.
    RAISES (ValueError): BC670 if it is outside.
    """

    value: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            raise ValueError(Errors.BC670.format(what="--difficulty", value=self.value, range="0.0 to 1.0"))

    @property
    def held_out(self) -> float:
        """Chance that a template or filler of dev or test is one that train never has."""
        return min(1.0, 2 * self.value)

    @property
    def variety(self) -> int:
        """How many values a filler may take in one part."""
        return round(8 * 1000**self.value)

    @property
    def distractors(self) -> float:
        """Chance of a distractor where one may stand."""
        return 0.6 * self.value

    @property
    def headings(self) -> float:
        """Chance of an unusual heading."""
        return self.value

    @property
    def wraps(self) -> float:
        """Chance that a note is wrapped."""
        return self.value

    @property
    def abbreviations(self) -> float:
        """Chance that a word is abbreviated."""
        return 0.3 * self.value

    @property
    def typos(self) -> float:
        """Chance of a typo in a word."""
        return 0.04 * self.value

    @property
    def noise(self) -> float:
        """Chance that a space gets company."""
        return 0.01 * self.value


def bank(items: Sequence[T], part: str) -> tuple[T, ...]:
    """The templates of a bank that belong to a part: of each five, three, one and one.

    items (Sequence): At least five.
    part (str): "train", "dev" or "test".
    """
    return tuple(item for index, item in enumerate(items) if _TURNS[index % 5] == part)


class Draw:
    """Draws templates and fillers for one record, those held out from train only where they may stand.

    rng (Random): The only source of chance.
    part (str): Where the published split sends the record.
    difficulty (Difficulty): How much is held out, and how many values there are.
    """

    def __init__(self, rng: Random, part: str, difficulty: Difficulty) -> None:
        self.rng = rng
        self.part = part
        self.difficulty = difficulty
        # What was drawn, with the name of its bank: what the hold-out is checked by.
        self.used: set[str] = set()

    def own(self) -> str:
        """The part whose banks are drawn from now."""
        return self.part if self.rng.random() < self.difficulty.held_out else "train"

    def template(self, items: Sequence[str]) -> str:
        """One template of a bank."""
        return self.templates(items, 1)[0]

    def templates(self, items: Sequence[str], count: int) -> list[str]:
        """Different templates of a bank: as many as asked, or as there are."""
        mine = bank(items, self.own())
        chosen = self.rng.sample(mine, min(count, len(mine)))
        self.used.update(chosen)
        return chosen

    def value(self, slot: str, make: Callable[[Random], str]) -> str:
        """A value that belongs to the part by its checksum.

        slot (str): Name of the filler.
        make (Callable): Makes any value; asked again until one belongs.
        """
        part = self.own()
        rng = Random(f"{slot}/{part}/{self.rng.randrange(self.difficulty.variety)}")
        for _ in range(_TRIES):
            value = make(rng)
            if part_of(value) == part:
                self.used.add(value.lower())
                return value
        raise AssertionError(f"the filler {slot} has no value for {part}")

    def distracts(self) -> bool:
        """Whether a distractor stands here."""
        return self.rng.random() < self.difficulty.distractors
