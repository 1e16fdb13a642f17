"""A stand-in for PhysioNet's de-identified notes: id.text with surrogates, id.res with ``[**…**]`` in their place.

Patients have one to five notes in a row. Every kind of mask text of the published class table occurs; ages below
90 stand unmasked, as there. A note is drawn again if first-found alignment would misplace one of its masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from corpus_scripts.corpora.published import splits
from corpus_scripts.synthetic import deid_templates
from corpus_scripts.synthetic.standin import physionet_templates as words
from corpus_scripts.synthetic.standin.difficulty import Difficulty, Draw
from corpus_scripts.synthetic.standin.markup import Marked, render
from corpus_scripts.synthetic.standin.noise import heading, roughen
from corpus_scripts.synthetic.standin.parts import parts_by_position
from corpus_scripts.synthetic.standin.surrogates import Surrogates

LABELS = ("age", "date", "location", "name", "other", "phone_nb")
_SECTIONS = (
    ("HISTORY OF PRESENT ILLNESS", deid_templates.PRESENT_ILLNESS, 2),
    ("SOCIAL HISTORY", deid_templates.SOCIAL, 2),
    ("HOSPITAL COURSE", deid_templates.COURSE, 2),
    ("PLAN", deid_templates.FOLLOW_UP, 2),
)
_TRIES = 50


class Note(NamedTuple):
    """One record of both files; marks carry their class as label and the mask's text as value."""

    patient: int
    note: int
    part: str
    text: Marked
    used: set[str]


def parts(size: int) -> list[str]:
    """The part of each note, in the order of the file."""
    return parts_by_position(splits.DEID, size, "physionet_deid")


def make_notes(size: int, seed: int, difficulty: Difficulty) -> Iterator[Note]:
    """All notes, in the order of the files."""
    patients = Random(f"physionet_deid/{seed}/patients")
    patient, note, left = 0, 0, 0
    for index, part in enumerate(parts(size)):
        if left == 0:
            patient, note, left = patient + 1, 0, patients.randint(1, 5)
        note, left = note + 1, left - 1
        yield _make_note(patient, note, part, f"{seed}/{index}", difficulty)


def make_files(size: int, seed: int, difficulty: Difficulty) -> dict[str, Iterator[str]]:
    """Name → records of each file."""
    return {
        "id.text": (_record(note, note.text.text) for note in make_notes(size, seed, difficulty)),
        "id.res": (_record(note, masked(note.text)) for note in make_notes(size, seed, difficulty)),
    }


def masked(text: Marked) -> str:
    """The text with the mask of each mention in its place."""
    parts: list[str] = []
    position = 0
    for mark in text.marks:
        parts += (text.text[position : mark.start], f"[**{mark.value}**]")
        position = mark.end
    return "".join((*parts, text.text[position:]))


def _record(note: Note, text: str) -> str:
    return f"START_OF_RECORD={note.patient}||||{note.note}||||\n{text}||||END_OF_RECORD\n\n"


def _make_note(patient: int, note: int, part: str, key: str, difficulty: Difficulty) -> Note:
    for attempt in range(_TRIES):
        draw = Draw(Random(f"physionet_deid/{key}/{attempt}"), part, difficulty)
        # The same people in all notes of a patient, other ones where they are held out.
        person = Draw(Random(f"physionet_deid/{key.split('/')[0]}/patient/{patient}"), part, difficulty)
        surrogates = Surrogates(person, draw)
        text = _compose(draw, surrogates)
        if _aligns(text):
            return Note(patient, note, part, text, draw.used | person.used)
    raise AssertionError(f"note {key} cannot be aligned")


def _compose(draw: Draw, surrogates: Surrogates) -> Marked:
    rng = draw.rng
    lines = [render(rng.choice(words.TITLES), surrogates.fill)]
    for template in draw.templates(words.LINES, rng.randint(3, 6)):
        lines.append(render(template, surrogates.fill))
        if draw.distracts():
            lines.append(render(rng.choice(words.DISTRACTORS), surrogates.fill))
    for title, templates, most in rng.sample(_SECTIONS, rng.randint(1, 3)):
        lines.append(Marked(heading(title, rng, draw.difficulty)))
        lines += [
            render(template, surrogates.fill) for template in draw.templates(templates, rng.randint(1, most))
        ]
    note = Marked("")
    for index, line in enumerate(lines):
        text = line.text
        if text[0].islower() and not any(mark.start == 0 for mark in line.marks):
            text = text[0].upper() + text[1:]
        between = "" if index == 0 else "\n" if index == 1 or rng.random() < 0.4 else " "
        if text.endswith((":", "**", "==", " -")) or line.text.isupper():
            between = "\n"
        note = note + between + Marked(text, line.marks)
    return roughen(note, rng, draw.difficulty, wrap=True) + "\n"


def _aligns(note: Marked) -> bool:
    """Whether each plain part, looked for from where the last was found, is found where it stands."""
    for text in (note.text, note.text.replace("\n", " ")):
        position = 0
        for mark, after in zip(note.marks, (*note.marks[1:], None)):
            plain = text[mark.end : after.start if after else len(text)]
            position = max(position, mark.start)
            # The last plain part is stripped by some and must not be found earlier either way.
            if not plain or any(
                text.find(wanted, position + least) != mark.end
                for wanted in {plain, plain if after else plain.rstrip()}
                for least in (0, 1)
            ):
                return False
            position = mark.end + len(plain)
    return True
