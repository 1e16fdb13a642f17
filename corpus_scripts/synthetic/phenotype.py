"""Invented notes of some 3,000 pieces with eight phenotypes, as JSONL: the evidence stands far behind.

A classifier that reads only the first 512 pieces sees next to none of it. The same sections make all notes;
each phenotype is shown by two to four sentences, and some notes without it name it all the same (denied, a
relative's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from corpus_scripts.formats.jsonl import write_jsonl
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.synthetic.phenotype_evidence import PHENOTYPES
from corpus_scripts.synthetic.phenotype_filler import BODY, CLOSING, OPENING, Section
from corpus_scripts.synthetic.template import CLINICAL, Writer

POSITIVE = 0.3  # of the notes, for each label
EARLY = 0.05  # of the evidence, in the opening
NAMED = 0.25  # of the notes without a label that name it
# The opening has at least this many words (some 850 pieces), the whole note about as many as WORDS (1.7
# pieces each).
OPENING_WORDS = 520
WORDS = (1700, 1950)


@dataclass(frozen=True)
class Note:
    """A note and where its evidence stands.

    record (Record): Text and categories.
    shown, named (tuple): Spans of the sentences that show a label, and of those that only name it.
    """

    record: Record
    shown: tuple[TextSpan, ...]
    named: tuple[TextSpan, ...]


def make_note(rng: Random, name: str) -> Note:
    """One invented note.

    rng (Random): The only source of chance.
    name (str): Id of the record.
    """
    cats: dict[str, float] = {}
    planned: list[tuple[str, str, bool]] = []  # (label, sentence, shows it)
    for phenotype in PHENOTYPES:
        positive = rng.random() < POSITIVE
        cats[phenotype.label] = float(positive)
        if positive:
            chosen = rng.sample(phenotype.shows, rng.randint(2, 4))
        else:
            chosen = [rng.choice(phenotype.denies)] if rng.random() < NAMED else []
        planned.extend((phenotype.label, sentence, positive) for sentence in chosen)
    rng.shuffle(planned)
    early = [plan for plan in planned if rng.random() < EARLY]
    late = [plan for plan in planned if plan not in early]
    writer = _NoteWriter(rng)
    writer.fill(OPENING, more=BODY, until=OPENING_WORDS, planned=early)
    writer.fill(BODY, more=BODY, until=rng.randint(*WORDS) - 80, planned=late)
    writer.fill(CLOSING, more=(), until=0, planned=[])
    return Note(Record(name, writer.text, None, cats), tuple(writer.shown), tuple(writer.named))


def make_notes(part: str, count: int, seed: int) -> Iterator[Note]:
    """The notes of one part; note n is the same however many there are.

    YIELDS (Note): Ids "test-0001", …
    """
    for index in range(1, count + 1):
        yield make_note(Random(f"phenotype/{seed}/{part}/{index}"), f"{part}-{index:04d}")


def write_corpus(folder: Path, counts: Mapping[str, int], seed: int) -> None:
    """Write ``folder/train.jsonl``, ``dev.jsonl``, ``test.jsonl``.

    folder (Path): Files of the same names are replaced.
    counts (Mapping): Part → number of notes.
    seed (int): Another seed, other notes.
    """
    for part, count in counts.items():
        write_jsonl((note.record for note in make_notes(part, count, seed)), folder / f"{part}.jsonl")


class _NoteWriter:
    """Writes sections until there are enough words, the planned sentences spread over them."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._writer = Writer(rng, CLINICAL)
        self._words = 0
        self.shown: list[TextSpan] = []
        self.named: list[TextSpan] = []

    @property
    def text(self) -> str:
        return self._writer.text.rstrip("\n") + "\n"

    def fill(
        self,
        sections: tuple[Section, ...],
        *,
        more: tuple[Section, ...],
        until: int,
        planned: list[tuple[str, str, bool]],
    ) -> None:
        """Write all sections once, then any of ``more`` while words are missing.

        until (int): Number of words of the whole note so far.
        planned (list): Sentences to place; each gets a word count at which it is due.
        """
        begin = self._words
        due = sorted((self._rng.uniform(begin, max(begin, until)), plan) for plan in planned)
        order = list(sections)
        while order or self._words < until:
            section = order.pop(0) if order else self._rng.choice(more)
            self._section(section, due)
        for _, plan in due:
            self._sentence(*plan, "\n")

    def _section(self, section: Section, due: list[tuple[float, tuple[str, str, bool]]]) -> None:
        self._write(section.heading + "\n")
        ending = "\n" if section.listed else " "
        deck: list[str] = []
        for _ in range(self._rng.randint(*section.size)):
            deck = deck or self._rng.sample(section.sentences, len(section.sentences))
            self._write(deck.pop() + ending)
            while due and due[0][0] <= self._words and not section.listed:
                self._sentence(*due.pop(0)[1], ending)
        self._write("\n" if section.listed else "\n\n")

    def _sentence(self, label: str, sentence: str, shows: bool, ending: str) -> None:
        start = self._writer.length
        self._write(sentence)
        (self.shown if shows else self.named).append(TextSpan(start, self._writer.length, label))
        self._write(ending)

    def _write(self, template: str) -> None:
        self._words += len(self._writer.write(template).split())
