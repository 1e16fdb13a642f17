"""Bootstrap and significance against plain loops on tiny data; Wilson's interval against published figures."""

from itertools import product

import numpy as np
import pytest

from spacy_bioclinical.training import intervals
from spacy_bioclinical.training.headlines import headline_statistics
from spacy_bioclinical.training.intervals import (
    bootstrap,
    percentile_interval,
    resample_weights,
    wilson_interval,
)
from spacy_bioclinical.training.predictions import Classes, DocumentPrediction, Mention, Mentions
from spacy_bioclinical.training.significance import (
    compare_records,
    compare_statistic,
    exchanges,
    p_value,
    paired,
)


def random_records(seed, n_documents=8, gold_seed=0):
    """Documents with entities, span groups and classes; the gold side is that of `gold_seed`."""
    rngs = [np.random.default_rng([gold_seed, 7]), np.random.default_rng([seed, 8])]
    records = []
    for i in range(n_documents):
        gold, predicted = (
            tuple(
                Mention(
                    10 * k, 10 * k + int(rng.integers(2, 4)), "XY"[rng.integers(2)], piece=k, confidence=c
                )
                for k, c in enumerate(rng.random(5).tolist())
                if rng.random() < 0.7
            )
            for rng in rngs
        )
        truth = {label: float(rngs[0].random() < 0.5) for label in "AB"}
        scores = {label: float(rngs[1].random()) for label in "AB"}
        both = Mentions(gold, predicted)
        cats = {"textcat": Classes(False, 0.5, truth, scores)}
        records.append(DocumentPrediction(f"d{i}", 60, 12, 15, 15, both, {"all": both}, cats))
    return records


def test_resamples_are_the_same_however_they_are_chunked(monkeypatch):
    whole = np.concatenate(list(resample_weights(7, 50, seed=3)))
    monkeypatch.setattr(intervals, "CHUNK_CELLS", 40)
    parts = list(resample_weights(7, 50, seed=3))
    assert len(parts) > 1
    assert (np.concatenate(parts) == whole).all()
    assert (whole.sum(axis=1) == 7).all()
    assert abs(whole.mean() - 1) < 0.01
    assert (np.concatenate(list(resample_weights(7, 50, seed=4))) != whole).any()


def test_bootstrap_of_each_headline_equals_copies_of_documents():
    """A weight of 2 is the document twice: the same figure from a list with copies."""
    records = random_records(1)
    statistics = headline_statistics(records)
    assert {"entities.f", "entities.partial_f", "entities.ece", "spans.all.f"} <= set(statistics)
    assert {"classes.textcat.weighted_f", "classes.textcat.macro_auroc"} <= set(statistics)
    for weights in next(resample_weights(len(records), 12, seed=5)):
        copies = [record for record, n in zip(records, weights.astype(int)) for _ in range(n)]
        again = headline_statistics(copies)
        for name, statistic in statistics.items():
            if name not in again:
                continue
            expected = again[name](np.ones((1, len(copies))))
            assert statistic(weights[None]) == pytest.approx(expected, nan_ok=True), name


def test_interval_equals_a_plain_bootstrap():
    rng = np.random.default_rng(2)
    values = rng.random(9)
    rows = bootstrap(lambda weights: weights @ values / 9, 9, 400, seed=11)
    draws = np.random.default_rng(11).integers(0, 9, size=(400, 9))
    assert rows == pytest.approx(np.array([values[draw].mean() for draw in draws]))
    low, high = percentile_interval(rows)
    assert (low, high) == pytest.approx(tuple(np.percentile(rows, [2.5, 97.5])))
    assert percentile_interval(np.array([[np.nan, 1.0], [np.nan, 3.0]]))[0] == [None, None]


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(150):
        sample = rng.random(60)
        low, high = percentile_interval(
            bootstrap(lambda weights, sample=sample: weights @ sample / 60, 60, 300, seed)
        )
        hits += low <= 0.5 <= high
    assert 0.88 <= hits / 150 <= 0.99


