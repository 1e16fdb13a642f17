"""JSONL, tables and Parquet of any bytes are read or refused: pytest tests/corpus_scripts/test_fuzz_rows.py."""

import csv
import io
import json
import logging
import os
import time
from functools import partial
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.datasets_hub import read_dataset
from corpus_scripts.formats.delimited import read_delimited
from corpus_scripts.formats.jsonl import read_jsonl, write_jsonl
from corpus_scripts.formats.row_parts import DIALECTS, RowOptions
from corpus_scripts.record import check_unique_ids
from tests.corpus_scripts.fuzzing import CANARY, damaged, read_or_refuse, write

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "80"))
fuzz = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ROWS = [
    {"id": "a", "text": f"{CANARY} and\nmore", "spans": [{"start": 0, "end": 11, "label": "P", "id": "T1"}]},
    {"id": 2, "text": CANARY, "cats": {"X": 1, "Y": 0.5}, "tokens": [[0, 11]], "ward": {"n": [1, None]}},
    {"text": f"{CANARY} x", "labels": ["X", "Z"]},
    {"text": f"{CANARY} x", "_task_hash": 1, "answer": "accept", "spans": [{"start": 0, "end": 11, "label": "P"}],
     "tokens": [{"text": CANARY, "start": 0, "end": 11, "id": 0}, {"text": "x", "start": 12, "end": 13, "id": 1}]},
    {"text": CANARY, "options": [{"id": "X"}, {"id": 1}], "accept": ["X"], "answer": "accept"},
    {"text": CANARY, "label": "X", "answer": "reject"},
    {"id": 7, "text": CANARY, "entities": [{"id": 1, "label": "P", "start_offset": 0, "end_offset": 11}],
     "relations": [{"from_id": 1, "to_id": 1, "type": "r"}], "Comments": []},
    {"data": CANARY, "label": [[0, 11, "P"]]},
    {"tokens": [CANARY, "x"], "ner_tags": ["B-P", "I-P"]},
]  # fmt: skip
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def table(delimiter=","):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(["id", "text", "labels", "spans", "X", "ward"])
    writer.writerow(["1", f'{CANARY}, "and"\nmore', "A;B", '[[0, 11, "P"]]', "1", "w"])
    writer.writerow(["2", f"{CANARY} x", "", "", "0", ""])
    writer.writerow(["", CANARY, "A", "[]", "", "w\tx"])
    return file.getvalue().encode()


options_of_rows = st.builds(
    RowOptions, dialect=st.sampled_from(DIALECTS), tokens=st.sampled_from(("ignore", "keep"))
)
options_of_tables = st.builds(
    RowOptions,
    delimiter=st.sampled_from(("", ",", "\t")),
    label_separator=st.sampled_from(("", ";")),
    label_columns=st.sampled_from(((), ("X",))),
)
inventories = st.none() | st.just(("A", "B", "X", "Z"))


@given(damaged(JSONL), options_of_rows, inventories)
@fuzz
def test_fuzz_jsonl(tmp_path, data, options, inventory):
    path = write(tmp_path, "x.jsonl", data)
    records = read_or_refuse(lambda: read_jsonl(path, options, inventory=inventory))
    write_jsonl(records, tmp_path / "again.jsonl")
    assert repr(list(read_jsonl(tmp_path / "again.jsonl"))) == repr(records)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400)
    | st.sampled_from((CANARY, f"{CANARY} x", "", "X", "accept", "reject", "ignore", "B-P", "O"))
)  # fmt: skip
keys = st.sampled_from(
    ("id", "text", "spans", "cats", "labels", "label", "tokens", "_meta", "answer", "accept", "options", "entities",
     "annotations", "Comments", "relations", "data", "_task_hash", "ner_tags", "start", "end", "start_offset", "X")
)  # fmt: skip
objects = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(keys, objects, max_size=6), max_size=3), options_of_rows, inventories)
@fuzz
def test_fuzz_rows_of_any_kinds(tmp_path, rows, options, inventory):
    made = ({"text": CANARY, **row} if index % 2 else row for index, row in enumerate(rows))
    path = write(tmp_path, "x.jsonl", "".join(json.dumps(row) + "\n" for row in made).encode())
    records = read_or_refuse(lambda: read_jsonl(path, options, inventory=inventory))
    write_jsonl(records, tmp_path / "again.jsonl")
    assert repr(list(read_jsonl(tmp_path / "again.jsonl"))) == repr(records)


@given(damaged(table()), options_of_tables, inventories)
@fuzz
def test_fuzz_csv(tmp_path, data, options, inventory):
    path = write(tmp_path, "x.csv", data)
    read_or_refuse(lambda: read_delimited(path, options, inventory=inventory))


