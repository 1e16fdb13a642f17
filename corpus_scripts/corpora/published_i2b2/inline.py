"""i2b2 2006 as published: each line of the file is a sentence, and PHI glued to other characters is cut short.

Where a PHI tag touches other characters only its first word is kept, and one "/" or "-" behind it is lost; where it
touches on both sides, or two touch, the placeholder of the script itself comes out as a word and every later tag of
the line is that of an earlier PHI. Entities such as ``&amp;`` are not decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from corpus_scripts.corpora.published_i2b2.sentences import Word, sentence, tags_of
from corpus_scripts.formats.files import read_text
from corpus_scripts.formats.i2b2_2006 import TYPES
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TAGS = tags_of(TYPES)
PARTS = ("train", "dev", "test")
TRAIN = 0.7
_SKIPPED = ("<RECORD", "<TEXT", "<ROOT>", "</RECORD", "</TEXT", "</ROOT>")
_PHI = re.compile(r'<PHI TYPE="(\w+)">(.*?)</PHI>')
# What the script puts where a PHI tag stood; words that only look like it are treated the same.
_MARK = "__phi__"
# The line it stands on, and its words.
_Sentence = tuple[int, list[Word]]


def read_2006(path: Path, tally: Tally, *, part: str = "test") -> Iterator[Record]:
    """Read one file.

    path (Path): The file. Of the training file the first 70 % of the sentences are train, the others dev.
    tally (Tally): Receives "published_last_sentence": the published reader loses it in train and dev, whose files do
        not end with a blank line.
    part (str): "train" or "dev" of the training file, or "test": all sentences of the file.
    YIELDS (Record): ids are "<file>:<line>".
    RAISES (ValueError): BC651 where the published script would stop, BC611, BC612.
    """
    if part not in PARTS:
        raise ValueError(Errors.BC622.format(option="part", value=part, expected=" or ".join(PARTS)))
    content = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    sentences = [
        (number, published_words(line, path, number))
        for number, line in enumerate(lines, start=1)
        if not line.startswith(_SKIPPED)
    ]
    if not any(words for _, words in sentences):
        raise ValueError(Errors.BC612.format(where=path))
    for number, words in _cut(sentences, tally, part):
        if words:
            yield sentence(f"{path.stem}:{number}", words, tags=TAGS, path=path, line=number)


def published_words(line: str, path: Path, number: int) -> list[Word]:
    """The words and tags of one line.

    line (str): The line with its PHI tags.
    path (Path), number (int): For messages.
    RETURNS (list[Word]): What the script prints.
    RAISES (ValueError): BC651 for a PHI tag with nothing inside.
    """
    found = [(label, content.split()) for label, content in _PHI.findall(line)]
    rest = iter(found)
    words: list[Word] = []
    for word in _PHI.sub(_MARK, line).split():
        if not word.startswith(_MARK) and not word.endswith(_MARK):
            words.append(Word(word, "O"))
            continue
        label, inside = next(rest, ("", []))
        if not inside:
            why = "a PHI tag has nothing inside, or there are more placeholders than PHI tags"
            raise ValueError(Errors.BC651.format(path=path, line=number, why=why))
        first, *others = inside
        if word == _MARK:
            words += [Word(first, f"B-{label}"), *(Word(other, f"I-{label}") for other in others)]
        elif word.startswith(_MARK):
            behind = word[len(_MARK) :]
            words += [Word(first, f"B-{label}"), Word(behind[behind[0] in "/-" :], "O")]
        else:
            words += [Word(word[: -len(_MARK)], "O"), Word(first, f"B-{label}")]
    return words


def _cut(sentences: list[_Sentence], tally: Tally, part: str) -> list[_Sentence]:
    """The sentences of a part. The script cuts its file at double line breaks, so that empty lines count, too."""
    if part == "test":
        return sentences
    blocks = ["".join(f"{word.text} {word.tag}\n" for word in words) + "\n" for _, words in sentences]
    starts = accumulate((len(block) for block in blocks), initial=0)
    content = "".join(blocks)
    chunks = content.strip().split("\n\n")
    train = chunks[: int(TRAIN * len(chunks))]
    border = len(content) - len(content.lstrip()) + sum(len(chunk) + 2 for chunk in train)
    in_dev = part == "dev"
    wanted = [entry for entry, start in zip(sentences, starts) if entry[1] and (start >= border) == in_dev]
    if wanted and (in_dev or train[-1]):
        wanted.pop()
        tally.dropped["published_last_sentence"] += 1
    return wanted
