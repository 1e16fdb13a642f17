r"""Token-per-line files that lose nothing of a record: white space, ids and meta stand in a column of their own.

    -DOCSTART-   Format=spacy-bioclinical.v1|Id=n1|SpacesBefore=\n   O

    Seen         _                                                   O
    Orrin        SpaceAfter=No|MentionId=T5                          B-name
    .            SpacesAfter=\n\n                                    O

(tabs between the columns). The middle column is the MISC column of CoNLL-U: "_" is one space after the token,
``SpaceAfter=No`` none, ``SpacesAfter`` any other white space, with ``\s`` space, ``\t``, ``\n``, ``\r``, ``\p``
pipe, ``\\`` backslash and ``\uXXXX``. Tools that know only token and tag read first and last column as ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus_scripts.formats.conll_lines import DOCSTART, paragraphs
from corpus_scripts.formats.conll_mentions import mentions_for_tags
from corpus_scripts.formats.files import aside, stream_line_blocks
from corpus_scripts.formats.tags import OUTSIDE, Tag, TagCache, read_chunks
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_FORMAT = "Format=spacy-bioclinical.v1"
_PLAIN = {" ": r"\s", "\t": r"\t", "\n": r"\n", "\r": r"\r", "|": r"\p", "\\": r"\\"}
_LETTERS = {escape[1]: character for character, escape in _PLAIN.items()}
_SPECIAL = re.compile(r"[\s|\\]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.?))", re.DOTALL)


def escape(text: str) -> str:
    """White space, pipes and backslashes as they are written in the MISC column."""
    return _SPECIAL.sub(lambda found: _PLAIN.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


def unescape(value: str) -> str:
    """The text that ``escape`` wrote (KeyError for an escape there is not)."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _LETTERS[found[2]], value)


def write_conll(
    records: Iterable[Record], path: Path, *, lossy: bool = False, tally: Tally | None = None
) -> None:
    """Write records with tokens as one file; ``read_conll`` gives them back.

    A sentence ends where a line does, outside mentions. Spans come back in the order of the text.

    records (Iterable[Record]): Their tokens must be set (``to_record(doc, tokens=True)``). What tags cannot
        hold is refused: overlapping or discontinuous mentions, mentions off the tokens, categories, spans None.
    path (Path): The file; it appears only when whole.
    lossy (bool): Leave that out and count it instead; of overlapping mentions the longest is kept.
    tally (Tally | None): Receives the counts.
    RAISES (ValueError): BC655, naming the record, and those of check_record.
    """
    tally = tally or Tally()
    with aside(path) as file:
        for record in records:
            check_record(record, where="write_conll")
            file.write(_document(record, lossy, tally))


def _document(record: Record, lossy: bool, tally: Tally) -> str:
    if record.tokens is None:
        raise ValueError(Errors.BC655.format(record=record.id, why="it brings no tokens"))
    mentions = mentions_for_tags(record, record.tokens, lossy=lossy, tally=tally)
    tags = ["O"] * len(record.tokens)
    ids: dict[int, str] = {}
    for first, last, span in mentions:
        tags[first] = f"B-{span.label}"
        tags[first + 1 : last + 1] = [f"I-{span.label}"] * (last - first)
        ids[first] = span.id
    edges = [*record.tokens, (len(record.text), len(record.text))]
    head = [_FORMAT, f"Id={escape(record.id)}"]
    if edges[0][0]:
        head.append(f"SpacesBefore={escape(record.text[: edges[0][0]])}")
    if record.meta:
        head.append("Meta=" + escape(json.dumps(record.meta, ensure_ascii=False, separators=(",", ":"))))
    lines = [f"{DOCSTART}\t{'|'.join(head)}\tO\n\n"]
    for index, (start, end) in enumerate(record.tokens):
        space = record.text[end : edges[index + 1][0]]
        facts = []
        if space != " ":
            facts.append(f"SpacesAfter={escape(space)}" if space else "SpaceAfter=No")
        if ids.get(index):
            facts.append(f"MentionId={escape(ids[index])}")
        lines.append(f"{record.text[start:end]}\t{'|'.join(facts) or '_'}\t{tags[index]}\n")
        inside = index + 1 < len(tags) and tags[index + 1].startswith("I-")
        if "\n" in space and not inside and index + 1 < len(tags):
            lines.append("\n")
    lines.append("\n" if record.tokens else "")
    return "".join(lines)


