"""Tables are read as the csv module and pandas read them: pytest tests/corpus_scripts/test_delimited.py."""

import csv
import gzip
import io
import json
import lzma
import sys
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.delimited import delimited_labels, read_delimited
from corpus_scripts.formats.jsonl import read_jsonl, write_jsonl
from corpus_scripts.formats.rows import RowOptions
from corpus_scripts.reading import ReadOptions, guess_format, read_paths, with_inventory
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally

NOTE = 'He said ""none"" of it,\nor two\r\nlines; and\ta tab.'


def read(tmp_path, data, options=None, *, name="notes.csv", inventory=None):
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read_delimited(path, options, inventory=inventory))


def test_delimited_quoted_cells_keep_breaks_separators_and_quotes(tmp_path):
    data = f'id,text,ward\n7,"{NOTE}",3\n\n,"x",\n'
    assert read(tmp_path, data) == [
        Record("7", NOTE.replace('""', '"'), meta={"ward": "3"}),
        Record("notes-00006", "x", meta={"ward": ""}),
    ]


def test_delimited_separator_goes_by_ending_format_or_option(tmp_path):
    expected = [Record("1", "a,b")]
    assert read(tmp_path, "id\ttext\n1\ta,b\n", name="x.tsv") == expected
    assert read(tmp_path, "id;text\n1;a,b\n", RowOptions(delimiter=";")) == expected
    assert read(tmp_path, gzip.compress(b'id,text\n1,"a,b"'), name="x.csv.gz") == expected
    assert read(tmp_path, lzma.compress(b"id\ttext\n1\ta,b"), name="x.tsv.xz") == expected
    (tmp_path / "x.data").write_text("id\ttext\n1\ta,b\n")
    assert list(read_paths([tmp_path / "x.data"], "tsv", ReadOptions(), Tally())) == expected
    assert guess_format(tmp_path / "x.csv.gz") == "csv"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimited_line_ends_and_byte_order_mark(tmp_path, end, mark):
    found = read(tmp_path, mark + f'text,n{end}"a{end}b",1{end}c,2{end}'.encode())
    assert [(record.text, record.meta) for record in found] == [(f"a{end}b", {"n": "1"}), ("c", {"n": "2"})]
    assert [record.id for record in found] == ["notes-00002", "notes-00004"]


def test_delimited_labels_in_one_cell_or_in_columns(tmp_path):
    data = "text,label\na,X\nb,\nc,Y\n"
    assert [record.labels for record in read(tmp_path, data)] == [
        {"X": 1.0, "Y": 0.0}, None, {"X": 0.0, "Y": 1.0},
    ]  # fmt: skip
    found = read(tmp_path, 'text,labels\na,X; Y\nb,\nc," Z "\n', RowOptions(label_separator=";"))
    assert [[label for label, value in (record.labels or {}).items() if value] for record in found] == [
        ["X", "Y"], [], ["Z"],
    ]  # fmt: skip
    assert all(list(record.labels or ()) == ["X", "Y", "Z"] for record in found)
    found = read(tmp_path, "text,X,Y\na,1,0.0\nb,True,\nc,,\n", RowOptions(label_columns=("X", "Y")))
    assert [record.labels for record in found] == [{"X": 1.0, "Y": 0.0}, {"X": 1.0}, None]
    assert [record.meta for record in found] == [{}, {}, {}]


