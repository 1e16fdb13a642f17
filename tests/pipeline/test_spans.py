"""`bioclinical_spans`: learning of overlapping mentions, writing, labels, storing."""

import random

import numpy as np
import pytest
import spacy
from spacy.cli.init_pipeline import _init_labels
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_bioclinical.pipeline.spans import BioClinicalSpans
from tests.small_cnn import SPELLINGS_CNN

CONFIG = {
    "model": {"@architectures": "spacy-bioclinical.SpanScorer.v1", "tok2vec": SPELLINGS_CNN, "hidden": 16}
}


def blank(**settings):
    nlp = spacy.blank("en")
    nlp.add_pipe("bioclinical_spans", config={**CONFIG, **settings})
    return nlp


def spans_of(nlp) -> BioClinicalSpans:
    return nlp.get_pipe("bioclinical_spans")


def example_of(nlp, text, mentions, key="gold"):
    """An example whose gold mentions are (text of the mention, label), the first place where it stands."""
    gold = nlp.make_doc(text)
    found = []
    for words, label in mentions:
        start = text.index(words)
        found.append(gold.char_span(start, start + len(words), label=label))
    assert all(found)
    gold.spans[key] = found
    return Example(nlp.make_doc(text), gold)


def habit_examples(nlp, n, seed, key="gold"):
    """Habits with nested and crossing mentions, and two labels on the same tokens."""
    rng = random.Random(seed)
    examples = []
    for _ in range(n):
        amount = rng.choice(["two packs", "one glass", "4 beers"])
        time = rng.choice(["a day", "per week"])
        what = rng.choice(["smokes", "drinks"])
        who = rng.choice(["He", "The patient"])
        text = f"{who} {what} {amount} {time}, lives\n alone."
        mentions = [
            (f"{what} {amount}", "HABIT"),
            (f"{amount} {time}", "FREQUENCY"),
            (amount, "AMOUNT"),
            (what, "STATUS"),
            ("lives\n alone", "LIVING"),
            ("lives\n alone", "STATUS"),
        ]
        examples.append(example_of(nlp, text, mentions, key))
    return examples


def train(nlp, examples, epochs=12, learn_rate=0.005):
    nlp.initialize(lambda: examples)
    sgd, losses = Adam(learn_rate), []
    for _ in range(epochs):
        total: dict[str, float] = {}
        for start in range(0, len(examples), 10):
            nlp.update(examples[start : start + 10], sgd=sgd, losses=total)
        losses.append(total["bioclinical_spans"])
    return losses


@pytest.fixture(scope="module")
def trained():
    fix_random_seed(0)
    nlp = blank()
    losses = train(nlp, habit_examples(nlp, 60, 1))
    assert losses[-1] < losses[0] / 5
    return nlp


TEXTS = [
    "He smokes two packs a day, lives\n alone.",
    "",
    " \n ",
    "Nothing.",
    "The patient drinks 4 beers per week, lives\n alone.",
]


def as_tuples(doc, key="gold"):
    scores = doc.spans[key].attrs["scores"].tolist()
    return [(s.start, s.end, s.label_, c) for s, c in zip(doc.spans[key], scores, strict=True)]


def same(got, wanted, tolerance=1e-5):
    assert [span[:3] for span in got] == [span[:3] for span in wanted]
    assert [span[3] for span in got] == pytest.approx([span[3] for span in wanted], abs=tolerance)


# --- learning, scoring, writing -------------------------------------------------------------------------


def test_component_learns_overlapping_mentions(trained):
    examples = habit_examples(trained, 30, 2)
    scores = trained.evaluate(examples)
    assert scores["spans_gold_f"] > 0.95
    assert scores["spans_gold_per_type"].keys() == {"HABIT", "FREQUENCY", "AMOUNT", "STATUS", "LIVING"}
    meta = trained.get_pipe_meta("bioclinical_spans")
    assert set(meta.default_score_weights) == {f"spans_gold_{what}" for what in ("f", "p", "r", "per_type")}
    doc = trained(TEXTS[0])
    words = {(span.text, span.label_) for span in doc.spans["gold"]}
    assert {("smokes two packs", "HABIT"), ("two packs a day", "FREQUENCY"), ("two packs", "AMOUNT")} <= words
    assert {("lives\n alone", "LIVING"), ("lives\n alone", "STATUS")} <= words


