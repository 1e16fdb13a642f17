"""Text classification over whole documents: pooling, label-wise attention, and the stock components."""

import random

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, Model, fix_random_seed

from spacy_bioclinical.models.textcat import build_textcat_pooling_v1
from tests.small_cnn import small_cnn

WIDTH, N_LABELS = 5, 3
POOLINGS = ["mean", "max", "mean_max", "attention"]
LENGTHS = [4, 0, 1, 7]


@pytest.fixture
def vocab():
    return spacy.blank("en").vocab


def make_docs(vocab, lengths):
    return [Doc(vocab, words=[f"w{i}" for i in range(length)]) for length in lengths]


def rows_model(rows):
    """A tok2vec that returns the given rows in turn, by document length, and keeps its gradient."""

    def forward(model, docs, is_train):
        def backprop(d_rows):
            model.attrs["gradient"] = [np.array(d) for d in d_rows]
            return []

        by_length = {len(row): row for row in rows}
        return [model.ops.asarray2f(by_length[len(doc)]) for doc in docs], backprop

    return Model("rows", forward, dims={"nO": WIDTH})


def make_model(vocab, pooling, exclusive, lengths=LENGTHS, **settings):
    fix_random_seed(1)
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(length, WIDTH)).astype("f") for length in lengths]
    tok2vec = rows_model(rows)
    model = build_textcat_pooling_v1(
        tok2vec=tok2vec, exclusive_classes=exclusive, pooling=pooling, **settings
    )
    docs = make_docs(vocab, lengths)
    model.initialize(X=docs, Y=np.zeros((len(docs), N_LABELS), dtype="f"))
    model.get_ref("output_layer").get_param("b")[:] = rng.normal(size=N_LABELS)
    return model, docs, rows, tok2vec


