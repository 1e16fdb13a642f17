"""The BIO tagger: shapes, gradients by finite differences, empty documents, growing, storing."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model, set_dropout_rate

from spacy_bioclinical.models.tagger import build_bio_tagger_v1

WIDTH, N_TAGS = 6, 5


@pytest.fixture
def vocab():
    return spacy.blank("en").vocab


def make_docs(vocab, lengths):
    return [Doc(vocab, words=[f"w{i}" for i in range(length)]) for length in lengths]


def rows_model(rows, *, nO=WIDTH):
    """A tok2vec that returns the given rows whatever the documents hold, and keeps its gradient."""

    def forward(model, docs, is_train):
        def backprop(d_rows):
            model.attrs["gradient"] = [np.array(d) for d in d_rows]
            return []

        return [model.ops.asarray2f(row) for row in rows], backprop

    return Model("rows", forward, dims={"nO": nO})


def random_rows(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, WIDTH)).astype("f") for length in lengths]


def make_tagger(vocab, lengths, **settings):
    rows = random_rows(lengths)
    docs = make_docs(vocab, lengths)
    tok2vec = rows_model(rows)
    model = build_bio_tagger_v1(tok2vec=tok2vec, **settings)
    model.initialize(X=docs, Y=[np.zeros((length, N_TAGS), dtype="f") for length in lengths])
    return model, docs, rows, tok2vec


def test_tagger_is_a_linear_layer_over_each_token(vocab):
    model, docs, rows, _ = make_tagger(vocab, [3, 0, 1, 5])
    output = model.get_ref("output_layer")
    assert (output.get_dim("nO"), output.get_dim("nI"), model.get_dim("nO")) == (N_TAGS, WIDTH, N_TAGS)
    W, b = output.get_param("W"), output.get_param("b")
    assert np.abs(W).max() > 0
    assert not b.any()
    b += 0.5
    logits = model.predict(docs)
    assert [row.shape for row in logits] == [(length, N_TAGS) for length in (3, 0, 1, 5)]
    for got, row in zip(logits, rows):
        np.testing.assert_allclose(got, row @ W.T + b, rtol=1e-5, atol=1e-6)


def test_tagger_gradients_equal_finite_differences(vocab):
    model, docs, rows, tok2vec = make_tagger(vocab, [3, 0, 2])
    rng = np.random.default_rng(3)
    directions = [rng.normal(size=(len(doc), N_TAGS)).astype("f") for doc in docs]

    def objective():
        return sum(float((got * d).sum()) for got, d in zip(model.predict(docs), directions))

    _, backprop = model.begin_update(docs)
    backprop(directions)
    output = model.get_ref("output_layer")
    for array, gradient in [
        *((output.get_param(name), output.get_grad(name)) for name in ("W", "b")),
        *zip(rows, tok2vec.attrs["gradient"]),
    ]:
        assert array.shape == gradient.shape
        for index in np.ndindex(array.shape):
            keep = array[index]
            array[index] = keep + 0.5
            up = objective()
            array[index] = keep - 0.5
            down = objective()
            array[index] = keep
            assert gradient[index] == pytest.approx(up - down, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("width_of_empty", [0, WIDTH])
def test_tagger_takes_a_batch_without_any_token(vocab, width_of_empty):
    model, _, _, tok2vec = make_tagger(vocab, [2])
    empty = rows_model([np.zeros((0, width_of_empty))] * 2)
    assert model.replace_node(tok2vec, empty)
    docs = make_docs(vocab, [0, 0])
    assert [row.shape for row in model.predict(docs)] == [(0, N_TAGS)] * 2
    logits, backprop = model.begin_update(docs)
    backprop(logits)
    assert [row.shape for row in empty.attrs["gradient"]] == [(0, width_of_empty)] * 2


def test_dropout_is_the_heads_own_and_for_training_only(vocab):
    model, docs, _, _ = make_tagger(vocab, [40], dropout=0.5)
    set_dropout_rate(model, 0.0)  # what spaCy does with training.dropout
    predicted = model.predict(docs)[0]
    np.testing.assert_array_equal(predicted, model.predict(docs)[0])
    trained, _ = model(docs, is_train=True)
    assert np.abs(trained[0] - predicted).max() > 1e-3
    without, docs, _, _ = make_tagger(vocab, [40], dropout=0.0)
    set_dropout_rate(without, 0.5)
    trained, _ = without(docs, is_train=True)
    np.testing.assert_allclose(trained[0], without.predict(docs)[0], rtol=1e-5, atol=1e-6)


def test_tagger_grows_and_keeps_what_it_knew(vocab):
    model, docs, _, _ = make_tagger(vocab, [4, 3])
    before = model.predict(docs)
    model.attrs["resize_output"](model, N_TAGS + 2)
    after = model.predict(docs)
    assert model.get_dim("nO") == N_TAGS + 2
    for old, new in zip(before, after):
        assert new.shape[1] == N_TAGS + 2
        np.testing.assert_allclose(new[:, :N_TAGS], old, rtol=1e-6)
        assert (new[:, N_TAGS:] < -1).all()
    _, backprop = model.begin_update(docs)
    backprop(after)
    assert model.get_ref("output_layer").get_grad("W").shape == (N_TAGS + 2, WIDTH)


def test_tagger_resized_before_initialization_sets_the_dimension(vocab):
    model = build_bio_tagger_v1(tok2vec=rows_model(random_rows([2])))
    model.attrs["resize_output"](model, 3)
    model.attrs["resize_output"](model, 7)
    model.initialize(X=make_docs(vocab, [2]))
    assert model.predict(make_docs(vocab, [2]))[0].shape == (2, 7)


def test_tagger_comes_back_from_bytes(vocab):
    model, docs, rows, _ = make_tagger(vocab, [4])
    other = build_bio_tagger_v1(tok2vec=rows_model(rows)).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(model.predict(docs)[0], other.predict(docs)[0])
    assert other.get_dim("nO") == N_TAGS
