"""The text classifiers as components: probabilities, decisions, weights, and what survives storing and resizing."""

import random

import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Adam

from spacy_bioclinical.models.class_loss import balanced_weights
from spacy_bioclinical.models.thresholds import tune_thresholds
from spacy_bioclinical.pipeline.listening import BoundedPipe
from spacy_bioclinical.pipeline.textcat import BioClinicalMultiLabelTextCat, BioClinicalTextCat
from tests.pipeline.test_transformer import LISTENER
from tests.small_cnn import small_cnn

ONE, MANY = "bioclinical_textcat", "bioclinical_textcat_multilabel"
LABELS = ("GOUT", "ASTHMA", "SCURVY")
FINDINGS = {"GOUT": "swollen toe", "ASTHMA": "audible wheeze", "SCURVY": "bleeding gums"}
HASHES = small_cnn(16, 300, spellings=False)


def pipeline(factory, tok2vec=HASHES, pooling="max", **config):
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-bioclinical.TextCatPooling.v2",
        "tok2vec": tok2vec,
        "exclusive_classes": factory == ONE,
        "pooling": pooling,
    }
    nlp.add_pipe(factory, config={"model": model, **config})
    return nlp


def examples_of(nlp, n, *, exclusive, seed=0, share=(0.5, 0.5, 0.1)):
    """Words without meaning and, for each true label, its finding somewhere among them."""
    rng = random.Random(seed)
    examples = []
    for _ in range(n):
        true = (
            {rng.choices(LABELS, share)[0]}
            if exclusive
            else {a for a, p in zip(LABELS, share) if rng.random() < p}
        )
        words = [f"n{rng.randrange(50)}" for _ in range(12)]
        for label in sorted(true):
            words.insert(rng.randrange(len(words)), FINDINGS[label])
        cats = {label: float(label in true) for label in LABELS}
        examples.append(Example.from_dict(nlp.make_doc(" ".join(words)), {"cats": cats}))
    return examples


def trained(factory, n_rounds=8, **config):
    nlp = pipeline(factory, **config)
    train = examples_of(nlp, 160, exclusive=factory == ONE)
    nlp.initialize(lambda: train)
    sgd = Adam(1e-2)
    for _ in range(n_rounds):
        for start in range(0, len(train), 10):
            nlp.update(train[start : start + 10], sgd=sgd)
    return nlp, train


@pytest.fixture(scope="module")
def one():
    return trained(ONE)[0]


@pytest.fixture(scope="module")
def many():
    return trained(MANY)[0]


@pytest.fixture
def restored(one, many):
    """Both pipelines, their settings put back after the test."""
    before = [
        (nlp.get_pipe(name), srsly.json_dumps(nlp.get_pipe(name).cfg))
        for nlp, name in ((one, ONE), (many, MANY))
    ]
    yield one, many
    for pipe, cfg in before:
        pipe.cfg.update(srsly.json_loads(cfg))


TEXTS = ["n1 swollen toe n2", "n3 audible wheeze n4 bleeding gums", "", "n5", "swollen toe audible wheeze"]


def test_classifiers_learn_and_say_what_they_decide(one, many):
    test = examples_of(one, 30, exclusive=True, seed=9)
    scores = one.evaluate(test)
    assert scores["cats_macro_f"] > 0.9
    for doc in one.pipe(TEXTS):
        assert sum(doc.cats.values()) == pytest.approx(1.0, abs=1e-5)
        assert doc._.cats_assigned == [max(doc.cats, key=doc.cats.get)]
    scores = many.evaluate(examples_of(many, 40, exclusive=False, seed=9))
    assert scores["cats_micro_f"] > 0.85
    for doc in many.pipe(TEXTS):
        assert doc._.cats_assigned == [label for label, p in doc.cats.items() if p >= 0.5]


