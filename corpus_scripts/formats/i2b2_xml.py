"""Read the XML of the 2012 and 2014 i2b2 releases: a TEXT as CDATA and TAGS that point into it by offset.

The published files are not all well-formed (a bare ``&``, a quotation mark inside a quoted value), so no XML
parser reads them all. This one knows their shape, gives for a well-formed file what an XML parser gives, and
counts what it had to repair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.formats.files import read_text
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_REFERENCE = re.compile(r"&(?:#([0-9]{1,7});|#x([0-9A-Fa-f]{1,6});|(amp|lt|gt|quot|apos);)?")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_CDATA, _CDATA_END, _TEXT, _TEXT_END = "<![CDATA[", "]]>", "<TEXT>", "</TEXT>"
_SPACE = re.compile(r"\s*")
_TAGS = re.compile(r"<TAGS\s*(/?)>")
_TAG = re.compile(r"<([A-Za-z][\w.-]*)")
_TAG_END = re.compile(r"\s*(/?)>")
_ATTRIBUTE = re.compile(r"\s*([A-Za-z_][\w.:-]*)\s*=\s*([\"'])")
_AFTER_VALUE = re.compile(r"\s*/?>\s*(?:<|\Z)|\s+[A-Za-z_][\w.:-]*\s*=\s*[\"']")


class Tag(NamedTuple):
    """One element below TAGS: its name, the line it begins on, its attributes with references decoded."""

    name: str
    line: int
    attributes: Mapping[str, str]


class Document(NamedTuple):
    """The text that offsets count in, and the tags; None where the file has no TAGS at all."""

    text: str
    tags: list[Tag] | None


def xml_files(path: Path) -> list[Path]:
    """The .xml files of a folder and those below it in the order of their names, or the one file given.

    RAISES (ValueError): BC612 if there is none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*.xml") if not file.name.startswith(".") and file.is_file())
    if not found:
        raise ValueError(Errors.BC612.format(where=path))
    return found


def decode_references(text: str, tally: Tally) -> str:
    """Put characters for ``&amp;``, ``&#39;`` and their like; a ``&`` that begins none stays, and is counted."""

    def character(match: re.Match[str]) -> str:
        decimal, hexadecimal, name = match.groups()
        if name:
            return _NAMED[name]
        code = int(decimal) if decimal else int(hexadecimal, 16) if hexadecimal else 0
        if 0 < code < 0xD800 or 0xDFFF < code <= 0x10FFFF:
            return chr(code)
        tally.repaired["bare_ampersand"] += 1
        return match.group()

    return _REFERENCE.sub(character, text) if "&" in text else text


def parse_i2b2_xml(path: Path, tally: Tally) -> Document:
    """Read one file.

    path (Path): The file. Line ends are read as XML prescribes: CR LF and CR count as one LF.
    tally (Tally): Receives bare ampersands and quotation marks inside values.
    RETURNS (Document): The text as it stands between the CDATA marks.
    RAISES (ValueError): BC645 with file and line where the file has another shape, BC611.
    """
    content = read_text(path).removeprefix("\ufeff")
    if "\r" in content:
        tally.repaired["line_ends_as_xml_reads_them"] += 1
        content = content.replace("\r\n", "\n").replace("\r", "\n")
    return _Parser(path, content, tally).document()


class _Parser:
    """A position in one file that only moves forward, so that any file is read in linear time."""

    def __init__(self, path: Path, content: str, tally: Tally) -> None:
        self.path = path
        self.content = content
        self.tally = tally
        self.at = 0
        self.line = 1
        self._counted = 0

    def document(self) -> Document:
        self._move(self._find(_TEXT, "there is no <TEXT>") + len(_TEXT))
        text = self._text()
        if not (match := _TAGS.search(self.content, self.at)):
            if not self.content.startswith("</", max(self.content.rfind("<"), self.at + len(_TEXT_END))):
                raise self._refuse("the file ends before its last closing tag")
            return Document(text, None)
        self._move(match.end())
        return Document(text, [] if match.group(1) else self._tags())

    def _text(self) -> str:
        """All up to </TEXT>: CDATA as it is, other text with its references decoded."""
        parts: list[str] = []
        while not self.content.startswith(_TEXT_END, self.at):
            if self.content.startswith(_CDATA, self.at):
                self._move(self.at + len(_CDATA))
                end = self._find(_CDATA_END, "the CDATA of <TEXT> does not end")
                parts.append(self.content[self.at : end])
                self._move(end + len(_CDATA_END))
                continue
            end = self.content.find("<", self.at + 1)
            if end < 0:
                raise self._refuse("<TEXT> does not end")
            if self.content[self.at] == "<":
                self.tally.repaired["bare_less_than"] += 1
            parts.append(decode_references(self.content[self.at : end], self.tally))
            self._move(end)
        return "".join(parts)

    def _tags(self) -> list[Tag]:
        tags: list[Tag] = []
        while True:
            self._match(_SPACE)
            if self.content.startswith("</TAGS>", self.at):
                return tags
            if self.content.startswith("<!--", self.at):
                self._move(self._find("-->", "a comment does not end") + 3)
                continue
            begun = self._match(_TAG)
            if not begun:
                raise self._refuse("here a tag or </TAGS> should begin")
            line = self.line
            attributes = self._attributes()
            tags.append(Tag(begun.group(1), line, attributes))
            self._match(re.compile(rf"\s*</{re.escape(begun.group(1))}\s*>"))

    def _attributes(self) -> dict[str, str]:
        attributes: dict[str, str] = {}
        while not self._match(_TAG_END):
            named = self._match(_ATTRIBUTE)
            if not named or named.group(1) in attributes:
                raise self._refuse('here name="value" or the end of a tag should stand')
            attributes[named.group(1)] = self._value(named.group(2))
        return attributes

    def _value(self, quote: str) -> str:
        """Up to the first quotation mark that can end a value: what follows is an attribute or the tag's end."""
        end = self._find(quote, "a value does not end")
        while not _AFTER_VALUE.match(self.content, end + 1):
            end = self.content.find(quote, end + 1)
            if end < 0:
                raise self._refuse("a value does not end")
            self.tally.repaired["quote_inside_value"] += 1
        value = self.content[self.at : end]
        self._move(end + 1)
        return decode_references(re.sub(r"[\n\t]", " ", value), self.tally)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.content, self.at)
        if match:
            self._move(match.end())
        return match

    def _find(self, wanted: str, why: str) -> int:
        position = self.content.find(wanted, self.at)
        if position < 0:
            raise self._refuse(why)
        return position

    def _move(self, position: int) -> None:
        self.line += self.content.count("\n", self._counted, position)
        self.at = self._counted = position

    def _refuse(self, why: str) -> ValueError:
        return ValueError(Errors.BC645.format(path=self.path, line=self.line, why=why))
