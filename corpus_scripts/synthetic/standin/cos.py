"""A stand-in for COS (change of state in chest radiograph reports): brat, up to 100 snippets a file, one a line.

Names of the relations and of the attribute are ours; the published loader reads neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from corpus_scripts.corpora.published import splits
from corpus_scripts.synthetic.standin import cos_templates as words
from corpus_scripts.synthetic.standin.ann import AnnWriter
from corpus_scripts.synthetic.standin.difficulty import Difficulty, Draw
from corpus_scripts.synthetic.standin.markup import Mark, Marked, render
from corpus_scripts.synthetic.standin.noise import roughen
from corpus_scripts.synthetic.standin.parts import parts_by_position

LABELS = ("Attr", "Cos", "Loc", "Ref", "Val")
PER_FILE = 100


def file_names(size: int) -> dict[str, range]:
    """Stem → numbers of its snippets, from 1, in the order in which readers sort the files."""
    begins = range(1, size + 1, PER_FILE)
    ends = [min(begin + PER_FILE - 1, size) for begin in begins]
    stems = {f"snippet{begin}_{end}": range(begin, end + 1) for begin, end in zip(begins, ends)}
    return dict(sorted(stems.items()))


def parts(size: int) -> dict[int, str]:
    """Number of a snippet → the part to which the published split sends it."""
    order = [number for numbers in file_names(size).values() for number in numbers]
    return dict(zip(order, parts_by_position(splits.COS, size, "cos")))


def make_snippet(draw: Draw) -> Marked:
    """One snippet: a sentence of change, and at times one that only looks like it."""
    rng = draw.rng

    def fill(slot: str) -> str:
        kind, _, letter = slot.partition("_")
        if kind in ("changed", "change", "Change"):
            way = rng.choice(("worse", "better", "same"))
            word = draw.template((words.VERBS if kind == "changed" else words.NOUNS)[way])
            return f"[Cos={way}:{letter}|{word.capitalize() if kind == 'Change' else word}]"
        if kind == "since":
            text = draw.template(words.SINCE)
            return text[0].upper() + text[1:] if letter else text
        return draw.template(words.AMOUNTS) if kind == "amount" else draw.value(slot, _MAKERS[slot])

    sentences = [render(draw.template(words.CHANGES), fill)]
    if draw.distracts():
        sentences.insert(rng.randrange(2), render(draw.template(words.DISTRACTORS), fill))
    snippet = Marked("")
    for sentence in sentences:
        text = sentence.text[0].upper() + sentence.text[1:]
        snippet = snippet + (" " if snippet.text else "") + Marked(text, sentence.marks)
    return roughen(snippet, rng, draw.difficulty)


def make_snippets(
    size: int, seed: int, difficulty: Difficulty
) -> Iterator[tuple[int, str, Marked, set[str]]]:
    """Number, part, snippet and what was drawn for it, in the order of the files."""
    for number, part in parts(size).items():
        draw = Draw(Random(f"cos/{seed}/{number}"), part, difficulty)
        yield number, part, make_snippet(draw), draw.used


def make_files(size: int, seed: int, difficulty: Difficulty) -> dict[str, list[str]]:
    """Name → text of each file of the flat folder."""
    made = {number: snippet for number, _, snippet, _ in make_snippets(size, seed, difficulty)}
    files: dict[str, list[str]] = {}
    for stem, numbers in file_names(size).items():
        writer = AnnWriter()
        for number in numbers:
            _write_snippet(writer, made[number])
        files[f"{stem}.txt"] = [writer.text]
        files[f"{stem}.ann"] = writer.lines
    return files


def _write_snippet(writer: AnnWriter, snippet: Marked) -> None:
    whole = Mark(0, len(snippet.text), "Snippet")
    ids = writer.add(Marked(snippet.text, (whole, *snippet.marks)))[1:]
    for mark, name in zip(snippet.marks, ids):
        if mark.label != "Cos":
            continue
        writer.attribute("Direction", name, mark.value)
        for other, target in zip(snippet.marks, ids):
            if other.label != "Cos" and (set(other.links) & set(mark.links) or other.label == "Ref"):
                writer.relation(f"Has{other.label}", name, target)
    writer.write("\n")


def _place(rng: Random) -> str:
    return f"{rng.choice(words.SIDES)} {rng.choice(words.REGIONS)}"


def _finding(rng: Random) -> str:
    return f"{rng.choice(words.QUALITIES)} {rng.choice(words.FINDINGS)}"


def _study(rng: Random) -> str:
    study = rng.choice(words.STUDIES)
    return f"{study} of {rng.randint(1, 12)}/{rng.randint(1, 28)}"


_MAKERS = {"place": _place, "finding": _finding, "study": _study}
