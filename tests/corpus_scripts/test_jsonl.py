"""JSONL, also that of Prodigy and doccano, becomes records and goes back: pytest tests/corpus_scripts/test_jsonl.py."""

import json
import lzma
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.jsonl import jsonl_labels, read_jsonl, write_jsonl
from corpus_scripts.formats.rows import RowOptions
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally


def read(tmp_path, *rows, options=None, inventory=None, tally=None):
    path = tmp_path / "notes.jsonl"
    path.write_bytes(
        "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows).encode()
    )
    return list(read_jsonl(path, options, inventory=inventory, tally=tally))


def test_jsonl_keeps_id_spans_cats_and_the_rest(tmp_path):
    spans = [{"start": 0, "end": 5, "label": "name", "id": "T1"}]
    row = {"id": "a", "text": "Orrin came", "spans": spans, "cats": {"X": 1, "Y": 0}, "ward": 3}
    assert read(tmp_path, row, "\n", {"text": "b", "spans": [[0, 1, "x"]]}) == [
        Record("a", "Orrin came", (TextSpan(0, 5, "name", "T1"),), {"X": 1.0, "Y": 0.0}, {"ward": 3}),
        Record("notes-00003", "b", (TextSpan(0, 1, "x"),)),
    ]


def test_jsonl_listed_labels_make_all_others_negative(tmp_path):
    rows = [
        {"text": "a", "labels": ["X", "Z"]},
        {"text": "b", "labels": []},
        {"text": "c", "labels": "Y"},
        {"text": "d"},
    ]
    found = read(tmp_path, *rows)
    assert [record.labels for record in found] == [
        {"X": 1.0, "Y": 0.0, "Z": 1.0}, {"X": 0.0, "Y": 0.0, "Z": 0.0}, {"X": 0.0, "Y": 1.0, "Z": 0.0}, None,
    ]  # fmt: skip
    assert jsonl_labels(tmp_path / "notes.jsonl") == {"X", "Y", "Z"}
    assert read(tmp_path, *rows, inventory=["X", "Y", "Z", "W"])[0].labels["W"] == 0.0
    with pytest.raises(ValueError, match=r"BC610.*line 1: label 2"):
        read(tmp_path, *rows, inventory=["X", "Y"])


def test_jsonl_missing_spans_are_not_the_same_as_none_found(tmp_path):
    rows = ({"text": "a"}, {"text": "b", "spans": []}, {"text": "c", "spans": None})
    assert [record.spans for record in read(tmp_path, *rows)] == [None, (), None]


def test_jsonl_keys_can_be_chosen(tmp_path):
    [record] = read(tmp_path, {"note": "a", "label": "X"}, options=RowOptions(text="note", labels="label"))
    assert (record.text, record.labels) == ("a", {"X": 1.0})
    [record] = read(
        tmp_path, {"text": "a", "X": 1, "Y": False}, options=RowOptions(label_columns=("X", "Y", "Z"))
    )
    assert (record.labels, record.meta) == ({"X": 1.0, "Y": 0.0}, {})


