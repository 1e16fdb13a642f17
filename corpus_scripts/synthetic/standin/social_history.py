"""A stand-in for Social History (MTSamples sections): a flat brat folder, 26 types that nest and cross, events.

A mention that goes over a line end is cut into fragments there, as brat does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from corpus_scripts.corpora.published import splits
from corpus_scripts.synthetic.identities import PARTS, pool
from corpus_scripts.synthetic.standin import social_templates as words
from corpus_scripts.synthetic.standin.ann import AnnWriter
from corpus_scripts.synthetic.standin.difficulty import Difficulty, Draw
from corpus_scripts.synthetic.standin.markup import Marked, render
from corpus_scripts.synthetic.standin.noise import heading, roughen
from corpus_scripts.synthetic.standin.parts import parts_by_position
from corpus_scripts.synthetic.standin.social_shapes import SHAPES

# Triggers of events, and what else is marked.
EVENTS = (
    "Alcohol", "Drug", "EnvironmentalExposure", "Family", "InfectiousDiseases", "LivingSituation",
    "MaritalStatus", "Occupation", "PhysicalActivity", "Residence", "SexualHistory", "Tobacco",
)  # fmt: skip
ARGUMENTS = (
    "Amount", "ExposureHistory", "Extent", "Frequency", "History", "LivingStatus", "Location",
    "MedicalCondition", "Method", "Other", "QuitHistory", "Status", "Temporal", "Type",
)  # fmt: skip
LABELS = tuple(sorted(EVENTS + ARGUMENTS))
_ROLES = {"Status": "State", "Temporal": "Time"}
_TITLES = (
    "SOCIAL HISTORY",
    "SOCIAL AND FAMILY HISTORY",
    "HABITS",
    "PERSONAL HISTORY",
    "PSYCHOSOCIAL HISTORY",
)
_GROUP = re.compile(r"\{([^{}]*)\}")
_CROSSING = "with "


def parts(size: int) -> list[str]:
    """The part of each section, in the order of the file names."""
    return parts_by_position(splits.SOCIAL_HISTORY, size, "social_history")


def make_section(draw: Draw, number: int) -> Marked:
    """One section: three to six topics, one of them the number's, so that all of them occur."""
    rng = draw.rng
    topics = list(words.TOPICS)
    must = topics[number % len(topics)]
    others = rng.sample([topic for topic in topics if topic != must], rng.randint(2, 5))
    chosen = [must, *others]
    rng.shuffle(chosen)

    def fill(slot: str) -> str:
        return draw.value(slot, lambda maker: _shaped(SHAPES[slot], maker))

    sentences: list[Marked] = []
    for topic in chosen:
        sentences.append(_cross(render(draw.template(words.TOPICS[topic]), fill)))
        if draw.distracts():
            sentences.append(render(draw.template(words.DISTRACTORS), fill))
    title = _TITLES[0] if rng.random() >= draw.difficulty.headings else rng.choice(_TITLES)
    section = Marked(heading(title, rng, draw.difficulty) + rng.choice((" ", "  ", "\n")))
    for index, sentence in enumerate(sentences):
        text = sentence.text[0].upper() + sentence.text[1:]
        section = section + ("" if index == 0 else rng.choice((" ", " ", "  ", "\n")))
        # Letters are those of one sentence: the next one must not share them.
        marks = tuple(replace(mark, links=f"{index}{mark.links}") for mark in sentence.marks)
        section = section + Marked(text, marks)
    return roughen(section, rng, draw.difficulty, wrap=True) + "\n"


def make_sections(
    size: int, seed: int, difficulty: Difficulty
) -> Iterator[tuple[str, str, Marked, set[str]]]:
    """File stem, part, section and what was drawn for it, in the order of the stems."""
    width = max(4, len(str(size)))
    for index, part in enumerate(parts(size)):
        draw = Draw(Random(f"social_history/{seed}/{index}"), part, difficulty)
        section = make_section(draw, index)
        yield (
            f"{index + 1:0{width}d}_Consult-HistoryandPhy.-Invented_{index % 9 + 3}",
            part,
            section,
            draw.used,
        )


def make_files(size: int, seed: int, difficulty: Difficulty) -> dict[str, list[str]]:
    """Name → text of each file of the flat folder."""
    files: dict[str, list[str]] = {}
    for stem, _, section, _ in make_sections(size, seed, difficulty):
        writer = AnnWriter()
        ids = writer.add(section)
        _write_events(writer, section, ids)
        files[f"{stem}.txt"] = [writer.text]
        files[f"{stem}.ann"] = writer.lines
    return files


def _write_events(writer: AnnWriter, section: Marked, ids: list[str]) -> None:
    """One event for each trigger, with the arguments that have its link."""
    named = list(zip(section.marks, ids))
    for mark, name in named:
        if mark.label not in EVENTS:
            continue
        arguments = [
            (_ROLES.get(other.label, other.label), target)
            for other, target in named
            if other.label in ARGUMENTS and other.links == mark.links
        ]
        writer.event(mark.label, name, arguments)
    for mark, name in named:
        if mark.label == "Status":
            writer.attribute("Value", name, mark.value)


def _cross(sentence: Marked) -> Marked:
    """Let a living situation reach over the "with" that begins how one lives: the two then cross."""
    begins = {
        mark.start
        for mark in sentence.marks
        if mark.label == "Method" and sentence.text.startswith(_CROSSING, mark.start)
    }
    marks = tuple(
        replace(mark, end=mark.end + len(_CROSSING))
        if mark.label == "LivingSituation" and mark.end + 1 in begins
        else mark
        for mark in sentence.marks
    )
    return Marked(sentence.text, marks)


def _shaped(shape: str, rng: Random) -> str:
    """One of the many texts a shape stands for."""

    def choose(match: re.Match[str]) -> str:
        option = rng.choice(match.group(1).split("|"))
        if option in ("place", "brand"):
            return rng.choice(pool("place", rng.choice(PARTS)))
        return option

    text = " ".join(_GROUP.sub(choose, shape).split())
    return re.sub(r"\b[nm]\b", lambda _: str(rng.randint(1, 40)), text)
