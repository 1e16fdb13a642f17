"""ChemProt in BLUE's files, in both modes: pytest tests/corpus_scripts/test_published_chemprot.py."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.corpora.published.chemprot import LABELS, PUBLISHED_COUNTS, read_chemprot
from corpus_scripts.corpora.published.pandas_tsv import MISSING, rows_like_pandas
from corpus_scripts.formats.chemprot_blue import read_chemprot_blue
from corpus_scripts.record import check_record
from corpus_scripts.tally import Tally

HEAD = "index\tsentence\tlabel\n"


def put(folder, content, name="train.tsv"):
    path = folder / name
    path.write_bytes(content.encode())
    return path


def read(reader, path, tally=None):
    records = list(reader(path, tally or Tally()))
    for record in records:
        check_record(record)
    return records


def positive(record):
    assert tuple(record.labels) == LABELS
    assert sorted(record.labels.values()) == [0.0] * 5 + [1.0]
    return next(label for label, value in record.labels.items() if value)


def as_blue_writes(rows):
    file = io.StringIO()
    csv.writer(file, delimiter="\t", lineterminator="\n").writerows([["index", "sentence", "label"], *rows])
    return file.getvalue()


ROWS = [
    ["1.T1.T2", "@CHEMICAL$ binds @GENE$.", "CPR:3"],
    ["1.T1.T3", 'the "so-called" @CHEMICAL$', "false"],
    ["1.T1.T3", '"@GENE$" alone', "CPR:9"],
    ["1.T1.T4", 'a 5" gel of @GENE$', "CPR:4"],
]


def test_chemprot_both_modes_read_what_blue_writes(tmp_path):
    path = put(tmp_path, as_blue_writes(ROWS))
    tally = Tally()
    exact, published = read(read_chemprot_blue, path, tally), read(read_chemprot, path)
    for records in (exact, published):
        assert [record.text for record in records] == [row[1] for row in ROWS]
        assert [positive(record) for record in records] == [row[2] for row in ROWS]
        assert [record.id for record in records] == ["1.T1.T2", "1.T1.T3", "1.T1.T3-2", "1.T1.T4"]
    assert tally.repaired == {"quoted_cell": 3}


def test_chemprot_label_ids_of_a_file_that_misses_a_class(tmp_path):
    path = put(tmp_path, as_blue_writes(ROWS))
    # CPR:5 and CPR:6 do not occur: the published ids move down, the exact ones do not.
    assert [record.meta["label_id"] for record in read(read_chemprot, path)] == [0, 3, 2, 1]
    assert [record.meta["label_id"] for record in read(read_chemprot_blue, path)] == [0, 5, 4, 1]
    whole = put(tmp_path, HEAD + "".join(f"{n}\tx\t{label}\n" for n, label in enumerate(LABELS)), "dev.tsv")
    for reader in (read_chemprot, read_chemprot_blue):
        assert [record.meta["label_id"] for record in read(reader, whole)] == list(range(6))


def test_chemprot_unquoted_marks_are_swallowed_by_pandas_only(tmp_path):
    content = HEAD + '1\t"open quote\tCPR:3\n2\tb\tfalse\n3\tclosed" now\tCPR:4\n'
    path = put(tmp_path, content)
    [record] = read(read_chemprot, path)
    assert (record.text, positive(record)) == ("open quote\tCPR:3\n2\tb\tfalse\n3\tclosed now", "CPR:4")
    assert [record.text for record in read(read_chemprot_blue, path)] == ['"open quote', "b", 'closed" now']
    path = put(tmp_path, HEAD + '1\t"never closed\tCPR:3\n2\tb\tfalse\n')
    with pytest.raises(ValueError, match=r"BC640.*train\.tsv, line 2.*quoted cell.*--mode exact"):
        read(read_chemprot, path)
    assert len(read(read_chemprot_blue, path)) == 2


@pytest.mark.parametrize("missing", sorted(MISSING))
def test_chemprot_cells_that_are_missing_to_pandas(tmp_path, missing):
    path = put(tmp_path, HEAD + f"1\tb\tfalse\n2\t{missing}\tCPR:3\n")
    with pytest.raises(ValueError, match=r"BC640.*line 3.*missing value.*--mode exact"):
        read(read_chemprot, path)
    assert read(read_chemprot_blue, path)[1].text == missing


@pytest.mark.parametrize(
    "content, code",
    [
        ("", "BC612"),
        (HEAD, "BC612"),
        ("index\ttext\tlabel\n1\ta\tfalse\n", "BC641.*line 1.*sentence"),
        (HEAD + "1\ta\tCPR:7\n", "BC641.*line 2.*CPR:3"),
        (HEAD + "1\ta\tfalse\n2\ta\tb\tfalse\n", "BC64[01].*line 3.*4 cells"),
        (HEAD + "1\tfalse\n", "BC64[01].*line 2"),
    ],
)
@pytest.mark.parametrize("reader", [read_chemprot, read_chemprot_blue])
def test_chemprot_refusals(tmp_path, content, code, reader):
    with pytest.raises(ValueError, match=code):
        read(reader, put(tmp_path, content))


# Without a CR of its own, which pandas takes for half a line end.
CELL = st.text(alphabet='ab "\n', max_size=6) | st.sampled_from(["NA", "null", '"a\tb"', '"a""b"c', "1"])


@given(
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n", "\n\n", ""])
)
@settings(max_examples=300, deadline=None)
def test_chemprot_cells_are_those_of_pandas(tmp_path_factory, rows, last):
    pandas = pytest.importorskip("pandas")
    content = HEAD + "\n".join("\t".join(row) for row in rows) + last
    path = put(tmp_path_factory.mktemp("tsv"), content)
    try:
        [_, *mine] = [cells for _, cells in rows_like_pandas(path)]
    except ValueError:
        with pytest.raises(pandas.errors.ParserError):
            pandas.read_csv(path, sep="\t", dtype=str)
        return
    if any(len(cells) > 3 for cells in mine):
        return  # pandas stops, or takes the first column for an index
    frame = pandas.read_csv(path, sep="\t", dtype=str)
    theirs = [["" if pandas.isna(cell) else cell for cell in row] for row in frame.to_numpy().tolist()]
    padded = [["" if cell in MISSING else cell for cell in [*cells, "", ""][:3]] for cells in mine]
    assert padded == theirs


def test_chemprot_published_counts():
    assert PUBLISHED_COUNTS == {"train": 19460, "dev": 11820, "test": 16943}
