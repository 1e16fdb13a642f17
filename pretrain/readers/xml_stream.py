"""Stream elements out of XML files of any size, safely: no entity is ever declared, expanded or fetched.

Built on expat rather than ElementTree's parser, which gives no hand in declarations. Only the element being
read is held in memory.
"""

from collections.abc import Iterator
from html.entities import html5
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from spacy_bioclinical.errors import Errors

DEEPEST = 200  # nested elements; articles reach about 30
_BLOCK = 2**16


class Found(NamedTuple):
    """An element that was asked for, and the line it begins in."""

    line: int
    element: Element


def stream_elements(file: Path, stream: IO[bytes], wanted: frozenset[str]) -> Iterator[Found]:
    """Yield the outermost elements of the wanted names, without namespace prefixes.

    RAISES (ValueError): BC735 for XML that is not well-formed or nested too deeply, BC736 for a file that
        declares entities.
    """
    gatherer = _Gatherer(file, wanted)
    parser = gatherer.parser
    try:
        while block := stream.read(_BLOCK):
            parser.Parse(block, False)
            yield from gatherer.take()
        parser.Parse(b"", True)
        yield from gatherer.take()
    except expat.ExpatError as error:
        why = f"not well-formed XML (column {error.offset}: {expat.ErrorString(error.code)})"
        raise ValueError(Errors.BC735.format(file=file, line=error.lineno, why=why)) from None


class _Gatherer:
    """Build a tree of each wanted element while expat reports what it reads."""

    def __init__(self, file: Path, wanted: frozenset[str]):
        self.file, self.wanted = file, wanted
        self.builder: TreeBuilder | None = None
        self.depth = self.outside = self.line = 0
        self.found: list[Found] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.EntityDeclHandler = self._declaration
        self.parser.SkippedEntityHandler = self._skipped
        # A document type fetched from elsewhere may define entities; expat passes over it and them.
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def take(self) -> list[Found]:
        found, self.found = self.found, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if self.builder is None and name in self.wanted:
            self.builder, self.depth, self.line = TreeBuilder(), 0, self.parser.CurrentLineNumber
        if self.builder is None:
            self.outside += 1
        else:
            self.depth += 1
            self.builder.start(name, attributes)
        if max(self.depth, self.outside) > DEEPEST:
            self._refuse(Errors.BC735, why=f"elements are nested more than {DEEPEST} deep")

    def _end(self, name: str) -> None:
        if self.builder is None:
            self.outside -= 1
            return
        self.builder.end(name.rpartition(":")[2])
        self.depth -= 1
        if not self.depth:
            self.found.append(Found(self.line, self.builder.close()))
            self.builder = None

    def _data(self, text: str) -> None:
        if self.builder is not None:
            self.builder.data(text)

    def _declaration(self, *declaration: object) -> None:
        self._refuse(Errors.BC736)

    def _skipped(self, name: str, is_parameter: bool) -> None:
        """Write a character of a document type that was not fetched (&alpha;) by its standard name."""
        if is_parameter:
            return
        text = html5.get(f"{name};")
        if text is None:
            self._refuse(Errors.BC735, why="an entity is used that no standard defines")
        else:
            self._data(text)

    def _refuse(self, message: str, **facts: str) -> None:
        line = self.parser.CurrentLineNumber
        raise ValueError(message.format(file=self.file, line=line, **facts))