@given(damaged(table("\t")), options_of_tables, inventories)
@fuzz
def test_fuzz_tsv(tmp_path, data, options, inventory):
    path = write(tmp_path, "x.tsv", data)
    read_or_refuse(lambda: read_delimited(path, options, inventory=inventory))


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    tagged = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=["O", "B-P", "I-P"])),
        }
    )
    rows = [{"id": str(n), "tokens": [CANARY, "x"], "ner_tags": [1, 2]} for n in range(20)]
    path = tmp_path_factory.mktemp("parquet") / "x.parquet"
    datasets.Dataset.from_list(rows, features=tagged).to_parquet(path)
    return path.read_bytes()


@given(st.data())
@settings(fuzz, max_examples=max(1, EXAMPLES // 3))  # opening one takes some 15 ms
def test_fuzz_parquet(tmp_path, parquet, data):
    path = write(tmp_path, "x.parquet", data.draw(damaged(parquet)))
    read_or_refuse(lambda: read_dataset(path))


LONG = "w " * 5_000_000
CASES = {
    "empty": b"",
    "nul": b"\x00",
    "byte order mark": b"\xef\xbb\xbf",
    "utf-16": f"text\n{CANARY}\n".encode("utf-16"),
    "latin-1": f"text\n{CANARY} \xe9\n".encode("latin-1"),
    "a long line": LONG.encode(),
    "a long row": b'text\n"' + LONG.encode() + b'"\n',
    "a long object": json.dumps({"text": LONG, "spans": [[0, 1, "w"]]}).encode(),
    "a long list": json.dumps({"text": CANARY, "labels": ["X"] * 1_000_000}).encode(),
    "one long field of quotes": b'text\n"' + b'""' * 5_000_000,
    "offsets outside": b'text,spans\nab,"[[0, 99, ""P""]]"\n',
    "offsets outside too": json.dumps({"text": CANARY, "spans": [[5, 99, "P"]]}).encode(),
    "deep": b'{"text": ' * 50_000,
    "no columns": b",,,\n,,,\n",
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv", ".jsonl.gz", ".csv.xz", ".parquet"])
def test_fuzz_odd_files(tmp_path, case, ending):
    if ending == ".parquet":
        pytest.importorskip("datasets")
    path = write(tmp_path, f"x{ending}", CASES[case])
    read = {"j": read_jsonl, "p": read_dataset}.get(ending[1], read_delimited)
    read_or_refuse(lambda: read(path))


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n", b"\n\r"])
def test_fuzz_line_ends_mixed(tmp_path, end):
    lines = JSONL.split(b"\n")
    mixed = write(tmp_path, "x.jsonl", lines[0] + end + b"\n".join(lines[1:3]) + b"\r\n")
    found = read_or_refuse(lambda: read_jsonl(mixed))
    assert len(found) == (0 if end == b"\r" else 3)  # two objects in one line are refused
    rows = write(tmp_path, "x.csv", b"text,n" + end + b"a,1\r\nb,2\n\n" + b'"c\r",3' + end)
    assert [record.text for record in read_or_refuse(lambda: read_delimited(rows))] == ["a", "b", "c\r"]


def test_fuzz_repeated_ids_are_found_by_their_own_check(tmp_path):
    path = write(tmp_path, "x.csv", b"id,text\n1,a\n1,b\n")
    assert len(read_or_refuse(lambda: read_delimited(path))) == 2
    assert read_or_refuse(lambda: check_unique_ids(read_delimited(path))) == []


def test_fuzz_truncated_anywhere(tmp_path):
    started = time.process_time()
    for end in range(0, len(JSONL), 3):
        path = write(tmp_path, "x.jsonl", JSONL[:end])
        whole = JSONL[:end].count(b"\n")
        reader = read_jsonl(path, inventory=("X", "Z"))
        assert len(list(islice(reader, whole))) == whole
        if JSONL[:end].endswith(b"\n") or JSONL[end : end + 1] == b"\n" or not end:
            assert len(list(reader)) == int(JSONL[end : end + 1] == b"\n")
        else:
            with pytest.raises(ValueError, match=rf"BC610.*line {whole + 1}:"):
                list(reader)
    assert time.process_time() - started < 10


def test_fuzz_libraries_underneath_say_nothing(tmp_path, capfd):
    pytest.importorskip("datasets")
    path = write(tmp_path, "x.parquet", b"PAR1" + CANARY.encode())
    (tmp_path / "csv").mkdir()
    wrong = write(
        tmp_path / "csv", "train.csv", b"text,n\n" + b"a,1\n" * 20_000 + f"a,{CANARY}\n".encode() * 9
    )
    for source in (path, wrong.parent):
        read_or_refuse(partial(read_dataset, source))
    said = capfd.readouterr()
    assert said.out + said.err == ""
    assert logging.getLogger("datasets").level <= logging.WARNING
