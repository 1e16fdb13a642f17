"""Read the 2012 i2b2 temporal relations notes: EVENT, TIMEX3, SECTIME and TLINK tags over a discharge summary.

Offsets count the characters of the CDATA text from 0, its leading line break included, end excluded (seen from 1,
as in the published loader: start+1 … end).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpus_scripts.formats.i2b2_mentions import Mention, check_mismatch, mention_of, place
from corpus_scripts.formats.i2b2_xml import Tag, parse_i2b2_xml, xml_files
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TYPES = ("OCCURRENCE", "EVIDENTIAL", "TREATMENT", "CLINICAL_DEPT", "PROBLEM", "TEST")
# Label of an event whose type the annotators left empty.
UNTYPED = "EVENT"
_KEPT = {
    "EVENT": ("id", "modality", "polarity", "sec_time_rel"),
    "TIMEX3": ("id", "type", "val", "mod"),
    "SECTIME": ("id", "type", "dvalue"),
    "TLINK": ("id", "fromID", "toID", "type"),
}


def read_i2b2_2012(
    path: Path, tally: Tally, *, timex: bool = False, mismatch: str = "error"
) -> Iterator[Record]:
    """Read all .xml files of a folder and those below it, or one file.

    path (Path): The folder or file.
    tally (Tally): Receives what was repaired: see parse_i2b2_xml and place; "event_without_type" (label EVENT).
    timex (bool): Make spans of time expressions too, labelled by their type (DATE, TIME, DURATION, FREQUENCY).
    mismatch (str): A mention whose text stands neither at its offsets nor once nearby is an "error", or its
        offsets are trusted ("keep").
    YIELDS (Record): Spans are events, in the order of the file, with their ids. ``meta`` holds the attributes of
        all tags by kind ("EVENT", "TIMEX3", "SECTIME", "TLINK"), with offsets, without text.
    RAISES (ValueError): BC645, BC646, BC611, BC612.
    """
    check_mismatch(mismatch)
    for file in xml_files(path):
        yield _read_note(file, tally, timex, mismatch)


def _read_note(file: Path, tally: Tally, timex: bool, mismatch: str) -> Record:
    document = parse_i2b2_xml(file, tally)
    if document.tags is None:
        return Record(file.stem, document.text, None)
    mentions: list[Mention] = []
    meta: dict[str, list[dict[str, Any]]] = {}
    for tag in document.tags:
        if tag.name not in _KEPT:
            why = "a tag is neither EVENT, TIMEX3, SECTIME nor TLINK"
            raise ValueError(Errors.BC645.format(path=file, line=tag.line, why=why))
        meta.setdefault(tag.name, []).append(_facts(tag))
        if tag.name == "EVENT" or (timex and tag.name == "TIMEX3"):
            label = tag.attributes.get("type", "").strip()
            if not label:
                tally.repaired["event_without_type"] += 1
            mentions.append(mention_of(tag, label or UNTYPED, file))
    spans = place(document.text, mentions, file, tally, mismatch=mismatch)
    record = Record(file.stem, document.text, tuple(spans), meta=meta)
    check_record(record, where=str(file))
    return record


def _facts(tag: Tag) -> dict[str, Any]:
    facts: dict[str, Any] = {key: tag.attributes[key] for key in _KEPT[tag.name] if key in tag.attributes}
    for key in ("start", "end"):
        value = tag.attributes.get(key, "")
        if value.isascii() and value.isdigit() and len(value) < 10:
            facts[key] = int(value)
    return facts
