import numpy as np
import pytest

from pretrain.masking import IGNORED, Vocabulary, mask_pieces

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
