"""What `bioclinical_spans` is trained on: gold mentions in predicted tokens, training pairs, loss and gradient."""

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import NumpyOps

from spacy_bioclinical.models.span_candidates import candidates_of
from spacy_bioclinical.models.span_scorer import SpanScores, visible_tokens
from spacy_bioclinical.pipeline.span_targets import span_loss, span_targets, training_candidates
from tests.pipeline.test_spans import TEXTS, blank, habit_examples, spans_of


@pytest.fixture
def pipeline():
    """A pipeline that knows its labels, and nothing more."""
    nlp = blank()
    nlp.initialize(lambda: habit_examples(nlp, 5, 1))
    return nlp


def scores_for(docs, n_labels, starts=None, ends=None) -> SpanScores:
    """Scores of a model that says the given logits of boundaries (none: nothing starts or ends)."""
    visible = [visible_tokens(doc) for doc in docs]
    never: Any = np.full((sum(map(len, visible)), n_labels), -20, dtype="f")
    starts, ends = (never if logits is None else logits for logits in (starts, ends))
    return SpanScores(visible, starts, ends, None, NumpyOps(), 0.05, 64)


def test_every_mention_comes_back_from_its_boundaries():
    """Nested, crossing, doubled labels, one token, the whole text: what gold boundaries say, candidates hold."""
    rng = np.random.default_rng(0)
    nlp = spacy.blank("en")
    labels = {"A": 0, "B": 1, "C": 2}
    examples, n_crossing = [], 0
    for length in (1, 40, 200, 0, 3):
        words = ["\n" if rng.random() < 0.15 else "w" for _ in range(length)]
        gold = Doc(nlp.vocab, words=words)
        spans = {(0, length, "A")} if length else set()
        for _ in range(length // 2):
            start, end = sorted(rng.integers(0, length + 1, size=2).tolist())
            if start < end and not gold[start].is_space and not gold[end - 1].is_space:
                spans.add((start, end, "ABC"[rng.integers(3)]))
        n_crossing += sum(a[0] < b[0] < a[1] < b[1] for a in spans for b in spans)
        gold.spans["gold"] = [Span(gold, *span) for span in sorted(spans)]
        examples.append(Example(Doc(nlp.vocab, words=words), gold))
    assert n_crossing > 100
    docs = [eg.predicted for eg in examples]
    targets = span_targets(examples, scores_for(docs, 3), "gold", labels, name="spans")
    assert targets.n_widened == 0
    logits = [(side * 40.0 - 20).astype("f") for side in (targets.starts, targets.ends)]
    oracle = scores_for(docs, 3, *logits)
    candidates = oracle.candidates()
    n_rows = len(targets.known)
    assert np.isin(targets.gold.keys(n_rows), candidates.keys(n_rows)).all()
    found: list[set] = [set() for _ in docs]
    for first, last, label in zip(targets.gold.starts, targets.gold.ends, targets.gold.labels):
        number = int(np.searchsorted(oracle.offsets, first, side="right")) - 1
        tokens, offset = oracle.visible[number], oracle.offsets[number]
        found[number].add((tokens[first - offset], tokens[last - offset] + 1, "ABC"[label]))
    for eg, spans in zip(examples, found):
        seen = set(visible_tokens(eg.x).tolist())
        trimmed = set()
        for span in eg.reference.spans["gold"]:
            inside = [i for i in range(span.start, span.end) if i in seen]
            trimmed.add((inside[0], inside[-1] + 1, span.label_))
        assert spans == trimmed


def test_mentions_that_end_within_a_token_are_learned_as_the_tokens_they_touch():
    nlp = spacy.blank("en")
    gold = Doc(
        nlp.vocab,
        words=["Ada", "\n", "saw", "Or", "me", "."],
        spaces=[False, True, True, False, False, False],
    )
    gold.spans["gold"] = [
        Span(gold, 0, 2, label="A"),  # ends on white space
        Span(gold, 3, 4, label="A"),  # half of the predicted token
        Span(gold, 4, 6, label="A"),  # its other half, and more
        Span(gold, 2, 5, label="B"),
        Span(gold, 3, 5, label="B"),
        Span(gold, 4, 5, label="B"),  # half of the token that is a mention already
        Span(gold, 1, 2, label="B"),  # nothing but white space
    ]
    predicted = Doc(
        nlp.vocab, words=["Ada", "\n", "saw", "Orme", "."], spaces=[False, True, True, False, False]
    )
    targets = span_targets(
        [Example(predicted, gold)], scores_for([predicted], 2), "gold", {"A": 0, "B": 1}, name="spans"
    )
    assert targets.n_widened == 3
    found = set(zip(targets.gold.starts, targets.gold.ends, targets.gold.labels))
    assert found == {(0, 0, 0), (2, 2, 0), (2, 3, 0), (1, 2, 1), (2, 2, 1)}
    assert len(targets.gold) == 5


def test_a_widened_mention_is_found_once_trained_and_its_score_stays_strict():
    """ "sister", of which "siste" was marked: the head learns the word; the scorer compares characters."""
    nlp = blank()
    text = "Her sister smokes. Her mother smokes."
    words = ["Her", "siste", "r", "smokes", ".", "Her", "mother", "smokes", "."]
    spaces = [True, False, True, False, True, True, True, False, False]

    def examples() -> list[Example]:
        gold = Doc(nlp.vocab, words=words, spaces=spaces)
        assert gold.text == text
        gold.spans["gold"] = [Span(gold, 1, 2, label="KIN"), Span(gold, 6, 7, label="KIN")]
        return [Example(nlp.make_doc(text), gold)]

    nlp.initialize(examples)
    optimizer = nlp.create_optimizer()
    for _ in range(60):
        nlp.update(examples(), sgd=optimizer)
    doc = nlp(text)
    assert [span.text for span in doc.spans["gold"]] == ["sister", "mother"]
    scores = nlp.evaluate(examples())
    assert (scores["spans_gold_p"], scores["spans_gold_r"]) == (0.5, 0.5)


def test_documents_without_annotation_are_left_out():
    nlp = spacy.blank("en")
    gold = Doc(nlp.vocab, words=["Ada", "smokes"])
    gold.spans["gold"] = [Span(gold, 0, 1, label="A")]
    bare = Doc(nlp.vocab, words=["not", "annotated"])
    none = Doc(nlp.vocab, words=["no", "mentions"])
    none.spans["gold"] = []
    examples = [Example(doc.copy(), doc) for doc in (gold, bare, none)]
    scores = scores_for([eg.x for eg in examples], 2)
    targets = span_targets(examples, scores, "gold", {"A": 0, "B": 1}, name="spans")
    assert targets.known.tolist() == [True, True, False, False, True, True]
    candidates = training_candidates(scores, targets)
    n_rows = len(targets.known)
    assert np.isin(targets.gold.keys(n_rows), candidates.keys(n_rows)).all()
    for first, last in zip(candidates.starts, candidates.ends):
        assert targets.known[first]
        assert first // 2 == last // 2  # within a document


def test_loss_is_binary_cross_entropy_per_annotated_token_and_so_is_its_gradient(pipeline):
    """Against torch's binary_cross_entropy_with_logits, with weights for gold and nothing for the unknown."""
    torch = pytest.importorskip("torch")
    examples = habit_examples(pipeline, 3, 5)
    del examples[1].reference.spans["gold"]
    spans = spans_of(pipeline)
    scores = spans.model.predict([eg.predicted for eg in examples])
    targets = span_targets(
        examples, scores, "gold", {label: i for i, label in enumerate(spans.labels)}, name="spans"
    )
    candidates = training_candidates(scores, targets)
    weights: Any = np.array([1, 2, 1, 0.5, 3], dtype="f")
    loss, gradient = span_loss(scores, targets, candidates, weights)
    n_rows = len(targets.known)
    gold_keys = set(targets.gold.keys(n_rows).tolist())
    is_gold = np.array([key in gold_keys for key in candidates.keys(n_rows).tolist()])
    assert 0 < is_gold.sum() < len(is_gold)
    n_tokens = len(visible_tokens(examples[0].x)) + len(visible_tokens(examples[2].x))
    known = targets.known[:, None]
    total, wanted = 0.0, []
    for logits, gold, weight in (
        (scores.starts, targets.starts, np.where(targets.starts, weights, 1) * known),
        (scores.ends, targets.ends, np.where(targets.ends, weights, 1) * known),
        (scores.score(candidates), is_gold, np.where(is_gold, weights[candidates.labels], 1)),
    ):
        z = torch.tensor(np.asarray(logits), requires_grad=True)
        part = torch.nn.functional.binary_cross_entropy_with_logits(
            z, torch.tensor(gold.astype("f")), weight=torch.tensor(weight.astype("f")), reduction="sum"
        )
        (part / n_tokens).backward()
        total += part.item() / n_tokens
        wanted.append(z.grad.numpy())
    assert loss == pytest.approx(total, rel=1e-5)
    for got, expected in zip((gradient.starts, gradient.ends, gradient.pairs), wanted):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_documents_without_the_key_teach_nothing(pipeline):
    spans = spans_of(pipeline)
    doc = pipeline.make_doc(TEXTS[0])
    scores = spans.model.predict([doc])
    loss, gradient = spans.get_loss([Example(doc, doc.copy())], scores)
    assert loss == 0
    assert not gradient.starts.any()
    assert not gradient.ends.any()
    assert len(gradient.candidates) == 0


def test_texts_that_differ_are_an_error_without_their_words(pipeline):
    gold = pipeline.make_doc("othername here")
    gold.spans["gold"] = [Span(gold, 0, 1, label="HABIT")]
    with pytest.raises(ValueError, match="BC423") as caught:
        pipeline.update([Example(pipeline.make_doc("secretname here"), gold)])
    assert "name here" not in str(caught.value)


def test_diverged_model_is_an_error(pipeline):
    (example,) = habit_examples(pipeline, 1, 3)
    scores = spans_of(pipeline).model.predict([example.x])
    scores.starts[:] = np.nan
    with pytest.raises(ValueError, match="BC424"):
        spans_of(pipeline).get_loss([example], scores)


def test_candidates_of_no_pairs_are_none():
    nothing = np.zeros(0, dtype=np.int64)
    assert len(candidates_of(nothing, nothing, nothing, 0)) == 0
