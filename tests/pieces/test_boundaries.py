"""Grades of the cuts between pieces, against a plain rule on lines and tokens.

Run: pytest tests/pieces/test_boundaries.py
"""

import re
import time

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pieces.alignment import align
from spacy_bioclinical.pieces.boundaries import boundary_strengths, light_sentence_starts
from spacy_bioclinical.pieces.headings import is_heading

NOTE = (
    "Chief Complaint:\nChest pain. It wasn't new.\n\nseen in clinic\nby the nurse. Took 2.5 mg. of it?\r\n"
    "\r\n  PLAN\r\nrest and fluids\n"
)


TOKENIZE = spacy.blank("en").tokenizer


def tokens_of(text: str) -> tuple[np.ndarray, np.ndarray]:
    doc = TOKENIZE(text)
    starts = np.array([token.idx for token in doc], dtype=np.int64)
    return starts, starts + np.array([len(token) for token in doc], dtype=np.int64)


def by_rule(text: str, pieces, token_starts, token_ends, sentence_starts) -> list[int]:
    """Grade one cut at a time from the text before it."""
    lengths, indices = align(pieces, token_starts, token_ends)
    owned = [part.tolist() for part in np.split(indices, np.cumsum(lengths))[:-1]]
    sentences = {start + len(text[start:]) - len(text[start:].lstrip()) for start in sentence_starts}
    grades = []
    for piece in range(len(pieces)):
        start = int(pieces.starts[piece])
        before = text[:start]
        gap = before[len(before.rstrip()) :]
        n_breaks = len(re.findall("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", gap))
        at_line = n_breaks > 0 or not before.strip()
        if any(own and min(own) < piece <= max(own) for own in owned):
            grades.append(-1)
        elif pieces.is_space[piece] or start == len(text):
            grades.append(0)
        elif at_line and is_heading(text[start:].splitlines()[0]):
            grades.append(4)
        elif n_breaks > 1 or not before.strip():
            grades.append(3)
        elif n_breaks == 1:
            grades.append(2)
        else:
            grades.append(int(start in sentences))
    return grades


def grade_at(text: str, tokenizer, word: str) -> int:
    """The grade of the cut before the first piece of a word."""
    pieces = tokenizer.encode([text])[0]
    strengths = boundary_strengths(text, pieces, *tokens_of(text))
    first = np.flatnonzero((pieces.starts == text.index(word)) & ~pieces.is_space)[0]
    return int(strengths[first])


def test_grades_of_a_small_note(tokenizers, modernbert):
    for tokenizer in (tokenizers["bpe"], tokenizers["wordpiece"], tokenizers["roberta"], modernbert):
        expected = {
            "Chief": 4,
            "Chest": 2,
            "pain": 0,
            "It": 1,
            "seen": 3,
            "by the": 2,
            "Took": 1,
            "of it": 0,
            "PLAN": 4,
            "rest": 2,
        }
        for word, grade in expected.items():
            assert grade_at(NOTE, tokenizer, word) == grade, word


def test_cut_through_a_shared_piece_is_inside(modernbert):
    text = "It wasn't new"  # pieces "wasn" + "'t", tokens "was" + "n't"
    pieces = modernbert.encode([text])[0]
    strengths = boundary_strengths(text, pieces, *tokens_of(text))
    words = [text[s:e] for s, e in zip(pieces.starts, pieces.ends)]
    assert words == ["It", "wasn", "'t", "new"]
    assert strengths.tolist()[1:] == [0, -1, 0]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "roberta", "unigram"])
def test_strengths_equal_the_rule(tokenizers, kind):
    tokenizer = tokenizers[kind]
    for text in (
        NOTE,
        "",
        "  \n",
        "one",
        NOTE.upper(),
        NOTE.replace("\n", "\x85"),
        "a\u2028b\r\rc \U0001f469 d",
    ):
        starts, ends = tokens_of(text)
        pieces = tokenizer.encode([text])[0]
        strengths = boundary_strengths(text, pieces, starts, ends)
        assert strengths.dtype == np.int8
        assert strengths.tolist() == by_rule(text, pieces, starts, ends, light_sentence_starts(text))


@settings(max_examples=150, deadline=None)
@given(
    text=st.lists(st.sampled_from(["pain", "PLAN", "Dr", ".", ":", " ", "\n", "\r\n", "7", "It"])).map(
        "".join
    )
)
def test_strengths_equal_the_rule_on_any_layout(tokenizers, text):
    starts, ends = tokens_of(text)
    for kind in ("bpe", "wordpiece"):
        pieces = tokenizers[kind].encode([text])[0]
        strengths = boundary_strengths(text, pieces, starts, ends)
        assert strengths.tolist() == by_rule(text, pieces, starts, ends, light_sentence_starts(text))


def test_given_sentence_starts_are_used(tokenizers):
    text = "pain was clear  lungs were clear"
    pieces = tokenizers["bpe"].encode([text])[0]
    starts, ends = tokens_of(text)
    at_lungs = np.flatnonzero((pieces.starts == text.index("lungs")) & ~pieces.is_space)[0]
    assert boundary_strengths(text, pieces, starts, ends)[at_lungs] == 0
    for sentence in (
        text.index("lungs"),
        text.index("lungs") - 1,
    ):  # also where the sentence begins with a space
        strengths = boundary_strengths(text, pieces, starts, ends, [0, sentence])
        assert strengths[at_lungs] == 1
        assert (strengths == 1).sum() == 1


@pytest.mark.parametrize(
    "text, words",
    [
        ("He left. She came back! Did he? Yes", ["She", "Did", "Yes"]),
        ("Seen by Dr. Orme and Mrs. Lee.", []),
        ("Pt. Was given 5 mg. Of it at 2.5 ml.", []),
        ("Given b.i.d. Aspirin with J. Orme", []),
        ("1. Aspirin\n 2. Iron\n12. Zinc", []),
        ("Pressure was 120. He slept.", ["He"]),
        ("He left. then came back", []),
        ('He said "stop." "Why?" (Then he left.) [Signed]', ['"Why', "(Then", "[Signed"]),
        ("Warm... He slept", ["He"]),
        ("He left.\n\nShe came", ["She"]),
        ("Room no. 5 is free. 3 left", ["3 left"]),
        (". . .", []),
        ("", []),
    ],
)
def test_light_sentence_starts(text, words):
    assert light_sentence_starts(text).tolist() == [text.index(word) for word in words]


def test_strengths_need_no_time(tokenizers):
    text = (
        "The patient was admitted. Plan: rest.\n" * 3000
        + "." * 100_000
        + " " * 50_000
        + "\n" * 50_000
        + "end"
    )
    pieces = tokenizers["wordpiece"].encode([text])[0]
    starts = np.arange(0, len(text), 5)
    begin = time.perf_counter()
    boundary_strengths(text, pieces, starts, np.minimum(starts + 5, len(text)))
    assert time.perf_counter() - begin < 5
