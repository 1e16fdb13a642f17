"""Invented notes, a small tokenizer and a recipe of seconds, shared by the pretraining tests."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from pretrain.recipes import Recipe, get_recipe
from pretrain.schedules import Schedule
from pretrain.tokenizer import train_tokenizer

PHRASES = (
    "patient reports mild cough fever since morning denies chest pain started on metoprolol twice daily",
    "blood pressure stable wound clean follow up in two weeks with cardiology allergic to penicillin",
)
WORDS = [word for phrase in PHRASES for word in phrase.split()]


def invented_note(seed: int, n_words: int) -> str:
    draw = random.Random(seed)
    lines = []
    while n_words > 0:
        line = [draw.choice(WORDS) for _ in range(min(n_words, draw.randint(4, 12)))]
        lines.append(" ".join(line).capitalize() + ".")
        n_words -= len(line)
    return "History:\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def make_note():
    return invented_note


@pytest.fixture(scope="session")
def notes() -> list[str]:
    draw = random.Random(5)
    return [invented_note(seed, draw.randint(5, 120)) for seed in range(60)]


@pytest.fixture(scope="session")
def notes_folder(notes, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    for number, note in enumerate(notes):
        (folder / f"note-{number:03}.txt").write_text(note, encoding="utf8")
    return folder


@pytest.fixture(scope="session")
def tokenizer(notes):
    return train_tokenizer(notes, vocab_size=400)


@pytest.fixture(scope="session")
def tokenizer_folder(tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(folder)
    return folder


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    tiny = get_recipe("tiny")
    shape = replace(
        tiny.shape, hidden_size=32, intermediate_size=32, num_attention_heads=2, local_attention=16
    )
    return replace(
        tiny,
        name="test",
        shape=shape,
        max_length=128,
        row_pieces=256,
        rows_per_step=2,
        duration=12,
        schedule=Schedule("warmup_stable_decay", warmup=2, decay=4, floor=0.1),
        attention_out_dropout=0.1,
        held_out=0.1,
        eval_every=4,
        save_every=5,
        eval_pieces=2000,
    )
