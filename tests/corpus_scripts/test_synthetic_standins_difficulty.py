"""What mere memory scores on stand-ins, easy and hard."""

import pytest

from corpus_scripts.synthetic.standin import (
    chemprot_blue,
    cos,
    phenotype_mimic,
    physionet_deid,
    social_history,
)
from corpus_scripts.synthetic.standin.difficulty import Difficulty
from tests.corpus_scripts.lookup import bayes_f1, bayes_weighted_f1, entity_f1

# Words of the templates themselves.
FIXED = {"raised", "home", "residence", "housing", "stays", "lives", "resides", "settled"}


def by_part(items):
    parts = {"train": [], "dev": [], "test": []}
    for part, item in items:
        parts[part].append(item)
    return parts["train"], parts["test"]


def spans(marked):
    return marked.text, [(mark.start, mark.end, mark.label) for mark in marked.marks]


def score(name, size, difficulty):
    """F1 on test of what remembers train, with the smallest means."""
    level = Difficulty(difficulty)
    if name == "cos":
        made = cos.make_snippets(size, 0, level)
        return entity_f1(*by_part((part, spans(text)) for _, part, text, _ in made))
    if name == "social_history":
        made = social_history.make_sections(size, 0, level)
        return entity_f1(*by_part((part, spans(text)) for _, part, text, _ in made))
    if name == "physionet_deid":
        made = physionet_deid.make_notes(size, 0, level)
        return entity_f1(*by_part((note.part, spans(note.text)) for note in made))
    if name == "phenotype_mimic":
        made = phenotype_mimic.make_notes(size, 0, level, (250, 350))
        labels = phenotype_mimic.LABELS
        return bayes_f1(
            *by_part(
                (note.part, (note.text, {label: label in note.labels for label in labels})) for note in made
            )
        )
    sizes = chemprot_blue.sizes(size)
    return bayes_weighted_f1(
        *(
            [(row.sentence, row.label) for row in chemprot_blue.make_rows(part, sizes[part], 0, level)]
            for part in ("train", "test")
        )
    )


@pytest.mark.parametrize(
    ("name", "size", "easy", "middle", "hard"),
    [
        ("cos", 200, 0.95, 0.2, 0.2),
        ("social_history", 150, 0.8, 0.2, 0.2),
        ("physionet_deid", 150, 0.95, 0.2, 0.2),
        ("chemprot_blue", 600, 0.85, 0.5, 0.5),
        ("phenotype_mimic", 150, 0.8, 0.3, 0.3),
    ],
)
def test_memory_is_enough_where_it_is_easy_and_not_where_it_is_hard(name, size, easy, middle, hard):
    scores = [score(name, size, difficulty) for difficulty in (0.0, 0.25, 0.5, 1.0)]
    assert scores[0] > easy
    assert scores[0] - 0.1 > scores[1] > scores[2] + 0.1
    assert scores[2] < middle
    assert scores[3] < hard


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("cos", set(cos.LABELS)),
        ("physionet_deid", set(physionet_deid.LABELS)),
        ("social_history", {"Location", "Extent", "MedicalCondition", "Frequency", "Temporal", "Residence"}),
    ],
)
def test_no_mention_of_test_is_one_of_train(name, labels):
    """Read off the written words, whatever the generator keeps account of."""
    level = Difficulty(0.5)
    if name == "cos":
        made = [(part, text) for _, part, text, _ in cos.make_snippets(300, 0, level)]
    elif name == "social_history":
        made = [(part, text) for _, part, text, _ in social_history.make_sections(200, 0, level)]
    else:
        made = [(note.part, note.text) for note in physionet_deid.make_notes(200, 0, level)]
    train, test = (
        {
            " ".join(text[start:end].lower().split())
            for text, marks in part
            for start, end, label in marks
            if label in labels and text[start:end].lower() not in FIXED
        }
        for part in by_part((part, spans(text)) for part, text in made)
    )
    assert min(len(train), len(test)) > 30
    assert not train & test
