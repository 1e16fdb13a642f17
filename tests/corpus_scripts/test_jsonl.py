"""JSONL lines become records and go back: pytest tests/corpus_scripts/test_jsonl.py."""

import json
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.jsonl import JsonlOptions, listed_labels, read_jsonl, write_jsonl
from corpus_scripts.record import Record, TextSpan


def read(tmp_path, *rows, options=None, inventory=None):
    path = tmp_path / "notes.jsonl"
    path.write_bytes(
        "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows).encode()
    )
    return list(read_jsonl(path, options, inventory=inventory))


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
    assert listed_labels(tmp_path / "notes.jsonl") == {"X", "Y", "Z"}
    assert read(tmp_path, *rows, inventory=["X", "Y", "Z", "W"])[0].labels["W"] == 0.0
    with pytest.raises(ValueError, match=r"BC623.*'Z'"):
        read(tmp_path, *rows, inventory=["X", "Y"])


def test_jsonl_missing_spans_are_not_the_same_as_none_found(tmp_path):
    assert [record.spans for record in read(tmp_path, {"text": "a"}, {"text": "b", "spans": []})] == [
        None,
        (),
    ]


def test_jsonl_keys_can_be_chosen(tmp_path):
    [record] = read(tmp_path, {"note": "a", "label": "X"}, options=JsonlOptions(text="note", labels="label"))
    assert (record.text, record.labels) == ("a", {"X": 1.0})


@pytest.mark.parametrize(
    "row, code",
    [
        ("{'text': 'Orrin'}\n", "BC610.*line 2"),
        ('{"text": "Orrin"\n', "BC610.*line 2"),
        ('["Orrin"]\n', "BC610.*line 2"),
        ({"txt": "Orrin"}, "BC610.*line 2"),
        ({"text": 7}, "BC610.*line 2"),
        ({"text": "Orrin", "id": 1.5}, "BC610.*line 2"),
        ({"text": "Orrin", "id": True}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": {}}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": [{"start": 0, "label": "x"}]}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": [[0, 1]]}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": ["Orrin"]}, "BC610.*line 2"),
        ({"text": "Orrin", "spans": [[0, 9, "x"]]}, "BC601.*line 2"),
        ({"text": "Orrin", "spans": [[0, 2.0, "x"]]}, "BC617.*line 2"),
        ({"text": "Orrin", "cats": ["x"]}, "BC610.*line 2"),
        ({"text": "Orrin", "cats": {"x": "yes"}}, "BC610.*line 2"),
        ({"text": "Orrin", "cats": {"x": 2}}, "BC617.*line 2"),
        ({"text": "Orrin", "labels": [1]}, "BC610.*line 2"),
        ('{"text": "Orrin\\ud83d"}\n', "BC602.*line 2"),
    ],
)
def test_jsonl_malformed_line_is_named_not_quoted(tmp_path, row, code):
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path, {"text": "fine"}, row)
    assert "Orrin" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.none() | st.dictionaries(st.sampled_from("XYZ"), st.sampled_from([0.0, 0.5, 1.0]), max_size=3),
    st.none() | st.just(()) | st.just((TextSpan(0, 1, "a", "T1"), TextSpan(0, 1, "b"))),
)
@settings(max_examples=150, deadline=None)
def test_jsonl_written_records_read_back_the_same(tmp_path_factory, text, labels, spans):
    record = Record("n", text, spans, labels, {"k": [1, None, {"x": "y"}]})
    path = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    write_jsonl([record], path)
    assert list(read_jsonl(path)) == [record]
    path.with_suffix(".jsonl.xz").write_bytes(lzma.compress(path.read_bytes()))
    assert list(read_jsonl(path.with_suffix(".jsonl.xz"))) == [record]


def test_jsonl_writer_refuses_meta_that_would_shadow_a_field(tmp_path):
    with pytest.raises(ValueError, match="BC619"):
        write_jsonl([Record("n", "x", meta={"text": "y"})], tmp_path / "x.jsonl")
    assert list(tmp_path.iterdir()) == []
