"""Evaluation: entity scores by three counts, class scores against scikit-learn, reports, signature."""

import builtins
import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from typer.testing import CliRunner

import spacy_bioclinical
from spacy_bioclinical.cli.evaluate import bioclinical, print_report
from spacy_bioclinical.training.class_scores import score_classes
from spacy_bioclinical.training.entity_scores import iob2_tags, project_entities, score_entities
from spacy_bioclinical.training.evaluation import evaluate_pipeline

NLP = spacy.blank("en")
SECRET = "Quillfeather"  # stands for note text, which no report may quote


def doc_with(words, entities, spaces=None, *, missing=()):
    doc = Doc(NLP.vocab, words=words, spaces=spaces)
    spans = [Span(doc, start, end, label=label) for start, end, label in entities]
    doc.set_ents(spans, missing=[doc[start:end] for start, end in missing])
    return doc


# --- entities -------------------------------------------------------------------------------------------


@st.composite
def annotated_pairs(draw):
    """One text in two tokenisations, each with entities of its own."""
    n_chars = draw(st.integers(2, 14))
    text = "".join(draw(st.lists(st.sampled_from("ab"), min_size=n_chars, max_size=n_chars)))
    docs = []
    for _ in range(2):
        cuts = sorted(draw(st.sets(st.integers(1, n_chars - 1), max_size=n_chars)))
        bounds = [0, *cuts, n_chars]
        words = [text[start:end] for start, end in pairwise(bounds)]
        spaces = [False] * len(words)
        entities, at = [], 0
        while at < len(words):
            length = draw(st.integers(0, 3))
            if length and at + length <= len(words):
                entities.append((at, at + length, draw(st.sampled_from(["X", "Y"]))))
            at += max(length, 1)
        docs.append(doc_with(words, entities, spaces))
    return Example(*docs)


@settings(max_examples=150, deadline=None)
@given(st.lists(annotated_pairs(), min_size=1, max_size=3))
def test_spacy_and_seqeval_agree_whatever_the_tokens(examples):
    result = score_entities(examples)
    if result is None:
        assert not any(eg.x.ents or eg.y.ents for eg in examples)
        return
    assert result["spacy"] == {name: get_ner_prf(examples)[f"ents_{name}"] for name in "prf"}
    if not result["clashes"]:
        assert result["equal"]
    correct = sum(
        len(
            {(e.start_char, e.end_char, e.label_) for e in eg.x.ents}
            & {(e.start_char, e.end_char, e.label_) for e in eg.y.ents}
        )
        for eg in examples
    )
    if result["gold"]:
        assert result["exact"]["r"] == pytest.approx(correct / result["gold"])
    if not result["off_boundary"]:
        assert result["exact"] == pytest.approx(result["spacy"])


def test_entities_carry_over_to_split_gold_tokens():
    gold = doc_with(["12", "-", "year", "-", "old"], [(0, 1, "AGE")], [False] * 5)
    exact = doc_with(["12", "-", "year-old"], [(0, 1, "AGE")], [False] * 3)
    coarse = doc_with(["12-year-old"], [(0, 1, "AGE")], [False])
    assert project_entities(exact, gold).tags == iob2_tags(gold) == ["B-AGE", "O", "O", "O", "O"]
    assert project_entities(coarse, gold).tags == ["B-AGE"] + ["I-AGE"] * 4
    result = score_entities([Example(coarse, gold), Example(exact, gold)])
    assert result["equal"]
    assert result["spacy"]["f"] == result["seqeval"]["f"] == result["exact"]["f"] == pytest.approx(0.5)
    assert (result["gold"], result["predicted"], result["off_boundary"]) == (2, 2, 0)


def test_entity_inside_a_gold_token_is_generous_for_spacy_and_wrong_in_characters():
    gold = doc_with(["12-year-old"], [(0, 1, "AGE")], [False])
    predicted = doc_with(["12", "-", "year", "-", "old"], [(0, 1, "AGE")], [False] * 5)
    result = score_entities([Example(predicted, gold)])
    assert result["spacy"]["f"] == result["seqeval"]["f"] == 1.0
    assert result["exact"]["f"] == 0.0
    assert result["off_boundary"] == 1


def test_two_entities_in_one_gold_token_are_reported():
    gold = doc_with(["ab", "c"], [(0, 1, "X")])
    predicted = doc_with(["a", "b", "c"], [(0, 1, "X"), (1, 2, "X")], [False, True, True])
    result = score_entities([Example(predicted, gold)])
    assert result["clashes"] == 1
    assert not result["equal"]