@pytest.mark.parametrize(
    "hits, n, expected",
    [
        (81, 263, (0.2553, 0.3662)),  # Newcombe 1998, table I, method 3
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_wilson_equals_published_intervals(hits, n, expected):
    assert wilson_interval(hits, n) == pytest.approx(expected, abs=5e-5)
    assert wilson_interval(0, 0) == [None, None]


def test_randomisation_equals_all_exchanges_by_brute_force():
    first, second = random_records(1, 7), random_records(2, 7)
    both = headline_statistics([*first, *second])
    figure = compare_statistic(both["entities.f"], 7, n_resamples=4000, seed=0)
    single = {seed: headline_statistics(records) for seed, records in ((1, first), (2, second))}
    ones = np.ones((1, 7))
    a, b = (float(single[seed]["entities.f"](ones)[0]) for seed in (1, 2))
    assert (figure["a"], figure["b"], figure["difference"]) == pytest.approx((a, b, b - a))
    differences = []
    for swaps in product((False, True), repeat=7):
        mixed = [
            [y if s else x for x, y, s in zip(*pair, swaps)] for pair in ((first, second), (second, first))
        ]
        values = [headline_statistics(records)["entities.f"](ones)[0] for records in mixed]
        differences.append(values[1] - values[0])
    share = np.mean(np.abs(differences) >= abs(b - a) - 1e-12)
    assert figure["p_randomisation"] == pytest.approx(share, abs=0.03)


def test_paired_interval_equals_a_plain_loop():
    first, second = random_records(1), random_records(2)
    result = compare_records(first, second, n_resamples=200, seed=9)
    draws = np.random.default_rng(9).integers(0, 8, size=(200, 8))
    ones = np.ones((1, 8))
    differences = []
    for draw in draws:
        values = [
            headline_statistics([records[i] for i in draw])["entities.f"](ones)[0]
            for records in (first, second)
        ]
        differences.append(values[1] - values[0])
    figure = result["figures"]["entities.f"]
    assert figure["interval"] == pytest.approx(np.percentile(differences, [2.5, 97.5]).tolist())
    centred = np.array(differences) - np.mean(differences)
    assert figure["p_bootstrap"] == pytest.approx(p_value(centred, figure["difference"]))


def test_equal_predictions_do_not_differ():
    records = random_records(1)
    for figure in compare_records(records, records, n_resamples=100)["figures"].values():
        assert figure["difference"] == 0
        assert figure["interval"] == [0, 0]
        assert figure["p_bootstrap"] == figure["p_randomisation"] == 1


def test_a_clear_difference_is_found_and_has_the_right_sign():
    bad = random_records(1, 40)
    good = [DocumentPrediction(r.id, 60, 12, 15, 15, Mentions(r.entities.gold, r.entities.gold)) for r in bad]
    figure = compare_records(bad, good, n_resamples=500)["figures"]["entities.f"]
    assert figure["b"] == 1
    assert figure["difference"] > 0.1
    assert 0 < figure["interval"][0] < figure["difference"] < figure["interval"][1]
    assert max(figure["p_bootstrap"], figure["p_randomisation"]) < 0.01
    assert "spans.all.f" not in compare_records(bad, good, n_resamples=10)["figures"]


def test_documents_are_paired_by_id():
    first, second = random_records(1), random_records(2)
    assert paired(first, second[::-1]) == second
    with pytest.raises(ValueError, match=r"BC414.*8 and 7"):
        compare_records(first, second[1:])
    with pytest.raises(ValueError, match="BC414"):
        compare_records(first[1:], second)
    with pytest.raises(ValueError, match=r"BC415.*gold entities"):
        compare_records(first, random_records(2, gold_seed=1))
    only_cats = [DocumentPrediction(r.id, 60, 12, 15, 15, cats=r.cats) for r in first]
    only_entities = [DocumentPrediction(r.id, 60, 12, 15, 15, r.entities) for r in first]
    with pytest.raises(ValueError, match="BC416"):
        compare_records(only_cats, only_entities)


def test_exchanges_are_even():
    rows = np.concatenate(list(exchanges(5, 2000, 0)))
    assert rows.shape == (2000, 5)
    assert set(np.unique(rows)) == {0.0, 1.0}
    assert rows.mean() == pytest.approx(0.5, abs=0.02)
