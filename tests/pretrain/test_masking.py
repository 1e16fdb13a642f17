import re
from dataclasses import replace

import numpy as np
import pytest

from pretrain.masking import (
    IGNORED,
    Vocabulary,
    mask_pieces,
    mask_published,
    mask_words,
    published_generator,
    term_rates,
)
from pretrain.words import word_bounds

VOCABULARY = Vocabulary.of(1000, 4, frozenset({0, 1, 2, 3, 4}))


def masked(ids, rate, seed=0):
    return mask_pieces(ids, rate=rate, vocabulary=VOCABULARY, generator=np.random.default_rng(seed))


@pytest.mark.parametrize("rate", [0.15, 0.30])
def test_shares_are_80_10_10(rate):
    n = 200_000
    ids = np.random.default_rng(9).integers(5, 1000, size=n)
    out, labels = masked(ids, rate)
    chosen = labels != IGNORED
    assert chosen.mean() == pytest.approx(rate, abs=0.005)
    assert (out[chosen] == 4).mean() == pytest.approx(0.8, abs=0.01)
    assert ((out != ids) & (out != 4))[chosen].mean() == pytest.approx(0.1 * 994 / 995, abs=0.01)
    assert (out == ids)[chosen].mean() == pytest.approx(0.1 + 0.1 / 995, abs=0.01)


def test_pieces_not_chosen_stay_and_labels_are_the_originals():
    ids = np.random.default_rng(9).integers(0, 1000, size=5000)
    before = ids.copy()
    out, labels = masked(ids, 0.3)
    chosen = labels != IGNORED
    assert (out[~chosen] == ids[~chosen]).all()
    assert (labels[chosen] == ids[chosen]).all()
    assert (ids == before).all()


def test_special_pieces_are_neither_chosen_nor_drawn():
    ids = np.tile(np.arange(1000), 50)
    out, labels = masked(ids, 0.9)
    special = ids < 5
    assert (labels[special] == IGNORED).all()
    assert (out[special] == ids[special]).all()
    drawn = out[(out != ids) & (out != 4)]
    assert len(drawn) > 1000
    assert drawn.min() >= 5


def test_a_row_always_has_something_to_predict():
    ids = np.array([1, 700, 701, 2])
    counts = [int((masked(ids, 0.01, seed)[1] != IGNORED).sum()) for seed in range(50)]
    assert min(counts) == 1
    _, labels = masked(np.array([1, 2]), 0.3)
    assert (labels == IGNORED).all()
    assert len(masked(np.zeros(0, dtype=np.int64), 0.3)[0]) == 0


def test_masks_follow_the_generator_alone():
    ids = np.arange(5, 905)
    assert (masked(ids, 0.3, 1)[0] == masked(ids, 0.3, 1)[0]).all()
    assert (masked(ids, 0.3, 1)[0] != masked(ids, 0.3, 2)[0]).any()


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_rate_outside_its_range_is_an_error(rate):
    with pytest.raises(ValueError, match="BC709"):
        masked(np.arange(9), rate)


# --- words -----------------------------------------------------------------------------------------------------------


def word_vocabulary(marks):
    """A vocabulary whose ordinary pieces are given by their strings; 0 to 4 are special."""
    begins, ends = word_bounds(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *marks])
    return replace(Vocabulary.of(5 + len(marks), 4, frozenset(range(5))), begins_word=begins, ends_word=ends)


@pytest.mark.parametrize(
    "marks, words",
    [
        (["Ġchest", "Ġpa", "in", ",", "Ċ", "Mild", "er", "ĊĊ", "  ", "x"], "1 1 0 1 1 1 0 1 1 1"),
        (["chest", "pa", "##in", ",", "##", "mild", "##er"], "1 1 0 1 1 1 0"),
        (["▁chest", "▁pa", "in", ",", "▁", "mild", "er"], "1 1 0 1 1 0 0"),
        (["chest", "pain", ",", "mild"], "1 1 1 1"),
    ],
)
def test_words_begin_where_the_tokenizer_marks_them(marks, words):
    ids = np.arange(len(marks)) + 5
    row = np.concatenate([[2], ids, [3, 2], ids[2:3], [3]])
    starts = word_vocabulary(marks).word_starts(row)
    assert starts[1:-4].astype(int).tolist() == [int(word) for word in words.split()]
    assert starts[[0, -4, -3, -2, -1]].all()  # special pieces, and what follows them


def test_words_of_a_trained_tokenizer_are_those_of_the_text(tokenizer):
    vocabulary = Vocabulary.of_tokenizer(tokenizer)
    text = "History:\nmild cough, fever; chest pain (metoprolol).\n\nStable"
    pieces = tokenizer.encode([text])[0]
    starts = vocabulary.word_starts(pieces.ids.astype(np.int64))
    offsets = {match.start() for match in re.finditer(r"\w+|[^\w\s]", text)}
    rests = [text[start:] for start in pieces.starts[starts].tolist()]
    found = {len(text) - len(rest.lstrip()) for rest in rests}  # a space belongs to the word behind it
    assert found == offsets


