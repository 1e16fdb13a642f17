"""Cut sections into sentences by rules, and write notes as BERT's pretraining reads them: one sentence a line.

This is NOT the published splitter: Bio_ClinicalBERT's notes were cut by the parser of scispaCy's en_core_sci_md with
two rules of their own in front of it. The two rules are here (a full stop before a capital; a dash that stands
alone); what the parser found is approximated by question marks, list items, and lines that end before the text's
edge. Placeholders `[**…**]` are never cut and stay as they are, as published.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pretrain.clinicalbert.sections import DASHES, UNDERSCORES, split_sections
from spacy_bioclinical.errors import Errors

# Words whose full stop ends no sentence, in lower case, without their last dot.
_WORDS = """
dr drs mr mrs ms prof st sr jr vs etc approx dept inc pt pts hx dx tx rx fx sx resp temp wt ht abd ext neuro
i.e e.g cf al fig vol mg ml cc hr hrs min sec q.d b.i.d t.i.d q.i.d p.o p.r.n i.v a.m p.m h.s q.h.s s.p w.o c.o
jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
"""
ABBREVIATIONS = frozenset(_WORDS.split())
_TOKEN = re.compile(r"\[\*\*[^\[\]]*\*\*\]|[^\W_]+(?:[.'’/:-][^\W_]+)*|_+|\S")
_LIST_ITEM = re.compile(r"[ \t]*(?:[0-9]{1,3}[.)](?![0-9])|[a-zA-Z][.)](?= )|[-*•·>#](?![-*]))[ \t]*")
_CLOSING = frozenset("\"')]}”’")
# A line shorter than this does not end at the edge of the page, however short the other lines are.
_LEAST_WIDTH = 60


@dataclass
class NoteCounts:
    """What `format_notes` wrote: numbers of notes, of those without any sentence, and of sentences.

    dropped (list[str]): ids of the notes that the published splitter stops on; they are left out, as published.
    """

    notes: int = 0
    empty: int = 0
    sentences: int = 0
    dropped: list[str] = field(default_factory=list)


def split_sentences(section: str) -> list[str]:
    """Cut a section into sentences; newlines within a sentence become spaces, none is empty."""
    return [
        " ".join(piece.split())
        for block in _blocks(section)
        for piece in _cut(block)
        if piece and not piece.isspace()
    ]


def note_sentences(text: str, *, legacy: bool = False) -> list[str]:
    """Cut a whole note into sections, these into sentences. RAISES (ValueError): BC752; see `split_sections`."""
    return [
        sentence
        for section in split_sections(text, legacy=legacy)
        for sentence in ([section] if section in (DASHES, UNDERSCORES) else split_sentences(section))
    ]


def format_notes(notes: Iterable[tuple[str, str]], output: Path, *, legacy: bool = False) -> NoteCounts:
    """Write notes with one sentence a line and a blank line after each note, moved into place when whole.

    notes (Iterable): pairs of id and text, such as `RawDocument`.
    legacy (bool): sections as published; the notes that this stops on are dropped, and listed in the result.
    RAISES (ValueError): BC754 if nothing could be written.
    """
    counts = NoteCounts()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".writing-") as aside:
        part = Path(aside) / output.name
        with part.open("w", encoding="utf8", newline="\n", errors="replace") as stream:
            for name, text in notes:
                counts.notes += 1
                try:
                    sentences = note_sentences(text, legacy=legacy)
                except ValueError:
                    counts.dropped.append(name)
                    continue
                counts.empty += not sentences
                counts.sentences += len(sentences)
                if sentences:
                    stream.write("\n".join(sentences) + "\n\n")
        if not counts.sentences:
            raise ValueError(Errors.BC754.format(path=output, why=f"{counts.notes} notes, no sentence"))
        part.chmod(0o644)
        os.replace(part, output)
    return counts


def read_notes(file: Path) -> Iterator[list[str]]:
    """Yield the sentences of each note that `format_notes` wrote; notes without sentences do not appear."""
    sentences: list[str] = []
    with file.open(encoding="utf8", newline="\n") as stream:
        for line in stream:
            if line.strip():
                sentences.append(line.rstrip("\n"))
            elif sentences:
                yield sentences
                sentences = []
    if sentences:
        yield sentences


def _blocks(section: str) -> Iterator[str]:
    """Join the lines that were cut at the page's edge only."""
    lines = section.split("\n")
    width = max(_LEAST_WIDTH, *map(len, lines))
    block = lines[0]
    for before, line in pairwise(lines):
        if _continues(before, line, width) or (_inside_placeholder(block) and "**]" in line):
            block += "\n" + line
        else:
            yield block
            block = line
    yield block


def _continues(before: str, line: str, width: int) -> bool:
    """Tell whether a line goes on with the sentence of the line before."""
    words = line.split(maxsplit=1)
    if not words or not before.strip() or _LIST_ITEM.match(line) or before.rstrip().endswith(":"):
        return False
    return words[0][0].islower() or len(before.rstrip()) + 1 + len(words[0]) > width


def _inside_placeholder(block: str) -> bool:
    return block.rfind("[**") > block.rfind("**]")


def _cut(block: str) -> Iterator[str]:
    """Cut a block before the tokens that begin a sentence."""
    marker = _LIST_ITEM.match(block)
    tokens = list(_TOKEN.finditer(block, marker.end() if marker else 0))
    start = 0
    # As published, the last token begins no sentence.
    for i in range(len(tokens) - 2):
        if _begins(tokens, i + 1):
            yield block[start : tokens[i + 1].start()]
            start = tokens[i + 1].start()
    yield block[start:]


def _begins(tokens: list[re.Match[str]], i: int) -> bool:
    token, before = tokens[i][0], tokens[i - 1]
    if before[0] == "-":
        return token != "-" and _stands_alone(tokens, i - 1)
    end = i - 1
    while end > 0 and tokens[end][0] in _CLOSING:
        end -= 1
    if tokens[end][0] not in (".", "?", "!"):
        return False
    capital = token[:1].isupper() or token.startswith("[**")
    apart = tokens[i].start() > before.end()
    if not (capital and apart):
        return False
    return tokens[end][0] != "." or not _abbreviated(tokens, end)


def _stands_alone(tokens: list[re.Match[str]], i: int) -> bool:
    gap_before = i == 0 or tokens[i].start() > tokens[i - 1].end()
    return gap_before and i + 1 < len(tokens) and tokens[i + 1].start() > tokens[i].end()


def _abbreviated(tokens: list[re.Match[str]], dot: int) -> bool:
    """Tell whether a full stop belongs to the word before it: "Dr.", "b.i.d.", an initial."""
    if not dot or tokens[dot - 1].end() != tokens[dot].start():
        return False
    word = tokens[dot - 1][0]
    return word.lower() in ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word.isupper())
