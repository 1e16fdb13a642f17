"""Which lines are taken for section headings. pytest tests/pieces/test_headings.py"""

import time

import pytest

from spacy_bioclinical.pieces.headings import KNOWN_HEADINGS, is_heading

HEADINGS = [
    "Chief Complaint:",
    "chief complaint:",
    "HISTORY OF PRESENT ILLNESS",
    "History of Present Illness: 71 year old woman",
    "  Past   Medical History:\r",
    "**Allergies**",
    "## Plan",
    "1. Assessment and Plan:",
    "IV) Hospital Course:",
    "Physical Exam",
    "Wound Care: keep dry",
    "Care of the Drain:",
    "HOME OXYGEN",
    "ANTICOAGULATION/BLEEDING",
    "A/P:",
]
ORDINARY = [
    "",
    "   ",
    "-----",
    ":",
    "The patient was admitted with chest pain.",
    "He reports: pain in the left arm",
    "BP 120/80",
    "HR 72",
    "- COPD",
    "* ASTHMA",
    "1. ASPIRIN",
    "Dr. Orme: called",
    "Seen by Dr. Orme on the ward at 10:30",
    "LONG LINE OF MANY WORDS ALL IN CAPITALS THAT IS A SENTENCE",
    "WBC 7.8: normal",
    "x" * 5000,
    "A" * 5000 + ":",
]


@pytest.mark.parametrize("line", HEADINGS)
def test_heading_is_recognised(line):
    assert is_heading(line)


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_line_is_no_heading(line):
    assert not is_heading(line)


def test_short_capitals_are_headings_only_if_known():
    assert is_heading("ECG")
    assert not is_heading("XYZ")


def test_known_headings_are_normalised():
    assert len(KNOWN_HEADINGS) > 200
    for heading in KNOWN_HEADINGS:
        assert heading == " ".join(heading.lower().split())
        assert is_heading(heading)
        assert is_heading(heading.upper() + ":")


def test_hostile_lines_take_no_time():
    begin = time.perf_counter()
    for line in ("A" + "-" * 58 + "1", "a " * 30 + "1", "#" * 100_000, " " * 100_000, "A" + "(" * 58 + "."):
        is_heading(line)
    assert time.perf_counter() - begin < 1