@pytest.mark.parametrize(
    "row, code",
    [
        ("{'text': 'Orrin'}\n", "BC610.*line 2"),
        ('{"text": "Orrin"\n', "BC610.*line 2"),
        ('["Orrin"]\n', "BC610.*line 2"),
        ("[" * 100_000 + "\n", "BC610.*line 2"),
        ('{"text": "Orrin", "m": ' + "[" * 900 + "]" * 900 + "}\n", "BC610.*line 2"),
        ('{"text": "Orrin", "id": ' + "9" * 5000 + "}\n", "BC610.*line 2"),
        ({"txt": "Orrin"}, "BC610.*line 2"),
        ({"text": 7}, "BC610.*line 2"),
        ({"text": "Orrin", "id": 1.5}, "BC610.*line 2"),
        ({"text": "Orrin", "id": True}, "BC610.*line 2"),
        ({"text": "Orrin", "id": " "}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": {}}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": [{"start": 0, "label": "x"}]}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": [[0, 1]]}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": ["Orrin"]}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": [[0, 9, "x"]]}, "BC601.*line 2"),
        ({"text": "Orrin", "spans": [[0, 2.0, "x"]]}, "BC617.*line 2"),
        ({"text": "Orrin", "cats": ["x"]}, "BC610.*line 2"),
        ({"text": "Orrin", "cats": {"x": "yes"}}, "BC610.*line 2"),
        ({"text": "Orrin", "cats": {"x": 2}}, "BC617.*line 2"),
        ({"text": "Orrin", "cats": {"x": 10**400}}, "BC617.*line 2"),
        ({"text": "Orrin", "labels": [1]}, "BC610.*line 2"),
        ({"text": "Orrin", "answer": "reject", "label": 3, "accept": "x"}, None),
        ({"text": "Orrin", "_task_hash": 1, "answer": "maybe"}, "BC610.*line 2"),
        ({"text": "Orrin", "options": [{"id": 1}], "accept": [2]}, "BC610.*line 2"),
        ({"text": "Orrin", "options": [{"text": "x"}], "accept": []}, "BC610.*line 2"),
        ({"text": "Orrin", "label": [[0, 9, "x"]]}, "BC601.*line 2"),
        ({"text": "Orrin", "entities": [{"label": "x", "start_offset": 0}]}, "BC610.*line 2"),
        (
            {"text": "Orrin", "annotations": [{"label": 2, "start_offset": 0, "end_offset": 1}]},
            "BC617.*line 2",
        ),
        ({"tokens": ["Orrin"], "ner_tags": ["B-x", "O"]}, "BC610.*line 2"),
        ({"tokens": ["Orrin"], "ner_tags": [3]}, "BC610.*line 2"),
        ({"tokens": ["Orrin"], "ner_tags": ["Orrin"]}, "BC605.*line 2"),
        ({"text": "Orrin", "tokens": [[0, 2]]}, "BC617.*line 2"),
        ({"text": "Orrin", "_meta": ["Orrin"]}, "BC610.*line 2"),
        ('{"text": "Orrin\\ud83d"}\n', "BC602.*line 2"),
    ],
)
def test_jsonl_malformed_line_is_named_not_quoted(tmp_path, row, code):
    if code is None:
        assert len(read(tmp_path, {"text": "fine"}, row)) == 1
        return
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path, {"text": "fine"}, row)
    assert "Orrin" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_jsonl_row_options_are_checked():
    for wrong in ({"dialect": "brat"}, {"tokens": "all"}, {"delimiter": "\r"}, {"delimiter": "ab"}):
        with pytest.raises(ValueError, match="BC622"):
            RowOptions(**wrong)


def prodigy_token(text, number, start, ws=True):
    return {"text": text, "start": start, "end": start + len(text), "id": number, "ws": ws}


def test_jsonl_prodigy_spans_tokens_and_answers(tmp_path):
    row = {
        "text": "Orrin  left", "_input_hash": 7, "_task_hash": -3, "answer": "accept", "meta": {"source": "s"},
        "tokens": [prodigy_token("Orrin", 0, 0), prodigy_token(" ", 1, 6, False), prodigy_token("left", 2, 7)],
        "spans": [{"start": 0, "end": 5, "token_start": 0, "token_end": 0, "label": "NAME"}],
    }  # fmt: skip
    rows = [row, {**row, "answer": "reject"}, {**row, "answer": "ignore"}, {**row, "spans": []}]
    tally = Tally()
    first, last = read(tmp_path, *rows, tally=tally)
    meta = {"_input_hash": 7, "_task_hash": -3, "answer": "accept", "meta": {"source": "s"}}
    assert first == Record("notes-00001", "Orrin  left", (TextSpan(0, 5, "NAME"),), None, meta)
    assert (last.id, last.spans) == ("notes-00004", ())
    assert tally.dropped == {"prodigy_rejected": 1, "prodigy_ignored": 1}
    assert read(tmp_path, row, options=RowOptions(tokens="keep"))[0].tokens == ((0, 5), (7, 11))
    row["tokens"] = row["tokens"][:1]
    tally = Tally()
    assert read(tmp_path, row, options=RowOptions(tokens="keep"), tally=tally)[0].tokens is None
    assert tally.repaired == {"stored_tokens_unfit": 1}


