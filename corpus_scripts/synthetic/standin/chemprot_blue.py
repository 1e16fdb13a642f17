"""A stand-in for ChemProt as the BLUE benchmark ships it: train.tsv, dev.tsv, test.tsv of index, sentence, label.

A sentence about two pairs stands there once for each, with other words hidden behind @CHEMICAL$ and @GENE$.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from corpus_scripts.synthetic.standin import chemprot_templates as words
from corpus_scripts.synthetic.standin.difficulty import Difficulty, Draw
from corpus_scripts.synthetic.standin.markup import Marked, render
from corpus_scripts.synthetic.standin.noise import roughen

LABELS = words.LABELS
# How often each class is drawn; the first six sentences of a part are one of each.
_WEIGHTS = (10, 20, 5, 5, 10, 50)
_CHEMICAL, _GENE = "@CHEMICAL$", "@GENE$"
# Sentences of the published parts.
PAPER = {"train": 19_460, "dev": 11_820, "test": 16_943}
# Numbers of the abstracts begin here, so that no two parts share one.
_ABSTRACTS = {"train": 10_000_000, "dev": 30_000_000, "test": 50_000_000}


class Row(NamedTuple):
    """One line of a file, and what was drawn for it."""

    id: str
    sentence: str
    label: str
    used: set[str]


def sizes(size: int) -> dict[str, int]:
    """Sentences of each part, in the published proportions."""
    total = sum(PAPER.values())
    dev, test = (round(size * PAPER[part] / total) for part in ("dev", "test"))
    return {"train": size - dev - test, "dev": dev, "test": test}


def make_rows(part: str, count: int, seed: int, difficulty: Difficulty) -> Iterator[Row]:
    """The sentences of one part; sentence n is the same however many there are."""
    for number in range(count):
        yield make_row(part, number, seed, difficulty)


def make_row(part: str, number: int, seed: int, difficulty: Difficulty) -> Row:
    """Sentence ``number`` of a part. Numbers 2n and 2n+1 may be one sentence about two pairs."""
    group, second = divmod(number, 2)
    rng = Random(f"chemprot_blue/{seed}/{part}/{group}")
    draw = Draw(rng, part, difficulty)
    labels = [LABELS[2 * group + turn] if group < 3 else _label(rng) for turn in range(2)]
    name = f"{_ABSTRACTS[part] + 37 * group + rng.randrange(37)}.T{2 * second + 1}.T{2 * second + 2}"
    if draw.distracts() and labels[0] != labels[1]:
        crossed = group >= 3 and rng.random() < 0.25
        text = _two_clauses(draw, labels, chemical=second, gene=1 - second if crossed else second)
        label = "false" if crossed else labels[second]
    else:
        # Two sentences of one abstract that have nothing to do with each other.
        draw = Draw(Random(f"chemprot_blue/{seed}/{part}/{number}/alone"), part, difficulty)
        text = draw.template(words.CLAUSES[labels[second]]).format(c=_CHEMICAL, g=_GENE)
        label = labels[second]
    text = _frame(draw, words.OPENINGS) + text + _frame(draw, words.CLOSINGS)
    return Row(name, roughen(Marked(text), draw.rng, difficulty).text, label, draw.used)


def make_files(size: int, seed: int, difficulty: Difficulty) -> dict[str, Iterator[str]]:
    """Name → lines of each file."""
    return {f"{part}.tsv": _lines(part, count, seed, difficulty) for part, count in sizes(size).items()}


def _lines(part: str, count: int, seed: int, difficulty: Difficulty) -> Iterator[str]:
    yield "index\tsentence\tlabel\n"
    for row in make_rows(part, count, seed, difficulty):
        yield f"{row.id}\t{row.sentence}\t{row.label}\n"


def _frame(draw: Draw, items: tuple[str, ...]) -> str:
    def fill(slot: str) -> str:
        if slot == "line":
            return draw.value(slot, lambda rng: f"{_gene(rng)[:2]}-{rng.randint(2, 99)}")
        return str(draw.rng.randint(2, 48)) if slot == "n" else draw.rng.choice(words.TISSUES)

    return render(draw.template(items), fill).text


def _label(rng: Random) -> str:
    return rng.choices(LABELS, _WEIGHTS)[0]


def _two_clauses(draw: Draw, labels: list[str], *, chemical: int, gene: int) -> str:
    """Two relations in one sentence; of which clause the chemical and the gene are hidden is told by number."""
    clauses = []
    for turn, label in enumerate(labels):
        template = draw.template(words.CLAUSES[label])
        names = draw.value("chemical", _chemical), draw.value("gene", _gene)
        clauses.append(
            template.format(
                c=_CHEMICAL if turn == chemical else names[0], g=_GENE if turn == gene else names[1]
            )
        )
    return draw.template(words.JOINTS).join(clauses)


def _chemical(rng: Random) -> str:
    middles = "".join(rng.choices(words.CHEMICAL_MIDDLES, k=rng.randint(0, 2)))
    return rng.choice(words.CHEMICAL_HEADS) + middles + rng.choice(words.CHEMICAL_TAILS)


def _gene(rng: Random) -> str:
    letters = "".join(rng.choices("ABCDEGHKLMNPRSTVXZ", k=rng.randint(2, 4)))
    return f"{letters}{rng.randint(1, 29)}{rng.choice(words.GENE_SUFFIXES)}"
