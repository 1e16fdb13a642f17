"""Calibration against independent fits and brute force, and on pipelines whose settings it must change as it says."""

import itertools

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bioclinical.models.tag_sequence import TagSequence
from spacy_bioclinical.pipeline.calibrated import logistic, logit, on_line
from spacy_bioclinical.training.calibration import calibrate
from spacy_bioclinical.training.calibration_cases import EntityCases, RecallWish, best_span_threshold
from spacy_bioclinical.training.temperature import (
    best_line,
    best_temperature,
    class_loss,
    log_loss,
    log_softmax,
    moved_threshold,
)
from tests.small_cnn import WORDS_CNN

NAMES = ["Quill", "Orme", "Tarn", "Vesper", "Ludd"]
FILL = ["seen", "by", "ward", "home", "on", "for", "the", "plan"]


def golds_of(vocab, n=60, seed=0):
    """Invented documents; a word in five is a name, but only nine of ten of these are annotated."""
    draw = np.random.default_rng(seed)
    for i in range(n):
        is_name = draw.random(20) < 0.2
        words = [str(draw.choice(NAMES if name else FILL)) for name in is_name]
        doc = Doc(vocab, words=words)
        kept = [k for k in np.flatnonzero(is_name).tolist() if draw.random() < 0.9]
        doc.set_ents([Span(doc, k, k + 1, label="NAME") for k in kept])
        doc.spans["gold"] = [*doc.ents, *(Span(doc, k, min(20, k + 2), label="WHO") for k in kept[:2])]
        busy = is_name.sum() > 3
        doc.cats = {"busy": float(busy), "quiet": float(not busy), "odd": float(draw.random() < 0.3)}
        doc.user_data["id"] = f"note-{i}"
        yield doc


def train(nlp, steps=15):
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in golds_of(nlp.vocab)]
    nlp.initialize(lambda: examples)
    for _ in range(steps):
        nlp.update(examples, sgd=nlp._optimizer)
    return nlp


def with_ner(tagger="BioTagger"):
    nlp = spacy.blank("en")
    model = {"@architectures": f"spacy-bioclinical.{tagger}.v1", "tok2vec": WORDS_CNN}
    nlp.add_pipe("bioclinical_ner", name="ner", config={"model": model})
    nlp._optimizer = nlp.create_optimizer()
    return nlp


@pytest.fixture(scope="module", params=["BioTagger", "CrfTagger"])
def ner(request):
    return train(with_ner(request.param))


def test_temperature_and_line_are_found_again():
    """Cases drawn from known probabilities; the claims are distorted by a known amount."""
    draw = np.random.default_rng(0)
    logits = draw.normal(1.0, 2.0, size=20_000)
    hits = draw.random(20_000) < logistic(logits)
    found = best_temperature(lambda value: log_loss(logistic(3.0 * logits / value), hits))
    assert found == pytest.approx(3.0, rel=0.05)
    slope, intercept = best_line(logistic((logits - 1.0) / 0.5), hits)
    assert slope == pytest.approx(0.5, rel=0.05)
    assert intercept == pytest.approx(1.0, abs=0.06)


def test_temperature_of_classes_is_found_again():
    draw = np.random.default_rng(1)
    logits = draw.normal(0, 1.5, size=(8000, 4))
    truth = (np.exp(log_softmax(logits)).cumsum(axis=1) > draw.random((8000, 1))).argmax(axis=1)
    assert best_temperature(lambda value: class_loss(logits / 0.4 / value, truth)) == pytest.approx(
        2.5, rel=0.06
    )


def test_line_equals_an_unregularised_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(2)
    p = draw.beta(4, 1, size=3000)
    hits = draw.random(3000) < p**2
    other = LogisticRegression(C=1e9, tol=1e-10, max_iter=500).fit(logit(p)[:, None], hits)
    line = best_line(p, hits)
    assert line == pytest.approx(
        [other.coef_[0, 0], other.intercept_[0]], abs=0.01
    )  # targets are drawn in a little
    assert on_line(p, None) is p
    np.testing.assert_allclose(on_line(p, [1.0, 0.0]), p, atol=1e-9)
    assert (np.diff(on_line(np.sort(p), line)) >= 0).all()


