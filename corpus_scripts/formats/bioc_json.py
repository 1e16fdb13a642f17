"""Read BioC JSON: a collection, a list of documents or collections, or one of these a line; documents come one by one.

A file of lines is read in the memory of its longest line. Any other is held as text, but never as a whole
made of objects, which would take several times as much: its documents are decoded one after the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from corpus_scripts.formats.bioc import BiocDocument, BiocOptions
from corpus_scripts.formats.files import stream_lines
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

# Where a collection keeps its documents; the second is what the PubTator 3 service answers with.
_DOCUMENTS = ("documents", "PubTator3")
_CONTENT = ("passages", "text", "sentences")
_SPACE = re.compile(r"[ \t\n\r]*")


def read_bioc_json(path: Path, options: BiocOptions | None, tally: Tally) -> Iterator[Record]:
    """Read one file, plain or .gz or .xz.

    path (Path): The file. If its first line is whole JSON, every line is; blank ones are passed over.
    options (BiocOptions | None): How annotations are read.
    tally (Tally): Receives what was repaired.
    YIELDS (Record): One for each document; see BiocDocument.record.
    RAISES (ValueError): BC636 not JSON, BC637 mention and text differ, BC638 not BioC, BC611 not UTF-8, BC624
        cannot be decompressed.
    """
    path = Path(path)
    options = options or BiocOptions()
    options.check()
    number = 0
    for first_line, text in _texts(path):
        for line, document in _Scanner(path, first_line, text).documents():
            number += 1
            yield BiocDocument(document, options, path=path, line=line, number=number).record(tally)


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """(line, JSON text): each line if the first that is not blank is whole, else all that the file holds."""
    lines = enumerate(stream_lines(path), start=1)
    filled = (entry for entry in lines if entry[1].strip())
    first, second = next(filled, None), next(filled, None)
    # The only line of a file is not decoded to find out: that would make objects of a whole collection.
    if first is None or second is None or _is_whole(first[1]):
        yield from (entry for entry in (first, second) if entry)
        yield from filled
        return
    blank = [""] * (second[0] - first[0] - 1)
    yield first[0], "\n".join(chain([first[1], *blank, second[1]], (line for _, line in lines)))


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


class _Repeated(Exception):
    """An object has a key twice: one of its values would be lost."""


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Repeated
    return made


class _Scanner:
    """One JSON text, from which documents are decoded in turn."""

    def __init__(self, path: Path, first_line: int, text: str) -> None:
        self.path = path
        self.text = text
        self.position = 0
        self.line = first_line
        self.counted = 0
        self.decoder = json.JSONDecoder(object_pairs_hook=_no_repeats)

    def documents(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line, document) of all documents, in order."""
        if self._peek() == "[":
            for _ in self._elements():
                yield from self._collection_or_document()
        else:
            yield from self._collection_or_document()
        if self._peek():
            raise self._malformed("something follows the end")

    def _collection_or_document(self) -> Iterator[tuple[int, dict[str, Any]]]:
        if self._peek() == "":
            raise self._malformed("the end is missing")
        if self._peek() != "{":
            raise self._refusal("an object is expected: a collection or a document")
        line = self._line()
        rest: dict[str, Any] = {}
        is_collection = False
        for key in self._keys():
            if key in rest:
                raise self._malformed("an object has a key twice")
            if key in _DOCUMENTS and self._peek() == "[":
                is_collection = True
                rest[key] = None
                for _ in self._elements():
                    started = self._line()
                    document = self._value()
                    if not isinstance(document, dict):
                        raise self._refusal("a document that is no object")
                    yield started, document
            else:
                rest[key] = self._value()
        has_content = any(key in rest for key in _CONTENT)
        if is_collection == has_content:
            raise self._refusal("an object is neither a collection nor a document, or both")
        if has_content:
            yield line, rest

    def _elements(self) -> Iterator[None]:
        """Stop at each element of a list; whoever asks reads it."""
        self._expect("[")
        if self._peek() == "]":
            self.position += 1
            return
        while True:
            self._peek()
            yield
            if self._expect(",]") == "]":
                return

    def _keys(self) -> Iterator[str]:
        """Stop at each value of an object and tell its key; whoever asks reads the value."""
        self._expect("{")
        if self._peek() == "}":
            self.position += 1
            return
        while True:
            if self._peek() != '"':
                raise self._malformed("a key in quotes is expected")
            key = self._value()
            self._expect(":")
            self._peek()
            yield key
            if self._expect(",}") == "}":
                return

    def _peek(self) -> str:
        """The next character that is not white space, "" at the end."""
        match = _SPACE.match(self.text, self.position)
        assert match is not None
        self.position = match.end()
        return self.text[self.position : self.position + 1]

    def _expect(self, characters: str) -> str:
        found = self._peek()
        if not found or found not in characters:
            raise self._malformed(f"{' or '.join(characters)} is expected")
        self.position += 1
        return found

    def _value(self) -> Any:
        try:
            value, self.position = self.decoder.raw_decode(self.text, self.position)
        except json.JSONDecodeError as error:
            # The error itself carries the text.
            self.position = error.pos
            raise self._malformed(error.msg) from None
        except ValueError:
            raise self._malformed("a number of too many digits") from None
        except RecursionError:
            raise self._malformed("nested too deep") from None
        except _Repeated:
            raise self._malformed("an object has a key twice") from None
        return value

    def _line(self) -> int:
        self.line += self.text.count("\n", self.counted, self.position)
        self.counted = max(self.counted, self.position)
        return self.line

    def _malformed(self, why: str) -> ValueError:
        column = self.position - self.text.rfind("\n", 0, self.position)
        return ValueError(
            Errors.BC636.format(path=self.path, line=self._line(), column=column, format="JSON", why=why)
        )

    def _refusal(self, why: str) -> ValueError:
        return ValueError(
            Errors.BC638.format(path=self.path, line=self._line(), document="?", annotation="", why=why)
        )
