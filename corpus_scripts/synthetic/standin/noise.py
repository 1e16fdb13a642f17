"""Make clean text look typed: abbreviations, typos, stray signs, line wraps; marks move along with their words."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from corpus_scripts.synthetic.standin.difficulty import Difficulty
from corpus_scripts.synthetic.standin.markup import Marked

WIDTH = 72

# Never touched: marks of de-identification and of entities that are part of the format.
_PROTECTED = re.compile(r"\[\*\*.*?\*\*\]|@[A-Z]+\$", re.DOTALL)
_WORD = re.compile(r"(?<![\w@.-])[A-Za-z]{3,}(?![\w$@-])")
_ABBREVIATIONS = {
    "history": "hx", "patient": "pt", "with": "w/", "without": "w/o", "diagnosis": "dx", "treatment": "tx",
    "years": "yrs", "year": "yr", "weeks": "wks", "week": "wk", "days": "d", "months": "mos", "month": "mo",
    "left": "L", "right": "R", "bilateral": "bilat", "lower": "lwr", "upper": "upr", "chronic": "chr",
    "medication": "med", "medications": "meds", "pressure": "press", "admission": "adm",
    "discharge": "d/c", "follow": "f/u", "positive": "pos", "negative": "neg", "increased": "incr",
    "decreased": "decr", "moderate": "mod", "evidence": "evid", "approximately": "approx",
    "hospital": "hosp", "compared": "c/w", "expression": "expr", "concentration": "conc",
    "significant": "signif", "occasional": "occ", "cigarettes": "cigs", "daily": "qd", "denies": "den.",
    "mother": "mom", "father": "dad", "husband": "husb", "surgery": "surg", "disease": "dz",
    "family": "fam", "opacity": "opac", "pulmonary": "pulm",
}  # fmt: skip
_SIGNS = ("  ", "  ", " - ", " -- ", " * ", " · ", " .. ", " ~ ")


def roughen(marked: Marked, rng: Random, difficulty: Difficulty, *, wrap: bool = False) -> Marked:
    """Abbreviate, mistype, litter and wrap.

    marked (Marked): Clean text.
    rng (Random): The only source of chance.
    difficulty (Difficulty): How much of each.
    wrap (bool): Whether the format allows line breaks; the note is then wrapped as a whole, or not at all.
    RETURNS (Marked): The same mentions over the changed text.
    """
    rough = _edit(marked, list(_edits(marked, rng, difficulty)))
    if wrap and rng.random() < difficulty.wraps:
        rough = Marked(_wrap(rough.text, WIDTH + rng.randint(-4, 4)), rough.marks)
    return rough


def mistype(word: str, rng: Random) -> str:
    """One slip of the finger within a word of four letters or more; its first letter stays."""
    at = rng.randrange(1, len(word) - 2)
    kind = rng.randrange(3)
    if kind == 0 and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1 :]


def _edits(marked: Marked, rng: Random, difficulty: Difficulty) -> Iterator[tuple[int, int, str]]:
    """(start, end, instead), apart from each other and across no border of a mark."""
    text = marked.text
    protected = [match.span() for match in _PROTECTED.finditer(text)]
    starts = [start for start, _ in protected]
    borders = {mark.start for mark in marked.marks} | {mark.end for mark in marked.marks}
    covered: set[int] = set()
    for mark in marked.marks:
        covered.update(range(mark.start, mark.end))
    for match in re.finditer(rf"{_WORD.pattern}|(?<=\S) (?=\S)", text):
        start, end = match.span()
        before = bisect_right(starts, start) - 1
        if before >= 0 and start < protected[before][1]:
            continue
        if any(start < border < end for border in borders):
            continue
        if match.group() == " ":
            if rng.random() < difficulty.noise:
                sign = rng.choice(_SIGNS)
                yield start, end, "  " if start in covered else sign
            continue
        word = match.group()
        short = _ABBREVIATIONS.get(word.lower())
        if short and rng.random() < difficulty.abbreviations:
            yield start, end, short
        elif len(word) >= 5 and rng.random() < difficulty.typos:
            yield start, end, mistype(word, rng)


def _edit(marked: Marked, edits: list[tuple[int, int, str]]) -> Marked:
    parts: list[str] = []
    ends: list[int] = []
    shifts = [0]
    position = 0
    for start, end, instead in edits:
        parts += (marked.text[position:start], instead)
        position = end
        ends.append(end)
        shifts.append(shifts[-1] + len(instead) - (end - start))
    parts.append(marked.text[position:])

    def moved(offset: int) -> int:
        return offset + shifts[bisect_right(ends, offset)]

    marks = tuple(replace(mark, start=moved(mark.start), end=moved(mark.end)) for mark in marked.marks)
    return Marked("".join(parts), marks)


def _wrap(text: str, width: int) -> str:
    """Turn spaces into line breaks, one for one, so that no offset changes; long words stand out."""
    characters = list(text)
    begin, space = 0, -1
    for index, character in enumerate(text):
        if character == "\n":
            begin, space = index + 1, -1
        elif character == " ":
            space = index
        if index - begin >= width and space > begin:
            characters[space] = "\n"
            begin, space = space + 1, -1
    return "".join(characters)


def heading(title: str, rng: Random, difficulty: Difficulty) -> str:
    """A section's heading line, without its end: in capitals, or in one of the fashions of other writers.

    title (str): In capitals, without a colon.
    """
    if rng.random() >= difficulty.headings:
        return f"{title}:"
    titled = title.title()
    initials = "".join(word[0] for word in title.split())
    return rng.choice(
        (
            f"{titled}:",
            titled,
            title,
            f"** {title} **",
            f"== {titled} ==",
            f"{title.lower()} -",
            f"{initials}:",
            f"#{titled}",
        )
    )