def is_exact(path: Path) -> bool:
    """Whether a file begins as write_conll begins one."""
    for lines in stream_line_blocks(path, counted=False):
        return lines[0].startswith(f"{DOCSTART}\t{_FORMAT}")
    return False


def read_exact(path: Path, repair: str, tally: Tally) -> Iterator[Record]:
    """Read a file of write_conll.

    path (Path): The file.
    repair (str): What to do with a continuation that continues nothing; see read_chunks.
    tally (Tally): Receives the counts.
    YIELDS (Record): As written; tokens are set.
    RAISES (ValueError): BC656 with file and line, BC605 no tag, BC606 stray continuation, and those of
        check_record.
    """
    document: _Document | None = None
    tags = TagCache("iob2", None)
    for first, lines in paragraphs(path):
        sentence: list[Tag] = []
        for line, content in enumerate(lines, start=first):
            columns = content.split("\t")
            if len(columns) != 3:
                raise ValueError(Errors.BC656.format(path=path, line=line, why="not three columns"))
            facts = _facts(columns[1], path, line)
            if columns[0] == DOCSTART and columns[1].startswith(_FORMAT):
                if document:
                    document.end_sentence(sentence, repair, tally)
                    yield document.record()
                sentence = []
                document = _Document(path, line, facts)
                continue
            if document is None:
                raise ValueError(Errors.BC656.format(path=path, line=line, why="no -DOCSTART- above"))
            try:
                sentence.append(tags[columns[2]])
            except ValueError:
                raise ValueError(Errors.BC605.format(path=path, line=line, scheme="iob2")) from None
            document.add(columns[0], facts, line)
        if document:
            document.end_sentence(sentence, repair, tally)
    if document:
        yield document.record()


def _facts(column: str, path: Path, line: int) -> dict[str, str]:
    if column == "_":
        return {}
    try:
        pairs = [part.split("=", 1) for part in column.split("|")]
        return {key: unescape(value) for key, value in pairs}
    except (KeyError, ValueError):
        why = "its second column is neither _ nor Key=value, parted by |"
        raise ValueError(Errors.BC656.format(path=path, line=line, why=why)) from None


@dataclass
class _Document:
    """A record as it is read, token by token."""

    path: Path
    line: int
    facts: dict[str, str]
    parts: list[str] = field(default_factory=list)
    tokens: list[tuple[int, int]] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)
    spans: list[TextSpan] = field(default_factory=list)
    length: int = 0
    last_line: int = 0

    def __post_init__(self) -> None:
        self._append(self.facts.get("SpacesBefore", ""))

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def add(self, word: str, facts: dict[str, str], line: int) -> None:
        """Take a token and the white space after it."""
        self.tokens.append((self.length, self.length + len(word)))
        if "MentionId" in facts:
            self.ids[len(self.tokens) - 1] = facts["MentionId"]
        space = "" if facts.get("SpaceAfter") == "No" else facts.get("SpacesAfter", " ")
        if space.strip():
            raise ValueError(Errors.BC656.format(path=self.path, line=line, why="SpacesAfter holds text"))
        self._append(word)
        self._append(space)
        self.last_line = line

    def end_sentence(self, tags: list[Tag], repair: str, tally: Tally) -> None:
        """Take the mentions of the tokens added last."""
        if tags.count(OUTSIDE) == len(tags):
            return
        base = len(self.tokens) - len(tags)
        first_line = self.last_line - len(tags) + 1
        for start, end, label in read_chunks(
            tags, scheme="iob2", repair=repair, tally=tally, path=str(self.path), first_line=first_line
        ):
            first, last = self.tokens[base + start], self.tokens[base + end - 1]
            self.spans.append(TextSpan(first[0], last[1], label, self.ids.pop(base + start, "")))

    def record(self) -> Record:
        """The record, checked."""
        if self.ids:
            raise self._refuse("a token of this document has a MentionId, but no mention begins there")
        try:
            meta: Any = json.loads(self.facts.get("Meta", "{}"))
        except (ValueError, RecursionError):
            raise self._refuse("Meta is not JSON") from None
        if not isinstance(meta, dict) or "Id" not in self.facts:
            raise self._refuse("Id is missing, or Meta is not a JSON object")
        record = Record(
            self.facts["Id"], "".join(self.parts), tuple(self.spans), None, meta, tuple(self.tokens)
        )
        check_record(record, where=f"{self.path}, line {self.line}")
        return record

    def _refuse(self, why: str) -> ValueError:
        return ValueError(Errors.BC656.format(path=self.path, line=self.line, why=why))
