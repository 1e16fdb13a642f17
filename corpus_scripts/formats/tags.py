"""Read the begin/inside tags of token-per-line corpora: IOB1, IOB2 (BIO) and BILUO (IOBES, BMES).

Where tags contradict themselves the rule of conlleval and seqeval is the default: a continuation without a
beginning begins an entity. It is counted, or dropped, or refused, as asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

SCHEMES = ("auto", "iob1", "iob2", "biluo")
REPAIRS = ("open", "drop", "error")

# Letters of all schemes → what they mean: Begin, Inside, End, Single.
_MEANING = {"B": "B", "I": "I", "M": "I", "L": "E", "E": "E", "U": "S", "S": "S"}
_TAG = re.compile(r"([BIMLEUS])(?:[-_](.+))?")


class Tag(NamedTuple):
    """One tag: what it does (B, I, E, S or O), its label, its line in the file."""

    kind: str
    label: str
    line: int


class Chunk(NamedTuple):
    """One entity: first token, one past its last token, label."""

    start: int
    end: int
    label: str


def parse_tag(tag: str, *, line: int, path: str, scheme: str, label: str | None) -> Tag:
    """Take one tag apart.

    tag (str): "O", "B-Disease", "I_Disease"; a bare "B" needs ``label``.
    label (str | None): Label of tags that carry none.
    RAISES (ValueError): BC605; the tag itself is not quoted, since a wrong column would hold note text.
    """
    if tag == "O":
        return Tag("O", "", line)
    match = _TAG.fullmatch(tag)
    name = (match.group(2) or label) if match else None
    kind = _MEANING[match.group(1)] if match else ""
    if not name or (kind in "ES" and scheme in ("iob1", "iob2")):
        raise ValueError(Errors.BC605.format(path=path, line=line, scheme=scheme))
    return Tag(kind, name, line)


def detect_scheme(sentences: Sequence[Sequence[Tag]]) -> str:
    """Tell the scheme from all tags of a corpus.

    Ends or singles: BILUO. Otherwise IOB2, unless entities do begin with I while every B follows an entity of
    the same label, the only place where IOB1 has one.

    sentences (Sequence): Tags by sentence.
    RETURNS (str): "iob1", "iob2" or "biluo".
    """
    stray = False
    ordinary_begin = False
    for tags in sentences:
        before = Tag("O", "", 0)
        for tag in tags:
            if tag.kind in "ES":
                return "biluo"
            follows = before.kind != "O" and before.label == tag.label
            stray |= tag.kind == "I" and not follows
            ordinary_begin |= tag.kind == "B" and not follows
            before = tag
    return "iob1" if stray and not ordinary_begin else "iob2"


def read_chunks(tags: Sequence[Tag], *, scheme: str, repair: str, tally: Tally, path: str) -> list[Chunk]:
    """Turn the tags of one sentence into entities.

    tags (Sequence[Tag]): One for each token.
    scheme (str): "iob1", "iob2" or "biluo".
    repair (str): A continuation that continues nothing: "open" begins an entity (counted as repaired), "drop"
        leaves it and what continues it out (counted as dropped), "error" refuses.
    tally (Tally): Receives the counts, also of BILUO entities that were never ended (kept).
    path (str): For the message.
    RETURNS (list[Chunk]): In the order of the text.
    RAISES (ValueError): BC606 with repair "error".
    """
    chunks: list[Chunk] = []
    start: int | None = None  # of the entity that is open
    label = ""
    dropping: str | None = None  # label whose stray continuation is being left out

    def close(end: int, *, ended: bool) -> None:
        nonlocal start
        if start is not None:
            chunks.append(Chunk(start, end, label))
            if scheme == "biluo" and not ended:
                tally.repaired["unended_entity"] += 1
        start = None

    for index, tag in enumerate(tags):
        continues = tag.kind in "IE" and start is not None and tag.label == label
        if continues:
            if tag.kind == "E":
                close(index + 1, ended=True)
            continue
        if tag.kind in "IE" and dropping == tag.label:
            continue
        close(index, ended=False)
        dropping = None
        if tag.kind == "O":
            continue
        if tag.kind in "IE" and scheme != "iob1":
            if repair == "error":
                raise ValueError(Errors.BC606.format(path=path, line=tag.line))
            if repair == "drop":
                tally.dropped["stray_continuation"] += 1
                dropping = tag.label
                continue
            tally.repaired["stray_continuation"] += 1
        start, label = index, tag.label
        if tag.kind in "ES":
            close(index + 1, ended=True)
    close(len(tags), ended=False)
    return chunks
