"""Read PubTator: title and abstract on a line each, then mentions and relations on lines with tabs.

As published for BC5CDR, NCBI-disease, MedMentions and BioRED. Offsets count one character between title and
abstract. That character is nowhere in the file; a line end stands for it here, so that offsets hold and no
sentence runs from the one into the other. Documents are read one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpus_scripts.formats.files import stream_lines
from corpus_scripts.formats.mentions import Mention, Stretch, Unsettled, settle, shown_id
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_TEXT_LINE = re.compile(r"([^\s|]{1,100})\|([ta])\|(.*)", re.DOTALL)
_OFFSET = re.compile(r"[0-9]{1,9}")
_NUMBER_LIKE = re.compile(r"\s*[-+]?[0-9]")
# No digits in the name, or a mention with a damaged offset would pass for a relation.
_RELATION = re.compile(r"[A-Za-z][A-Za-z_. -]*(:[0-9]+)?")
_ADVICE = "the separator between title and abstract is one character"


def read_pubtator(path: Path, tally: Tally) -> Iterator[Record]:
    """Read one file, plain or .gz or .xz.

    path (Path): The file; blank lines, or the title of another document, end a document.
    tally (Tally): Receives what was repaired.
    YIELDS (Record): The id is the PMID. Mentions are T1, T2, … in the order of the file and their label is the
        whole column, even where it names several types; ``meta["types"]`` then lists them.
        ``meta["normalizations"]`` has the concept ids of each mention, ``meta["individual_mentions"]`` what a
        composite mention stands for, ``meta["relations"]`` label and arguments (concept ids).
    RAISES (ValueError): BC635 malformed line, BC637 mention and text differ in every unit of offsets, BC611 not
        UTF-8, BC624 cannot be decompressed.
    """
    path = Path(path)
    document: _Document | None = None
    for number, line in enumerate(stream_lines(path), start=1):
        if not line or line.isspace():
            if document is not None:
                yield document.finish(tally)
            document = None
            continue
        match = _TEXT_LINE.fullmatch(line)
        if match is None:
            if document is None:
                raise _refusal(path, number, "a mention or relation before any title")
            document.add_line(number, line.split("\t"))
        elif match.group(2) == "t":
            if document is not None:
                if document.id == match.group(1):
                    raise _refusal(path, number, "a second title of the same document")
                yield document.finish(tally)
            document = _Document(path, number, match.group(1), match.group(3))
        else:
            if document is None or document.id != match.group(1):
                raise _refusal(path, number, "an abstract that does not follow the title of its document")
            document.add_abstract(number, match.group(3))
    if document is not None:
        yield document.finish(tally)


class _Document:
    """The lines of one document, checked as they come."""

    def __init__(self, path: Path, line: int, name: str, title: str) -> None:
        self.path = path
        self.line = line
        self.id = name
        self.title = title
        self.abstract: str | None = None
        self.mentions: list[Mention] = []
        self.types: dict[str, list[str]] = {}
        self.normalizations: dict[str, list[str]] = {}
        self.individual: dict[str, list[str]] = {}
        self.relations: list[dict[str, Any]] = []

    def add_abstract(self, line: int, abstract: str) -> None:
        if self.abstract is not None or self.mentions or self.relations:
            raise _refusal(self.path, line, "a second abstract, or one after mentions")
        self.abstract = abstract

    def add_line(self, line: int, columns: list[str]) -> None:
        """Add a mention, or a relation: its second column is no number."""
        if len(columns) < 4:
            raise _refusal(self.path, line, "fewer than four columns, separated by tabs")
        if columns[0] != self.id:
            raise _refusal(self.path, line, "its id is not that of the title above")
        if _NUMBER_LIKE.match(columns[1]):
            self._add_mention(line, columns)
            return
        while columns[-1] == "":
            columns.pop()
        named = _RELATION.fullmatch(columns[1])
        if not named or not 4 <= len(columns) <= 5 or not all(column.strip() for column in columns):
            raise _refusal(self.path, line, "neither a mention nor a relation with a name and two concepts")
        self.relations.append({"label": columns[1], "arguments": columns[2:]})

    def _add_mention(self, line: int, columns: list[str]) -> None:
        if not 5 <= len(columns) <= 7:
            raise _refusal(self.path, line, "a mention has 5 to 7 columns, separated by tabs")
        if not (_OFFSET.fullmatch(columns[1]) and _OFFSET.fullmatch(columns[2])):
            raise _refusal(self.path, line, "an offset is not a whole number of at most 9 digits")
        start, end = int(columns[1]), int(columns[2])
        if start >= end:
            raise _refusal(self.path, line, "a mention of no characters")
        label = columns[4]
        if not label.strip():
            raise _refusal(self.path, line, "a mention without a type")
        name = f"T{len(self.mentions) + 1}"
        self.mentions.append(Mention(name, label, ((start, end),), columns[3], f"line {line}"))
        if "," in label:
            self.types[name] = label.split(",")
        if len(columns) > 5 and columns[5].strip():
            self.normalizations[name] = columns[5].split("|")
        if len(columns) > 6 and columns[6].strip():
            self.individual[name] = columns[6].split("|")

    def finish(self, tally: Tally) -> Record:
        text = f"{self.title}\n{self.abstract}" if self.abstract else self.title
        try:
            settled = settle([Stretch(0, text)], self.mentions)
        except Unsettled as error:
            where = error.mention.where if error.mention else f"line {self.line}"
            message = Errors.BC637.format(
                path=self.path, where=where, document=shown_id(self.id), offsets=error.offsets, advice=_ADVICE
            )
            raise ValueError(message) from None
        settled.count(len(self.mentions), tally)
        facts = {
            "types": self.types,
            "normalizations": self.normalizations,
            "individual_mentions": self.individual,
            "relations": self.relations,
        }
        meta = {key: value for key, value in facts.items() if value}
        record = Record(self.id, settled.text, tuple(settled.spans), meta=meta)
        check_record(record, where=f"{self.path}, line {self.line}")
        return record


def _refusal(path: Path, line: int, why: str) -> ValueError:
    return ValueError(Errors.BC635.format(path=path, line=line, why=why))
