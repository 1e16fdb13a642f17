"""Buffers, forward passes and head batches, from any lengths. Run: pytest tests/pipeline/test_batches.py"""

from types import SimpleNamespace

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bioclinical.models.memory import budget_groups
from spacy_bioclinical.models.plan import PlannedDocs
from spacy_bioclinical.pipeline.batches import BUFFERED_PASSES, buffers, forward_groups, minibatch_by_tokens

VOCAB = spacy.blank("en").vocab
WINDOWS = st.lists(st.lists(st.integers(1, 30), max_size=4), max_size=25)


def plan_of(lengths):
    return SimpleNamespace(window_lengths=lengths, n_rows=sum(lengths)) if lengths else None


def planned(windows):
    return PlannedDocs([Doc(VOCAB, words=["x"] * sum(w)) for w in windows], [plan_of(w) for w in windows])


def ends_of(batches):
    """How many documents have been given after each batch."""
    return {sum(map(len, batches[: i + 1])) for i in range(len(batches))}


@given(WINDOWS, st.integers(1, 60))
def test_forward_groups_fill_the_budget_longest_first(windows, budget):
    docs = planned(windows)
    groups = list(forward_groups(docs, budget))
    given_back = [
        (id(doc), id(plan)) for group in groups for doc, plan in zip(group, group.plans, strict=True)
    ]
    assert sorted(given_back) == sorted(
        (id(doc), id(plan)) for doc, plan in zip(docs, docs.plans, strict=True)
    )
    sizes = [sum(len(doc) for doc in group[:1]) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    # Cut into passes group by group, as the encoder does, or all at once: the same number of passes.
    in_order = [length for group in groups for plan in group.plans if plan for length in plan.window_lengths]
    per_group = [
        [length for plan in group.plans if plan for length in plan.window_lengths] for group in groups
    ]
    n_passes = sum(len(list(budget_groups(lengths, budget))) for lengths in per_group)
    assert n_passes == len(list(budget_groups(in_order, budget)))
    # Two neighbouring passes hold more than one budget, so there are at most twice as many as there must be.
    assert n_passes <= 2 * -(-sum(in_order) // budget) + 1 or max(in_order) > budget


def test_short_windows_fill_passes_nearly_to_the_brim():
    lengths = [[1 + (7 * i) % 40] for i in range(200)]
    total = sum(map(sum, lengths))
    assert len(list(forward_groups(planned(lengths), 500))) <= -(-total // 500) + 1


def test_a_documents_last_pass_has_room_for_the_next_document():
    docs = planned([[3], [10, 10, 4], [5], [6]])
    groups = [[len(doc) for doc in group] for group in forward_groups(docs, 10)]
    assert groups == [[24, 6], [5, 3]]


@given(WINDOWS, st.integers(1, 12), st.integers(1, 40))
def test_buffers_keep_order_and_are_bounded_by_documents_and_pieces(windows, most_docs, budget):
    stream = planned(windows)
    plan_by_doc = {id(doc): plan for doc, plan in zip(stream, stream.plans, strict=True)}
    n_read = n_given = 0
    n_planned = []

    def reading():
        nonlocal n_read
        for doc in stream:
            n_read += 1
            yield doc

    def plan(docs, first_index):
        n_planned.extend([first_index + i for i in range(len(docs))])
        return [plan_by_doc[id(doc)] for doc in docs]

    given_back, given_buffers = [], []
    for buffer in buffers(reading(), plan, most_docs=most_docs, budget=budget):
        assert 0 < len(buffer) <= most_docs
        assert [plan_by_doc[id(doc)] for doc in buffer] == buffer.plans
        n_given += len(buffer)
        assert n_read == n_given, "nothing is held back for a later buffer"
        # One text is at most its pieces too much; here a token is "x ", and a piece in the test a token.
        before_last = buffer.n_rows - sum(w.n_rows for w in buffer.plans[-1:] if w)
        assert before_last < (BUFFERED_PASSES + 2) * budget
        given_back.extend(buffer)
        given_buffers.append(buffer)
    assert [id(doc) for doc in given_back] == [id(doc) for doc in stream]
    assert len(n_planned) == len(stream), "each document is planned once"
    assert all(end in ends_of(given_buffers) for end in range(most_docs, len(stream) + 1, most_docs))


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 8), st.integers(1, 90))
def test_head_batches_are_bounded_by_documents_and_tokens(lengths, most_docs, most_tokens):
    docs = [Doc(VOCAB, words=["x"] * n) for n in lengths]
    n_read = n_given = 0

    def reading():
        nonlocal n_read
        for doc in docs:
            n_read += 1
            yield doc

    batches = []
    for batch in minibatch_by_tokens(reading(), most_docs, most_tokens):
        n_given += len(batch)
        assert n_read == n_given, "nothing is held back for a later batch"
        is_full = sum(map(len, batch)) >= most_tokens
        assert is_full or n_given % most_docs == 0 or n_given == len(docs)
        assert sum(map(len, batch[:-1])) < most_tokens
        batches.append(batch)
    assert [id(doc) for batch in batches for doc in batch] == [id(doc) for doc in docs]
    assert all(end in ends_of(batches) for end in range(most_docs, len(docs) + 1, most_docs))


def test_an_endless_stream_is_read_as_needed():
    def endless():
        while True:
            yield Doc(VOCAB, words=["x"] * 10)

    stream = buffers(endless(), lambda docs, i: [plan_of([10])] * len(docs), most_docs=10**9, budget=20)
    assert next(stream).n_rows == pytest.approx(BUFFERED_PASSES * 20, abs=20)
    assert len(next(minibatch_by_tokens(endless(), 10**9, 35))) == 4