def random_words(n, seed=9):
    """A row of words of one to five pieces: ids 5 to 499 begin one, 500 to 999 go on; and where they begin."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 6, n)
    row = draw.integers(500, 1000, lengths.sum())
    row[np.cumsum(lengths) - lengths] = draw.integers(5, 500, n)
    return row, row < 500


WORDS = replace(
    VOCABULARY,
    begins_word=np.arange(1000) < 500,
    ends_word=np.zeros(1000, dtype=bool),
)


@pytest.mark.parametrize("rate", [0.15, 0.30])
def test_words_are_hidden_whole_at_the_rate_of_pieces(rate):
    ids, starts = random_words(60_000)
    out, labels = mask_words(ids, rate=rate, vocabulary=WORDS, generator=np.random.default_rng(0))
    chosen = labels != IGNORED
    words = np.split(chosen, np.flatnonzero(starts)[1:])
    assert all(word.all() or not word.any() for word in words)
    assert np.mean([word[0] for word in words]) == pytest.approx(rate, abs=0.006)
    assert chosen.mean() == pytest.approx(rate, rel=0.01)
    assert (out[chosen] == 4).mean() == pytest.approx(0.8, abs=0.01)
    assert ((out != ids) & (out != 4))[chosen].mean() == pytest.approx(0.1, abs=0.01)
    assert (out[~chosen] == ids[~chosen]).all()
    assert (labels[chosen] == ids[chosen]).all()


def test_word_masking_spares_special_pieces_and_always_predicts_something():
    row = np.array([2, 10, 600, 601, 3, 2, 700, 3])
    for seed in range(60):
        generator = np.random.default_rng(seed)
        out, labels = mask_words(row, rate=0.001, vocabulary=WORDS, generator=generator)
        assert (labels != IGNORED).tolist() in ([0, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0])
        assert (out[[0, 4, 5, 7]] == row[[0, 4, 5, 7]]).all()
    out, labels = mask_words(np.array([2, 3]), rate=0.3, vocabulary=WORDS, generator=np.random.default_rng(0))
    assert (labels == IGNORED).all()
    empty = np.zeros(0, dtype=np.int64)
    assert len(mask_words(empty, rate=0.3, vocabulary=WORDS, generator=np.random.default_rng(0))[0]) == 0
    with pytest.raises(ValueError, match="BC709"):
        mask_words(row, rate=1.0, vocabulary=WORDS, generator=np.random.default_rng(0))


@pytest.mark.parametrize("rate, factor", [(0.15, 2.0), (0.15, 4.0), (0.30, 1.5)])
def test_terms_are_hidden_factor_times_as_often_and_the_rate_stays(rate, factor):
    ids, starts = random_words(300_000)
    is_term = (ids[np.maximum.accumulate(np.where(starts, np.arange(len(ids)), 0))] % 7) == 0
    _, labels = mask_words(
        ids,
        rate=rate,
        vocabulary=WORDS,
        generator=np.random.default_rng(1),
        is_term=is_term,
        factor=factor,
    )
    chosen = labels != IGNORED
    assert 0.1 < is_term.mean() < 0.2
    assert chosen.mean() == pytest.approx(rate, rel=0.01)
    assert chosen[is_term].mean() / chosen[~is_term].mean() == pytest.approx(factor, rel=0.03)


@pytest.mark.parametrize("rate", [0.15, 0.3, 0.95])
@pytest.mark.parametrize("factor", [1.0, 2.0, 10.0, 1000.0])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.9, 1.0])
def test_term_rates_keep_the_mean_and_are_probabilities(rate, factor, share):
    others, terms = term_rates(rate, factor, share)
    assert 0.0 <= others <= 1.0
    assert 0.0 <= terms <= 1.0
    assert (1 - share) * others + share * terms == pytest.approx(rate)
    if terms < min(0.9, rate / max(share, 1e-9)) - 1e-9:
        assert terms == pytest.approx(factor * others)


# --- as published ----------------------------------------------------------------------------------------------------


def published(ids, rate, seed=0, mask_id=990, pad_id=989):
    return mask_published(
        ids, rate=rate, mask_id=mask_id, pad_id=pad_id, generator=np.random.default_rng(seed)
    )


def test_published_masking_follows_one_uniform_a_position():
    ids = np.random.default_rng(5).integers(0, 960, size=(6, 5000))
    ids[:, -700:] = 989
    rate = 0.3
    out, labels = published(ids, rate, seed=2998)
    uniform = np.random.default_rng(2998).random(ids.shape)
    assert (labels == np.where((uniform < rate) & (ids != 989), ids, -100)).all()
    assert ((out == 990) | (uniform >= 0.24)).all()
    kept = uniform >= 0.27
    assert (out[kept] == ids[kept]).all()
    drawn = out[(uniform >= 0.24) & (uniform < 0.27)]
    # Uniform on 0 … 990, the highest id after masking: special pieces, [PAD] and [MASK] among them.
    assert drawn.min() >= 0
    assert drawn.max() <= 990
    assert drawn.mean() == pytest.approx(495, rel=0.1)
    assert (out[:, -700:] != 989).mean() == pytest.approx(
        0.27, abs=0.03
    )  # padding is overwritten, not predicted


def test_published_masking_chooses_special_pieces_and_draws_up_to_the_highest_id():
    row = np.tile(np.array([2, 700, 701, 3]), 50_000)
    out, labels = published(row, 0.3)
    assert (labels[row == 2] != IGNORED).mean() == pytest.approx(0.3, abs=0.01)
    # The mask piece is the highest there is in a published vocabulary; where it is not, the batch's highest bounds.
    out, _ = published(row, 0.3, mask_id=4)
    assert out.max() == 701
    assert 0 in out


def test_published_generators_are_per_epoch_and_batch_and_begin_as_the_original():
    first = published_generator(2, 2998, 0).random(5)
    assert (first == np.random.default_rng(3000).random(5)).all()
    draws = [published_generator(epoch, 7, batch).random() for epoch in range(3) for batch in range(3)]
    assert len(set(draws)) == 9
    assert published_generator(1, 7, 2).random() == draws[5]