def test_jsonl_prodigy_choices_and_yes_or_no(tmp_path):
    options = [{"id": "X", "text": "the X"}, {"id": 2, "text": "two"}]
    rows = [
        {"text": "a", "options": options, "accept": [2], "answer": "accept"},
        {"text": "b", "options": options, "accept": [], "answer": "accept"},
        {"text": "c", "options": options, "accept": ["X"], "answer": "reject"},
        {"text": "d", "accept": ["W"], "answer": "accept"},
        {"text": "e", "label": "Y", "answer": "accept", "spans": [{"start": 0, "end": 1, "label": "Y"}]},
        {"text": "f", "label": "Y", "answer": "reject"},
        {"text": "g", "label": "Y", "answer": "ignore"},
    ]
    tally = Tally()
    records = read(tmp_path, *rows, tally=tally)
    assert {record.text: record.labels for record in records} == {
        "a": {"X": 0.0, "2": 1.0}, "b": {"X": 0.0, "2": 0.0}, "d": {"W": 1.0}, "e": {"Y": 1.0}, "f": {"Y": 0.0},
    }  # fmt: skip
    assert all(record.spans is None for record in records)
    assert tally.dropped == {"prodigy_rejected": 1, "prodigy_ignored": 1}


@pytest.mark.parametrize(
    "row, spans",
    [
        ({"text": "Orrin", "label": [[0, 5, "P"]]}, (TextSpan(0, 5, "P"),)),
        ({"text": "Orrin", "labels": [[0, 5, "P"]], "meta": {}}, (TextSpan(0, 5, "P"),)),
        ({"data": "Orrin", "label": [[0, 5, "P"]]}, (TextSpan(0, 5, "P"),)),
        ({"data": "Orrin", "label": []}, ()),
        ({"text": "Orrin", "labels": []}, ()),
        ({"text": "Orrin", "label": [], "Comments": []}, ()),
        ({"text": "Orrin", "entities": [], "relations": []}, ()),
        ({"text": "Orrin", "annotations": [], "meta": {}}, ()),
        (
            {"text": "Orrin", "entities": [{"id": 3, "label": "P", "start_offset": 0, "end_offset": 5}]},
            (TextSpan(0, 5, "P", "3"),),
        ),
        (
            {"text": "Orrin", "annotations": [{"label": "P", "start_offset": 0, "end_offset": 5}]},
            (TextSpan(0, 5, "P"),),
        ),
    ],
)
def test_jsonl_doccano_spans(tmp_path, row, spans):
    [record] = read(tmp_path, {"id": 4, **row})
    assert (record.id, record.text, record.spans, record.labels) == ("4", "Orrin", spans, None)


def test_jsonl_doccano_labels_relations_and_intents(tmp_path):
    relations = [{"id": 1, "from_id": 3, "to_id": 3, "type": "same"}]
    rows = [
        {"id": 1, "text": "a", "label": ["X", "Y"], "Comments": []},
        {"id": 2, "text": "b", "label": []},
        {"id": 3, "text": "c", "entities": [[0, 1, "P"]], "cats": ["Z"], "relations": relations},
    ]
    first, second, third = read(tmp_path, *rows)
    assert first.labels == {"X": 1.0, "Y": 1.0, "Z": 0.0}
    assert (second.labels, second.spans) == ({"X": 0.0, "Y": 0.0, "Z": 0.0}, None)
    assert (third.spans, third.labels) == ((TextSpan(0, 1, "P"),), {"X": 0.0, "Y": 0.0, "Z": 1.0})
    assert (first.meta, third.meta) == ({"Comments": []}, {"relations": relations})


