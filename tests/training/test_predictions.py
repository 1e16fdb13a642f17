"""The prediction file and the records in it: round trip, damage, privacy, pieces, sections, seen, unannotated."""

import gzip
import json

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bioclinical.training import recording
from spacy_bioclinical.training.predictions import (
    Classes,
    DocumentPrediction,
    Mention,
    Mentions,
    as_json,
    from_json,
    read_header,
    read_predictions,
    write_predictions,
)
from spacy_bioclinical.training.recording import (
    describe_components,
    record_examples,
    record_token_scores,
    seen_mentions,
)

SECRET = "Quillfeather"

mentions = st.builds(
    Mention,
    start=st.integers(0, 50),
    end=st.integers(51, 99),
    label=st.text(max_size=4),
    piece=st.integers(0, 9),
    section=st.none() | st.just("plan"),
    seen=st.none() | st.booleans(),
    confidence=st.none() | st.floats(0, 1),
)
sides = st.builds(
    Mentions, st.lists(mentions, max_size=3).map(tuple), st.lists(mentions, max_size=3).map(tuple)
)
numbers = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=2)
records = st.builds(
    DocumentPrediction,
    id=st.text(max_size=8),
    characters=st.integers(0, 10**6),
    tokens=st.integers(0, 99),
    pieces=st.integers(0, 99),
    seen_pieces=st.integers(0, 99),
    entities=st.none() | sides,
    spans=st.dictionaries(st.text(max_size=3), sides, max_size=2),
    cats=st.dictionaries(
        st.text(max_size=3),
        st.builds(Classes, st.booleans(), st.floats(0, 1) | numbers, numbers, numbers),
        max_size=2,
    ),
    token_scores=st.none() | st.lists(st.tuples(st.integers(), st.integers(), st.floats(0, 1))).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(record=records)
def test_records_survive_json(record):
    assert from_json(json.loads(json.dumps(as_json(record)))) == record


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_file_survives_and_is_reproducible(tmp_path, name):
    made = [
        DocumentPrediction("a\u2028b", 10, 2, 3, 3, Mentions((Mention(0, 2, "X"),), ())),
        DocumentPrediction("c", 0, 0, 0, 0),
    ]
    first, second = tmp_path / "one" / name, tmp_path / "two" / name
    for path in (first, second):
        write_predictions(path, iter(made), signature={"seed": 3}, components={"ner": {"factory": "x"}})
        assert [file.name for file in path.parent.iterdir()] == [name]
    assert read_predictions(first) == made
    header = read_header(first)
    assert (header["version"], header["signature"]["seed"]) == (1, 3)
    assert first.read_bytes() == second.read_bytes()
    assert (first.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")


def test_damaged_files_name_the_line_and_quote_nothing(tmp_path):
    path = tmp_path / "x.jsonl"
    with pytest.raises(ValueError, match=r"BC412.*FileNotFoundError"):
        read_predictions(path)
    for content in ("", SECRET, json.dumps([SECRET]), json.dumps({"format": "other"})):
        path.write_text(content)
        with pytest.raises(ValueError, match="BC412") as caught:
            read_predictions(path)
        assert SECRET not in str(caught.value)
    path.write_text(json.dumps({"format": "spacy-bioclinical.predictions", "version": 9}) + "\n")
    with pytest.raises(ValueError, match=r"BC412.*version 9"):
        read_header(path)
    write_predictions(path, [DocumentPrediction("a", 1, 1, 1, 1)] * 2)
    whole = path.read_text().splitlines(keepends=True)
    for damage in (SECRET, whole[1][:-9], json.dumps({"id": SECRET}), "[]"):
        path.write_text(whole[0] + whole[1] + damage + "\n")
        with pytest.raises(ValueError, match="BC413") as caught:
            read_predictions(path)
        assert "Line 3 " in str(caught.value)
        assert SECRET not in str(caught.value)
    packed = tmp_path / "x.jsonl.gz"
    write_predictions(packed, [DocumentPrediction(str(n), n, n * n, 1, 1) for n in range(2000)])
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(ValueError, match="BC413"):
        read_predictions(packed)
    packed.write_bytes(gzip.compress(b"x")[:12])
    with pytest.raises(ValueError, match="BC412"):
        read_predictions(packed)


# --- records of examples --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nlp(make_pipeline, short_encoder_folder):
    """Entities, an exclusive classifier and a span categorizer over an encoder of 64 pieces."""
    pipeline = make_pipeline(
        short_encoder_folder,
        initialize=False,
        overlap=16,
        heads=[("bioclinical_ner", {}), ("textcat", {}), ("spancat", {"spans_key": "sc"})],
    )
    text = "Plan: see Dr. Orme."
    doc = pipeline.make_doc(text)
    doc.ents = [doc.char_span(10, 18, label="NAME")]
    doc.spans["sc"] = [doc.char_span(10, 18, label="WHO")]
    doc.cats = {"A": 1.0, "B": 0.0}
    pipeline.initialize(lambda: [Example(pipeline.make_doc(text), doc)])
    return pipeline


def example(nlp, text, gold=(), spans=(), **kwargs):
    doc = nlp.make_doc(text)
    doc.ents = [doc.char_span(*place) for place in gold]
    doc.spans["gold"] = [doc.char_span(*place) for place in spans]
    doc.user_data.update(kwargs)
    return Example(nlp(text), doc)


def test_pieces_of_mentions_equal_a_plain_search(nlp, notes):
    text = "\n\n".join(notes * 2)
    eg = example(nlp, text, id="n1")
    doc = eg.y
    doc.set_ents([Span(doc, i, i + 1, "X") for i in range(0, len(doc), 3) if not doc[i].is_space])
    (record,) = record_examples(nlp, [eg])
    (pieces,) = recording.encoder_tokenizer(nlp).encode([text])
    assert (record.id, record.pieces, record.tokens) == ("n1", len(pieces), len(eg.x))
    assert record.seen_pieces == record.pieces > 64
    assert record.characters == len(text)
    assert len(record.entities.gold) > 20
    for mention in record.entities.gold:
        touching = [
            i
            for i, (start, end) in enumerate(zip(pieces.starts.tolist(), pieces.ends.tolist()))
            if start < mention.end and end > mention.start
        ]
        assert mention.piece == touching[0]
    confidences = {(ent.start_char, ent.end_char): ent._.confidence for ent in eg.x.ents}
    assert {(m.start, m.end): m.confidence for m in record.entities.predicted} == confidences


def test_gold_mentions_need_no_token_of_the_pipeline(nlp):
    """The gold document has a token that the pipeline's tokenizer does not make; the mention stays, and is missed."""
    words = ["Seen", "by", "Or", "me", "today"]
    gold = Doc(nlp.vocab, words=words, spaces=[True, True, False, True, False])
    gold.ents = [Span(gold, 3, 4, "NAME")]
    (record,) = record_examples(nlp, [Example(nlp(gold.text), gold)])
    (mention,) = record.entities.gold
    assert (mention.start, mention.end) == (10, 12)
    assert record.id == "#0"


def test_sections_seen_and_classes(nlp, tmp_path):
    train = nlp.make_doc("Orme   Lane was closed.")
    train.ents = [train.char_span(0, 11, label="PLACE")]
    path = tmp_path / "train.spacy"
    DocBin(docs=[train]).to_disk(path)
    seen = seen_mentions(path, nlp.vocab)
    text = "Lived at orme lane.\nMedications:\nnone\nQUARRYTOWN CLINIC\nOrme Lane"
    end = len(text)
    gold = [(9, 18, "PLACE"), (33, 37, "PLACE"), (end - 9, end, "OTHER")]
    eg = example(nlp, text, gold)
    eg.y.cats = {"B": 1.0}
    (record,) = record_examples(nlp, [eg], seen=seen)
    assert [m.section for m in record.entities.gold] == [None, "medications", "other"]
    assert [m.seen for m in record.entities.gold] == [True, False, False]
    classes = record.cats["textcat"]
    assert classes.exclusive
    assert classes.gold == {"B": 1.0}
    assert classes.scores == pytest.approx(eg.x.cats)
    assert all(m.seen is None for m in record_examples(nlp, [eg])[0].entities.gold)


def test_span_groups_are_judged_by_their_own_gold_or_the_converted_one(nlp):
    eg = example(nlp, "Plan: see Dr. Orme.", spans=[(10, 18, "WHO"), (14, 18, "WHO")])
    eg.x.spans["sc"] = [eg.x.char_span(14, 18, label="WHO"), eg.x.char_span(10, 18, label="WHO")]
    eg.x.spans["sc"].attrs["scores"] = [0.25, 0.75]
    (record,) = record_examples(nlp, [eg])
    places = [(m.start, m.end, m.confidence) for m in record.spans["sc"].predicted]
    assert places == [(10, 18, 0.75), (14, 18, 0.25)]
    assert [(m.start, m.end) for m in record.spans["sc"].gold] == [(10, 18), (14, 18)]
    eg.y.spans["sc"] = []
    assert record_examples(nlp, [eg])[0].spans["sc"].gold == ()
    del eg.y.spans["sc"], eg.y.spans["gold"]
    assert record_examples(nlp, [eg])[0].spans == {}


def test_unannotated_places_are_not_judged(nlp):
    eg = example(nlp, "See Orme and Quill .")
    gold, predicted = eg.y, eg.x
    gold.set_ents([Span(gold, 1, 2, "NAME")], missing=[Span(gold, 3, 4)], default="outside")
    predicted.set_ents([Span(predicted, 1, 2, "NAME"), Span(predicted, 3, 4, "NAME")])
    (record,) = record_examples(nlp, [eg])
    assert [m.start for m in record.entities.predicted] == [4]
    bare = Example(predicted, nlp.make_doc(predicted.text))
    assert record_examples(nlp, [bare])[0].entities is None


def test_texts_that_differ_are_an_error(nlp):
    with pytest.raises(ValueError, match="BC410") as caught:
        record_examples(nlp, [Example(nlp.make_doc(f"{SECRET} b"), nlp.make_doc(f"b {SECRET}"))])
    assert SECRET not in str(caught.value)


def test_nothing_written_quotes_a_note(nlp, tmp_path):
    eg = example(nlp, f"{SECRET.upper()} WARD:\n{SECRET} is home.", [(19, 31, "NAME")])
    path = tmp_path / "x.jsonl"
    write_predictions(path, record_examples(nlp, [eg]), components=describe_components(nlp))
    assert SECRET.lower() not in path.read_text().lower()
    described = read_header(path)["components"]
    assert described["bioclinical_ner"]["labels"] == ["NAME"]
    assert described["textcat"]["factory"] == "textcat"


def test_pipeline_without_an_encoder_counts_tokens():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "NAME", "pattern": "Orme"}])
    eg = example(nlp, "See Orme today.", [(4, 8, "NAME")])
    (record,) = record_examples(nlp, [eg])
    assert (record.pieces, record.seen_pieces, record.entities.gold[0].piece) == (4, 4, 1)
    assert record.entities.predicted == record.entities.gold


def test_token_scores_are_collected_and_hidden_states_let_go(nlp):
    ner = nlp.get_pipe("bioclinical_ner")
    if not hasattr(ner, "token_probabilities"):
        pytest.fail("bioclinical_ner has no token_probabilities")
    texts = ["Plan: see Dr. Orme.", "", "No murmurs. " * 30]
    with record_token_scores(nlp) as collected:
        docs = list(nlp.pipe(texts))
    assert "pipe" not in vars(nlp)
    assert not nlp.get_pipe("transformer").keep_hidden
    assert all(doc._.trf_data.model_output.get("last_hidden_state") is None for doc in docs)
    assert collected[1] == ()
    for doc, scores in zip(docs, collected):
        expected = ner.token_probabilities(nlp(doc.text))
        found = {start: p for start, _, p in scores}
        for token, p in zip(doc, expected):
            assert found.get(token.idx, 0.0) == pytest.approx(p, abs=1e-4)