def test_unannotated_tokens_and_documents_are_left_out():
    words = ["a", "b", "c"]
    partly = Example(
        doc_with(words, [(0, 1, "X"), (2, 3, "X")]), doc_with(words, [(0, 1, "X")], missing=[(2, 3)])
    )
    nowhere = Example(doc_with(words, [(0, 1, "X")]), Doc(NLP.vocab, words=words))
    result = score_entities([partly, nowhere])
    assert (result["documents"], result["gold"], result["predicted"], result["unannotated"]) == (1, 1, 1, 1)
    assert result["spacy"]["f"] == result["seqeval"]["f"] == result["exact"]["f"] == 1.0
    assert score_entities([nowhere]) is None


def test_texts_that_differ_are_an_error():
    example = Example(doc_with([SECRET, "b"], []), doc_with(["b", SECRET], [(0, 1, "X")]))
    with pytest.raises(ValueError, match="BC410") as caught:
        score_entities([example])
    assert SECRET not in str(caught.value)


def test_missing_seqeval_says_what_to_install(monkeypatch):
    import_module = builtins.__import__

    def without_seqeval(name, *args, **kwargs):
        if name.startswith("seqeval"):
            raise ImportError(name)
        return import_module(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_seqeval)
    doc = doc_with(["a"], [(0, 1, "X")])
    with pytest.raises(ImportError, match=r"BC408.*pip install 'spacy-bioclinical\[project\]'"):
        score_entities([Example(doc, doc)])


# --- classes --------------------------------------------------------------------------------------------


def class_examples(truths, scores, labels):
    examples = []
    for truth, score in zip(truths, scores):
        gold, predicted = Doc(NLP.vocab, words=["a"]), Doc(NLP.vocab, words=["a"])
        gold.cats = {label: float(value) for label, value in zip(labels, truth) if not np.isnan(value)}
        predicted.cats = dict(zip(labels, map(float, score)))
        examples.append(Example(predicted, gold))
    return examples


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("exclusive", [True, False])
def test_class_scores_equal_scikit_learn(exclusive, seed):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    labels = ["A", "B", "C", "D"]  # D never occurs
    scores = rng.random((30, 4))
    if exclusive:
        truths = np.eye(4)[rng.integers(0, 3, size=30)]
        guesses = np.eye(4)[scores.argmax(axis=1)]
    else:
        truths = np.concatenate([(rng.random((30, 3)) < [0.5, 0.2, 0.1]), np.zeros((30, 1))], axis=1)
        guesses = scores >= 0.6
    result = score_classes(class_examples(truths, scores, labels), labels, exclusive=exclusive, threshold=0.6)
    for average in ("weighted", "micro", "macro"):
        expected = metrics.f1_score(truths.astype(int), guesses.astype(int), average=average, zero_division=0)
        assert result[f"{average}_f"] == pytest.approx(expected)
    each = metrics.precision_recall_fscore_support(truths.astype(int), guesses.astype(int), zero_division=0)
    for i, label in enumerate(labels):
        got = result["per_label"][label]
        assert (got["p"], got["r"], got["f"], got["support"]) == pytest.approx([column[i] for column in each])
    assert result["documents"] == 30


def test_unknown_classes_are_not_counted():
    truths = np.array([[1, np.nan], [0, 1], [np.nan, np.nan]])
    scores = np.array([[0.9, 0.9], [0.1, 0.9], [0.9, 0.9]])
    result = score_classes(class_examples(truths, scores, "AB"), ["A", "B"], exclusive=False, threshold=0.5)
    assert (result["documents"], result["skipped"], result["unknown"]) == (2, 1, 1)
    assert result["micro_f"] == result["macro_f"] == result["weighted_f"] == 1.0
    assert (
        score_classes(class_examples(truths[2:], scores[2:], "AB"), ["A"], exclusive=False, threshold=0.5)
        is None
    )


def test_exclusive_documents_without_one_class_are_skipped():
    truths = np.array([[1, 0], [1, 1], [0, 0]])
    scores = np.array([[0.9, 0.1]] * 3)
    result = score_classes(class_examples(truths, scores, "AB"), ["A", "B"], exclusive=True, threshold=0.0)
    assert (result["documents"], result["skipped"], result["threshold"]) == (1, 2, None)


