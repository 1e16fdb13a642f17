"""Rows of the MIMIC note tables, as they are published: pytest tests/corpus_scripts/test_mimic_notes.py."""

import csv
import gzip
import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.mimic_notes import NoteOptions, read_mimic_notes
from corpus_scripts.tally import Tally

HEADER = (
    '"ROW_ID","SUBJECT_ID","HADM_ID","CHARTDATE","CHARTTIME","STORETIME","CATEGORY","DESCRIPTION",'
    '"CGID","ISERROR","TEXT"\n'
)
ROWS = (
    '174,22532,167853,"2151-08-04",,,"Discharge summary","Report",,,"Admission Date:  [**2151-7-16**]\n'
    '\nSaid ""ow"", twice.\n"\n'
    '175,13702,,"2118-06-14",,,"Physician ","Attending",,1,"Wrong, patient"\n'
    '176,13702,,"2118-06-14",,,"Physician ","Attending",16,,"Stable.\r\nGoes home\u2028 "\n'
)
TEXTS = ['Admission Date:  [**2151-7-16**]\n\nSaid "ow", twice.\n', "Stable.\r\nGoes home\u2028 "]


def write(folder, content, name="NOTEEVENTS.csv"):
    data = content if isinstance(content, bytes) else content.encode()
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(path, tally=None, **options):
    return list(read_mimic_notes(path, tally if tally is not None else Tally(), NoteOptions(**options)))


@pytest.mark.parametrize("name", ["NOTEEVENTS.csv", "NOTEEVENTS.csv.gz"])
def test_mimic_iii_notes_keep_their_text_and_ids(tmp_path, name):
    tally = Tally()
    first, second = read(write(tmp_path, HEADER + ROWS, name), tally)
    assert [first.text, second.text] == TEXTS
    assert (first.id, second.id) == ("174", "176")
    assert first.meta == {
        "subject_id": "22532", "hadm_id": "167853", "chartdate": "2151-08-04",
        "category": "Discharge summary", "description": "Report",
    }  # fmt: skip
    assert first.spans is None
    assert first.labels is None
    assert tally.dropped == {"marked_as_error": 1}


def test_mimic_iii_options_choose_rows_and_count_the_others(tmp_path):
    path = write(tmp_path, HEADER + ROWS)
    assert [record.id for record in read(path, keep_errors=True)] == ["174", "175", "176"]
    tally = Tally()
    assert [record.id for record in read(path, tally, categories=("PHYSICIAN",))] == ["176"]
    assert tally.dropped == {"marked_as_error": 1, "other_category": 1}
    tally = Tally()
    assert [record.id for record in read(path, tally, min_characters=20)] == ["174"]
    assert tally.dropped == {"marked_as_error": 1, "short_note": 1}


def test_mimic_column_names_in_any_case_and_order_and_a_byte_order_mark(tmp_path):
    content = '\ufefftext,Row_ID\r\n"a, b",5\r\n'.encode()
    [record] = read(write(tmp_path, content))
    assert (record.id, record.text, record.meta) == ("5", "a, b", {})


def test_mimic_iv_notes_of_a_folder(tmp_path):
    header = "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text\n"
    write(tmp_path, header + '100-DS-1,100,22,DS,1,2180-05-07 00:00:00,,"Went home.\n"\n', "discharge.csv.gz")
    write(tmp_path, header + '100-RR-2,100,,RR,2,2180-05-06 00:00:00,,"No effusion."\n', "radiology.csv")
    write(tmp_path, "note_id,field_name\n", "discharge_detail.csv.gz")
    first, second = read(tmp_path)
    assert (first.id, first.text) == ("100-DS-1", "Went home.\n")
    assert second.meta == {
        "subject_id": "100",
        "category": "RR",
        "note_seq": "2",
        "charttime": "2180-05-06 00:00:00",
    }
    assert [record.id for record in read(tmp_path, categories=("ds",))] == ["100-DS-1"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="BC612"):
        read(empty)


@pytest.mark.parametrize(
    "content, line",
    [
        ("", 1), ("ROW_ID,CATEGORY\n1,x\n", 1), ("TEXT\nStable\n", 1), ("ROW_ID,TEXT,TEXT\n1,Stable,x\n", 1),
        (HEADER + ROWS + "177,Stable\n", 9), (HEADER + ROWS + "177" + "," * 11 + "Stable\n", 9),
        (HEADER + ROWS + '177,,,,,,,,,,"Stable\n\n', 9), (HEADER + ROWS + '177,,,,,,,,,,"Stable"x\n', 9),
        ("ROW_ID,TEXT\n\n ,Stable\n", 3),
    ],
)  # fmt: skip
def test_mimic_other_tables_are_refused_with_the_line_of_the_row(tmp_path, content, line):
    with pytest.raises(ValueError, match=rf"BC650.*NOTEEVENTS\.csv, line {line}:") as caught:
        read(write(tmp_path, content))
    assert "Stable" not in str(caught.value)


def test_mimic_categories_need_their_column(tmp_path):
    with pytest.raises(ValueError, match=r"BC650.*line 1"):
        read(write(tmp_path, "ROW_ID,TEXT\n1,x\n"), categories=("x",))


@pytest.mark.parametrize("name", ["n.csv", "n.csv.gz"])
@pytest.mark.parametrize("before", [0, 5, 70_000, (1 << 20) + 7])
def test_mimic_bytes_that_are_not_utf8_are_refused_with_their_offset(tmp_path, name, before):
    head = b'ROW_ID,TEXT\n1,"'
    content = head + "é".encode() * (before // 2) + b'\xe9!"\n'
    with pytest.raises(ValueError, match=rf"BC611.*byte {len(head) + before // 2 * 2}\)"):
        read(write(tmp_path, content, name))


def test_mimic_damaged_archive_is_refused(tmp_path):
    path = write(tmp_path, HEADER + ROWS, "NOTEEVENTS.csv.gz")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="BC624"):
        read(path)


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")), max_size=5))
@settings(max_examples=100, deadline=None)
def test_mimic_any_text_a_csv_writer_writes_comes_back(tmp_path_factory, texts):
    table = io.StringIO(newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["ROW_ID", "TEXT"], *([str(number), f"x{text}"] for number, text in enumerate(texts))])
    records = read(write(tmp_path_factory.mktemp("csv"), table.getvalue()))
    assert [record.text for record in records] == [f"x{text}" for text in texts]


def test_mimic_memory_does_not_grow_with_the_table(tmp_path):
    path = tmp_path / "NOTEEVENTS.csv"
    note = ('"' + "Seen on rounds, stable, no change in plan.\n" * 60 + '"').encode()
    with path.open("wb") as file:
        file.write(b"ROW_ID,CATEGORY,TEXT\n")
        for number in range(6000):
            file.write(b"%d,Nursing,%b\n" % (number, note))
    tracemalloc.start()
    count = sum(1 for _ in read_mimic_notes(path, Tally()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 6000
    assert path.stat().st_size > 15_000_000
    assert peak < 4_000_000
