"""The CRF tagger: what it returns, gradients of its parameters by finite differences, growing, storing."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Adam, Model

from spacy_bioclinical.models.crf import MISSING, Transitions
from spacy_bioclinical.models.crf_layer import CrfScores, transitions_of
from spacy_bioclinical.models.tagger import build_bio_tagger_v1, build_crf_tagger_v1
from spacy_bioclinical.pipeline.bio_targets import crf_loss

WIDTH, N_TAGS, LENGTHS = 6, 5, [3, 0, 1, 5]
TAGS = [np.array([1, 2, MISSING]), np.zeros(0, int), np.array([0]), np.array([MISSING, 3, 4, 0, 1])]
VISIBLE = [np.array([0, 1, 2]), np.zeros(0, int), np.array([0]), np.array([1, 2, 4])]


def rows_model(rows):
    def forward(model, docs, is_train):
        def backprop(d_rows):
            model.attrs["gradient"] = [np.array(d) for d in d_rows]
            return []

        return [model.ops.asarray2f(row) for row in rows], backprop

    return Model("rows", forward, dims={"nO": WIDTH})


def make(build=build_crf_tagger_v1, *, initialize=True, **settings):
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(length, WIDTH)).astype("f") for length in LENGTHS]
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=["w"] * length) for length in LENGTHS]
    tok2vec = rows_model(rows)
    model = build(tok2vec=tok2vec, **settings)
    if initialize:
        model.initialize(X=docs, Y=[np.zeros((length, N_TAGS), dtype="f") for length in LENGTHS])
    return model, docs, rows, tok2vec


def disturb(model):
    """Give every transition parameter a value."""
    rng = np.random.default_rng(1)
    layer = model.get_ref("transitions")
    for name in Transitions._fields:
        layer.set_param(name, rng.normal(size=layer.get_param(name).shape).astype("f"))
    return layer


def test_fresh_crf_tagger_returns_the_logits_of_the_bio_tagger_and_no_transitions():
    model, docs, _, _ = make()
    other, _, _, _ = make(build_bio_tagger_v1)
    for name in ("W", "b"):
        other.get_ref("output_layer").set_param(name, model.get_ref("output_layer").get_param(name))
    scores = model.predict(docs)
    for got, wanted in zip(scores, other.predict(docs)):
        np.testing.assert_array_equal(got, wanted)
    transitions = transitions_of(scores)
    assert [array.shape for array in transitions] == [(N_TAGS,), (N_TAGS, N_TAGS), (N_TAGS,)]
    assert not any(array.any() for array in transitions)
    assert transitions_of(other.predict(docs)) is None
    assert model.get_dim("nO") == N_TAGS


@pytest.mark.parametrize("gain", [1.0, 50.0])
def test_gradients_of_parameters_and_rows_equal_finite_differences(gain):
    model, docs, rows, tok2vec = make(transition_gain=gain)
    layer = disturb(model)
    for name in Transitions._fields:
        layer.set_param(name, layer.get_param(name) / gain)

    def loss():
        return crf_loss(model.predict(docs), TAGS, VISIBLE)[0]

    scores, backprop = model.begin_update(docs)
    value, gradient = crf_loss(scores, TAGS, VISIBLE)
    assert value == pytest.approx(loss(), rel=1e-6)
    backprop(gradient)
    output = model.get_ref("output_layer")
    for array, found, step in [
        *((layer.get_param(name), layer.get_grad(name), 1e-2 / gain) for name in Transitions._fields),
        *((output.get_param(name), output.get_grad(name), 1e-2) for name in ("W", "b")),
        *((row, d, 1e-2) for row, d in zip(rows, tok2vec.attrs["gradient"])),
    ]:
        assert array.shape == found.shape
        for index in np.ndindex(array.shape):
            keep = array[index]
            array[index] = keep + step
            up = loss()
            array[index] = keep - step
            down = loss()
            array[index] = keep
            slope = (up - down) / (2 * step)
            assert found[index] == pytest.approx(slope, rel=1e-2, abs=1e-3 * max(1.0, gain / 10))
    assert not tok2vec.attrs["gradient"][3][[0, 3]].any()  # white space


def test_loss_is_per_known_token_as_the_cross_entropy():
    scores = CrfScores([np.zeros((4, 3))], Transitions(np.zeros(3), np.zeros((3, 3)), np.zeros(3)))
    loss, gradient = crf_loss(scores, [np.array([0, MISSING, MISSING, MISSING])], [np.array([0, 3])])
    # Of the 5 legal sequences of two tokens that are not white space, 2 begin with O.
    assert loss == pytest.approx(np.log(5 / 2))
    assert gradient[0][0].tolist() == pytest.approx([2 / 5 - 1, 3 / 5, 0.0])
    nothing, gradient = crf_loss(scores, [np.full(4, MISSING)], [np.arange(4)])
    assert nothing == pytest.approx(0.0, abs=1e-12)
    assert np.abs(gradient[0]).max() < 1e-12


def test_optimizer_moves_transitions_by_the_gain():
    moved = {}
    for gain in (1.0, 100.0):
        model, docs, _, _ = make(transition_gain=gain)
        scores, backprop = model.begin_update(docs)
        backprop(crf_loss(scores, TAGS, VISIBLE)[1])
        model.finish_update(Adam(1e-3, L2=0.0, grad_clip=0.0))
        transitions = transitions_of(model.predict(docs))
        moved[gain] = transitions.pairs[0, 1]
        assert transitions.pairs[0, 2] == 0  # illegal
    assert moved[100.0] == pytest.approx(100 * moved[1.0], rel=1e-2)
    assert abs(moved[1.0]) == pytest.approx(1e-3, rel=1e-2)


def test_growing_keeps_what_is_known():
    model, docs, _, _ = make()
    old = disturb(model)
    before = model.predict(docs)
    model.attrs["resize_output"](model, N_TAGS + 2)
    after = model.predict(docs)
    assert (
        model.get_ref("transitions") is not old
    )  # an optimizer does not meet its old moments in a new shape
    assert model.get_dim("nO") == model.get_ref("transitions").get_dim("nO") == N_TAGS + 2
    for smaller, larger in zip(transitions_of(before), transitions_of(after)):
        known = (slice(0, N_TAGS),) * smaller.ndim
        np.testing.assert_array_equal(larger[known], smaller)
        assert np.abs(larger).sum() == pytest.approx(np.abs(smaller).sum())
    for smaller, larger in zip(before, after):
        np.testing.assert_allclose(larger[:, :N_TAGS], smaller, rtol=1e-6)
    scores, backprop = model.begin_update(docs)
    backprop(crf_loss(scores, TAGS, VISIBLE)[1])
    assert model.get_ref("transitions").get_grad("pairs").shape == (N_TAGS + 2, N_TAGS + 2)


def test_growing_before_initialization_sets_the_dimension():
    model, docs, _, _ = make(initialize=False)
    model.attrs["resize_output"](model, 3)
    model.attrs["resize_output"](model, 7)
    model.initialize(X=docs)
    scores = model.predict(docs)
    assert scores[0].shape == (3, 7)
    assert transitions_of(scores).pairs.shape == (7, 7)


def test_crf_tagger_comes_back_from_bytes():
    model, docs, _, _ = make(transition_gain=2.0)
    disturb(model)
    other, _, _, _ = make(initialize=False, transition_gain=2.0)
    other.from_bytes(model.to_bytes())
    expected, scores = model.predict(docs), other.predict(docs)
    for got, wanted in zip([*scores, *transitions_of(scores)], [*expected, *transitions_of(expected)]):
        np.testing.assert_array_equal(got, wanted)
    assert other.get_dim("nO") == N_TAGS