# --- the whole report -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pipeline_and_data(tmp_path_factory):
    """A pipeline with weights as they come, over a small CNN, and a corpus for it."""
    folder = tmp_path_factory.mktemp("evaluation")
    cnn = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 16,
        "depth": 1,
        "embed_size": 100,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": False,
    }
    nlp = spacy.blank("en")
    nlp.config["training"]["seed"] = 7
    nlp.add_pipe(
        "bioclinical_ner",
        config={"model": {"@architectures": "spacy-bioclinical.BioTagger.v1", "tok2vec": cnn}},
    )
    textcat = {
        "@architectures": "spacy-bioclinical.TextCatPooling.v1",
        "tok2vec": cnn,
        "exclusive_classes": False,
    }
    nlp.add_pipe("textcat_multilabel", config={"model": textcat, "threshold": 0.4})
    docs = []
    for i, ending in enumerate(["stable", "unwell", "stable now", "unwell again", "home"]):
        doc = nlp.make_doc(f"Seen: {SECRET} is {ending} on day {i}.")
        doc.ents = [doc.char_span(6, 6 + len(SECRET), label="NAME")]
        doc.cats = {"STABLE": float("stable" in ending), "UNWELL": float("unwell" in ending)}
        docs.append(doc)
    path = folder / "test.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    for _ in range(12):
        nlp.update(examples)
    nlp.to_disk(folder / "model")
    return nlp, folder / "model", path


def test_report_holds_the_same_scores_as_spacy(pipeline_and_data):
    nlp, _, path = pipeline_and_data
    report = evaluate_pipeline(nlp, path)
    expected = nlp.evaluate(list(Corpus(path)(nlp)))
    speed = report["spacy"].pop("speed")
    expected.pop("speed")
    assert report["spacy"] == expected
    assert report["words_per_second"] == speed > 0
    assert (report["documents"], report["tokens"]) == (5, sum(len(doc) for doc in Corpus(path)(nlp)))
    assert report["entities"]["equal"]
    assert report["entities"]["spacy"]["f"] == expected["ents_f"]
    classes = report["classes"]["textcat_multilabel"]
    assert classes["threshold"] == 0.4
    assert not classes["exclusive"]
    assert classes["micro_f"] == pytest.approx(expected["cats_micro_f"])
    assert classes["macro_f"] == pytest.approx(expected["cats_macro_f"])


def test_report_is_signed_and_quotes_nothing(pipeline_and_data, capsys):
    nlp, _, path = pipeline_and_data
    report = evaluate_pipeline(nlp, path)
    signature = report["signature"]
    assert signature["data"] == {
        "file": "test.spacy",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert signature["seed"] == 7
    assert signature["versions"]["spacy-bioclinical"] == spacy_bioclinical.__version__
    assert signature["versions"]["spacy"] == spacy.__version__
    assert signature["model"]["pipeline"] == ["bioclinical_ner", "textcat_multilabel"]
    print_report(report)
    printed = capsys.readouterr().out
    assert "entities (seqeval)" in printed
    assert "5 documents" in printed
    assert SECRET not in printed + json.dumps(report)


def test_command_writes_the_report(pipeline_and_data, tmp_path):
    _, model, path = pipeline_and_data
    output = tmp_path / "metrics" / "toy.json"
    result = CliRunner().invoke(bioclinical, ["evaluate", str(model), str(path), "--here", "-o", str(output)])
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text())
    assert report["entities"]["spacy"].keys() == {"p", "r", "f"}
    assert [file.name for file in output.parent.iterdir()] == ["toy.json"]


def test_command_runs_in_a_process_of_its_own(pipeline_and_data, tmp_path, capfd):
    _, model, path = pipeline_and_data
    output = tmp_path / "toy.json"
    result = CliRunner().invoke(bioclinical, ["evaluate", str(model), str(path), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert json.loads(output.read_text())["documents"] == 5


@pytest.mark.parametrize(
    "docs, code",
    [([], "BC409"), ([""], "BC409"), (["no annotation here"], "BC411")],
    ids=["none", "empty", "bare"],
)
def test_corpus_without_anything_to_score_is_an_error(pipeline_and_data, tmp_path, docs, code):
    nlp, model, _ = pipeline_and_data
    path = tmp_path / "bare.spacy"
    DocBin(docs=[nlp.make_doc(text) for text in docs]).to_disk(path)
    with pytest.raises(ValueError, match=code):
        evaluate_pipeline(nlp, path)
    output = tmp_path / "out.json"
    result = CliRunner().invoke(bioclinical, ["evaluate", str(model), str(path), "--here", "-o", str(output)])
    assert result.exit_code == 1
    assert code in result.output
    assert not output.exists()


def test_command_names_a_pipeline_that_is_not_there(pipeline_and_data, tmp_path):
    path = pipeline_and_data[2]
    result = CliRunner().invoke(bioclinical, ["evaluate", str(tmp_path / "absent"), str(path), "--here"])
    assert result.exit_code == 1
    assert "absent" in result.output
