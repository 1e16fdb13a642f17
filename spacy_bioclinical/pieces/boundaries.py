"""Grade every place where a window might be cut: section heading > blank line > line > sentence > token >
inside a token.

Needed only for documents longer than one window; a 100,000-word note costs about 0.2 s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from spacy_bioclinical.pieces.alignment import Offsets, align, continues
from spacy_bioclinical.pieces.headings import is_heading
from spacy_bioclinical.pieces.tokenizer import Pieces
from spacy_bioclinical.pieces.white_space import (
    LINE_BREAKS,
    code_points,
    is_space,
    line_break_counts,
    next_visible,
    previous_visible,
)

SECTION, BLANK_LINE, LINE, SENTENCE, TOKEN, INSIDE = 4, 3, 2, 1, 0, -1

# Words whose full stop seldom ends a sentence in a clinical note. Lower case, without the stop.
ABBREVIATIONS: frozenset[str] = frozenset(
    word
    for group in (
        "dr drs mr mrs ms prof st sr jr pt pts dept approx fig ref tel ext no nos vs eg ie al cf inc",
        "mg mcg kg gm ml cc cm mm vol wt ht temp resp sec min mins hr hrs wk wks mo mos yr yrs yo",
        "hx sx dx rx tx fx tab tabs cap caps inj susp soln amp po iv im sc sq subq qd qid bid tid prn",
    )
    for word in group.split()
)
_SENTENCE_END = re.compile(
    r"(?P<word>[^\s.?!]{0,12})(?P<mark>[.?!])[.?!\"'\u201d\u2019)\]]{0,8}\s+(?=[\"'\u201c\u2018(\[]?[^\W_])"
)


def boundary_strengths(
    text: str,
    pieces: Pieces,
    token_starts: Offsets,
    token_ends: Offsets,
    sentence_starts: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Grade the cut before each piece.

    text (str): the whole text.
    pieces (Pieces): its pieces.
    token_starts, token_ends (int (n_tokens,)): character ranges of its tokens.
    sentence_starts (int (n_sentences,)): characters at which sentences begin; None finds them by a light rule
        on full stops.
    RETURNS (int8 (P,)): 4 where a section begins, 3 after a blank line, 2 at a line, 1 at a sentence, 0 at a
        token, -1 inside a token. Grades above 0 stand at the first visible piece of the section, line or
        sentence.
    """
    codes = code_points(text)
    space = is_space(codes)
    n_chars = len(codes)
    at_char = np.zeros(n_chars + 1, dtype=np.int8)  # strength of a cut before the visible character here
    visible = next_visible(space)

    if sentence_starts is None:
        sentence_starts = light_sentence_starts(text)
    sentences = visible[np.asarray(sentence_starts, dtype=np.int64)]
    at_char[sentences] = SENTENCE
    at_char[n_chars] = TOKEN

    line_starts, breaks_before = _line_starts(codes, space)
    at_char[line_starts] = np.where(breaks_before > 1, BLANK_LINE, LINE)
    headings = [start for start in line_starts.tolist() if is_heading(_line_at(text, start))]
    at_char[headings] = SECTION

    strengths = np.where(pieces.is_space, np.int8(TOKEN), at_char[pieces.starts])
    lengths, indices = align(pieces, token_starts, token_ends)
    strengths[continues(lengths, indices, len(pieces))] = INSIDE
    return strengths.astype(np.int8)


def light_sentence_starts(text: str) -> np.ndarray:
    """Find sentence starts: after . ? ! and white space, before a capital or a digit.

    Full stops of common abbreviations, initials, dotted abbreviations and list numbers do not count; decimals
    have no space behind the stop.

    RETURNS (int64 (n_sentences,)): characters at which a new sentence begins (never character 0).
    """
    starts = []
    for match in _SENTENCE_END.finditer(text):
        start = match.end()
        first = text[start] if text[start].isalnum() else text[start + 1]
        if not (first.isupper() or first.isdigit()):
            continue
        if match["mark"] == "." and _is_abbreviation(text, match):
            continue
        starts.append(start)
    return np.array(starts, dtype=np.int64)


def _is_abbreviation(text: str, match: re.Match[str]) -> bool:
    word = match["word"].lstrip("\"'([\u201c\u2018").lower()
    before = match.start("word")
    if word in ABBREVIATIONS:
        return True
    if len(word) == 1 and word.isalpha():  # an initial, or the end of "b.i.d."
        return True
    if word.isdigit():  # "1. Aspirin" at the beginning of a line is a list, "was 120. He" an end
        indent = text[max(0, before - 20) : before].rstrip(" \t")
        return not indent or indent[-1] in LINE_BREAKS
    return False


def _line_starts(codes: np.ndarray, space: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first visible character of each line that has one, and the line breaks since the last
    visible one.

    The beginning of the text counts as following a blank line.
    """
    breaks = line_break_counts(codes)
    chars = np.flatnonzero(~space)
    before = previous_visible(space)[chars]
    gaps = breaks[chars] - breaks[before + 1]
    gaps[before < 0] = 2
    starts = gaps > 0
    return chars[starts], gaps[starts]


_LINE_END = re.compile(f"[{LINE_BREAKS}]")


def _line_at(text: str, start: int) -> str:
    """Return the rest of the line from a character on; headings are short, so 240 characters will do."""
    end = _LINE_END.search(text, start, start + 240)
    return text[start : end.start() if end else start + 240]
