"""`bioclinical_ner` with a CRF, and the settings of its loss: class weights, label smoothing."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_bioclinical.models.crf import crf_decode, crf_span_log_probabilities, crf_tag_probabilities
from spacy_bioclinical.models.crf_layer import transitions_of
from spacy_bioclinical.models.viterbi import TagSpan, log_softmax, span_log_probabilities, spans_of
from spacy_bioclinical.pipeline.bio_targets import MISSING, cross_entropy
from tests.small_cnn import SPELLINGS_CNN

NAMES = ["Ada Quill", "Bram\n  Orme", "Cleo van Dorn", "Edda Stroud"]
DATES = ["3 May", "14 June 2031", "yesterday"]
TEXTS = ["Seen by Ada\n  Quill on 3 May.\n", "", " \n ", "No one.", "Called Cleo van Dorn on 14 June 2031."]


def blank(architecture="CrfTagger", **settings):
    nlp = spacy.blank("en")
    model = {"@architectures": f"spacy-bioclinical.{architecture}.v1", "tok2vec": SPELLINGS_CNN}
    nlp.add_pipe("bioclinical_ner", config={"model": model, **settings})
    return nlp


def ner_of(nlp):
    return nlp.get_pipe("bioclinical_ner")


def invented_examples(nlp, n, seed):
    rng = np.random.default_rng(seed)
    examples = []
    for _ in range(n):
        name, date = rng.choice(NAMES), rng.choice(DATES)
        text = f"{rng.choice(['Seen by', 'Patient:', 'Called'])} {name} on {date}.\n"
        entities = [
            (text.index(w), text.index(w) + len(w), label) for w, label in [(name, "NAME"), (date, "DATE")]
        ]
        examples.append(Example.from_dict(nlp.make_doc(text), {"entities": entities}))
    return examples


def train(nlp, examples, *, updates=50, learn_rate=0.005):
    nlp.initialize(lambda: examples)
    sgd, losses = Adam(learn_rate), []
    for i in range(updates):
        batch = {}
        nlp.update(examples[i * 10 % len(examples) :][:10], sgd=sgd, losses=batch)
        losses.append(batch["bioclinical_ner"])
    return losses


@pytest.fixture(scope="module")
def trained():
    fix_random_seed(0)
    nlp = blank()
    losses = train(nlp, invented_examples(nlp, 60, 1))
    assert losses[-1] < losses[0] / 5
    return nlp


def as_tuples(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def confidences(doc):
    return [ent._.confidence for ent in doc.ents]


# --- CRF ------------------------------------------------------------------------------------------------


def test_crf_learns_an_invented_task_and_its_transitions(trained):
    assert trained.evaluate(invented_examples(trained, 30, 2))["ents_f"] > 0.95
    doc = trained.make_doc(TEXTS[0])
    transitions = transitions_of(ner_of(trained).model.predict([doc]))
    assert np.abs(transitions.pairs).max() > 0.01
    assert transitions.pairs[0, 2] == 0  # O to I: never moved


def test_entities_and_confidences_are_those_of_the_crf(trained):
    doc, ner = trained(TEXTS[4]), ner_of(trained)
    scores = ner.model.predict([doc])
    transitions = transitions_of(scores)
    spans = spans_of(crf_decode(scores[0], transitions))
    assert [(s.start, s.end, ner.labels[s.type_index]) for s in spans] == [
        (ent.start, ent.end, ent.label_) for ent in doc.ents
    ]
    assert len(spans) == 2
    assert confidences(doc) == pytest.approx(
        np.exp(crf_span_log_probabilities(scores[0], transitions, spans))
    )
    marginals = crf_tag_probabilities(scores[0], transitions)
    np.testing.assert_allclose(ner.token_probabilities(doc), 1 - marginals[:, 0], atol=1e-9)


def test_crf_comes_back_from_disk_bytes_and_source(trained, tmp_path):
    expected = [trained(text) for text in TEXTS]
    trained.to_disk(tmp_path / "model")
    from_bytes, sourced = blank(), spacy.blank("en")
    from_bytes.from_bytes(trained.to_bytes())
    sourced.add_pipe("bioclinical_ner", source=trained)
    for nlp in (spacy.load(tmp_path / "model"), from_bytes, sourced):
        for got, wanted in zip(nlp.pipe(TEXTS), expected):
            assert as_tuples(got) == as_tuples(wanted)
            assert confidences(got) == pytest.approx(confidences(wanted), abs=1e-6)


def test_batches_give_what_single_documents_give(trained):
    texts = TEXTS * 3
    for got, text in zip(trained.pipe(texts, batch_size=7), texts):
        wanted = trained(text)
        assert as_tuples(got) == as_tuples(wanted)
        assert confidences(got) == pytest.approx(confidences(wanted), abs=1e-6)


def test_label_added_to_a_trained_crf_keeps_the_old_ones_and_learns(trained):
    nlp = blank()
    nlp.from_bytes(trained.to_bytes())
    before = [as_tuples(nlp(text)) for text in TEXTS]
    ner_of(nlp).add_label("PLACE")
    assert [as_tuples(nlp(text)) for text in TEXTS] == before
    sgd = nlp.resume_training()
    sgd.learn_rate = 0.01
    example = Example.from_dict(nlp.make_doc("Born in Quarrytown."), {"entities": [(8, 18, "PLACE")]})
    for _ in range(50):
        nlp.update([example, *invented_examples(nlp, 3, 1)], sgd=sgd)
    again = blank()
    again.from_bytes(nlp.to_bytes())
    assert [ent.label_ for ent in again("Born in Quarrytown.").ents] == ["PLACE"]


def test_partly_annotated_documents_teach_what_they_hold():
    fix_random_seed(0)
    nlp = blank()
    examples = invented_examples(nlp, 40, 1)
    for eg in examples:  # only the first entity and the words before it are annotated
        reference = eg.reference
        first = reference.ents[0]
        reference.set_ents([first], missing=[reference[first.end : len(reference)]], default="outside")
    losses = train(nlp, examples, updates=40)
    assert losses[-1] < losses[0] / 5
    assert all("NAME" in [ent.label_ for ent in nlp(eg.reference.text).ents] for eg in examples[:10])


@pytest.mark.parametrize("setting", [{"class_weights": "balanced"}, {"label_smoothing": 0.1}])
def test_crf_refuses_settings_of_a_loss_per_token(setting):
    with pytest.raises(ValueError, match=f"BC428.*{next(iter(setting))}"):
        blank(**setting)


def test_diverged_crf_is_an_error(trained):
    ner, (example,) = ner_of(trained), invented_examples(trained, 1, 3)
    scores, _ = ner.model.begin_update([example.predicted])
    scores[0][:] = np.nan
    with pytest.raises(ValueError, match="BC405"):
        ner.get_loss([example], scores)


# --- class weights and label smoothing ------------------------------------------------------------------


def random_batch():
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=(length, 5)).astype("f") * 4 for length in (3, 0, 6)]
    return scores, [rng.integers(-1, 5, size=len(row)) for row in scores]


def test_defaults_change_no_bit_of_loss_and_gradient():
    scores, tags = random_batch()
    loss, gradients = cross_entropy(scores, tags)
    logits, targets = np.concatenate(scores), np.concatenate(tags)
    rows = np.flatnonzero(targets != MISSING)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = np.zeros_like(log_probs)
    expected[rows] = np.exp(log_probs[rows])
    expected[rows, targets[rows]] -= 1.0
    expected /= len(rows)
    assert loss == -float(log_probs[rows, targets[rows]].sum()) / len(rows)
    np.testing.assert_array_equal(np.concatenate(gradients), expected)
    ner = ner_of(blank("BioTagger"))
    assert (ner.class_weights, ner.label_smoothing, ner.cfg) == (None, 0.0, {"labels": []})


def test_default_confidences_are_those_of_the_softmax_to_the_bit():
    nlp = blank("BioTagger")
    nlp.initialize(lambda: invented_examples(nlp, 4, 1))
    ner, rng = ner_of(nlp), np.random.default_rng(0)
    doc = nlp.make_doc("one two three four five six seven eight")
    for _ in range(20):
        logits = rng.normal(size=(len(doc), 5)).astype("f") * 3
        found = ner._find_entities(doc, logits)
        spans = [TagSpan(start, end, ner.labels.index(label)) for start, end, label, _ in found]
        expected = np.exp(span_log_probabilities(log_softmax(logits), spans)).tolist()
        assert [entity.confidence for entity in found] == expected


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0, 1.0, 0.0, 3.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weighted_smoothed_gradient_equals_finite_differences(weights, smoothing):
    scores, tags = random_batch()
    scores = [row.astype("d") for row in scores]
    loss, gradients = cross_entropy(scores, tags, weights=weights, smoothing=smoothing)
    for row, gradient in zip(scores, gradients):
        for index in np.ndindex(row.shape):
            keep, values = row[index], []
            for step in (1e-5, -1e-5):
                row[index] = keep + step
                values.append(cross_entropy(scores, tags, weights=weights, smoothing=smoothing)[0])
            row[index] = keep
            assert gradient[index] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-8)
    torch = pytest.importorskip("torch")
    if weights is None or not smoothing:  # torch weighs the smoothed classes, not the tokens
        expected = torch.nn.functional.cross_entropy(
            torch.tensor(np.concatenate(scores)),
            torch.tensor(np.concatenate(tags)),
            weight=None if weights is None else torch.tensor(weights),
            ignore_index=MISSING,
            label_smoothing=smoothing,
        )
        assert loss == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize(("rule", "power"), [("balanced", 1.0), ("inverse_sqrt", 0.5)])
def test_weights_by_rule_come_from_the_corpus_and_are_stored(rule, power, tmp_path):
    nlp = blank("BioTagger", class_weights=rule)
    examples = invented_examples(nlp, 30, 1)
    nlp.initialize(lambda: examples)
    ner = ner_of(nlp)
    counts = dict.fromkeys(ner.tag_names, 0)
    for eg in examples:
        for token in eg.reference:
            if not token.is_space:
                counts[f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"] += 1
    weights = ner.cfg["tag_weights"]
    products = [weights[tag] * n**power for tag, n in counts.items()]
    assert products == pytest.approx([products[0]] * len(products))
    assert sum(weights[tag] * n for tag, n in counts.items()) == pytest.approx(sum(counts.values()))
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert ner_of(again).cfg["tag_weights"] == pytest.approx(weights)
    scores = [np.random.default_rng(0).normal(size=(len(eg.predicted), 5)) for eg in examples[:3]]
    weighted, _ = ner.get_loss(examples[:3], scores)
    assert weighted == pytest.approx(ner_of(again).get_loss(examples[:3], scores)[0])
    ner.cfg["tag_weights"] = None
    assert weighted != pytest.approx(ner.get_loss(examples[:3], scores)[0])


def test_weights_by_name_are_of_tags_before_types():
    nlp = blank("BioTagger", class_weights={"NAME": 2.0, "I-NAME": 3, "O": 0.5}, label_smoothing=0.1)
    nlp.initialize(lambda: invented_examples(nlp, 20, 1))
    assert ner_of(nlp).cfg["tag_weights"] == {"O": 0.5, "B-DATE": 1, "I-DATE": 1, "B-NAME": 2, "I-NAME": 3}
    assert nlp.config["components"]["bioclinical_ner"]["label_smoothing"] == 0.1


def test_settings_that_make_no_sense_are_errors():
    with pytest.raises(ValueError, match=r"BC429.*'NAME'"):
        blank("BioTagger", class_weights={"NAME": -1.0})
    with pytest.raises(ValueError, match="BC430"):
        blank("BioTagger", label_smoothing=1.0)
    nlp = blank("BioTagger", class_weights={"PLACE": 2.0})
    with pytest.raises(ValueError, match=r"BC429.*'PLACE'"):
        nlp.initialize(lambda: invented_examples(nlp, 4, 1))
