"""Read the 2006 i2b2 de-identification notes: one file of RECORDs whose TEXT holds inline ``<PHI TYPE="X">`` tags.

The text of a record is what stands between the line of <TEXT> and </TEXT>, without the PHI tags and with ``&amp;``
and its like decoded. Several versions of the training file went round, one with a mismatched tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.formats.files import read_text
from corpus_scripts.formats.i2b2_xml import decode_references
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TYPES = ("ID", "HOSPITAL", "PATIENT", "PHONE", "DATE", "DOCTOR", "LOCATION", "AGE")
_RECORD = re.compile(r'<RECORD ID="([^"<>\n]+)"\s*>')
_BEFORE = re.compile(r"\s*(?:<[^<>]*>\s*)*")
_AFTER = re.compile(r"\s*(?:</(?:RECORD|ROOT)\s*>\s*)*")
_PHI = re.compile(r'<PHI TYPE="(\w+)"\s*>|</PHI\s*>|</?PHI\b')
_TEXT, _TEXT_END, _RECORD_END = "<TEXT>", "</TEXT>", "</RECORD>"


def read_i2b2_2006(path: Path, tally: Tally) -> Iterator[Record]:
    """Read one file.

    path (Path): The file. Line ends are read as XML prescribes: CR LF and CR count as one LF.
    tally (Tally): Receives bare ampersands and "<" (kept as text), stray </PHI> and missing </TEXT>, and tags
        with nothing inside (left out).
    YIELDS (Record): Of each RECORD, its ID as id, spans labelled by TYPE in the order of the text.
    RAISES (ValueError): BC645 with file and line, BC611, BC612 if there is no record.
    """
    content = read_text(path).removeprefix("\ufeff")
    if "\r" in content:
        tally.repaired["line_ends_as_xml_reads_them"] += 1
        content = content.replace("\r\n", "\n").replace("\r", "\n")
    heads = list(_RECORD.finditer(content))
    if not heads:
        raise ValueError(Errors.BC612.format(where=path))
    if not _BEFORE.fullmatch(content, 0, heads[0].start()):
        raise _refuse(path, 1, "text stands before the first <RECORD>")
    line = 1 + content.count("\n", 0, heads[0].start())
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(content)
        record = _read_record(path, line, head.group(1), content[head.end() : end], tally)
        check_record(record, where=f"{path}, line {line}")
        yield record
        line += content.count("\n", head.start(), end)


def _read_record(path: Path, line: int, name: str, content: str, tally: Tally) -> Record:
    """The record of what stands between two <RECORD …>; ``line`` is that of the first."""
    begin = content.find(_TEXT)
    if begin < 0 or content[:begin].strip():
        raise _refuse(path, line, "<RECORD> is not followed by <TEXT>")
    begin += len(_TEXT)
    end = content.find(_TEXT_END, begin)
    after = end + len(_TEXT_END)
    if end < 0:
        end = after = content.find(_RECORD_END, begin)
        if end < 0:
            raise _refuse(path, line, "the record does not end")
        tally.repaired["missing_end_of_text"] += 1
    if not _AFTER.fullmatch(content, after):
        raise _refuse(path, line + content.count("\n", 0, after), "text stands behind </TEXT>")
    line += content.count("\n", 0, begin)
    if content.startswith("\n", begin):  # the end of the line that holds <TEXT>
        begin, line = begin + 1, line + 1
    text, spans = _read_text(path, line, content[begin:end], tally)
    return Record(name, text, tuple(spans))


def _read_text(path: Path, line: int, body: str, tally: Tally) -> tuple[str, list[TextSpan]]:
    parts: list[str] = []
    spans: list[TextSpan] = []
    length = position = 0
    opened: tuple[int, str] | None = None

    def add(piece: str) -> None:
        nonlocal length
        if "<" in piece:
            tally.repaired["bare_less_than"] += piece.count("<")
        parts.append(decode_references(piece, tally))
        length += len(parts[-1])

    for match in _PHI.finditer(body):
        add(body[position : match.start()])
        position = match.end()
        label = match.group(1)
        if label and opened is None:
            opened = (length, label)
        elif match.group().startswith("</") and match.group().endswith(">"):
            if opened is None:
                tally.repaired["stray_end_of_mention"] += 1
            elif opened[0] == length:
                tally.dropped["empty_mention"] += 1
            else:
                spans.append(TextSpan(opened[0], length, opened[1]))
            opened = None
        else:
            why = "a PHI tag stands inside another" if label else "a PHI tag is not as published"
            raise _refuse(path, line + body.count("\n", 0, match.start()), why)
    add(body[position:])
    if opened is not None:
        raise _refuse(path, line + body.count("\n"), "a PHI tag of this record is not closed")
    return "".join(parts), spans


def _refuse(path: Path, line: int, why: str) -> ValueError:
    return ValueError(Errors.BC645.format(path=path, line=line, why=why))
