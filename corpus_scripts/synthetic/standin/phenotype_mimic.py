"""A stand-in for Phenotype: ACTdb102003.csv with the annotations, NOTEEVENTS.csv in MIMIC-III's columns.

As in the originals, NOTEEVENTS has notes nobody annotated and is in another order; some annotation rows are
NONE and have a label all the same. ``size`` counts the notes a reader must keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from corpus_scripts.corpora.published import splits
from corpus_scripts.synthetic.phenotype_filler import BODY, CLOSING, OPENING, Section
from corpus_scripts.synthetic.standin.difficulty import Difficulty, Draw
from corpus_scripts.synthetic.standin.markup import Marked
from corpus_scripts.synthetic.standin.noise import heading, roughen
from corpus_scripts.synthetic.standin.parts import parts_by_position
from corpus_scripts.synthetic.standin.phenotype_mimic_evidence import LABELS, PHENOTYPES
from corpus_scripts.synthetic.template import CLINICAL, Writer

NONE = "NONE"
COLUMNS = (
    "ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY", "DESCRIPTION", "CGID",
    "ISERROR", "TEXT",
)  # fmt: skip
# Words of a note, about 1.7 pieces each.
WORDS = (1500, 1950)
_POSITIVE = 0.12
_PLACEHOLDERS = (
    "Seen by Dr. [**Last Name (NamePattern1) {n}**] of [**Hospital{m} {n}**].",
    "Transferred from [**Hospital {m}**] on [**{y}-{m}-{d}**].",
    "Family at [**Telephone/Fax (1) {n}**], daughter [**First Name8 (NamePattern2) **] is proxy.",
    "Mr. [**Known lastname {n}**] was told of the results on [**{m}-{d}**].",
    "A [**Age over 90 **] year old from [**Location (un) {n}**].",
    "Paged [**Pager number {n}**], Dr. [**First Name4 (NamePattern1) **] [**Last Name (NamePattern1) **] answered.",
)


class Note(NamedTuple):
    """A note that a reader keeps.

    row_id (int): Its key in both files.
    part (str): Where the published split sends it.
    text (str): As in NOTEEVENTS.
    labels (tuple): Those that are true.
    used (set): What was drawn for it.
    """

    row_id: int
    part: str
    text: str
    labels: tuple[str, ...]
    used: set[str]


class _Extra(NamedTuple):
    """What stands around a kept note: rows that a reader leaves out."""

    conflict: bool
    unannotated: bool


def parts(size: int) -> list[str]:
    """The part of each note that is kept, in the order of the annotation rows."""
    return parts_by_position(splits.PHENOTYPE, size, "phenotype_mimic")


def make_note(
    index: int, part: str, seed: int, difficulty: Difficulty, words: tuple[int, int] = WORDS
) -> Note:
    """Note ``index`` of those that are kept."""
    draw = Draw(Random(f"phenotype_mimic/{seed}/{index}"), part, difficulty)
    labels = _labels(index, seed)
    return Note(_row_id(index), part, _text(draw, labels, words), labels, draw.used)


def make_notes(
    size: int, seed: int, difficulty: Difficulty, words: tuple[int, int] = WORDS
) -> Iterator[Note]:
    """The notes that are kept, in the order of the annotation rows."""
    for index, part in enumerate(parts(size)):
        yield make_note(index, part, seed, difficulty, words)


def make_files(size: int, seed: int, difficulty: Difficulty) -> dict[str, Iterator[str]]:
    """Name → lines of each file."""
    # Made before anything is written: too small a size is refused here.
    where = parts(size)
    return {"ACTdb102003.csv": _annotations(size, seed), "NOTEEVENTS.csv": _events(where, seed, difficulty)}


def _row_id(index: int) -> int:
    """Neighbours change places, so that the two files are in different orders."""
    return 10_000 + 3 * (index ^ 5)


def _extra(index: int) -> _Extra:
    return _Extra(index % 25 == 10, index % 10 == 3)


def _labels(index: int, seed: int) -> tuple[str, ...]:
    """The labels of a note; each of the fourteen is given to two of the first 28 in any case."""
    rng = Random(f"phenotype_mimic/{seed}/{index}/labels")
    forced = LABELS[index % len(LABELS)] if index < 2 * len(LABELS) else None
    return tuple(label for label in LABELS if label == forced or rng.random() < _POSITIVE)


def _annotations(size: int, seed: int) -> Iterator[str]:
    columns = sorted((*LABELS, NONE))
    yield ",".join(f'"{name}"' for name in ("SUBJECT_ID", "HADM_ID", "ROW_ID", *columns)) + "\n"

    def row(row_id: int, labels: tuple[str, ...]) -> str:
        values = [int(name in labels) for name in columns]
        return ",".join(map(str, (row_id // 4, row_id + 100_000, row_id, *values))) + "\n"

    for index in range(size):
        labels = _labels(index, seed)
        yield row(_row_id(index), labels or (NONE,))
        extra = _extra(index)
        if extra.conflict:
            yield row(_row_id(index) + 2, (NONE, LABELS[index % len(LABELS)]))


def _events(where: list[str], seed: int, difficulty: Difficulty) -> Iterator[str]:
    yield ",".join(f'"{name}"' for name in COLUMNS) + "\n"
    for index in sorted(range(len(where)), key=_row_id):
        row_id = _row_id(index)
        note = make_note(index, where[index], seed, difficulty)
        yield _event(row_id, note.text)
        extra = _extra(index)
        for shift, there in ((1, extra.unannotated), (2, extra.conflict)):
            if there:
                rng = Random(f"phenotype_mimic/{seed}/{index}/extra/{shift}")
                yield _event(row_id + shift, _text(Draw(rng, "train", difficulty), (), (60, 200)))


def _event(row_id: int, text: str) -> str:
    date = f"21{row_id % 90 + 10}-{row_id % 12 + 1:02d}-{row_id % 28 + 1:02d}"
    fields = (
        row_id, row_id // 4, row_id + 100_000, date, "", "", '"Discharge summary"', '"Report"', "", "",
        '"' + text.replace('"', '""') + '"',
    )  # fmt: skip
    return ",".join(map(str, fields)) + "\n"


def _text(draw: Draw, labels: tuple[str, ...], words: tuple[int, int]) -> str:
    """A note whose evidence is spread evenly over all of it but the opening."""
    rng = draw.rng
    planned: list[str] = []
    for one in PHENOTYPES:
        if one.label in labels:
            planned += draw.templates(one.shows, rng.randint(2, 4))
        elif draw.distracts():
            planned.append(draw.template(one.denies))
    rng.shuffle(planned)
    writer = Writer(rng, CLINICAL)
    writer.write(
        f"Admission Date:  [**21{rng.randint(10, 99)}-{rng.randint(1, 12)}-{rng.randint(1, 28)}**]"
        f"     Sex:  {rng.choice('MF')}\n\nService: MEDICINE\n\n"
    )
    until = rng.randint(*words)
    due = sorted(rng.uniform(0.15 * until, 0.95 * until) for _ in planned)
    plan = list(zip(due, planned))
    count = 0
    order = list(OPENING)
    while order or count < until:
        section = order.pop(0) if order else rng.choice(BODY)
        count += _section(writer, section, draw)
        while plan and plan[0][0] <= count:
            count += len(writer.write(_line(rng, plan.pop(0)[1])).split())
    for _, sentence in plan:
        writer.write(_line(rng, sentence))
    for section in CLOSING:
        _section(writer, section, draw)
    return roughen(Marked(writer.text.rstrip("\n")), rng, draw.difficulty, wrap=True).text + "\n\n"


def _section(writer: Writer, section: Section, draw: Draw) -> int:
    rng = draw.rng
    ending = "\n" if section.listed else " "
    title = heading(section.heading.partition(":")[0].partition(",")[0], rng, draw.difficulty)
    words = len(writer.write(title + "\n").split())
    deck: list[str] = []
    for _ in range(rng.randint(*section.size)):
        deck = deck or rng.sample(section.sentences, len(section.sentences))
        words += len(writer.write(deck.pop() + ending).split())
    if rng.random() < 0.3:
        words += len(writer.write(_line(rng, rng.choice(_PLACEHOLDERS))).split())
    writer.write("\n" if section.listed else "\n\n")
    return words


def _line(rng: Random, sentence: str) -> str:
    if "[**" in sentence:
        sentence = sentence.format(
            n=rng.randint(1, 9999), m=rng.randint(1, 12), d=rng.randint(1, 28), y=rng.randint(2100, 2199)
        )
    elif rng.random() < 0.05:
        sentence = f'Family reports "as above": {sentence}'
    return sentence + rng.choice((" ", "\n"))