def test_defaults_predict_and_train_as_spacys_own_component():
    """Same weights, same data: scores and trained weights of `textcat_multilabel`, to the last digits."""
    ours, stock = pipeline(MANY), pipeline("textcat_multilabel")
    examples = examples_of(ours, 12, exclusive=False)
    for nlp in (ours, stock):
        nlp.initialize(lambda: examples)
    mine, theirs = ours.get_pipe(MANY).model, stock.get_pipe("textcat_multilabel").model
    theirs.from_bytes(mine.to_bytes())
    for nlp in (ours, stock):
        nlp.update(examples, sgd=Adam(1e-3))
    docs = [eg.reference for eg in examples]
    np.testing.assert_allclose(mine.predict(docs), theirs.predict(docs), atol=1e-5)


@pytest.mark.parametrize("which", [0, 1])
def test_temperature_divides_the_logits(restored, which):
    nlp, name = restored[which], (ONE, MANY)[which]
    pipe = nlp.get_pipe(name)
    docs = [nlp.make_doc(text) for text in TEXTS]
    logits = pipe.predict_logits(docs)
    before = pipe.predict(docs)
    pipe.temperature = 2.5
    z = np.exp(logits.astype("float64") / 2.5)
    expected = z / z.sum(axis=1, keepdims=True) if which == 0 else z / (1 + z)
    np.testing.assert_allclose(pipe.predict(docs), expected, rtol=1e-4)
    assert (pipe.predict(docs).argmax(axis=1) == before.argmax(axis=1)).all()
    assert pipe.predict(docs).max() < before.max(), "less sure"
    for value in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="BC438"):
            pipe.temperature = value
    assert pipe.cfg["temperature"] == 2.5


def test_logits_of_other_architectures_are_recovered():
    for factory in (ONE, MANY):
        model = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": factory == ONE, "length": 1024,
                 "ngram_size": 1, "no_output_layer": False}  # fmt: skip
        nlp = spacy.blank("en")
        pipe = nlp.add_pipe(factory, config={"model": model})
        train = examples_of(nlp, 10, exclusive=factory == ONE)
        nlp.initialize(lambda train=train: train)
        for _ in range(5):
            nlp.update(train)
        docs = [eg.reference for eg in train]
        p, z = pipe.predict(docs), np.exp(pipe.predict_logits(docs))
        np.testing.assert_allclose(
            z / z.sum(axis=1, keepdims=True) if factory == ONE else z / (1 + z), p, rtol=1e-3
        )
        assert set(nlp("").cats) == set(LABELS)


def test_thresholds_of_labels_decide_and_are_scored(restored):
    _, nlp = restored
    pipe = nlp.get_pipe(MANY)
    test = examples_of(nlp, 40, exclusive=False, seed=5)
    before = nlp.evaluate(test)
    pipe.thresholds = {"GOUT": 0.0, "SCURVY": 1.0}
    assert pipe.thresholds == {"GOUT": 0.0, "ASTHMA": 0.5, "SCURVY": 1.0}
    assert all(
        "GOUT" in doc._.cats_assigned and "SCURVY" not in doc._.cats_assigned for doc in nlp.pipe(TEXTS)
    )
    after = nlp.evaluate(test)
    n_gout = sum(eg.reference.cats["GOUT"] for eg in test)
    assert after["cats_f_per_type"]["GOUT"] == pytest.approx(
        {"p": n_gout / 40, "r": 1.0, "f": 2 * n_gout / (40 + n_gout)}
    )
    assert after["cats_f_per_type"]["SCURVY"]["f"] == 0.0
    assert after["cats_f_per_type"]["ASTHMA"] == before["cats_f_per_type"]["ASTHMA"]
    assert after["cats_micro_f"] < before["cats_micro_f"]
    assert after["cats_auc_per_type"] == before["cats_auc_per_type"], "needs no threshold"
    for faulty in ({"GOUT": 1.5}, {"PLAGUE": 0.5}):
        with pytest.raises(ValueError, match="BC439"):
            pipe.thresholds = faulty


