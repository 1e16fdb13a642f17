"""Pairs of sentences with their three labels: pytest tests/corpus_scripts/test_mednli.py."""

import json

import pytest

from corpus_scripts.formats.mednli import LABELS, read_mednli
from corpus_scripts.record import check_unique_ids
from corpus_scripts.tally import Tally

ROW = {
    "sentence1": "Labs notable for Zelbane of 0.3 .", "sentence2": " Zelbane was measured", "gold_label": "entailment",
    "pairID": "23eb94b8-66c7", "sentence1_parse": "(ROOT …)", "sentence2_binary_parse": "( x )",
}  # fmt: skip


def write(folder, *rows):
    path = folder / "mli_train_v1.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), "utf8")
    return path


def test_mednli_sentences_and_labels(tmp_path):
    second = {**ROW, "gold_label": "neutral", "pairID": "b", "sentence1": "σ\u2028x", "sentence2": ""}
    first, other = check_unique_ids(read_mednli(write(tmp_path, ROW, "\n", second), Tally()))
    assert first.id == "23eb94b8-66c7"
    assert first.text == ROW["sentence1"] + "\n" + ROW["sentence2"]
    assert list(first.labels.items()) == [("contradiction", 0.0), ("entailment", 1.0), ("neutral", 0.0)]
    assert [name for name, value in other.labels.items() if value] == ["neutral"]
    for record, row in ((first, ROW), (other, second)):
        assert record.spans is None
        for key, sentence in (("premise", "sentence1"), ("hypothesis", "sentence2")):
            start, end = record.meta[key]
            assert record.text[start:end] == row[sentence]
    assert LABELS == ("contradiction", "entailment", "neutral")


def test_mednli_pair_without_label_is_left_out_and_counted_and_one_without_id_named_by_line(tmp_path):
    tally = Tally()
    unnamed = {key: value for key, value in ROW.items() if key != "pairID"}
    [record] = read_mednli(write(tmp_path, {**ROW, "gold_label": "-"}, unnamed), tally)
    assert record.id == "mli_train_v1-00002"
    assert tally.dropped == {"pair_without_label": 1}


@pytest.mark.parametrize(
    "row",
    [
        "{", "[1]\n", '{"a": 1} x\n', {**ROW, "gold_label": "maybe"}, {**ROW, "gold_label": ["neutral"]},
        {**ROW, "sentence1": None}, {**ROW, "sentence2": 3}, {**ROW, "pairID": ""}, {**ROW, "pairID": 7},
        {"sentence1": "Zelbane"}, "[" * 100_000 + "\n",
    ],
)  # fmt: skip
def test_mednli_other_lines_are_refused_with_their_number(tmp_path, row):
    with pytest.raises(ValueError, match=r"BC649.*mli_train_v1\.jsonl, line 2:") as caught:
        list(read_mednli(write(tmp_path, ROW, row), Tally()))
    assert "Zelbane" not in str(caught.value)
