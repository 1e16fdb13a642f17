"""Read the begin/inside tags of token-per-line corpora: IOB1, IOB2 (BIO) and BILUO (IOBES, BMES, BMEWO).

Where tags contradict themselves the rule of conlleval and seqeval is the default: a continuation without a
beginning begins an entity. It is counted, or dropped, or refused, as asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

SCHEMES = ("auto", "iob1", "iob2", "biluo")
# What else the schemes are called.
ALIASES = {
    "bio": "iob2", "iob": "iob1", "bio2": "iob2", "bilou": "biluo", "iobes": "biluo", "bioes": "biluo",
    "bmes": "biluo", "bmeso": "biluo", "bmewo": "biluo",
}  # fmt: skip
REPAIRS = ("open", "drop", "error")

# Letters of all schemes → what they mean: Begin, Inside, End, Single.
_MEANING = {"B": "B", "I": "I", "M": "I", "L": "E", "E": "E", "U": "S", "S": "S", "W": "S"}
_TAG = re.compile(r"([BIMLEUSW])(?:[-_](.+))?")


class Tag(NamedTuple):
    """One tag: what it does (B, I, E, S or O), its label, its line in the file."""

    kind: str
    label: str
    line: int


OUTSIDE = Tag("O", "", 0)


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


class TagCache(dict[str, Tag]):
    """Tag string → Tag without a line: a corpus has millions of tags, but few different ones.

    A string that is no tag raises ValueError, to be told again with its line by parse_tag.
    """

    def __init__(self, scheme: str, label: str | None) -> None:
        super().__init__(O=OUTSIDE)
        self._scheme, self._label = scheme, label

    def __missing__(self, string: str) -> Tag:
        tag = parse_tag(string.strip(), line=0, path="", scheme=self._scheme, label=self._label)
        self[string] = tag = OUTSIDE if tag.kind == "O" else tag
        return tag


class SchemeDetector:
    """Tells the scheme from all tags of a corpus, sentence by sentence.

    Ends or singles: BILUO. Otherwise IOB2, unless entities do begin with I while every B follows an entity of
    the same label, the only place where IOB1 has one.
    """

    def __init__(self) -> None:
        self._ends = self._stray = self._ordinary_begin = False

    def add(self, tags: Sequence[Tag], *, kinds_only: bool = False) -> None:
        """Take the tags of one sentence; ``kinds_only`` if they are different tags in no order."""
        before = OUTSIDE
        for tag in tags:
            self._ends |= tag.kind in "ES"
            if not kinds_only:
                follows = before.kind != "O" and before.label == tag.label
                self._stray |= tag.kind == "I" and not follows
                self._ordinary_begin |= tag.kind == "B" and not follows
            before = tag

    @property
    def decided(self) -> bool:
        """Only ends or singles can change the answer."""
        return self._ends or self._ordinary_begin

    @property
    def scheme(self) -> str:
        """One of "iob1", "iob2" and "biluo"."""
        if self._ends:
            return "biluo"
        return "iob1" if self._stray and not self._ordinary_begin else "iob2"


def detect_scheme(sentences: Iterable[Sequence[Tag]]) -> str:
    """Tell the scheme from all tags of a corpus; see SchemeDetector.

    sentences (Iterable): Tags by sentence.
    RETURNS (str): "iob1", "iob2" or "biluo".
    """
    detector = SchemeDetector()
    for tags in sentences:
        detector.add(tags)
    return detector.scheme


def read_chunks(
    tags: Sequence[Tag], *, scheme: str, repair: str, tally: Tally, path: str, first_line: int | None = None
) -> list[Chunk]:
    """Turn the tags of one sentence into entities.

    tags (Sequence[Tag]): One for each token.
    scheme (str): "iob1", "iob2" or "biluo".
    repair (str): A continuation that continues nothing: "open" begins an entity (counted as repaired), "drop"
        leaves it and what continues it out (counted as dropped), "error" refuses.
    tally (Tally): Receives the counts, also of BILUO entities that were never ended (kept).
    path (str): For the message.
    first_line (int | None): Line of the first tag, where each has a line of its own and they do not know it.
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

    previous = -1
    for index in [index for index, tag in enumerate(tags) if tag[0] != "O"]:
        tag = tags[index]
        if index != previous + 1:
            close(previous + 1, ended=False)
            dropping = None
        previous = index
        continues = tag.kind in "IE" and start is not None and tag.label == label
        if continues:
            if tag.kind == "E":
                close(index + 1, ended=True)
            continue
        if tag.kind in "IE" and dropping == tag.label:
            continue
        close(index, ended=False)
        dropping = None
        if tag.kind in "IE" and scheme != "iob1":
            if repair == "error":
                line = tag.line if first_line is None else first_line + index
                raise ValueError(Errors.BC606.format(path=path, line=line))
            if repair == "drop":
                tally.dropped["stray_continuation"] += 1
                dropping = tag.label
                continue
            tally.repaired["stray_continuation"] += 1
        start, label = index, tag.label
        if tag.kind in "ES":
            close(index + 1, ended=True)
    close(previous + 1, ended=False)
    return chunks
