"""Near duplicates against brute force: sets of 5-grams compared pair by pair."""

import hashlib
import random
import re
from itertools import combinations

import numpy as np
import pytest

from pretrain.near_duplicates import N_VALUES, NearDuplicates, band_keys, fingerprint, rows_for

VOCABULARY = [f"w{n}" for n in range(400)]


def grams(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}


def jaccard(one, other):
    return len(one & other) / len(one | other)


def edited(text, n_edits, draw):
    words = text.split()
    for place in draw.sample(range(len(words)), n_edits):
        words[place] = draw.choice(VOCABULARY)
    return " ".join(words)


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(1)
    texts = []
    for _ in range(20):
        text = " ".join(draw.choices(VOCABULARY, k=draw.randint(100, 200)))
        texts += [text, *(edited(text, n_edits, draw) for n_edits in (1, 3, 6, 12))]
    draw.shuffle(texts)
    return texts


@pytest.fixture(scope="module")
def exact(texts):
    """Similarities of all pairs, one by one."""
    sets = [grams(text) for text in texts]
    return np.array([[jaccard(one, other) for other in sets] for one in sets])


def test_signatures_estimate_jaccard(texts, exact):
    prints = [fingerprint(text).signature for text in texts]
    errors = []
    for one, other in combinations(range(len(texts)), 2):
        if exact[one, other] > 0.2:
            errors.append(float((prints[one] == prints[other]).mean()) - exact[one, other])
    assert len(errors) > 100
    assert abs(np.mean(errors)) < 0.015
    assert np.std(errors) < 1.5 * np.sqrt(0.25 / N_VALUES)


def test_pairs_well_above_the_threshold_are_grouped_and_well_below_are_not(texts, exact):
    finder = NearDuplicates(0.8, is_linking=True)
    for text in texts:
        finder.add(fingerprint(text))
    groups = finder.groups()
    alike = [(i, j) for i, j in combinations(range(len(texts)), 2) if exact[i, j] >= 0.9]
    assert len(alike) > 15
    assert all(groups[i] == groups[j] for i, j in alike)
    assert (groups <= np.arange(len(texts))).all()
    # Whoever is grouped is linked to another of the group by a likeness near the threshold at least.
    for i in np.flatnonzero(groups != np.arange(len(texts))):
        others = [j for j in np.flatnonzero(groups == groups[i]) if j != i]
        assert max(exact[i, j] for j in others) > 0.65


def test_first_of_each_group_is_kept(texts, exact):
    finder = NearDuplicates(0.8)
    kept = [number for number, text in enumerate(texts) if finder.add(fingerprint(text)) is None]
    assert len(finder) == len(kept)
    assert finder.near == len(texts) - len(kept) > 15
    assert kept[0] == 0
    for one, other in combinations(kept, 2):
        assert exact[one, other] < 0.9


def test_same_words_are_exact_duplicates_and_short_texts_count_only_so():
    finder = NearDuplicates()
    assert finder.add(fingerprint("No acute distress.")) is None
    assert finder.add(fingerprint("no  acute\nDISTRESS")) == 0
    assert finder.add(fingerprint("No acute pain.")) is None
    assert finder.add(fingerprint("")) is None
    assert (finder.exact, finder.near, len(finder)) == (1, 0, 3)
    linking = NearDuplicates(is_linking=True)
    assert [linking.add(fingerprint(text)) for text in ("a", "b", "A", "b!")] == [None, None, 0, 1]
    assert linking.groups().tolist() == [0, 1, 0, 1]


def test_fingerprints_do_not_depend_on_the_process():
    found = fingerprint(" ".join(VOCABULARY[:50]))
    joined = " ".join(VOCABULARY[:50]).encode()
    assert found.words == int(hashlib.blake2b(joined, digest_size=8).hexdigest(), 16)
    assert found.signature is not None
    assert found.signature[:3].tolist() == [16268671, 69172439, 80916262]


def test_bands_catch_pairs_at_the_threshold():
    assert rows_for(0.8) == 8
    for threshold in (0.5, 0.7, 0.8, 0.9, 0.95):
        n_rows = rows_for(threshold)
        assert 1 - (1 - threshold**n_rows) ** (N_VALUES / n_rows) >= 0.94
    signature = np.arange(N_VALUES, dtype=np.uint32)
    assert len(set(band_keys(signature, 8))) == 16
    assert len(set(band_keys(np.zeros_like(signature), 8))) == 16  # a band's place counts


@pytest.mark.parametrize("threshold", [0, 1.1, -1])
def test_threshold_out_of_range_is_an_error(threshold):
    with pytest.raises(ValueError, match="BC741"):
        NearDuplicates(threshold)
