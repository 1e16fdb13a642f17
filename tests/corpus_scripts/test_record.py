"""Records refuse what could not become a Doc without loss: pytest tests/corpus_scripts/test_record.py."""

import pytest

from corpus_scripts.record import Record, TextSpan, check_record, check_unique_ids

TEXT = "Seen by Dr. Orrin 😀 today "


def make(start, end, label="name"):
    return Record("note-7", TEXT, (TextSpan(start, end, label),))


@pytest.mark.parametrize(
    "start, end", [(-1, 3), (3, 3), (5, 2), (0, len(TEXT) + 1), (len(TEXT), len(TEXT) + 1)]
)
def test_record_span_outside_text_is_refused(start, end):
    with pytest.raises(ValueError, match="BC601") as caught:
        check_record(make(start, end), where="notes.jsonl, line 4")
    message = str(caught.value)
    assert "note-7" in message
    assert "notes.jsonl, line 4" in message
    assert "Orrin" not in message


def test_record_span_up_to_the_end_is_accepted():
    check_record(make(0, len(TEXT)))


@pytest.mark.parametrize("start, end", [(4, 8), (5, 8), (len(TEXT) - 2, len(TEXT))])
def test_record_white_space_edges_are_refused_on_demand(start, end):
    check_record(make(start, end))
    with pytest.raises(ValueError, match="BC618"):
        check_record(make(start, end), allow_space_edges=False)


def test_record_half_surrogate_is_refused_with_its_offset():
    with pytest.raises(ValueError, match=r"BC602.*character 3"):
        check_record(Record("a", "abc\ud83d"))


@pytest.mark.parametrize(
    "record",
    [
        Record("", "text"),
        Record(" ", "text"),
        Record("a", None),  # type: ignore[arg-type]
        Record("a", "text", (TextSpan(0, 2, ""),)),
        Record("a", "text", (TextSpan(0.0, 2, "x"),)),  # type: ignore[arg-type]
        Record("a", "text", (TextSpan(False, True, "x"),)),
        Record("a", "text", labels={"x": 1.5}),
        Record("a", "text", labels={"x": float("nan")}),
        Record("a", "text", labels={"x": "1"}),  # type: ignore[dict-item]
        Record("a", "text", meta={"x": object()}),
        Record("a", "text", meta={"x": {1: 2}}),
        Record("a", "text", meta={"x": 2**70}),
    ],
)
def test_record_field_of_the_wrong_kind_is_refused(record):
    with pytest.raises(ValueError, match="BC617"):
        check_record(record)


def test_span_trimming_keeps_a_clean_span_and_drops_a_blank_one():
    clean = TextSpan(0, 4, "x", "T1")
    assert clean.trimmed(TEXT) is clean
    assert TextSpan(1, 8, "x", "T1").trimmed(" \u00a0 ab\u2003\n\t") == TextSpan(3, 5, "x", "T1")
    assert TextSpan(0, 3, "x").trimmed(" \u00a0\n") is None


def test_record_repeated_id_is_refused():
    records = [Record("a", "x"), Record("b", "x"), Record("a", "y")]
    with pytest.raises(ValueError, match=r"BC603.*'a'"):
        list(check_unique_ids(records))
    assert list(check_unique_ids(records[:2])) == records[:2]