@pytest.mark.parametrize("hits", [np.ones(8, dtype=bool), np.zeros(8, dtype=bool)])
def test_few_cases_of_one_kind_do_not_claim_certainty(hits):
    p = np.full(8, 0.9)
    temperature = best_temperature(lambda value: log_loss(logistic(logit(p) / value), hits))
    moved = on_line(logistic(logit(p) / temperature), best_line(logistic(logit(p) / temperature), hits))
    assert 0.01 < moved.min() <= moved.max() < 0.99


def test_moved_threshold_decides_as_before():
    logits = np.linspace(-6, 6, 401)
    for threshold, temperature in itertools.product([0.0, 0.03, 0.5, 0.8, 1.0], [0.3, 1.0, 4.0]):
        moved = moved_threshold(threshold, temperature)
        before, after = logistic(logits) >= threshold, logistic(logits / temperature) >= moved
        is_far = np.abs(logistic(logits) - threshold) > 1e-9  # 0 itself may lose a digit
        np.testing.assert_array_equal(before[is_far], after[is_far])
        assert moved_threshold(moved, 1 / temperature) == pytest.approx(threshold, abs=1e-6)
    assert moved_threshold(0.5, 3.0) == 0.5


def test_span_threshold_is_that_of_brute_force():
    draw = np.random.default_rng(3)
    for _ in range(30):
        p = np.round(draw.random(40), 2)
        hits = draw.random(40) < p
        n_gold = int(hits.sum()) + int(draw.integers(0, 5))

        def f(threshold, p=p, hits=hits, n_gold=n_gold):
            found = p >= threshold
            return 2 * (found & hits).sum() / (found.sum() + n_gold)

        chosen = best_span_threshold(p, hits, n_gold, 0.5)
        assert f(chosen) == pytest.approx(max(f(t) for t in np.linspace(0, 1, 501)))
    assert best_span_threshold(p, np.zeros(40, dtype=bool), 7, 0.4) == 0.4
    assert best_span_threshold(np.array([0.4, 0.6]), np.array([False, True]), 1, 0.5) == 0.5


def test_entities_joined_for_speed_have_the_confidences_they_have_alone(ner):
    cases = EntityCases("ner", "bioclinical_ner", ner.get_pipe("ner"))
    cases.reset()
    golds = list(golds_of(ner.vocab, 7, seed=5))
    docs = [ner.make_doc(gold.text) for gold in golds]
    cases.add(docs, golds)
    pipe = ner.get_pipe("ner")
    for temperature in (0.5, 1.0, 4.0):
        pipe.cfg["temperature"] = temperature
        alone = [ent._.confidence for doc in docs for ent in pipe(doc.copy()).ents]
        np.testing.assert_allclose(cases._confidences(temperature), alone, rtol=1e-6)
        scores, documents = cases._mention_scores(temperature)
        expected = []
        for gold, doc in zip(golds, docs):
            p = pipe.token_probabilities(doc.copy())
            found = {i for ent in pipe(doc.copy()).ents for i in range(ent.start, ent.end)}
            expected += [min(1.0 if i in found else p[i] for i in range(e.start, e.end)) for e in gold.ents]
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
        assert len(np.unique(documents)) == 7


def test_calibrated_entities_are_the_same_and_more_honest(ner):
    golds = list(golds_of(ner.vocab, 80, seed=6))
    pipe = ner.get_pipe("ner")
    pipe.cfg.update({"temperature": 1.0, "confidence_line": None, "recall_target": None})
    before = [[(e.start, e.end, e.label_) for e in ner(gold.text).ents] for gold in golds]
    (found,) = calibrate(ner, golds)
    assert before == [[(e.start, e.end, e.label_) for e in ner(gold.text).ents] for gold in golds]
    assert (found.component, found.n) == ("ner", sum(map(len, before)))
    assert found.after["ece"] <= found.before["ece"]
    assert pipe.cfg["temperature"] == found.temperature
    again = calibrate(ner, golds)[0]
    assert again.to_dict() == found.to_dict()
    shown = np.sort([ent._.confidence for gold in golds for ent in ner(gold.text).ents])
    assert shown.mean() == pytest.approx(found.after["confidence"], abs=1e-6)