def test_tuned_thresholds_are_kept_and_decide(restored, tmp_path):
    _, nlp = restored
    pipe = nlp.get_pipe(MANY)
    pipe.temperature = 0.3
    dev = examples_of(nlp, 60, exclusive=False, seed=7)
    for eg in dev[::7]:  # mistakes of the annotators, so that F1 is not 1 throughout
        eg.reference.cats = {label: 1.0 - value for label, value in eg.reference.cats.items()}
    predicted = [Example(nlp(eg.reference.text), eg.reference) for eg in dev]
    before = nlp.evaluate(dev)
    thresholds = pipe.tune_thresholds(predicted)
    assert thresholds == pipe.thresholds == pipe.cfg["thresholds"]
    after = nlp.evaluate(dev)
    assert after["cats_macro_f"] >= before["cats_macro_f"]
    cats = [[eg.reference.cats[label] for label in LABELS] for eg in predicted]
    scores = [[eg.predicted.cats[label] for label in LABELS] for eg in predicted]
    expected = [each.threshold for each in tune_thresholds(np.array(cats), np.array(scores))]
    assert list(thresholds.values()) == pytest.approx(expected, abs=1e-10)
    for label in LABELS:
        scores = np.array([eg.predicted.cats[label] for eg in predicted])
        truth = np.array([eg.reference.cats[label] for eg in predicted])
        chosen = scores >= thresholds[label]
        f = 2 * truth[chosen].sum() / (chosen.sum() + truth.sum())
        assert after["cats_f_per_type"][label]["f"] == pytest.approx(f)
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert again.get_pipe(MANY).thresholds == thresholds
    assert again.get_pipe(MANY).temperature == 0.3
    for doc, same in zip(nlp.pipe(TEXTS), again.pipe(TEXTS), strict=True):
        assert doc.cats == same.cats
        assert doc._.cats_assigned == same._.cats_assigned
    with pytest.raises(ValueError, match=r"BC440.*document 0"):
        pipe.tune_thresholds(examples_of(nlp, 1, exclusive=False))
    with pytest.raises(ValueError, match=r"BC440.*no documents"):
        pipe.tune_thresholds([])


def test_decisions_travel_with_the_document(many):
    docs = list(many.pipe(TEXTS))
    assert any(doc._.cats_assigned for doc in docs)
    for doc in docs:
        assert Doc(many.vocab).from_bytes(doc.to_bytes())._.cats_assigned == doc._.cats_assigned
    stored = DocBin(docs=docs, store_user_data=True).to_bytes()
    for doc, again in zip(docs, DocBin().from_bytes(stored).get_docs(many.vocab), strict=True):
        assert list(again._.cats_assigned) == doc._.cats_assigned  # msgpack has turned it into a tuple
    shared = list(many.pipe(TEXTS, n_process=2, batch_size=2))
    assert [doc._.cats_assigned for doc in shared] == [doc._.cats_assigned for doc in docs]


def test_two_classifiers_share_a_document(one, many):
    nlp = spacy.blank("en", vocab=many.vocab)
    nlp.add_pipe(MANY, source=many)
    nlp.add_pipe("textcat_multilabel", config={"model": {"@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": False, "length": 64, "ngram_size": 1, "no_output_layer": False}})  # fmt: skip
    other = nlp.replace_pipe(
        "textcat_multilabel", ONE, config={"model": pipeline(ONE).config["components"][ONE]["model"]}
    )
    for label in ("MALE", "FEMALE"):
        other.add_label(label)
    other.initialize(lambda: [Example.from_dict(nlp.make_doc("n1"), {"cats": {"MALE": 1.0, "FEMALE": 0.0}})])
    doc = nlp("n1 swollen toe")
    doc = nlp.get_pipe(MANY)(doc)  # a second time adds nothing twice
    assert set(doc.cats) == {*LABELS, "MALE", "FEMALE"}
    assert "GOUT" in doc._.cats_assigned
    assert doc._.cats_assigned.count("GOUT") == 1
    assert len(set(doc._.cats_assigned) & {"MALE", "FEMALE"}) == 1


def test_extension_of_others_is_not_overwritten():
    Doc.remove_extension("cats_assigned") if Doc.has_extension("cats_assigned") else None
    Doc.set_extension("cats_assigned", getter=len)
    try:
        with pytest.raises(ValueError, match="BC441"):
            pipeline(ONE)
    finally:
        Doc.set_extension("cats_assigned", default=None, force=True)


