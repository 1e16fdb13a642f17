"""Find the surrogate of each ``[**…**]`` mark: where it stands in the text that has the names still in it.

First the plain parts between the marks are looked for as they are. Where the two texts differ, their words are
aligned, so that one difference costs its own place and not the rest of the note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from corpus_scripts.tally import Tally

# Aligning words takes time that grows with the product of their numbers.
_LARGEST_PRODUCT = 25_000_000
_WORD = re.compile(r"\S+")
# Marks that stand for one word, whatever their neighbours are.
_ONE_WORD = re.compile(r"last\s*name|first\s*name|initial|^\s*[\d/-]+\s*$|year|age over", re.IGNORECASE)


class Placed(NamedTuple):
    """Where the surrogate of a mark stands."""

    start: int
    end: int
    mark: str


def place_marks(text: str, plains: Sequence[str], marks: Sequence[str], tally: Tally) -> list[Placed] | str:
    """Find all surrogates of one note.

    text (str): With surrogates.
    plains (Sequence[str]): The plain parts of the marked text, one more than marks.
    marks (Sequence[str]): What the marks say.
    tally (Tally): Receives borders told by words, marks joined, notes whose plain words differ.
    RETURNS (list[Placed] | str): In the order of the marks, or why the texts do not belong together.
    """
    runs = _runs(plains, marks)
    regions = _exact_regions(text, plains, runs)
    if regions is None:
        aligned = _aligned_regions(text, plains, runs, marks)
        if isinstance(aligned, str):
            return aligned
        regions = aligned
        tally.repaired["plain_words_differ"] += 1
    placed: list[Placed] = []
    for (first, last), (start, end) in zip(runs, regions):
        placed.extend(_share(text, start, end, marks[first:last], tally))
    return placed


def _runs(plains: Sequence[str], marks: Sequence[str]) -> list[tuple[int, int]]:
    """Marks with nothing but white space between them, as ranges."""
    runs: list[tuple[int, int]] = []
    for number in range(len(marks)):
        if runs and not plains[number].strip():
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def _exact_regions(
    text: str, plains: Sequence[str], runs: Sequence[tuple[int, int]]
) -> list[tuple[int, int]] | None:
    """Each plain part at its first place with at least one character before it, the last one at the end."""
    if not runs:
        return [] if plains[0] == text else None
    if not text.startswith(plains[0]):
        return None
    regions = []
    position = len(plains[0])
    for _, last in runs:
        plain = plains[last]
        if last == len(plains) - 1:
            end = len(text) - len(plain) if text.endswith(plain) else -1
        else:
            end = text.find(plain, position + 1)
        if end <= position or not text[position:end].strip():
            return None
        regions.append((position, end))
        position = end + len(plain)
    return regions


def _aligned_regions(
    text: str, plains: Sequence[str], runs: Sequence[tuple[int, int]], marks: Sequence[str]
) -> list[tuple[int, int]] | str:
    """Regions by words: plain words that are in both texts hold their places, marks get what is between."""
    words = [(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]
    wanted: list[str | int] = list(plains[0].split())
    for number, (_, last) in enumerate(runs):
        wanted += [number, *plains[last].split()]
    if len(words) * len(wanted) > _LARGEST_PRODUCT:
        return "its words outside the marks are not those of the text, and it is too long to align them"
    regions: dict[int, tuple[int, int]] = {}
    matcher = SequenceMatcher(None, wanted, [word for word, _, _ in words], autojunk=False)
    if 2 * sum(block.size for block in matcher.get_matching_blocks()) < len(wanted) - len(runs):
        return "more than half of its words outside the marks are not those of the text"
    for kind, left, right, start, end in matcher.get_opcodes():
        numbers = [(index, item) for index, item in enumerate(wanted[left:right]) if isinstance(item, int)]
        if kind == "equal" or not numbers:
            continue
        # Plain words that have no partner take one word each, at the edges; the marks share what is left.
        before, after = numbers[0][0], right - left - 1 - numbers[-1][0]
        start, end = start + before, end - after
        if len(numbers) > 1 or end - start < 1:
            return f"the words around mark {runs[numbers[0][1]][0] + 1} are not those of the text"
        regions[numbers[0][1]] = (words[start][1], words[end - 1][2])
    return [regions[number] for number in range(len(runs))]


def _share(text: str, start: int, end: int, marks: Sequence[str], tally: Tally) -> list[Placed]:
    """Share the words of a region out among its marks: one each, what is left over to one that may be longer."""
    if len(marks) == 1:
        return [Placed(start, end, marks[0])]
    words = [(start + match.start(), start + match.end()) for match in _WORD.finditer(text[start:end])]
    spare = len(words) - len(marks)
    if spare < 0:
        tally.repaired["touching_marks_joined"] += len(marks) - 1
        return [Placed(words[0][0], words[-1][1], marks[0])]
    tally.repaired["border_of_marks_guessed"] += len(marks) - 1
    longest = next((n for n, mark in enumerate(marks) if not _ONE_WORD.search(mark)), len(marks) - 1)
    placed = []
    position = 0
    for number, mark in enumerate(marks):
        count = 1 + (spare if number == longest else 0)
        placed.append(Placed(words[position][0], words[position + count - 1][1], mark))
        position += count
    return placed
