"""Pairs of sentences: invariants of the published preparation. Run: pytest tests/pretrain/test_clinicalbert_pairs.py"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from pretrain.clinicalbert.instances import (
    FOLLOWS,
    RANDOM,
    PairSettings,
    Sentences,
    build_instance,
    plan_pairs,
    truncate,
)
from pretrain.clinicalbert.stream import PairStream
from pretrain.masking import Vocabulary
from spacy_bioclinical.encoder.bert import BertSettings
from spacy_bioclinical.encoder.bert_pretraining import BertForPretraining
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from tests.pieces.tokenizer_folders import write_wordpiece_folder

CLS, SEP, MASK, SIZE = 1, 2, 3, 5000
SETTINGS = PairSettings(seed=7)


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.of(SIZE, MASK, frozenset({0, CLS, SEP}))


@pytest.fixture(scope="module")
def sentences():
    """150 documents of 1 to 40 sentences of 1 to 30 pieces."""
    generator = np.random.default_rng(0)
    return Sentences.of(
        [
            generator.integers(4, SIZE, size=generator.integers(1, 31))
            for _ in range(generator.integers(1, 41))
        ]
        for _ in range(150)
    )


def all_pairs(sentences, settings=SETTINGS):
    return [
        pair
        for d in range(len(sentences))
        for k in range(5)
        for pair in plan_pairs(sentences, d, k, settings)
    ]


def build(sentences, pair, vocabulary, settings=SETTINGS):
    return build_instance(sentences, pair, settings, vocabulary, CLS, SEP)


def slow_truncate(first, second, budget, generator):
    """Piece by piece, as described."""
    first, second = list(first), list(second)
    while len(first) + len(second) > budget:
        longer = first if len(first) > len(second) else second
        longer.pop(0 if generator.random() < 0.5 else -1)
    return first, second


def test_layout_drops_what_is_empty():
    sentences = Sentences.of(
        [[np.array([5, 6]), np.array([], int)], [], [np.array([7])], [np.array([], int)]]
    )
    assert len(sentences) == 2
    assert sentences.lengths(0).tolist() == [2]
    assert sentences.pieces(1, 0, 1).tolist() == [7]


def test_each_pass_uses_every_sentence_once_and_in_order(sentences):
    for document in range(len(sentences)):
        place = 0
        for pair in plan_pairs(sentences, document, 1, SETTINGS):
            assert pair.first == place < pair.end
            if pair.answer == FOLLOWS:
                assert (pair.other, pair.other_first) == (document, pair.end)
                assert pair.other_end > pair.other_first
            else:
                assert pair.other != document
                assert 0 <= pair.other_first < pair.other_end <= len(sentences.lengths(pair.other))
            place = pair.other_end if pair.answer == FOLLOWS else pair.end
        assert place == len(sentences.lengths(document))


def test_half_of_the_pairs_that_can_follow_are_random(sentences):
    pairs = all_pairs(sentences)
    free = [p for p in pairs if len(sentences.lengths(p.document)) - p.first > 6]
    share = np.mean([pair.answer == RANDOM for pair in free])
    # Single-sentence chunks (there are some) are always random, so a little above one half.
    assert 0.47 < share < 0.58
    assert {pair.answer for pair in plan_pairs(Sentences.of([[np.arange(4, 9)]] * 3), 0, 0, SETTINGS)} == {
        RANDOM
    }


def test_a_tenth_of_the_passes_aims_at_shorter_pairs():
    long = Sentences.of([[np.full(5, 9)] * 60] * 600)
    never = replace(SETTINGS, short_share=0.0)
    whole = {p.other_end - p.first for p in plan_pairs(long, 0, 0, never)[:-1] if p.answer == FOLLOWS}
    assert whole == {25}  # 25 sentences of 5 pieces reach 125
    first = [plan_pairs(long, d, 0, SETTINGS)[0] for d in range(600)]
    short = np.mean([p.other_end - p.first < 25 for p in first if p.answer == FOLLOWS])
    assert 0.05 < short < 0.15


@pytest.mark.parametrize(
    "sizes", [(100, 100), (63, 63), (63, 100), (100, 62), (3, 300), (300, 3), (60, 65), (63, 62)]
)
def test_truncation_equals_the_piece_by_piece_rule_in_lengths(sizes):
    generator = np.random.default_rng(1)
    first, second = np.arange(sizes[0]), np.arange(sizes[1]) + 1000
    expected = slow_truncate(first, second, 125, np.random.default_rng(2))
    fronts = []
    for _ in range(200):
        a, b = truncate(first, second, 125, generator)
        assert (len(a), len(b)) == tuple(map(len, expected))
        assert np.array_equal(a, np.arange(a[0], a[0] + len(a)))
        fronts.append(a[0])
    removed = sizes[0] - len(a)
    assert abs(np.mean(fronts) - removed / 2) < 1 + removed / 20


def test_instances_are_pairs_with_specials_types_and_labels(sentences, vocabulary):
    for pair in all_pairs(sentences)[:400]:
        one = build(sentences, pair, vocabulary)
        original = np.where(one.labels != -100, one.labels, one.ids)
        ends = np.flatnonzero(original == SEP)
        assert original[0] == CLS
        assert len(ends) == 2
        assert ends[1] == len(original) - 1 <= 127
        assert one.token_types.tolist() == [0] * (ends[0] + 1) + [1] * (len(original) - ends[0] - 1)
        chosen = np.flatnonzero(one.labels != -100)
        assert len(chosen) == min(20, max(1, round(len(original) * 0.15)))
        assert not np.isin(original[chosen], (CLS, SEP)).any()
        first = sentences.pieces(pair.document, pair.first, pair.end).tolist()
        kept = original[1 : ends[0]].tolist()
        assert any(first[i : i + len(kept)] == kept for i in range(len(first) - len(kept) + 1))


def test_hidden_pieces_are_masked_kept_and_random_as_published(sentences, vocabulary):
    counts = Counter()
    for pair in all_pairs(sentences):
        one = build(sentences, pair, vocabulary)
        for now, was in zip(one.ids[one.labels != -100], one.labels[one.labels != -100], strict=True):
            counts["mask" if now == MASK else "kept" if now == was else "random"] += 1
    total = sum(counts.values())
    assert total > 15000
    for kind, share in (("mask", 0.8), ("kept", 0.1), ("random", 0.1)):
        assert abs(counts[kind] / total - share) < 0.012, kind


def test_predictions_are_capped(sentences, vocabulary):
    settings = replace(SETTINGS, max_predictions=4)
    pair = max(all_pairs(sentences), key=lambda p: p.end - p.first)
    assert (build(sentences, pair, vocabulary, settings).labels != -100).sum() == 4


def test_everything_follows_from_seed_duplicate_and_document(sentences, vocabulary):
    pair = plan_pairs(sentences, 3, 0, SETTINGS)[0]
    assert plan_pairs(sentences, 3, 0, SETTINGS)[0] == pair
    again = build(sentences, pair, vocabulary)
    assert all(np.array_equal(a, b) for a, b in zip(build(sentences, pair, vocabulary), again, strict=True))
    plans = {str([p[2:] for p in plan_pairs(sentences, 3, k, SETTINGS)]) for k in range(5)}
    assert len(plans) == 5
    other = replace(SETTINGS, seed=8)
    assert [p[2:] for p in plan_pairs(sentences, 3, 0, other)] != [
        p[2:] for p in plan_pairs(sentences, 3, 0, SETTINGS)
    ]


def stream(sentences, vocabulary, **given):
    options = {"settings": replace(SETTINGS, dupe_factor=2), "block": 37, "pairs_per_row": 16, **given}
    return PairStream(sentences, vocabulary, cls_id=CLS, sep_id=SEP, **options)


def test_stream_is_the_same_from_any_step(sentences, vocabulary):
    forward = stream(sentences, vocabulary, rows_per_step=2)
    steps = {n: forward.step(n) for n in range(60)}
    for n in (59, 0, 31):
        for fresh in (forward, stream(sentences, vocabulary, rows_per_step=2)):
            for a, b in zip(fresh.step(n), steps[n], strict=True):
                assert np.array_equal(a.ids, b.ids)
                assert np.array_equal(a.labels, b.labels)
                assert np.array_equal(a.next_sentence, b.next_sentence)
                assert a.lengths == b.lengths


def test_an_epoch_holds_every_pass_over_every_document_once(sentences, vocabulary):
    source = stream(sentences, vocabulary, pairs_per_row=1)
    settings = source.settings
    expected = Counter(
        p for d in range(len(sentences)) for k in range(2) for p in plan_pairs(sentences, d, k, settings)
    )
    total = sum(expected.values())
    epochs = [[source._pair(n) for n in range(e * total, (e + 1) * total)] for e in range(2)]
    assert Counter(epochs[0]) == Counter(epochs[1]) == expected
    assert epochs[0] != epochs[1]
    assert (source.epoch(total - 1), source.epoch(total)) == (0, 1)


def test_what_makes_no_pairs_is_refused(sentences, vocabulary):
    with pytest.raises(ValueError, match="BC753"):
        stream(Sentences.of([[np.arange(4, 9)]]), vocabulary)
    with pytest.raises(ValueError, match="BC753"):
        stream(sentences, vocabulary, settings=PairSettings(max_length=4))


def test_notes_to_a_falling_loss(tmp_path):
    write_wordpiece_folder(tmp_path)
    tokenizer = PieceTokenizer.from_folder(tmp_path)
    notes = [[f"Patient {i} is well.", "No fever.", "She went home."] * 3 for i in range(8)]
    text = Sentences.tokenised(notes, tokenizer)
    assert len(text) == 8
    assert text.ids[: text.sentence_starts[1]].tolist() == tokenizer.encode([notes[0][0]])[0].ids.tolist()
    known = Vocabulary.of(tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)
    cls_id, sep_id = tokenizer.prefix_ids[0], tokenizer.suffix_ids[0]
    source = PairStream(text, known, cls_id=cls_id, sep_id=sep_id, pairs_per_row=8)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    settings = BertSettings(vocab_size=tokenizer.vocab_size, **shape, hidden_dropout_prob=0.0)
    model = BertForPretraining(settings, next_sentence=True).init_weights(0)
    losses = []
    for step in range(25):
        row = source.step(step)[0]
        tensors = (torch.from_numpy(a) for a in (row.labels, row.token_types, row.next_sentence))
        out = model(torch.from_numpy(row.ids), row.lengths, *tensors)
        assert (out.n_labelled, out.n_pairs) == (row.n_labelled, 8)
        for parameter, gradient in zip(
            model.parameters(), torch.autograd.grad(out.loss, list(model.parameters())), strict=True
        ):
            parameter.data -= 0.5 * gradient
        losses.append(out.mlm_loss.item())
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
