"""Social History as the paper's loader reads it, faults included: white-space tokens, one layer of tags.

A mention that touches punctuation holds no whole token and is lost; one that starts later overwrites the one
it stands in, whose rest is then an I- without B-; discontinuous mentions vanish. Hence 51 tags of 26 types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.corpora.published.tagged import mark_tokens, python_text, tagged_record
from corpus_scripts.formats.files import read_text
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TYPES = (
    "Alcohol", "Amount", "Drug", "EnvironmentalExposure", "ExposureHistory", "Extent", "Family", "Frequency",
    "History", "InfectiousDiseases", "LivingSituation", "LivingStatus", "Location", "MaritalStatus",
    "MedicalCondition", "Method", "Occupation", "Other", "PhysicalActivity", "QuitHistory", "Residence",
    "SexualHistory", "Status", "Temporal", "Tobacco", "Type",
)  # fmt: skip
# The published list: what its tokeniser happens to leave over.
LABELS = (
    *(f"B-{name}" for name in TYPES if name != "LivingSituation"),
    *(f"I-{name}" for name in TYPES if name != "PhysicalActivity"),
    "O",
)
_TOKEN = re.compile(r"\S+")


def read_social_history(path: Path, tally: Tally) -> Iterator[Record]:
    """Read the pairs of .txt and .ann of one folder, in the order of the .txt names.

    path (Path): The folder; subfolders are not read.
    tally (Tally): Receives texts without .ann (left out), and mentions that were skipped, lost or overwritten.
    YIELDS (Record): ids are the names without ending, as in exact mode.
    RAISES (ValueError): BC640 for a tag the published list does not have, BC612 no record.
    """
    found = False
    for file in sorted(path.glob("*.txt"), key=lambda file: file.name):
        if file.name.startswith("."):
            continue
        annotated = file.with_suffix(".ann")
        if not annotated.exists():
            tally.dropped["document_without_ann"] += 1
            continue
        found = True
        text = python_text(read_text(file))
        tokens = [match.span() for match in _TOKEN.finditer(text)]
        mentions = sorted(_mentions(annotated, tally), key=lambda mention: mention[0])
        yield tagged_record(
            file.stem,
            [text[start:end] for start, end in tokens],
            mark_tokens(tokens, mentions, tally),
            labels=LABELS,
            path=annotated,
            where=f"record {file.stem}",
            tally=tally,
        )
    if not found:
        raise ValueError(Errors.BC612.format(where=path))


def _mentions(annotated: Path, tally: Tally) -> Iterator[tuple[int, int, str]]:
    """T lines whose two offsets are plain integers; the others are skipped and counted."""
    for line in python_text(read_text(annotated)).split("\n"):
        if not line.startswith("T"):
            continue
        try:
            label, start, end = line.split("\t")[1].split(" ")[:3]
            mention = int(start), int(end), label
        except (ValueError, IndexError):
            tally.dropped["published_offsets_not_plain"] += 1
            continue
        yield mention
