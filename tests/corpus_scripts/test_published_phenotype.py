"""The Phenotype task out of two CSV files, in both modes: pytest tests/corpus_scripts/test_published_phenotype.py."""

import csv
import gzip
import tracemalloc

import pytest

from corpus_scripts.corpora.published.phenotype import read_phenotype as read_published
from corpus_scripts.formats.phenotype_mimic import LABELS, read_phenotype
from corpus_scripts.record import check_record
from corpus_scripts.tally import Tally

NOTE_COLUMNS = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CATEGORY", "TEXT")
BOTH = pytest.mark.parametrize("reader", [read_published, read_phenotype])


def put(folder, annotations, notes, *, columns=LABELS):
    """annotations: (ROW_ID, NONE, positive labels); notes: (ROW_ID, TEXT)."""
    with open(folder / "ACTdb102003.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["HADM_ID", "ROW_ID", *reversed(columns), "NONE"])
        for row_id, none, positive in annotations:
            writer.writerow([7, row_id, *(int(label in positive) for label in reversed(columns)), none])
    with open(folder / "NOTEEVENTS.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(NOTE_COLUMNS)
        writer.writerows([row_id, 1, 2, "Discharge summary", text] for row_id, text in notes)
    return folder


def read(reader, path, tally=None):
    records = list(reader(path, tally or Tally()))
    for record in records:
        check_record(record)
        assert tuple(record.labels) == LABELS
    return records


def positive(record):
    assert set(record.labels.values()) <= {0.0, 1.0}
    return [label for label, value in record.labels.items() if value]


@BOTH
def test_phenotype_joins_in_the_order_of_the_annotations(tmp_path, reader):
    text = 'Pt "[**Name**]", DM\n\nlines\r\nand more, é\U0001f600'
    notes = [(5, "five"), (1, text), (9, "nobody asked"), (3, "three")]
    put(tmp_path, [(3, 0, ["OBESITY", "DEMENTIA"]), (1, 1, []), (5, 0, [])], notes)
    for path in (tmp_path, tmp_path / "ACTdb102003.csv"):
        records = read(reader, path)
        assert [(record.id, record.text) for record in records] == [
            ("3", "three"),
            ("1", text),
            ("5", "five"),
        ]
        assert [positive(record) for record in records] == [["DEMENTIA", "OBESITY"], [], []]


@BOTH
def test_phenotype_none_and_positive_is_left_out(tmp_path, reader):
    put(tmp_path, [(1, 1, ["UNSURE"]), (2, 1, []), (3, 0, ["UNSURE"])], [(n, f"note {n}") for n in (1, 2, 3)])
    tally = Tally()
    assert [(record.id, positive(record)) for record in read(reader, tmp_path, tally)] == [
        ("2", []),
        ("3", ["UNSURE"]),
    ]
    assert tally.dropped == {"none_and_positive": 1}


def test_phenotype_notes_that_are_not_there(tmp_path):
    put(tmp_path, [(1, 0, []), (2, 0, []), (3, 0, [])], [(2, "two")])
    tally = Tally()
    assert [record.id for record in read(read_published, tmp_path, tally)] == ["2"]
    assert tally.dropped == {"published_note_not_found": 2}
    with pytest.raises(ValueError, match=r"BC644.*NOTEEVENTS\.csv: 2 of 3 annotated notes"):
        read(read_phenotype, tmp_path)
    put(tmp_path, [(1, 0, [])], [(2, "two")])
    with pytest.raises(ValueError, match=r"BC644.*none of 1"):
        read(read_published, tmp_path)


@pytest.mark.parametrize("text", ["", "NA", "null"])
def test_phenotype_note_that_is_missing_to_pandas(tmp_path, text):
    put(tmp_path, [(1, 0, []), (2, 0, [])], [(1, "one"), (2, text)])
    with pytest.raises(ValueError, match=r"BC640.*line 3, ROW_ID 2.*--mode exact"):
        read(read_published, tmp_path)
    assert read(read_phenotype, tmp_path)[1].text == text


def test_phenotype_repeated_rows(tmp_path):
    put(tmp_path, [(1, 0, []), (1, 0, ["UNSURE"])], [(1, "one")])
    for reader in (read_published, read_phenotype):
        assert [record.id for record in read(reader, tmp_path)] == ["1", "1-2"]
    put(tmp_path, [(1, 0, [])], [(1, "one"), (1, "other")])
    assert [record.text for record in read(read_published, tmp_path)] == ["one", "other"]
    with pytest.raises(ValueError, match=r"BC641.*line 3.*ROW_ID 1 a second time"):
        read(read_phenotype, tmp_path)


def replace(name, old, new):
    def damage(folder):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(old, new, 1))

    return damage


@BOTH
@pytest.mark.parametrize(
    "damage, code",
    [
        (replace("ACTdb102003.csv", b"OBESITY", b"OBESE"), r"BC641.*ACTdb102003\.csv, line 1.*OBESITY"),
        (replace("NOTEEVENTS.csv", b"TEXT", b"NOTE"), r"BC641.*NOTEEVENTS\.csv, line 1.*TEXT"),
        (replace("NOTEEVENTS.csv", b'secret"', b"secret"), "BC641.*line 2.*never closed"),
        (replace("NOTEEVENTS.csv", b'secret"', b'secret","x"'), "BC641.*line 2.*6 cells"),
        (replace("NOTEEVENTS.csv", b"secret", b"secret\xff"), r"BC611.*NOTEEVENTS.*byte 86\)"),
        (replace("NOTEEVENTS.csv", b"\n1,", b"\nx1,"), "BC641.*line 2.*ROW_ID"),
        (replace("ACTdb102003.csv", b"7,1,0", b"7,1,2"), "BC641.*line 2.*0 nor 1"),
        (lambda folder: (folder / "NOTEEVENTS.csv").unlink(), "BC644.*no NOTEEVENTS"),
        (lambda folder: (folder / "ACTdb102003.csv").unlink(), "BC644.*no ACTdb"),
        (lambda folder: (folder / "NOTEEVENTS.csv").write_bytes(b""), "BC641.*no header"),
    ],
)
def test_phenotype_refusals(tmp_path, reader, damage, code):
    damage(put(tmp_path, [(1, 0, [])], [(1, "a secret")]))
    with pytest.raises(ValueError, match=code) as caught:
        read(reader, tmp_path)
    assert "secret" not in str(caught.value)


def test_phenotype_keeps_only_the_notes_it_wants(tmp_path):
    put(tmp_path, [(3, 0, [])], [(number, f"{number} " * 5000) for number in range(1, 600)])
    size = (tmp_path / "NOTEEVENTS.csv").stat().st_size
    data = (tmp_path / "NOTEEVENTS.csv").read_bytes()
    (tmp_path / "NOTEEVENTS.csv").unlink()
    (tmp_path / "NOTEEVENTS.csv.gz").write_bytes(gzip.compress(data, 1))
    del data
    tracemalloc.start()
    [record] = read(read_phenotype, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert record.text == "3 " * 5000
    assert size > 10_000_000 > 5_000_000 > peak