def test_delimited_inventory_covers_all_files_of_a_corpus(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv"]
    for path, rows in zip(paths, ("text,label\na,X\n", "text,label\nb,Y\n", "text\nc\n")):
        path.write_text(rows)
    options = with_inventory(paths, "csv", ReadOptions())
    assert options.inventory == ("X", "Y")
    assert [record.labels for record in read_paths(paths, "csv", options, Tally())] == [
        {"X": 1.0, "Y": 0.0}, {"X": 0.0, "Y": 1.0}, None,
    ]  # fmt: skip
    assert delimited_labels(paths[2], RowOptions()) == set()


def test_delimited_spans_and_cats_are_json(tmp_path):
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows(
        [["text", "spans", "cats"], ["Orrin", '[[0, 5, "P"]]', '{"X": 1}'], ["b", "[]", ""], ["c", "", ""]]
    )
    found = read(tmp_path, file.getvalue())
    assert [record.spans for record in found] == [(TextSpan(0, 5, "P"),), (), None]
    assert [record.labels for record in found] == [{"X": 1.0}, None, None]


@pytest.mark.parametrize(
    "data, code, line",
    [
        ('text,n\na,1\n"Orrin,2\n\n', "BC630", 3),
        ('text,n\n"Orrin"x,2\n', "BC630", 2),
        ("text,n\na,1\nOrrin\n", "BC630", 3),
        ('text,n\n"a\nb",1\nOrrin,1,2\n', "BC630", 4),
        ("text,spans\nOrrin,[0\n", "BC630", 2),
        ("text,spans\nOrrin," + "[" * 50_000 + "\n", "BC630", 2),
        ('text,spans\nOrrin,"[[0, 9, ""P""]]"\n', "BC601", 2),
        ('text,cats\nOrrin,"[1]"\n', "BC630", 2),
        ("Orrin,n\na,1\n", "BC631", None),
        ("text,text\nOrrin,1\n", "BC631", None),
        (b"text\na\nOrr\xffin\n", "BC611", None),
        (b"\xff\xfet\x00e\x00", "BC611", None),
    ],
)
def test_delimited_malformed_table_is_named_not_quoted(tmp_path, data, code, line):
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path, data)
    message = str(caught.value)
    assert "notes.csv" in message
    assert "Orr" not in message
    assert line is None or f"line {line}:" in message or f"line {line}." in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_delimited_label_columns_must_be_there_and_hold_numbers(tmp_path):
    options = RowOptions(label_columns=("X",))
    with pytest.raises(ValueError, match=r"BC631.*'X'"):
        read(tmp_path, "text\na\n", options)
    for cell in ("yes", "2", "nan", "-1"):
        with pytest.raises(ValueError, match=r"BC630.*line 2"):
            read(tmp_path, f"text,X\na,{cell}\n", options)


def test_delimited_mistyped_bytes_are_located(tmp_path):
    with pytest.raises(ValueError, match="byte 600012"):
        read(tmp_path, b"text\n" + b"a long line\n" * 50_000 + b"b\r\n\r\nab\xff\n")


def test_delimited_a_file_without_rows_gives_none(tmp_path):
    for data in ("", "\n\n", "text,label\n", b"\xef\xbb\xbf"):
        assert read(tmp_path, data) == []


def test_delimited_long_cells_and_nul(tmp_path):
    note = "word, " * 2_000_000
    assert [record.text for record in read(tmp_path, f'text\n"{note}"\n')] == [note]
    if sys.version_info >= (3, 11):  # before, the csv module had no way to read it
        assert [record.text for record in read(tmp_path, 'text\n"a\x00b"\n')] == ["a\x00b"]
    else:
        with pytest.raises(ValueError, match="BC630"):
            read(tmp_path, 'text\n"a\x00b"\n')


def test_delimited_is_read_in_flat_memory(tmp_path):
    with (tmp_path / "big.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(1500):
            writer.writerow(["one line,\n" * 250, f"L{number % 3}"])
    tracemalloc.start()
    total = sum(len(record.text) for record in read_delimited(tmp_path / "big.csv"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 1500 * 2500
    assert peak < 2_500_000


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12) | st.text(
    '",;\t\r\n ab\ufeff\u2028', max_size=12
)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.sampled_from(",;\t"), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_delimited_agrees_with_csv_and_pandas(tmp_path, rows, delimiter, mark):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8-sig" if mark else "utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([["text", "ward"], *rows])
    found = [
        (record.text, record.meta["ward"]) for record in read_delimited(path, RowOptions(delimiter=delimiter))
    ]
    assert found == rows
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert [tuple(row) for row in csv.reader(file, delimiter=delimiter)][1:] == rows
    if not any("\r" in cell for row in rows for cell in row):
        frame = pandas.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        assert list(frame.itertuples(index=False, name=None)) == rows


def test_delimited_what_pandas_writes_is_read_as_the_same_jsonl(tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [{"id": f"n{n}", "text": NOTE * n + ".", "X": float(n % 2), "ward": f"{n}"} for n in range(5)]
    pandas.DataFrame(rows).to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = RowOptions(label_columns=("X",))
    records = list(read_delimited(tmp_path / "x.csv", options))
    assert records == list(read_jsonl(tmp_path / "x.jsonl", options))
    write_jsonl(records, tmp_path / "y.jsonl")
    assert list(read_jsonl(tmp_path / "y.jsonl")) == records