@pytest.mark.parametrize("factory", [ONE, MANY])
def test_new_label_keeps_what_was_known(factory):
    nlp, train = trained(factory, n_rounds=3, class_weights="balanced")
    pipe = nlp.get_pipe(factory)
    docs = [eg.reference for eg in train[:5]]
    before = pipe.predict_logits(docs)
    assert pipe.add_label("GOUT") == 0
    assert pipe.add_label("PLAGUE") == 1
    np.testing.assert_allclose(pipe.predict_logits(docs)[:, :3], before, rtol=1e-6)
    assert nlp("n1").cats["PLAGUE"] < 0.1
    new = Example.from_dict(
        nlp.make_doc("n1 buboes"), {"cats": {**dict.fromkeys(LABELS, 0.0), "PLAGUE": 1.0}}
    )
    sgd = Adam(5e-2)
    for _ in range(30):
        nlp.update([new, *train[:10]], sgd=sgd)
    assert "PLAGUE" in nlp("n1 buboes")._.cats_assigned
    again = spacy.util.load_model_from_config(nlp.config, auto_fill=True).from_bytes(nlp.to_bytes())
    assert again("n1 buboes").cats == nlp("n1 buboes").cats
    for label, weights in pipe.cfg["label_weights"].items():
        assert again.get_pipe(factory).cfg["label_weights"][label] == pytest.approx(weights)


def test_class_weights_and_smoothing_reach_the_loss():
    for factory, exclusive in ((ONE, True), (MANY, False)):
        nlp = pipeline(factory, class_weights="balanced", label_smoothing=0.1)
        train = examples_of(nlp, 40, exclusive=exclusive)
        nlp.initialize(lambda train=train: train)
        pipe = nlp.get_pipe(factory)
        expected = balanced_weights([eg.reference.cats for eg in train], pipe.labels, exclusive=exclusive)
        assert pipe.cfg["label_weights"] == expected
        scores = pipe.model.predict([eg.predicted for eg in train])
        weighted, d_weighted = pipe.get_loss(train, scores)
        pipe.label_smoothing = 0.0
        unsmoothed, d_unsmoothed = pipe.get_loss(train, scores)
        assert weighted != pytest.approx(unsmoothed)
        pipe.cfg["label_weights"] = None
        plain, d_plain = pipe.get_loss(train, scores)
        assert unsmoothed != pytest.approx(plain)
        assert not np.allclose(d_weighted, d_unsmoothed)
        rare = [i for i, eg in enumerate(train) if eg.reference.cats["SCURVY"]]
        column = pipe.labels.index("SCURVY")
        assert (abs(d_unsmoothed[rare, column]) > 1.5 * abs(d_plain[rare, column])).all()
    nlp = pipeline(ONE, class_weights={"SCURVY": 3.0})
    nlp.initialize(lambda: train_of_one(nlp))
    assert nlp.get_pipe(ONE).cfg["label_weights"] == {"SCURVY": [1.0, 3.0]}
    for weights in ({"PLAGUE": 1.0}, {"GOUT": 0.0}):
        nlp = pipeline(ONE, class_weights=weights)
        with pytest.raises(ValueError, match="BC436"):
            nlp.initialize(lambda nlp=nlp: train_of_one(nlp))
    with pytest.raises(ValueError, match="BC437"):
        pipeline(ONE, label_smoothing=1.0)


def train_of_one(nlp):
    return examples_of(nlp, 20, exclusive=True, share=(1, 1, 1))


