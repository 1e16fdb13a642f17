"""Any text and any mentions survive in a .spacy file: pytest tests/corpus_scripts/test_to_docbin.py."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.vocab import Vocab

from corpus_scripts.docbin import report_path
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import convert_records, record_id, to_doc, write_docbin
from corpus_scripts.tokenizer import make_tokenizer

TOKENIZE = make_tokenizer()
ALPHABET = st.one_of(
    st.sampled_from(
        [*"ab1.,-/'()", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u2028", "\x85", "\x00", "\u200b"]
    ),
    st.sampled_from(["😀", "👩‍⚕️", "é", "e\u0301", "中", "Dr.", "can't", "120/80", "b.i.d.", "[**"]),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(ALPHABET, min_size=1, max_size=40).map("".join)


@st.composite
def records(draw):
    text = draw(TEXTS)
    spans = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        spans.append(TextSpan(start, end, draw(st.sampled_from(["name", "date", "ÄGE"]))))
    return Record("r", text, tuple(spans))


def reload(data: bytes):
    return list(DocBin().from_bytes(data).get_docs(Vocab()))


@given(records())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_docbin_keeps_text_and_spans_to_the_character(record):
    [doc] = reload(convert_records([record], name="x", tokenize=TOKENIZE, max_loss=1.0).data)
    assert doc.text == record.text
    # An independent account of what should be there: strip, drop what is empty, drop repetitions.
    expected = set()
    for span in record.spans:
        mention = record.text[span.start : span.end]
        if mention.strip():
            start = span.start + len(mention) - len(mention.lstrip())
            expected.add((start, start + len(mention.strip()), span.label))
    found = [(span.start_char, span.end_char, span.label_) for span in doc.spans["gold"]]
    assert len(found) == len(expected)
    assert set(found) == expected
    ents = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    assert set(ents) <= expected
    assert all(left[1] <= right[0] for left, right in pairwise(ents))
    # Whatever is not in doc.ents overlaps one there that is at least as long.
    for start, end, _label in expected - set(ents):
        assert any(a < end and start < b and b - a >= end - start for a, b, _ in ents)
    assert doc.has_annotation("ENT_IOB")


@given(records())
@settings(max_examples=100, deadline=None)
def test_docbin_tokens_change_only_where_a_mention_cuts_them(record):
    tally = Tally()
    doc = to_doc(record, TOKENIZE, tally)
    plain = TOKENIZE(record.text)
    borders = {token.idx for token in plain} | {token.idx + len(token) for token in plain}
    edges = {edge for span in doc.spans["gold"] for edge in (span.start_char, span.end_char)}
    new = ({token.idx for token in doc} | {token.idx + len(token) for token in doc}) - borders
    assert new <= edges
    assert bool(new) == bool(tally.repaired["token_split_at_mention"])


def test_doc_mention_inside_a_token_splits_it_and_is_counted():
    tally = Tally()
    doc = to_doc(Record("a", "preSmithpost x", (TextSpan(3, 8, "name"),)), TOKENIZE, tally)
    assert [token.text for token in doc] == ["pre", "Smith", "post", "x"]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Smith", "name")]
    assert tally.repaired == {"token_split_at_mention": 1}


def test_doc_overlapping_mentions_longest_goes_to_ents():
    spans = (
        TextSpan(0, 5, "a"),
        TextSpan(0, 11, "b"),
        TextSpan(6, 15, "c"),
        TextSpan(16, 18, "d"),
        TextSpan(0, 11, "e"),
    )
    result = convert_records([Record("a", "alpha gamma zet no", spans)], name="x", tokenize=TOKENIZE)
    [doc] = reload(result.data)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("alpha gamma", "b"), ("no", "d")]
    assert len(doc.spans["gold"]) == 5
    assert result.report.only_in_spans == 3
    assert result.report.spans == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}


def test_doc_without_mentions_differs_from_one_nobody_annotated():
    nothing, unseen = (to_doc(Record("a", "no one here", spans), TOKENIZE, Tally()) for spans in ((), None))
    assert nothing.has_annotation("ENT_IOB")
    assert {token.ent_iob_ for token in nothing} == {"O"}
    assert len(nothing.spans["gold"]) == 0
    assert not unseen.has_annotation("ENT_IOB")
    assert "gold" not in unseen.spans
    back = reload(
        convert_records([Record("a", "no one here", ()), Record("b", "no")], name="x", tokenize=TOKENIZE).data
    )
    assert [doc.has_annotation("ENT_IOB") for doc in back] == [True, False]


def test_doc_id_meta_cats_and_span_ids_survive_the_file():
    record = Record(
        "note/7", "left and right lung", (TextSpan(0, 4, "x", "T3"), TextSpan(15, 19, "x", "T3")),
        labels={"COPD": 1, "ASTHMA": 0.0}, meta={"attributes": [{"id": "A1", "value": True}], "n": 3},
    )  # fmt: skip
    [doc] = reload(convert_records([record], name="x", tokenize=TOKENIZE).data)
    assert record_id(doc) == "note/7"
    assert doc.user_data["meta"]["attributes"][0]["id"] == "A1"
    assert doc.cats == {"COPD": 1.0, "ASTHMA": 0.0}
    assert [span.id_ for span in doc.spans["gold"]] == ["T3", "T3"]


def test_doc_made_elsewhere_has_no_id():
    assert record_id(TOKENIZE("x")) == ""


def test_docbin_same_records_give_the_same_bytes_and_other_ones_do_not():
    def make(text):
        record = Record(
            "a", text, (TextSpan(0, 3, "b"), TextSpan(0, 1, "a")), {"z": 1.0, "y": 0.0}, {"k": [1, "v"]}
        )
        return convert_records([record], name="x").data

    assert make("abc def") == make("abc def")
    assert make("abc def") != make("abc deg")


def test_docbin_is_read_by_spacys_corpus(tmp_path):
    notes = [
        Record("a", "Dr. Orrin came.\r\n\r\nTwice", (TextSpan(4, 9, "name"),)),
        Record("b", "Nobody came.", ()),
    ]
    write_docbin(notes, tmp_path / "train.spacy", tokenize=TOKENIZE)
    nlp = spacy.blank("en")
    examples = list(Corpus(tmp_path / "train.spacy")(nlp))
    assert [eg.predicted.text for eg in examples] == [note.text for note in notes]
    assert [[ent.text for ent in eg.reference.ents] for eg in examples] == [["Orrin"], []]
    assert examples[1].get_aligned_ner() == ["O", "O", "O"]


def test_docbin_report_counts_everything(tmp_path):
    notes = [
        Record(
            "a",
            " Dr. Orrin  came",
            (TextSpan(0, 5, "title"), TextSpan(5, 11, "name"), TextSpan(10, 12, "blank")),
        ),
        Record("b", "", ()),
        Record("c", "one two three", (TextSpan(0, 3, "n"), TextSpan(0, 4, "n")), {"YES": 1.0, "NO": 0.0}),
    ]
    report = write_docbin(notes, tmp_path / "dev.spacy", seed=3, max_loss=0.5)
    written = json.loads(report_path(tmp_path / "dev.spacy").read_text())
    assert written["name"] == "dev"
    assert (written["documents"], written["tokens"]) == (2, 8)
    assert written["lengths"] == {"min": 3, "median": 4, "mean": 4, "max": 5}
    assert written["repaired"] == {"white_space_edges": 3}
    assert written["dropped"] == {"blank_span": 1, "empty_document": 1, "repeated_span": 1}
    assert written["spans"] == {"n": 1, "name": 1, "title": 1}
    assert written["cats"] == {"NO": {"positive": 0, "negative": 1}, "YES": {"positive": 1, "negative": 0}}
    assert written["sha256"] == report.sha256
    assert "Orrin" not in json.dumps(written)


def test_docbin_too_many_lost_spans_refuse_and_write_nothing(tmp_path):
    note = Record("a", "x  y", (TextSpan(1, 3, "blank"), TextSpan(0, 1, "x")))
    with pytest.raises(ValueError, match=r"BC615.*1 of 2"):
        write_docbin([note], tmp_path / "x.spacy")
    assert list(tmp_path.iterdir()) == []


def test_docbin_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.spacy"
    write_docbin([Record("a", "old", ())], path)
    before = path.read_bytes()
    real = Path.write_bytes

    def fail_on_report(self, data):
        if "report" in self.name:
            raise OSError("disk full")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", fail_on_report)
    with pytest.raises(OSError, match="disk full"):
        write_docbin([Record("a", "new", ())], path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.report.json", "x.spacy"]


def test_docbin_without_a_record_is_refused():
    with pytest.raises(ValueError, match="BC612"):
        convert_records([], name="empty")


def test_tokenizer_is_that_of_a_blank_pipeline():
    text = "Mr. O'Neil can't take 2.5mg b.i.d. (120/80) -- https://a.org/x?y=1 😀\n\n x-ray\u00a0of U.S. pt."
    expected = spacy.blank("en").tokenizer(text)
    found = make_tokenizer("en")(text)
    assert [(token.text, token.whitespace_, token.norm_) for token in found] == [
        (token.text, token.whitespace_, token.norm_) for token in expected
    ]
    assert [token.text for token in make_tokenizer("de")("z.B. am 3. Mai")] == [
        token.text for token in spacy.blank("de").tokenizer("z.B. am 3. Mai")
    ]
