"""i2b2 2010 as published: each line of a note is a sentence, tokens are what spaces part.

Of a concept that goes on over a line break the last token of its first line and the first of its last are not tagged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.corpora.published_i2b2.sentences import Word, sentence, tags_of
from corpus_scripts.formats.files import read_text
from corpus_scripts.formats.i2b2_2010 import TYPES, Pair, find_pairs
from corpus_scripts.formats.i2b2_2010_lines import Concept, read_concepts
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TAGS = tags_of(TYPES)


def read_2010(path: Path, tally: Tally) -> Iterator[Record]:
    """Read all notes of a folder and those below it; see read_i2b2_2010 for how they lie.

    path (Path): The folder.
    tally (Tally): Receives texts of folders without any annotation.
    YIELDS (Record): ids are "<note>:<line>"; lines without a token are passed over.
    RAISES (ValueError): BC651 where the published script would stop: a concept whose text is not what stands there.
    """
    for pair in find_pairs(Path(path), tally):
        lines = _lines(pair)
        tokens = [[word for word in line.strip().split(" ") if word.strip()] for line in lines]
        tags = [["O"] * len(words) for words in tokens]
        for concept in read_concepts(pair.concepts):
            try:
                _tag(concept, lines, tokens, tags)
            except (IndexError, AssertionError):
                why = "the concept's text is not what stands at its place"
                raise ValueError(
                    Errors.BC651.format(path=pair.concepts, line=concept.line, why=why)
                ) from None
        for number, (words, marks) in enumerate(zip(tokens, tags, strict=True), start=1):
            if words:
                both = [Word(word, mark) for word, mark in zip(words, marks, strict=True)]
                yield sentence(f"{pair.name}:{number}", both, tags=TAGS, path=pair.text, line=number)


def _lines(pair: Pair) -> list[str]:
    content = read_text(pair.text).replace("\r\n", "\n").replace("\r", "\n")
    return content.split("\n")


def _tag(concept: Concept, lines: list[str], tokens: list[list[str]], tags: list[list[str]]) -> None:
    """Tag the tokens of one concept as the script does, overwriting; negative positions count from the end."""
    first_line, first, last_line, last = concept.place
    if not 1 <= first_line <= last_line <= len(lines):
        raise IndexError
    if first_line == last_line:
        start = first - lines[first_line - 1].startswith(" ")
        end = last + 1 - lines[first_line - 1].startswith(" ")
        found = " ".join(tokens[first_line - 1][start:end]).lower()
        if found != " ".join(word for word in concept.text.split(" ") if word.strip()):
            raise AssertionError
    for number in range(first_line - 1, last_line):
        shift = int(lines[number].startswith(" "))
        start = first - shift if number == first_line - 1 else 0
        end = last + 1 - shift if number == last_line - 1 else len(tokens[number])
        if number == last_line - 1:
            tags[number][end - 1] = f"I-{concept.label}"
        if number == first_line - 1:
            tags[number][start] = f"B-{concept.label}"
        for position in range(start + 1, end - 1):
            tags[number][position] = f"I-{concept.label}"
