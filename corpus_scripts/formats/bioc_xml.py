"""Read BioC XML document by document, in the memory of the largest one; no file can make it fetch or expand anything.

The parser is expat, fed with the file in blocks. A DOCTYPE that names BioC.dtd is passed over without being
fetched; a declaration of an entity is refused, so there is nothing to expand. Elements stand where the DTD of
BioC has them or the file is refused: what was not understood would be lost, and nesting has no bound.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from xml.parsers import expat

from corpus_scripts.formats.bioc import BiocDocument, BiocOptions
from corpus_scripts.formats.files import stream_bytes
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

# Element → the elements that may stand in it; "" is the file. What is not named here holds text or nothing.
_CHILDREN = {
    "": {"collection"},
    "collection": {"source", "date", "key", "version", "infon", "document"},
    "document": {"id", "infon", "passage", "text", "sentence", "annotation", "relation"},
    "passage": {"infon", "offset", "text", "sentence", "annotation", "relation"},
    "sentence": {"infon", "offset", "text", "annotation", "relation"},
    "annotation": {"infon", "location", "text"},
    "relation": {"infon", "node"},
}
_ATTRIBUTES = ("id", "key", "offset", "length", "refid", "role")
_TEXT = ("source", "date", "key", "version", "id", "offset", "text", "infon")
_LISTS = {"passage", "sentence", "annotation", "relation", "location", "node", "document"}


def read_bioc_xml(path: Path, options: BiocOptions | None, tally: Tally) -> Iterator[Record]:
    """Read one BioC collection, plain or .gz or .xz; the file is UTF-8 whatever it declares.

    path (Path): The file.
    options (BiocOptions | None): How annotations are read.
    tally (Tally): Receives what was repaired.
    YIELDS (Record): One for each document; see BiocDocument.record.
    RAISES (ValueError): BC636 not well-formed, BC637 mention and text differ, BC638 not BioC, BC639 declares
        entities, BC611 not UTF-8, BC624 cannot be decompressed.
    """
    path = Path(path)
    options = options or BiocOptions()
    options.check()
    builder = _Builder(path)
    number = 0
    for block in _blocks(path):
        builder.feed(block)
        for line, document in builder.take():
            number += 1
            yield BiocDocument(document, options, path=path, line=line, number=number).record(tally)
    builder.feed("", final=True)


def _blocks(path: Path) -> Iterator[str]:
    """The text of a file in blocks."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    offset = 0
    for block in chain(stream_bytes(path), [b""]):
        waiting = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            # The error itself would quote the bytes.
            place = offset - waiting + error.start
            raise ValueError(Errors.BC611.format(path=path, offset=place)) from None
        yield text
        offset += len(block)


class _Builder:
    """Expat's events become documents in the shape of BioC JSON, given away as they are whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = [""]
        self.nodes: list[dict[str, Any]] = [{}]
        self.lines: list[int] = []
        self.text: list[str] = []
        self.whole: list[tuple[int, dict[str, Any]]] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.EntityDeclHandler = self._entity
        # A reference to what only the DTD, which is not fetched, could explain: text would be lost.
        self.parser.SkippedEntityHandler = self._skipped

    def feed(self, block: str, *, final: bool = False) -> None:
        try:
            self.parser.Parse(block, final)
        except expat.ExpatError as error:
            why = expat.ErrorString(error.code)
            message = Errors.BC636.format(
                path=self.path, line=error.lineno, column=error.offset + 1, format="XML", why=why
            )
            raise ValueError(message) from None

    def take(self) -> list[tuple[int, dict[str, Any]]]:
        """(line, document) of the documents that were completed, each once."""
        whole, self.whole = self.whole, []
        return whole

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _CHILDREN.get(self.names[-1], ()):
            raise self._refusal("an element that does not belong where it stands")
        if name == "document":
            self.lines.append(self.parser.CurrentLineNumber)
        self.names.append(name)
        self.nodes.append({key: attributes[key] for key in _ATTRIBUTES if key in attributes})
        self.text.clear()

    def _data(self, data: str) -> None:
        if self.names[-1] in _TEXT:
            self.text.append(data)
        elif data.strip():
            raise self._refusal("text where only elements may stand")

    def _end(self, name: str) -> None:
        self.names.pop()
        node = self.nodes.pop()
        parent = self.nodes[-1]
        if name == "document":
            self.whole.append((self.lines.pop(), node))
        elif name == "infon":
            _add_infon(parent.setdefault("infons", {}), node.get("key", ""), "".join(self.text))
        elif name in _LISTS:
            parent.setdefault(name + "s", []).append(node)
        elif name in _TEXT and self.names[-1] != "collection":
            # An attribute of the same name (id) counts as well.
            if name in parent:
                raise self._refusal("an element that may stand but once is repeated")
            parent[name] = "".join(self.text)
        self.text.clear()

    def _entity(self, *declaration: Any) -> None:
        raise ValueError(Errors.BC639.format(path=self.path, line=self.parser.CurrentLineNumber))

    def _skipped(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            raise self._refusal("a reference to an entity that the file does not explain")

    def _refusal(self, why: str) -> ValueError:
        line = self.parser.CurrentLineNumber
        return ValueError(
            Errors.BC638.format(path=self.path, line=line, document="?", annotation="", why=why)
        )


def _add_infon(infons: dict[str, Any], key: str, value: str) -> None:
    """Keep an infon; the values of a repeated key become a list."""
    if key not in infons:
        infons[key] = value
    elif isinstance(infons[key], list):
        infons[key].append(value)
    else:
        infons[key] = [infons[key], value]
