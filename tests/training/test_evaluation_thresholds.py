"""`evaluate`, the prediction file and spaCy's own scorer decide about classes as the component does."""

import numpy as np
import pytest
import spacy
from sklearn.metrics import f1_score
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_bioclinical.training.class_tables import class_table
from spacy_bioclinical.training.evaluation import evaluate_with_records
from spacy_bioclinical.training.predictions import read_predictions, write_predictions
from spacy_bioclinical.training.recording import describe_components
from tests.small_cnn import WORDS_CNN

LABELS = ("GOUT", "RICKETS", "SCURVY")
MANY = "bioclinical_textcat_multilabel"


def pipeline_of(factory, cats_of):
    nlp = spacy.blank("en")
    pooled = {
        "@architectures": "spacy-bioclinical.TextCatPooling.v2",
        "pooling": "mean",
        "tok2vec": WORDS_CNN,
    }
    pooled |= {"dropout": 0.0, "nO": None, "exclusive_classes": factory != MANY}
    nlp.add_pipe(factory, config={"model": pooled})
    draw = np.random.default_rng(7)
    docs = [nlp.make_doc(" ".join(draw.choice(["seen", "by", "ward", "home", "plan"], 9))) for _ in range(30)]
    for doc in docs:
        doc.cats = cats_of(draw)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(5):  # also where a head begins with zeros, scores differ now
        nlp.update(examples, sgd=optimizer)
    return nlp, docs


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """Thresholds between the scores, far from 0.5, and one equal to a score; read back from disk."""
    folder = tmp_path_factory.mktemp("thresholds")
    nlp, docs = pipeline_of(
        MANY,
        lambda draw: {label: float(draw.random() < share) for label, share in zip(LABELS, (0.1, 0.3, 0.9))},
    )
    DocBin(docs=docs).to_disk(folder / "dev.spacy")
    scores = np.array([[nlp(doc.text).cats[label] for label in LABELS] for doc in docs])
    ranked = np.sort(scores, axis=0)
    pipe = nlp.get_pipe(MANY)
    pipe.thresholds = {
        "GOUT": (ranked[20, 0] + ranked[21, 0]) / 2,
        "RICKETS": (ranked[9, 1] + ranked[10, 1]) / 2,
        "SCURVY": np.floor(ranked[14, 2] * 1e10) / 1e10,
    }
    nlp.to_disk(folder / "model")
    return spacy.load(folder / "model"), docs, folder


def sklearn_scores(truth, predicted):
    """RETURNS: weighted, micro and macro F1."""
    return [
        f1_score(truth, predicted, average=each, zero_division=0) for each in ("weighted", "micro", "macro")
    ]


def tables(nlp, docs):
    """RETURNS: truth, what `doc._.cats_assigned` says, and what 0.5 would say."""
    found = [nlp(doc.text) for doc in docs]
    truth = np.array([[doc.cats[label] > 0.5 for label in LABELS] for doc in docs])
    assigned = np.array([[label in doc._.cats_assigned for label in LABELS] for doc in found])
    return truth, assigned, np.array([[doc.cats[label] >= 0.5 for label in LABELS] for doc in found])


def test_scores_follow_the_thresholds_of_the_component(restored, tmp_path):
    nlp, docs, folder = restored
    truth, assigned, at_half = tables(nlp, docs)
    expected = sklearn_scores(truth, assigned)
    assert all(abs(a - b) > 0.01 for a, b in zip(expected, sklearn_scores(truth, at_half))), "else 0.5 passes"
    evaluation = evaluate_with_records(nlp, folder / "dev.spacy", n_resamples=0)
    report = evaluation.report
    classes = report["classes"][MANY]
    assert classes["threshold"] == nlp.get_pipe(MANY).thresholds
    headline = {key: each["value"] for key, each in report["details"]["headline"].items()}
    for name, value in zip(("weighted_f", "micro_f", "macro_f"), expected):
        assert classes[name] == pytest.approx(value)
        assert headline[f"classes.{MANY}.{name}"] == pytest.approx(value)
        assert report["spacy"][f"cats_{name}"] == pytest.approx(value)  # spaCy's own scorer
    path = tmp_path / "p.jsonl.gz"
    write_predictions(path, evaluation.records, components=describe_components(nlp))
    read = read_predictions(path)
    assert all(record.cats[MANY].threshold == nlp.get_pipe(MANY).thresholds for record in read)
    np.testing.assert_array_equal(class_table(read, MANY).predicted, assigned)


def test_labels_without_a_threshold_of_their_own_have_that_of_the_component(restored):
    nlp, docs, folder = restored
    pipe = nlp.get_pipe(MANY)
    before = pipe.thresholds
    try:
        pipe.thresholds = {"GOUT": before["GOUT"]}
        classes = evaluate_with_records(nlp, folder / "dev.spacy", n_resamples=0).report["classes"][MANY]
        truth, assigned, _ = tables(nlp, docs)
        assert classes["threshold"] == {"GOUT": before["GOUT"], "RICKETS": 0.5, "SCURVY": 0.5}
        assert classes["weighted_f"] == pytest.approx(sklearn_scores(truth, assigned)[0])
    finally:
        pipe.thresholds = before


def test_exclusive_classes_need_no_threshold(tmp_path):
    def one(draw):
        true = int(draw.integers(3))
        return {label: float(k == true) for k, label in enumerate(LABELS)}

    nlp, docs = pipeline_of("bioclinical_textcat", one)
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    report = evaluate_with_records(nlp, tmp_path / "dev.spacy", n_resamples=0).report
    truth, assigned, at_half = tables(nlp, docs)
    assert (assigned.sum(axis=1) == 1).all()
    assert (at_half.sum(axis=1) != 1).any(), "else 0.5 passes"
    expected = sklearn_scores(truth, assigned)
    for name, value in zip(("weighted_f", "micro_f", "macro_f"), expected):
        assert report["classes"]["bioclinical_textcat"][name] == pytest.approx(value)
        assert report["spacy"][f"cats_{name}"] == pytest.approx(value)
