"""What a survey found, and the parts of its report that compare files with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from spacy_bioclinical.cli.debug_corpus.file_facts import FileFacts, share
from spacy_bioclinical.cli.debug_corpus.fingerprints import LEVELS, Fingerprints, Pair

MOST_PAIRS = 1000  # named in the report for each two files


@dataclass
class Survey:
    """What was found.

    names (list[str]): of the files, as given.
    files (list[FileFacts]): in the order given.
    context (int | None): pieces that the encoder reads at once.
    report (dict): everything as JSON has it; findings are added by `findings.judge`.
    samples (list): for the page, (id, file, Doc).
    """

    names: list[str]
    files: list[FileFacts]
    context: int | None
    report: dict[str, Any]
    samples: list[tuple[str, str, Doc]] = field(default_factory=list)

    @property
    def train(self) -> int:
        """The file to learn from: the one that is named so, or the first."""
        return next((i for i, name in enumerate(self.names) if "train" in Path(name).name), 0)


def merged(files: Sequence[FileFacts]) -> FileFacts:
    """All files counted together."""
    together = FileFacts("together", files[0].limits)
    for facts in files:
        together.merge(facts)
    return together


def duplicate_cells(survey: Survey, prints: Fingerprints, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Sum up the duplicates of each two files, and of each file within itself.

    survey (Survey): names and files.
    prints (Fingerprints): files and ids of the documents.
    pairs (Sequence[Pair]): from `prints.pairs`.
    RETURNS (list[dict]): "files"; "documents" of the second that are found in the first, "documents_of_first" of the
        first that are found in the second (within a file: those that repeat an earlier one), shares, "levels", and
        the ids of "pairs".
    """
    closest: dict[tuple[int, int], dict[int, int]] = {}  # (where, of which file) → document → level
    named: dict[tuple[int, int], list[list[Any]]] = {}
    for pair in pairs:
        first, second = prints.files[pair.first], prints.files[pair.second]
        shown = [prints.ids[pair.first], prints.ids[pair.second], pair.level, pair.similarity]
        named.setdefault((first, second), []).append(shown)
        seen = [(first, second, pair.second)]
        if first != second:
            seen.append((second, first, pair.first))
        for where, file, document in seen:
            levels = closest.setdefault((where, file), {})
            level = LEVELS.index(pair.level)
            levels[document] = min(level, levels.get(document, level))
    cells = []
    numbers = range(len(survey.files))
    for one, other in [*combinations(numbers, 2), *((number, number) for number in numbers)]:
        found, back = closest.get((one, other), {}), closest.get((other, one), {})
        listed = named.get((one, other), [])
        cells.append(
            {
                "files": [survey.names[one], survey.names[other]],
                "documents": len(found),
                "share": share(len(found), len(survey.files[other].tokens)),
                "documents_of_first": len(back),
                "share_of_first": share(len(back), len(survey.files[one].tokens)),
                "levels": {
                    name: sum(level == i for level in found.values()) for i, name in enumerate(LEVELS)
                },
                "pairs": listed[:MOST_PAIRS],
                "pairs_not_shown": max(0, len(listed) - MOST_PAIRS),
            }
        )
    return cells


def mention_overlap(survey: Survey) -> dict[str, dict[str, dict[str, float]]]:
    """For each other file and label: mentions and different strings, and the share of them that train labels so."""
    train = survey.files[survey.train]
    overlap: dict[str, dict[str, dict[str, float]]] = {}
    for facts in survey.files:
        if facts is train or not facts.mentions:
            continue
        overlap[facts.name] = {}
        for label, strings in sorted(facts.strings.items()):
            known = [string for string in strings if string in train.strings.get(label, ())]
            overlap[facts.name][label] = {
                "mentions": sum(strings.values()),
                "mentions_seen": share(sum(strings[string] for string in known), sum(strings.values())),
                "strings": len(strings),
                "strings_seen": share(len(known), len(strings)),
            }
    return overlap
