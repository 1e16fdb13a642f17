"""Read the 2014 i2b2/UTHealth de-identification notes: one XML file a note, PHI tags with offsets and TYPE.

Files are named PATIENT-RECORD.xml ("180-03.xml"), which is also the record's id.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.formats.i2b2_mentions import check_mismatch, mention_of, place
from corpus_scripts.formats.i2b2_xml import parse_i2b2_xml, xml_files
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TYPES = (
    "IDNUM", "HOSPITAL", "PATIENT", "PHONE", "DATE", "DOCTOR", "LOCATION-OTHER", "AGE", "BIOID", "STATE", "ZIP",
    "HEALTHPLAN", "ORGANIZATION", "MEDICALRECORD", "CITY", "STREET", "COUNTRY", "URL", "USERNAME", "PROFESSION",
    "FAX", "EMAIL", "DEVICE",
)  # fmt: skip


def read_i2b2_2014(path: Path, tally: Tally, *, mismatch: str = "error") -> Iterator[Record]:
    """Read all .xml files of a folder and those below it, or one file.

    path (Path): The folder or file.
    tally (Tally): Receives what was repaired: see parse_i2b2_xml and place; "type_outside_the_list" for a TYPE
        that is not one of TYPES (it is kept).
    mismatch (str): A mention whose text stands neither at its offsets nor once nearby is an "error", or its
        offsets are trusted ("keep").
    YIELDS (Record): Label = TYPE; spans None where the file has no TAGS (the release without annotations).
    RAISES (ValueError): BC645, BC646, BC611, BC612.
    """
    check_mismatch(mismatch)
    for file in xml_files(path):
        yield read_note(file, tally, mismatch=mismatch)


def read_note(file: Path, tally: Tally, *, mismatch: str = "error") -> Record:
    """Read one file; see read_i2b2_2014."""
    document = parse_i2b2_xml(file, tally)
    meta = {"patient": file.stem.partition("-")[0]}
    if document.tags is None:
        return Record(file.stem, document.text, None, meta=meta)
    mentions = []
    for tag in document.tags:
        label = tag.attributes.get("TYPE", "").strip()
        if not label:
            raise ValueError(Errors.BC645.format(path=file, line=tag.line, why="the tag has no TYPE"))
        if label not in TYPES:
            tally.repaired["type_outside_the_list"] += 1
        mentions.append(mention_of(tag, label, file))
    spans = place(document.text, mentions, file, tally, mismatch=mismatch)
    record = Record(file.stem, document.text, tuple(spans), meta=meta)
    check_record(record, where=str(file))
    return record
