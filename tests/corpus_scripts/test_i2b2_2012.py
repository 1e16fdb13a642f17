"""Events, times and links, in exact and published mode: pytest tests/corpus_scripts/test_i2b2_2012.py."""

import pytest

from corpus_scripts.corpora.published_i2b2 import read_2012
from corpus_scripts.formats.i2b2_2012 import read_i2b2_2012
from corpus_scripts.tally import Tally

TEXT = "\nAdmission Date :\n2014-03-05\nShe had R&amp;D tests for Quint&apos;s disease .\n"


def place(found):
    start = TEXT.index(found)
    return f'start="{start}" end="{start + len(found)}"'


# A bare & in a value, text as it is in the CDATA in one tag and decoded in the other, a type left empty.
TAGS = f"""<EVENT id="E0" {place("Admission")} text="Admission" modality="FACTUAL" polarity="POS" type="OCCURRENCE" />
<EVENT id="E1" {place("R&amp;D tests")} text="R&D tests" modality="FACTUAL" polarity="POS" type="TEST" />
<EVENT id="E2" {place("Quint&apos;s disease")} text="Quint's disease" modality="FACTUAL"
       polarity="NEG" type="PROBLEM" />
<EVENT id="E3" {place("had")} text="had" modality="FACTUAL" polarity="POS" type="" />
<TIMEX3 id="T0" {place("2014-03-05")} text="2014-03-05" type="DATE" val="2014-03-05" mod="NA" />
<SECTIME id="S0" {place("2014-03-05")} text="2014-03-05" type="ADMISSION" dvalue="2014-03-05" />
<TLINK id="TL0" fromID="E0" fromText="Admission" toID="T0" toText="2014-03-05" type="OVERLAP" />
"""


def put(folder, tags=TAGS, text=TEXT):
    content = (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<ClinicalNarrativeTemporalAnnotation>\n'
        f"<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{tags}</TAGS>\n</ClinicalNarrativeTemporalAnnotation>"
    )
    (folder / "357.xml").write_bytes(content.encode())
    return folder


def read(folder, tally=None, **options):
    return next(read_i2b2_2012(folder, tally if tally is not None else Tally(), **options))


def mentions(record):
    return [(span.id, span.label, record.text[span.start : span.end]) for span in record.spans]


EVENTS = [
    ("E0", "OCCURRENCE", "Admission"), ("E1", "TEST", "R&amp;D tests"),
    ("E2", "PROBLEM", "Quint&apos;s disease"), ("E3", "EVENT", "had"),
]  # fmt: skip


def test_i2b2_2012_events_are_spans_and_the_rest_is_meta(tmp_path):
    tally = Tally()
    record = read(put(tmp_path), tally)
    assert (record.id, record.text) == ("357", TEXT)
    assert mentions(record) == EVENTS
    assert tally.repaired == {"bare_ampersand": 1, "event_without_type": 1}
    assert record.meta["TLINK"] == [{"id": "TL0", "fromID": "E0", "toID": "T0", "type": "OVERLAP"}]
    assert record.meta["EVENT"][2] == {
        "id": "E2", "modality": "FACTUAL", "polarity": "NEG",
        "start": record.spans[2].start, "end": record.spans[2].end,
    }  # fmt: skip
    assert record.meta["TIMEX3"][0]["val"] == record.meta["SECTIME"][0]["dvalue"] == "2014-03-05"
    assert "disease" not in str(record.meta)


def test_i2b2_2012_times_are_spans_where_asked_for(tmp_path):
    assert mentions(read(put(tmp_path), timex=True)) == [*EVENTS, ("T0", "DATE", "2014-03-05")]


def test_i2b2_2012_unknown_tags_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"BC645.*357\.xml, line 9:"):
        read(put(tmp_path, "<PHI id='x' />"))


def test_i2b2_2012_wrong_offsets_are_refused_without_quoting(tmp_path):
    tags = '<EVENT id="E0" start="3" end="9" text="fever" type="PROBLEM" />'
    with pytest.raises(ValueError, match=r"BC646.*357\.xml, line 9:") as caught:
        read(put(tmp_path, tags))
    assert "fever" not in str(caught.value)


def test_i2b2_2012_published_lines_and_tags(tmp_path):
    found = {
        record.id: (record.text, " ".join(record.meta["tags"]))
        for record in read_2012(put(tmp_path), Tally())
    }
    assert found == {
        "357:2": ("Admission Date :", "B-OCCURRENCE O O"),
        "357:3": ("2014-03-05", "O"),
        "357:4": (
            "She had R&amp;D tests for Quint&apos;s disease .", "O O B-TEST I-TEST O B-PROBLEM I-PROBLEM O",
        ),
    }  # fmt: skip