def expected_logits(model, pooling, row):
    """The definitions, written out for one document."""
    output = model.get_ref("output_layer")
    W, b = output.get_param("W"), output.get_param("b")
    if not len(row):
        return b
    if pooling == "attention":
        logits = []
        for u, w, bias in zip(output.get_param("U"), W, b):
            weights = np.exp(row @ u) / np.exp(row @ u).sum()
            logits.append(w @ (weights @ row) + bias)
        return np.array(logits)
    parts = {"mean": row.mean(axis=0), "max": row.max(axis=0)}
    return W @ np.concatenate([parts[name] for name in pooling.split("_")]) + b


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_probabilities_follow_the_definition(vocab, pooling, exclusive):
    model, docs, rows, _ = make_model(vocab, pooling, exclusive)
    assert model.attrs["multi_label"] is not exclusive
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == N_LABELS
    logits = np.array([expected_logits(model, pooling, row) for row in rows])
    expected = 1 / (1 + np.exp(-logits))
    if exclusive:
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    got = model.predict(docs)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_batched_equals_unbatched(vocab, pooling):
    model, docs, _, _ = make_model(vocab, pooling, False)
    alone = [model.predict([doc])[0] for doc in docs]
    np.testing.assert_allclose(model.predict(docs), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradient_is_that_of_the_cross_entropy(vocab, pooling, exclusive):
    """Backprop of p − y, as the components call it: finite differences of the mean cross-entropy."""
    model, docs, rows, tok2vec = make_model(vocab, pooling, exclusive)
    truth = np.eye(N_LABELS, dtype="f")[[0, 1, 2, 1]]
    if not exclusive:
        truth[0] = 1.0

    def loss():
        p = model.predict(docs).astype("float64")
        if exclusive:
            return -float(np.log(p)[truth == 1].sum()) / len(docs)
        return -float((truth * np.log(p) + (1 - truth) * np.log(1 - p)).sum()) / len(docs)

    scores, backprop = model.begin_update(docs)
    backprop(scores - truth)
    output = model.get_ref("output_layer")
    arrays = [(output.get_param(name), output.get_grad(name)) for name in output.param_names]
    assert len(arrays) == (3 if pooling == "attention" else 2)
    arrays += list(zip(rows, tok2vec.attrs["gradient"]))
    step = 2e-3  # small enough that no maximum changes its token
    checked = 0
    for array, gradient in arrays:
        assert array.shape == gradient.shape
        for index in np.ndindex(array.shape):
            keep = array[index]
            array[index] = keep + step
            up = loss()
            array[index] = keep - step
            down = loss()
            array[index] = keep
            assert gradient[index] == pytest.approx((up - down) / (2 * step), rel=2e-2, abs=2e-3)
            checked += 1
    assert checked > 60


@pytest.mark.parametrize("pooling", POOLINGS)
def test_batch_without_any_token_gives_the_bias(vocab, pooling):
    model, _, _, tok2vec = make_model(vocab, pooling, False)
    nothing: Model = Model(
        "nothing", lambda model, docs, is_train: ([np.zeros((0, 0), dtype="f")] * len(docs), lambda d: [])
    )
    assert model.replace_node(tok2vec, nothing)
    docs = make_docs(vocab, [0, 0])
    bias = model.get_ref("output_layer").get_param("b")
    np.testing.assert_allclose(model.predict(docs), [1 / (1 + np.exp(-bias))] * 2, rtol=1e-5)
    scores, backprop = model.begin_update(docs)
    backprop(scores)


def test_attention_stays_finite_for_huge_scores(vocab):
    model, docs, rows, _ = make_model(vocab, "attention", True)
    for row in rows:
        row *= 1e4
    scores, backprop = model.begin_update(docs)
    assert np.isfinite(scores).all()
    backprop(scores)
    assert np.isfinite(model.get_ref("output_layer").get_grad("U")).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_classifier_grows_and_keeps_what_it_knew(vocab, pooling):
    model, docs, _, _ = make_model(vocab, pooling, False)
    before = model.predict(docs)
    model.attrs["resize_output"](model, N_LABELS + 1)
    after = model.predict(docs)
    np.testing.assert_allclose(after[:, :N_LABELS], before, rtol=1e-6)
    assert (after[:, N_LABELS] < 0.1).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_classifier_comes_back_from_bytes(vocab, pooling):
    model, docs, rows, _ = make_model(vocab, pooling, True)
    other = build_textcat_pooling_v1(tok2vec=rows_model(rows), exclusive_classes=True, pooling=pooling)
    other.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(model.predict(docs), other.predict(docs))


def stock_pipeline(factory, pooling):
    nlp = spacy.blank("en")
    tok2vec = small_cnn(32, 500, spellings=False)
    model = {
        "@architectures": "spacy-bioclinical.TextCatPooling.v1",
        "tok2vec": tok2vec,
        "exclusive_classes": factory == "textcat",
        "pooling": pooling,
    }
    nlp.add_pipe(factory, config={"model": model})
    return nlp


def finding_examples(nlp, n_documents, n_tokens, seed, *, exclusive):
    """Noise words with one finding of two words somewhere: the label."""
    rng = random.Random(seed)
    findings = {"GOUT": ["swollen", "toe"], "ASTHMA": ["audible", "wheeze"]}
    examples = []
    for i in range(n_documents):
        words = [f"n{rng.randrange(150)}" for _ in range(n_tokens)]
        if exclusive:
            true = {("GOUT", "ASTHMA")[i % 2]}
        else:
            true = {label for label in findings if rng.random() < 0.5}
        for j, label in enumerate(sorted(true)):
            at = rng.randrange(n_tokens // 4) * 4 + 2 * j
            words[at : at + 2] = findings[label]
        gold = Doc(nlp.vocab, words=words)
        gold.cats = {label: float(label in true) for label in findings}
        examples.append(Example(Doc(nlp.vocab, words=words), gold))
    return examples


@pytest.mark.parametrize(
    "factory, pooling", [("textcat", "max"), ("textcat", "attention"), ("textcat_multilabel", "attention")]
)
def test_stock_component_finds_one_finding_in_a_long_document(factory, pooling, tmp_path):
    fix_random_seed(0)
    nlp = stock_pipeline(factory, pooling)
    train = finding_examples(nlp, 120, 200, 1, exclusive=factory == "textcat")
    test = finding_examples(nlp, 40, 200, 2, exclusive=factory == "textcat")
    nlp.initialize(lambda: train)
    sgd = Adam(3e-3)
    for _ in range(7):
        for start in range(0, len(train), 10):
            nlp.update(train[start : start + 10], sgd=sgd)
    score = nlp.evaluate(test)["cats_macro_f"]
    assert score > 0.9
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    doc, same = nlp(test[0].reference.text), again(test[0].reference.text)
    assert doc.cats == pytest.approx(same.cats, abs=1e-6)
    assert nlp("").cats.keys() == {"GOUT", "ASTHMA"}
    assert all(np.isfinite(list(doc.cats.values())).all() for doc in nlp.pipe(["", "one", ""]))