def test_jsonl_a_dialect_can_be_demanded(tmp_path):
    row = {"text": "a", "label": ["X"], "answer": "reject"}
    [record] = read(tmp_path, row, options=RowOptions(dialect="plain"))
    assert (record.labels, record.meta) == (None, {"label": ["X"], "answer": "reject"})
    [record] = read(tmp_path, row, options=RowOptions(dialect="doccano"))
    assert (record.labels, record.meta) == ({"X": 1.0}, {"answer": "reject"})
    assert read(tmp_path, row) == []


def test_jsonl_tagged_tokens_become_text_and_spans(tmp_path):
    row = {"id": "0", "tokens": ["Orrin", "Vale", "left", "A&E"], "ner_tags": ["B-P", "I-P", "O", "I-L"]}
    tally = Tally()
    [record] = read(tmp_path, row, tally=tally)
    assert record == Record("0", "Orrin Vale left A&E", (TextSpan(0, 10, "P"), TextSpan(16, 19, "L")))
    assert tally.repaired == {"stray_continuation": 1}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = texts.filter(str.strip)
words = st.sampled_from(
    ("id", "text", "spans", "cats", "labels", "label", "tokens", "_meta", "answer", "accept", "options", "entities",
     "Comments", "data", "_task_hash", "annotations", "relations", "ner_tags", "ward")
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | texts | st.sampled_from(("accept", "reject", "ignore")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | texts, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def records(draw):
    text = draw(texts)
    offsets = [draw(st.integers(0, max(0, len(text) - 1))) for _ in range(draw(st.integers(0, 3)))]
    spans = tuple(
        TextSpan(start, draw(st.integers(start + 1, len(text))), draw(names), draw(texts))
        for start in offsets
        if text
    )
    labels = draw(st.none() | st.dictionaries(names, st.floats(0, 1), max_size=3))
    tokens = []
    for start in range(
        len(text)
    ):  # each character that is no white space, sometimes joined to the one before
        if not text[start].isspace():
            joins = tokens and tokens[-1][1] == start and draw(st.booleans())
            tokens.append((tokens.pop()[0] if joins else start, start + 1))
    return Record(
        draw(names), text, draw(st.none() | st.just(spans)), labels,
        draw(st.dictionaries(words | texts, values, max_size=4)), draw(st.none() | st.just(tuple(tokens))),
    )  # fmt: skip


@given(st.lists(records(), max_size=3), st.sampled_from(("", ".gz", ".xz")))
@settings(max_examples=100, deadline=None)
def test_jsonl_written_records_read_back_the_same(tmp_path_factory, written, ending):
    for record in written:
        check_record(record)
    path = tmp_path_factory.mktemp("jsonl") / f"x.jsonl{ending}"
    write_jsonl(written, path)
    assert list(read_jsonl(path)) == written
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_jsonl_meta_stands_beside_the_fields_unless_it_would_be_misread(tmp_path):
    write_jsonl(
        [Record("n", "x", meta={"label": "y"}), Record("m", "x", meta={"text": "y", "ward": 3})],
        tmp_path / "x.jsonl",
    )
    assert [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()] == [
        {"id": "n", "text": "x", "label": "y"},
        {"id": "m", "text": "x", "_meta": {"text": "y", "ward": 3}},
    ]


def test_jsonl_writer_leaves_nothing_behind_when_a_record_is_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text("old")
    with pytest.raises(ValueError, match="BC601"):
        write_jsonl([Record("n", "x"), Record("m", "x", (TextSpan(0, 2, "a"),))], tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


def test_jsonl_is_read_and_written_in_flat_memory(tmp_path):
    def many():
        for number in range(2000):
            yield Record(f"{number}", "word " * 1000, (TextSpan(0, 4, "W"),))

    tracemalloc.start()
    write_jsonl(many(), tmp_path / "x.jsonl")
    assert sum(len(record.text) for record in read_jsonl(tmp_path / "x.jsonl")) == 10_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_jsonl_compressed_by_others_is_read(tmp_path):
    (tmp_path / "x.jsonl.xz").write_bytes(lzma.compress(b'\xef\xbb\xbf{"text": "a"}\r\n{"text": "b"}'))
    assert [record.id for record in read_jsonl(tmp_path / "x.jsonl.xz")] == ["x-00001", "x-00002"]