def test_document_without_annotation_costs_nothing_and_is_not_scored(one):
    pipe = one.get_pipe(ONE)
    examples = examples_of(one, 6, exclusive=True)
    bare = Example.from_dict(one.make_doc("n1 n2"), {"cats": {}})
    scores = pipe.model.predict([eg.predicted for eg in [*examples, bare]])
    loss, gradient = pipe.get_loss([*examples, bare], scores)
    alone, gradient_alone = pipe.get_loss(examples, scores[:6])
    assert loss == pytest.approx(alone)
    assert not gradient[6].any()
    np.testing.assert_allclose(gradient[:6] / 7, gradient_alone / 6, rtol=1e-5)
    found, expected = one.evaluate([*examples, bare]), one.evaluate(examples)
    assert {key: value for key, value in found.items() if key.startswith("cats")} == {
        key: value for key, value in expected.items() if key.startswith("cats")
    }


def test_loss_that_is_no_number_is_told(one):
    pipe = one.get_pipe(ONE)
    examples = examples_of(one, 2, exclusive=True)
    with pytest.raises(ValueError, match="BC435"):
        pipe.get_loss(examples, np.full((2, 3), np.nan, dtype="f"))


def test_weighted_f_weighs_labels_by_how_often_they_are_true(many):
    test = examples_of(many, 30, exclusive=False, seed=3)
    for eg in test[::4]:
        eg.reference.cats = {label: 1.0 - value for label, value in eg.reference.cats.items()}
    scores = many.evaluate(test)
    support = {label: sum(eg.reference.cats[label] for eg in test) for label in LABELS}
    f = {label: scores["cats_f_per_type"][label]["f"] for label in LABELS}
    expected = sum(support[label] * f[label] for label in LABELS) / sum(support.values())
    assert scores["cats_weighted_f"] == pytest.approx(expected)
    assert scores["cats_weighted_f"] != pytest.approx(scores["cats_macro_f"], abs=1e-4)


@pytest.mark.parametrize("pooling", ["attention", "cls"])
def test_listening_classifiers_agree_batched_alone_stored_and_empty(
    make_pipeline, short_encoder_folder, notes, tmp_path, pooling
):
    """With the transformer: documents of several windows, none with tokens, and both at once."""
    heads = []
    for factory in (ONE, MANY):
        model = {"@architectures": "spacy-bioclinical.TextCatPooling.v2", "tok2vec": LISTENER,
                 "exclusive_classes": factory == ONE, "pooling": pooling}  # fmt: skip
        heads.append((factory, {"model": model}))
    nlp = make_pipeline(short_encoder_folder, heads=heads[:1], initialize=False, overlap=16)
    nlp.initialize(lambda: examples_of(nlp, 6, exclusive=True, share=(1, 1, 1)))
    assert isinstance(nlp.get_pipe(ONE), BioClinicalTextCat)
    assert isinstance(nlp.get_pipe(ONE).pipe, BoundedPipe)
    nlp.get_pipe(ONE).temperature = 1.5
    texts = ["", notes[0] * 2, " ", notes[1], ""]
    alone = [nlp(text) for text in texts]
    assert max(doc._.coverage["windows"] for doc in alone) >= 3
    for doc, single in zip(nlp.pipe(texts), alone, strict=True):
        assert doc.cats == pytest.approx(single.cats, abs=1e-5)
        assert doc._.cats_assigned == single._.cats_assigned
    nlp.to_disk(tmp_path / "model")
    for doc, single in zip(spacy.load(tmp_path / "model").pipe(texts), alone, strict=True):
        assert doc.cats == pytest.approx(single.cats, abs=1e-5)


def test_factories_have_working_defaults(make_pipeline, encoder_folder, notes):
    for factory, kind in ((ONE, BioClinicalTextCat), (MANY, BioClinicalMultiLabelTextCat)):
        nlp = make_pipeline(encoder_folder, heads=[(factory, {})], initialize=False)
        nlp.initialize(
            lambda nlp=nlp, factory=factory: examples_of(nlp, 9, exclusive=factory == ONE, share=(1, 1, 1))
        )
        pipe = nlp.get_pipe(factory)
        assert isinstance(pipe, kind)
        assert (pipe.temperature, pipe.cfg["thresholds"], pipe.cfg["label_weights"]) == (1.0, {}, None)
        assert pipe.model.attrs["multi_label"] is (factory == MANY)
        assert set(nlp(notes[0]).cats) == set(LABELS)
