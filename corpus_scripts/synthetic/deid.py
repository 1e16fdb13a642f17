"""Invented discharge notes with identifying mentions of six classes, as brat folders train, dev and test.

150 to 400 words each. People and places of test occur in no other part, and doses, pressures, scores and
eponyms stand beside them, so that a tagger has to read the words around a mention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from corpus_scripts.formats.brat import write_brat
from corpus_scripts.record import Record
from corpus_scripts.synthetic import deid_templates as templates
from corpus_scripts.synthetic.identities import Identity
from corpus_scripts.synthetic.phi import SLOT_CLASSES, fillers
from corpus_scripts.synthetic.template import CLINICAL, Writer

# Section → (templates, fewest and most sentences, one a line with a dash or number).
_SECTIONS: tuple[tuple[str, Sequence[str], int, int, bool], ...] = (
    ("present", templates.PRESENT_ILLNESS, 3, 5, False),
    ("history", templates.HISTORY, 2, 5, True),
    ("social", templates.SOCIAL, 1, 4, False),
    ("medications", templates.MEDICATIONS, 2, 6, True),
    ("exam", templates.EXAM, 2, 4, False),
    ("results", templates.RESULTS, 2, 4, False),
    ("course", templates.COURSE, 3, 7, False),
    ("follow", templates.FOLLOW_UP, 2, 4, False),
)


def make_note(rng: Random, part: str, name: str) -> Record:
    """One invented note.

    rng (Random): The only source of chance.
    part (str): "train", "dev" or "test": which people and places may occur.
    name (str): Id of the record.
    RETURNS (Record): Text and mentions.
    """
    identity = Identity(rng, part)
    writer = Writer(rng, {**CLINICAL, **fillers(identity, rng)}, SLOT_CLASSES)
    fashion = rng.randrange(2)
    writer.write(rng.choice(templates.HEADS))
    for section, sentences, fewest, most, listed in _SECTIONS:
        writer.write(f"\n{templates.HEADINGS[section][fashion]}\n")
        if section == "present":
            # Its first sentence introduces the patient.
            chosen = [rng.choice(sentences[:3]), *_sample(rng, sentences[3:], fewest - 1, most - 1)]
        else:
            chosen = _sample(rng, sentences, fewest, most)
        for position, sentence in enumerate(chosen, start=1):
            if listed:
                writer.write(f"{position}. {sentence}\n" if fashion else f"- {sentence}\n")
            else:
                writer.write(sentence + ("\n" if position == len(chosen) or rng.random() < 0.15 else " "))
    writer.write(f"\n{rng.choice(templates.SIGNATURES)}\n")
    return Record(name, writer.text, tuple(writer.spans))


def make_records(part: str, count: int, seed: int) -> Iterator[Record]:
    """The notes of one part; note n is the same however many there are.

    YIELDS (Record): Ids "test-0001", …
    """
    for index in range(1, count + 1):
        yield make_note(Random(f"deid/{seed}/{part}/{index}"), part, f"{part}-{index:04d}")


def write_corpus(folder: Path, counts: Mapping[str, int], seed: int) -> None:
    """Write ``folder/train``, ``folder/dev``, ``folder/test`` as brat.

    folder (Path): Notes of an earlier run are replaced, also those beyond the new number; other files stay.
    counts (Mapping): Part → number of notes.
    seed (int): Another seed, other notes.
    """
    for part, count in counts.items():
        write_brat(make_records(part, count, seed), folder / part)
        for path in (folder / part).glob(f"{part}-*"):
            number = path.stem.removeprefix(f"{part}-")
            if number.isdecimal() and int(number) > count and path.suffix in (".txt", ".ann"):
                path.unlink()


def _sample(rng: Random, sentences: Sequence[str], fewest: int, most: int) -> list[str]:
    return rng.sample(sentences, rng.randint(fewest, min(most, len(sentences))))