def test_promised_recall_is_kept_on_what_it_was_chosen_on(ner):
    golds = list(golds_of(ner.vocab, 120, seed=7))
    (found,) = calibrate(ner, golds, wish=RecallWish(target=0.8, confidence=0.9))
    pipe = ner.get_pipe("ner")
    assert pipe.cfg["recall_target"] == found.promise.to_dict()
    covered = []
    for gold in golds:
        tokens = {i for ent in ner(gold.text).ents for i in range(ent.start, ent.end)}
        covered += [set(range(ent.start, ent.end)) <= tokens for ent in gold.ents]
    assert np.mean(covered) >= found.promise.recall >= 0.8
    assert len(found.mention_scores) == len(covered) == found.promise.n
    calibrate(ner, golds)
    assert pipe.cfg["recall_target"] is None


def test_promise_that_cannot_be_made_is_refused(ner):
    with pytest.raises(ValueError, match="BC460"):
        calibrate(ner, golds_of(ner.vocab, 5), wish=RecallWish(target=0.999))


def test_spans_and_classes_are_calibrated_with_thresholds():
    nlp = spacy.blank("en")
    pooled = {
        "@architectures": "spacy-bioclinical.TextCatPooling.v2",
        "pooling": "mean",
        "tok2vec": WORDS_CNN,
    }
    pooled |= {"dropout": 0.0, "nO": None}
    spans = {"@architectures": "spacy-bioclinical.SpanScorer.v1", "tok2vec": WORDS_CNN}
    nlp.add_pipe("bioclinical_spans", config={"model": spans})
    nlp.add_pipe("bioclinical_textcat_multilabel", config={"model": {**pooled, "exclusive_classes": False}})
    nlp._optimizer = nlp.create_optimizer()
    train(nlp, steps=40)
    golds = list(golds_of(nlp.vocab, 80, seed=8))
    by_name = {each.component: each for each in calibrate(nlp, golds)}
    assert set(by_name) == {"bioclinical_spans", "bioclinical_textcat_multilabel"}
    for name, found in by_name.items():
        cfg = nlp.get_pipe(name).cfg
        assert cfg["temperature"] == pytest.approx(found.temperature)
        assert found.after["n"] == found.n
        assert found.temperature != 1.0
    spans_found = by_name["bioclinical_spans"]
    assert spans_found.thresholds == nlp.get_pipe("bioclinical_spans").cfg["threshold"]
    scores = np.concatenate([nlp(gold.text).spans["gold"].attrs["scores"] for gold in golds])
    assert len(scores) == spans_found.n
    assert scores.mean() == pytest.approx(spans_found.after["confidence"], abs=1e-5)
    thresholds = by_name["bioclinical_textcat_multilabel"].thresholds
    assert set(thresholds) == {"busy", "quiet", "odd"}
    fixed = {each.component: each for each in calibrate(nlp, golds, thresholds=False)}
    assert all(each.thresholds is None for each in fixed.values())
    assert nlp.get_pipe("bioclinical_textcat_multilabel").cfg["thresholds"] == {}


def test_nothing_to_calibrate_is_told(ner):
    empty = [Doc(ner.vocab, words=["seen"], ents=[""])]
    with pytest.raises(ValueError, match="BC464"):
        calibrate(spacy.blank("en"), empty)
    nlp = spacy.blank("en")
    nlp.add_pipe("bioclinical_textcat", config={"model": {"tok2vec": WORDS_CNN}})
    nlp._optimizer = nlp.create_optimizer()
    golds = [Doc(nlp.vocab, words=[name]) for name in NAMES]
    for i, gold in enumerate(golds):
        gold.cats = {"a": float(i % 2), "b": float(1 - i % 2)}
    nlp.initialize(lambda: [Example(nlp.make_doc(gold.text), gold) for gold in golds])
    with pytest.raises(ValueError, match="BC466"):
        calibrate(nlp, golds, wish=RecallWish())
    assert calibrate(nlp, golds)[0].n == len(NAMES)


def test_separating_rows_part_documents_exactly():
    """Two documents as one softmax sequence with a sure O between: the marginals of either are those alone."""
    draw = np.random.default_rng(9)
    first, second = draw.normal(size=(4, 5)) * 3, draw.normal(size=(3, 5)) * 3
    between = np.array([[0.0, -1e5, -1e5, -1e5, -1e5]])
    for temperature in (0.05, 1.0, 20.0):
        joined = TagSequence(
            np.concatenate([first, between, second]), temperature=temperature
        ).tag_probabilities()
        for rows, part in ((first, joined[:4]), (second, joined[5:])):
            alone = TagSequence(rows, temperature=temperature).tag_probabilities()
            np.testing.assert_allclose(part, alone, atol=1e-12)
