"""The span scorer: candidates against brute force, scores against plain loops, gradients by finite differences."""

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps

from spacy_bioclinical.models.label_rows import NEW_LABEL_BIAS
from spacy_bioclinical.models.span_candidates import (
    BOUNDARIES_PER_TOKEN,
    candidates_of,
    likely_boundaries,
    pair_boundaries,
)
from spacy_bioclinical.models.span_pairs import LENGTH_CLASSES, length_class
from spacy_bioclinical.models.span_scorer import SpanGradient, build_span_scorer_v1, visible_tokens

WIDTH, N_LABELS, HIDDEN = 5, 3, 4


@pytest.fixture
def vocab():
    return spacy.blank("en").vocab


def make_docs(vocab, lengths):
    """Documents with a line break as every fourth token."""
    return [Doc(vocab, words=["\n" if i % 4 == 3 else f"w{i}" for i in range(length)]) for length in lengths]


def rows_model(rows):
    """A tok2vec that returns the rows stored for each document's length, and keeps its gradient."""

    def forward(model, docs, is_train):
        def backprop(d_rows):
            model.attrs["gradient"] = [np.array(d) for d in d_rows]
            return []

        return [model.ops.asarray2f(rows[len(doc)]) for doc in docs], backprop

    return Model("rows", forward, dims={"nO": WIDTH})


def make_scorer(vocab, lengths, **settings):
    """RETURNS: model with random parameters, documents, their rows by length."""
    rng = np.random.default_rng(0)
    rows = {length: rng.normal(size=(length, WIDTH)).astype("f") for length in lengths}
    model = build_span_scorer_v1(tok2vec=rows_model(rows), hidden=HIDDEN, **settings)
    docs = make_docs(vocab, lengths)
    model.attrs["resize_output"](model, N_LABELS)
    model.initialize(X=docs)
    for node in model.walk():
        for name in node.param_names:
            values: Any = node.get_param(name)
            values[:] = rng.normal(size=values.shape) / 2
    return model, docs, rows


def brute_force(lengths, n_labels):
    """Every pair of tokens of a document under every label, as (start, end, label) rows."""
    found, begin = [], 0
    for length in lengths:
        found += [
            (begin + i, begin + j, label)
            for i in range(length)
            for j in range(i, length)
            for label in range(n_labels)
        ]
        begin += length
    return found


def triples(candidates):
    return list(zip(candidates.starts.tolist(), candidates.ends.tolist(), candidates.labels.tolist()))


# --- candidates -----------------------------------------------------------------------------------------


