"""The mentions of a document, wherever spaCy keeps them, as plain offsets; and what is odd about each.

Entities and span groups often hold the same mention: it is counted once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, SENT_START
from spacy.tokens import Doc

MOST_WORDS = 6  # longer mentions are hardly ever repeated word for word
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, order=True)
class Mention:
    """Tokens [start, end) with a label; characters [first, last)."""

    start: int
    end: int
    label: str
    first: int
    last: int


def mentions_of(doc: Doc) -> list[Mention]:
    """All mentions of a document, each once, in order."""
    spans = [*doc.ents, *(span for group in doc.spans.values() for span in group)]
    return sorted(
        {Mention(span.start, span.end, span.label_, span.start_char, span.end_char) for span in spans}
    )


def entity_state(doc: Doc) -> str:
    """Whether somebody looked for entities: "annotated", "partly" or "missing"."""
    marks = doc.to_array([ENT_IOB]).ravel()
    n_missing = int((marks == 0).sum())
    if n_missing == len(marks):
        return "missing"
    return "partly" if n_missing else "annotated"


def oddities(doc: Doc, mentions: list[Mention], text: str) -> Counter[str]:
    """Count what is unusual about mentions.

    doc (Doc): the document.
    mentions (list[Mention]): from `mentions_of`.
    text (str): its text.
    RETURNS (Counter): "overlapping", "nested", "not in ents", "discontinuous", "across lines", "across sentences",
        "white-space edges", "blank".
    """
    counts: Counter[str] = Counter()
    meta = doc.user_data.get("meta")
    if isinstance(meta, dict):
        counts["discontinuous"] += len(meta.get("discontinuous") or ())
    if doc.spans:
        ents = {(ent.start, ent.end) for ent in doc.ents}
        counts["not in ents"] += sum((mention.start, mention.end) not in ents for mention in mentions)
    starts = np.flatnonzero(doc.to_array([SENT_START]).ravel() == 1) if _has_sentences(doc) else np.zeros(0)
    reach, widest = 0, None  # the mention that reaches farthest so far
    for mention in mentions:
        if widest is not None and mention.start < reach:
            counts["overlapping"] += 1
            counts["nested"] += mention.end <= widest.end or mention.start == widest.start
        if mention.end > reach:
            reach, widest = mention.end, mention
        quoted = text[mention.first : mention.last]
        if not quoted.strip():
            counts["blank"] += 1
        elif quoted != quoted.strip():
            counts["white-space edges"] += 1
        counts["across lines"] += "\n" in quoted.strip()
        if len(starts):
            inside = np.searchsorted(starts, mention.end) - np.searchsorted(starts, mention.start + 1)
            counts["across sentences"] += bool(inside > 0)
    return counts


def _has_sentences(doc: Doc) -> bool:
    return len(doc) > 1 and doc.has_annotation("SENT_START")


def word_grams(words: NDArray) -> list[NDArray]:
    """Hash all runs of 1 to `MOST_WORDS` tokens.

    words (NDArray): uint64 (tokens,), a hash of each token.
    RETURNS (list[NDArray]): for each number n of tokens, uint64 (tokens - n + 1,).
    """
    grams = [words.astype(np.uint64)]
    for n in range(2, min(MOST_WORDS, len(words)) + 1):
        grams.append(grams[-1][:-1] * _FACTOR + grams[0][n - 1 :] + np.uint64(n))
    return grams