def test_group_holds_scores_in_order_and_confidence_is_the_surest_label(trained):
    doc = trained(TEXTS[0])
    found = as_tuples(doc)
    assert found == sorted(found)
    assert doc.spans["gold"].attrs["scores"].dtype == "float64"
    assert all(0.5 <= span[3] <= 1 for span in found)
    for start, end, _, _ in found:
        surest = max(span[3] for span in found if span[:2] == (start, end))
        assert doc[start:end]._.confidence == surest


def test_second_run_replaces_the_group_and_leaves_entities_alone(trained):
    doc = trained.make_doc(TEXTS[0])
    entity = doc[1:4]
    doc.ents = [Span(doc, 1, 4, label="X")]
    entity._.confidence = 0.125
    stale = Span(doc, 0, 5, label="HABIT")
    stale._.confidence = 0.25
    doc.spans["gold"] = [stale]
    doc.spans["other"] = [Span(doc, 0, 1, label="OTHER")]
    again = trained(trained(doc))
    same(as_tuples(again), as_tuples(trained(TEXTS[0])))
    assert ("smokes two packs", "HABIT") in {(span.text, span.label_) for span in again.spans["gold"]}
    assert entity._.confidence == 0.125
    assert stale._.confidence is None
    assert len(again.spans["other"]) == 1


def test_empty_and_white_space_documents_have_an_empty_group(trained):
    docs = list(trained.pipe(TEXTS))
    assert [len(docs[i].spans["gold"]) > 0 for i in (0, 1, 2, 4)] == [True, False, False, True]
    assert all("scores" in doc.spans["gold"].attrs for doc in docs)
    assert [len(doc.spans["gold"]) for doc in trained.pipe(["", " \n"])] == [0, 0]


def test_threshold_and_temperature_act_on_probabilities(trained):
    nlp = blank()
    nlp.from_bytes(trained.to_bytes())
    spans = spans_of(nlp)
    docs = [nlp.make_doc(text) for text in TEXTS]
    every = spans.scored_spans(docs, 0.0)
    assert sum(map(len, every)) > sum(map(len, spans.predict(docs)))
    spans.cfg["threshold"] = 0.9
    strict = spans.predict(docs)
    assert strict == [[span for span in row if span.confidence >= 0.9] for row in every]
    spans.cfg["temperature"] = 2.0
    for row, cooler in zip(every, spans.scored_spans(docs, 0.0)):
        odds = [np.log(span.confidence / (1 - span.confidence)) for span in row]
        cooled = [np.log(span.confidence / (1 - span.confidence)) for span in cooler]
        assert cooled == pytest.approx([value / 2 for value in odds], abs=1e-4)
    spans.cfg["temperature"] = 0.0
    with pytest.raises(ValueError, match="BC425"):
        spans.predict(docs)


def test_another_key_is_read_written_and_scored():
    nlp = blank(spans_key="habits")
    examples = habit_examples(nlp, 30, 1, key="habits")
    train(nlp, examples, epochs=20)
    scores = nlp.evaluate(examples)
    assert scores["spans_habits_f"] > 0.9
    assert list(nlp(TEXTS[0]).spans) == ["habits"]


# --- labels, settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"threshold": 1.5}, {"class_weights": {"A": 0.0}}])
def test_settings_out_of_range_are_an_error(settings):
    with pytest.raises(ValueError, match="BC425"):
        blank(**settings)


@pytest.mark.parametrize("label", ["", 7, None])
def test_label_must_be_a_string(label):
    with pytest.raises(ValueError, match="BC421"):
        spans_of(blank()).add_label(label)


def test_labels_come_from_the_key_and_must_be_known():
    nlp = blank()
    with pytest.raises(ValueError, match=r"BC420.*'gold'"):
        nlp.initialize(lambda: habit_examples(nlp, 4, 1, key="elsewhere"))
    examples = habit_examples(nlp, 4, 1)
    spans_of(nlp).initialize(lambda: examples, nlp=nlp, labels=["HABIT"])
    with pytest.raises(ValueError, match=r"BC422.*HABIT"):
        nlp.update(examples)