def test_threshold_zero_and_many_partners_are_brute_force():
    lengths = [0, 7, 1, 12, 0]
    chosen = likely_boundaries(np.full((20, N_LABELS), -50.0), lengths, 0.0)
    candidates = pair_boundaries(chosen, chosen, lengths, nearest=12)
    assert sorted(triples(candidates)) == sorted(brute_force(lengths, N_LABELS))
    keys = candidates.keys(20)
    assert (np.diff(keys) > 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_those_of_a_plain_search(seed):
    """For each boundary the nearest partners of its label and document, found by going through all of them."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 15, size=4).tolist()
    n_rows, nearest = sum(lengths), int(rng.integers(1, 4))
    is_start, is_end = rng.random((2, n_rows, N_LABELS)) < 0.4
    expected, begin = set(), 0
    for length in lengths:
        inside = range(begin, begin + length)
        for label in range(N_LABELS):
            starts = [i for i in inside if is_start[i, label]]
            ends = [j for j in inside if is_end[j, label]]
            expected |= {(i, j, label) for i in starts for j in [e for e in ends if e >= i][:nearest]}
            expected |= {(i, j, label) for j in ends for i in [s for s in starts if s <= j][-nearest:]}
        begin += length
    assert set(triples(pair_boundaries(is_start, is_end, lengths, nearest))) == expected


def test_budget_keeps_the_likeliest_boundaries_of_each_document():
    rng = np.random.default_rng(0)
    lengths = [50, 3]
    logits = rng.normal(size=(53, 20)) + 5
    chosen = likely_boundaries(logits, lengths, 0.05)
    budget = BOUNDARIES_PER_TOKEN * 50 + 64
    assert chosen[:50].sum() == budget
    assert logits[:50][chosen[:50]].min() >= logits[:50][~chosen[:50]].max()
    assert chosen[50:].all()  # 60 cells, within the 64 that are always free
    np.testing.assert_array_equal(likely_boundaries(logits - 20, lengths, 0.05), False)


def test_candidates_grow_with_the_text_and_not_with_its_square():
    """A dense worst case: every token may start and end every label."""
    n_candidates = []
    for length in (1024, 8192):
        chosen = likely_boundaries(np.zeros((length, 22)), [length], 0.05)
        n_candidates.append(len(pair_boundaries(chosen, chosen, [length], nearest=8)))
    assert n_candidates[1] <= 2 * 8 * (BOUNDARIES_PER_TOKEN * 8192 + 64)
    assert n_candidates[1] < 9 * n_candidates[0]


def test_a_mention_over_the_whole_of_a_long_document_is_a_candidate():
    is_start, is_end = np.zeros((2, 8192, 2), dtype=bool)
    is_start[0, 1] = is_end[8191, 1] = True
    is_start[100:200, 0] = is_end[100:200, 0] = True  # other labels do not use up its partners
    assert (0, 8191, 1) in triples(pair_boundaries(is_start, is_end, [8192], nearest=4))


def test_doubled_pairs_are_taken_once():
    starts, ends, labels = np.array([3, 1, 3]), np.array([4, 1, 4]), np.array([0, 2, 0])
    assert triples(candidates_of(starts, ends, labels, 10)) == [(3, 4, 0), (1, 1, 2)]


def test_length_classes_are_two_for_each_doubling():
    lengths = np.array([1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 23, 24, 8192, 10**7])
    assert length_class(lengths).tolist() == [
        0,
        2,
        3,
        4,
        4,
        5,
        5,
        6,
        6,
        7,
        7,
        8,
        8,
        9,
        26,
        LENGTH_CLASSES - 1,
    ]


# --- scores ---------------------------------------------------------------------------------------------


def plain_score(model, rows, i, j, label):
    """The formula of `span_pairs.py`, for one pair of rows of one document without white space."""
    states, labels = model.layers[2], model.layers[3]
    hidden = np.tanh(rows @ states.get_param("W").T + states.get_param("b"))
    value = {name: labels.get_param(name)[label] for name in labels.param_names}
    between = np.mean([value["V"] @ row for row in rows[i : j + 1]])
    biaffine = hidden[i, :HIDDEN] @ value["U"] @ hidden[j, HIDDEN:]
    length = value["n"][length_class(np.array([j - i + 1]))[0]]
    return value["A"] @ rows[i] + value["C"] @ rows[j] + between + biaffine + length + value["b"]


@pytest.mark.parametrize("rows_at_once", [3, 65_536])
def test_scores_are_the_formula_for_every_pair(vocab, monkeypatch, rows_at_once):
    monkeypatch.setattr("spacy_bioclinical.models.span_pairs._PAIRS_AT_ONCE", rows_at_once)
    lengths = [9, 0, 14, 3]
    model, docs, rows = make_scorer(vocab, lengths, boundary_threshold=0.0)
    scores = model.predict(docs)
    visible = [visible_tokens(doc) for doc in docs]
    flat = [(number, row) for number, doc in enumerate(visible) for row in range(len(doc))]
    candidates = scores.candidates()
    assert len(candidates) == sum(n * (n + 1) // 2 * N_LABELS for n in map(len, visible))
    logits = scores.score(candidates)
    assert logits.dtype == "float32"
    for (first, last, label), logit in zip(triples(candidates), logits):
        number, i = flat[first]
        assert flat[last][0] == number
        seen = rows[lengths[number]][visible[number]]
        assert logit == pytest.approx(plain_score(model, seen, i, flat[last][1], label), abs=2e-5)
    labels = model.layers[3]
    seen = np.concatenate([rows[length][tokens] for length, tokens in zip(lengths, visible)])
    np.testing.assert_allclose(
        scores.starts, seen @ labels.get_param("S").T + labels.get_param("bS"), atol=1e-5
    )
    np.testing.assert_allclose(
        scores.ends, seen @ labels.get_param("E").T + labels.get_param("bE"), atol=1e-5
    )


def test_batched_scores_equal_single_ones(vocab):
    model, docs, _ = make_scorer(vocab, [9, 0, 14, 3, 30], boundary_threshold=0.3)
    together = model.predict(docs)
    candidates = together.candidates()
    logits = together.score(candidates)
    batched = dict(zip(triples(candidates), logits.tolist(), strict=True))
    single = {}
    for doc, offset in zip(docs, together.offsets):
        scores = model.predict([doc])
        found = scores.candidates()
        for (i, j, label), logit in zip(triples(found), scores.score(found).tolist(), strict=True):
            single[i + offset, j + offset, label] = logit
    assert 10 < len(single) < len(brute_force([7, 11, 3, 23], N_LABELS))
    assert single.keys() == batched.keys()
    assert [single[key] for key in single] == pytest.approx([batched[key] for key in single], abs=1e-5)


def test_mean_between_stays_exact_in_long_documents(vocab):
    """Running sums of 8,000 rows with a common part, as encoders have it, lose no digits."""
    rng = np.random.default_rng(0)
    rows: dict[int, Any] = {8000: (rng.normal(size=(8000, WIDTH)) + 100).astype("f")}
    model = build_span_scorer_v1(tok2vec=rows_model(rows), hidden=HIDDEN)
    docs = [Doc(vocab, words=["w"] * 8000)]
    model.attrs["resize_output"](model, N_LABELS)
    model.initialize(X=docs)
    scores = model.predict(docs)
    candidates = candidates_of(np.array([7990, 0]), np.array([7992, 7999]), np.array([1, 2]), 8000)
    insides = scores.pairs.insides.astype("float64")
    alone = scores.score(candidates)
    scores.pairs.insides[:] = 0
    means = alone - scores.score(candidates)
    expected = [insides[7990:7993, 1].mean(), insides[:, 2].mean()]
    np.testing.assert_allclose(means, expected, rtol=1e-5)


# --- gradients ------------------------------------------------------------------------------------------


def test_gradients_equal_finite_differences(vocab):
    lengths = [9, 0, 6]
    model, docs, rows = make_scorer(vocab, lengths, boundary_threshold=0.0)
    rng = np.random.default_rng(1)
    scores, backprop = model.begin_update(docs)
    every = scores.candidates()
    kept = rng.random(len(every)) < 0.4
    candidates = candidates_of(every.starts[kept], every.ends[kept], every.labels[kept], len(scores.starts))
    weights = [
        rng.normal(size=shape).astype("f")
        for shape in (scores.starts.shape, scores.ends.shape, len(candidates))
    ]

    def objective():
        scores = model.predict(docs)
        outputs = (scores.starts, scores.ends, scores.score(candidates))
        return sum(float((w.astype("float64") * out).sum()) for w, out in zip(weights, outputs))

    backprop(SpanGradient(weights[0], weights[1], candidates, weights[2]))
    gradients = model.layers[0].attrs["gradient"]
    checked = [(rows[length], gradient) for length, gradient in zip(lengths, gradients) if length]
    for node in model.layers[2:]:
        checked += [(node.get_param(name), node.get_grad(name).copy()) for name in node.param_names]
    assert len(checked) == 2 + 2 + 10
    for values, gradient in checked:
        assert gradient.shape == values.shape
        cells = [np.unravel_index(cell, values.shape) for cell in rng.integers(0, values.size, size=12)]
        for cell in cells:
            kept_value = values[cell]
            results = []
            for step in (0.01, -0.01):
                values[cell] = kept_value + step
                results.append(objective())
            values[cell] = kept_value
            assert gradient[cell] == pytest.approx((results[0] - results[1]) / 0.02, rel=0.02, abs=0.02)
    white = [length for length in range(9) if length % 4 == 3]
    assert not gradients[0][white].any()  # white space takes no part


def test_batches_without_a_word_pass_through(vocab):
    model, _, _ = make_scorer(vocab, [9, 0, 6])
    blank = [Doc(vocab), Doc(vocab, words=[])]
    scores, backprop = model.begin_update(blank)
    assert scores.starts.shape == (0, N_LABELS)
    candidates = scores.candidates()
    assert len(candidates) == 0
    assert scores.score(candidates).shape == (0,)
    backprop(SpanGradient(scores.starts, scores.ends, candidates, scores.score(candidates)))
    assert [gradient.shape for gradient in model.layers[0].attrs["gradient"]] == [(0, WIDTH)] * 2


def test_dropout_is_the_heads_own_and_for_training_only(vocab):
    model, docs, _ = make_scorer(vocab, [30], dropout=0.5)
    predicted = model.predict(docs).starts
    np.testing.assert_array_equal(predicted, model.predict(docs).starts)
    trained, _ = model(docs, is_train=True)
    assert np.abs(trained.starts - predicted).max() > 1e-3


# --- labels, storing, settings --------------------------------------------------------------------------


def test_scorer_grows_and_keeps_what_it_knew(vocab):
    model, docs, _ = make_scorer(vocab, [9, 14])
    before = model.predict(docs)
    candidates = before.candidates()
    model.attrs["resize_output"](model, N_LABELS + 2)
    after = model.predict(docs)
    assert model.get_dim("nO") == N_LABELS + 2
    np.testing.assert_allclose(after.starts[:, :N_LABELS], before.starts, atol=1e-6)
    np.testing.assert_array_equal(after.ends[:, N_LABELS:], NEW_LABEL_BIAS)
    np.testing.assert_allclose(after.score(candidates), before.score(candidates), atol=1e-6)
    _, backprop = model.begin_update(docs)
    backprop(SpanGradient(after.starts, after.ends, candidates, after.score(candidates)))
    assert model.get_ref("output_layer").get_grad("U").shape == (N_LABELS + 2, HIDDEN, HIDDEN)


def test_scorer_comes_back_from_bytes(vocab):
    model, docs, rows = make_scorer(vocab, [9], nearest=7, boundary_threshold=0.2)
    other = build_span_scorer_v1(tok2vec=rows_model(rows), hidden=HIDDEN).from_bytes(model.to_bytes())
    ours, theirs = model.predict(docs), other.predict(docs)
    assert (theirs.nearest, theirs.boundary_threshold) == (7, 0.2)
    candidates = ours.candidates()
    np.testing.assert_array_equal(ours.starts, theirs.starts)
    np.testing.assert_array_equal(ours.score(candidates), theirs.score(theirs.candidates()))


@pytest.mark.parametrize(
    "settings",
    [{"hidden": 0}, {"nearest": 0}, {"boundary_threshold": 1.0}, {"boundary_threshold": -0.1}],
)
def test_settings_out_of_range_are_an_error(settings):
    with pytest.raises(ValueError, match="BC425"):
        build_span_scorer_v1(tok2vec=rows_model({}), **settings)


def test_ops_add_up_rows_that_occur_twice():
    """What the gradient of the states relies on, for the types it passes."""
    table = np.zeros((2, 3), dtype="f")
    NumpyOps().scatter_add(table, np.array([1, 1], dtype="i"), np.ones((2, 3), dtype="f"))
    np.testing.assert_array_equal(table, [[0, 0, 0], [2, 2, 2]])