def test_init_labels_writes_what_initialize_reads(tmp_path):
    nlp = blank()
    examples = habit_examples(nlp, 4, 1)
    nlp.initialize(lambda: examples)
    _init_labels(nlp, tmp_path)
    other = blank()
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "bioclinical_spans.json")}
    other.config["initialize"]["components"]["bioclinical_spans"] = {"labels": reader}
    other.initialize(lambda: examples[:1])
    assert (
        spans_of(other).labels == spans_of(nlp).labels == ("AMOUNT", "FREQUENCY", "HABIT", "LIVING", "STATUS")
    )


def test_label_added_after_training_keeps_the_old_ones(trained, tmp_path):
    nlp = blank()
    nlp.from_bytes(trained.to_bytes())
    before = [as_tuples(nlp(text)) for text in TEXTS]
    assert spans_of(nlp).add_label("PLACE") == 1
    assert spans_of(nlp).add_label("PLACE") == 0
    for text, wanted in zip(TEXTS, before):
        same(as_tuples(nlp(text)), wanted)
    sgd = nlp.resume_training()
    sgd.learn_rate = 0.01
    born = example_of(nlp, "Born in Quarrytown.", [("Quarrytown", "PLACE"), ("in Quarrytown", "PLACE")])
    for _ in range(60):
        nlp.update([born, *habit_examples(nlp, 4, 1)], sgd=sgd)
    nlp.to_disk(tmp_path / "grown")
    doc = spacy.load(tmp_path / "grown")("Born in Quarrytown.")
    assert [(span.text, span.label_) for span in doc.spans["gold"]] == [
        ("in Quarrytown", "PLACE"),
        ("Quarrytown", "PLACE"),
    ]


def test_class_weights_name_known_labels():
    nlp = blank(class_weights={"AMOUNT": 3.0})
    examples = habit_examples(nlp, 5, 1)
    nlp.initialize(lambda: examples)
    nlp.update(examples)
    other = blank(class_weights={"NOWHERE": 3.0})
    with pytest.raises(ValueError, match=r"BC427.*NOWHERE"):
        other.initialize(lambda: examples)


def test_equal_runs_are_equal_to_the_bit():
    """Negatives are chosen, never drawn."""
    results = []
    for _ in range(2):
        fix_random_seed(3)
        nlp = blank()
        train(nlp, habit_examples(nlp, 20, 1), epochs=3)
        results.append(spans_of(nlp).model.to_bytes())
    assert results[0] == results[1]


# --- storing, processes ---------------------------------------------------------------------------------


def test_disk_bytes_and_source_give_the_same_output(trained, tmp_path):
    expected = [as_tuples(trained(text)) for text in TEXTS]
    trained.to_disk(tmp_path / "model")
    from_bytes, sourced = blank(), spacy.blank("en")
    from_bytes.from_bytes(trained.to_bytes())
    sourced.add_pipe("bioclinical_spans", source=trained)
    for nlp in (spacy.load(tmp_path / "model"), from_bytes, sourced):
        assert spans_of(nlp).cfg == spans_of(trained).cfg
        for text, wanted in zip(TEXTS, expected):
            same(as_tuples(nlp(text)), wanted)


def test_scores_survive_bytes_docbin_and_processes(trained):
    expected = [as_tuples(trained(text)) for text in TEXTS]
    docs = [trained(text) for text in TEXTS]
    restored = [Doc(trained.vocab).from_bytes(doc.to_bytes()) for doc in docs]
    stored = DocBin(docs=docs, store_user_data=True).to_bytes()
    binned = list(DocBin(store_user_data=True).from_bytes(stored).get_docs(spacy.blank("en").vocab))
    for group in (restored, binned, list(trained.pipe(TEXTS, batch_size=2))):
        for doc, wanted in zip(group, expected, strict=True):
            assert isinstance(doc.spans["gold"], SpanGroup)
            same(as_tuples(doc), wanted)
    for doc, wanted in zip(trained.pipe(TEXTS, n_process=2, batch_size=2), expected, strict=True):
        same(as_tuples(doc), wanted)
        assert all(doc[start:end]._.confidence is not None for start, end, _, _ in wanted)


def test_update_on_documents_without_words_does_nothing(trained):
    for text in ("", " \n "):
        doc = trained.make_doc(text)
        gold = doc.copy()
        gold.spans["gold"] = []
        assert spans_of(trained).update([Example(doc, gold)], losses={}) == {"bioclinical_spans": 0.0}
