"""All that prediction records say beyond one number: intervals, SemEval counts, recall, calibration, slices.

What `evaluate` writes under "details". Needs records only, no pipeline; 500 abstracts take about two seconds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spacy_bioclinical.training.class_tables import (
    AVERAGES,
    ClassTable,
    areas,
    average_areas,
    average_f,
    class_table,
)
from spacy_bioclinical.training.headlines import class_components, headline_statistics, mention_picks
from spacy_bioclinical.training.intervals import LEVEL, bootstrap, percentile_interval, wilson_interval
from spacy_bioclinical.training.predictions import DocumentPrediction
from spacy_bioclinical.training.probability_scores import calibration_report
from spacy_bioclinical.training.semeval_scores import semeval_scores
from spacy_bioclinical.training.slices import slice_classes, slice_mentions
from spacy_bioclinical.training.span_scores import (
    Pick,
    confidences,
    count_mentions,
    f_scores,
    recall_per_label,
)

DEFAULT_RESAMPLES = 2000


def describe_records(
    records: Sequence[DocumentPrediction], *, n_resamples: int = DEFAULT_RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Score prediction records in every way.

    records (Sequence[DocumentPrediction]): the documents.
    n_resamples (int): resamples of documents for the intervals, 0 for none.
    seed (int): of the resamples.
    RETURNS (dict): "headline": name → {"value", "interval"} (see `headlines`); "bootstrap": how intervals were
        made; "coverage": pieces, and those that the encoder read; "entities", "spans" (by key) and "classes" (by
        component) in detail. Numbers that are not defined are None.
    """
    settings = {"n_resamples": n_resamples, "seed": seed}
    mentions = {
        name: _mention_details(records, pick, **settings) for name, pick in mention_picks(records).items()
    }
    classes = {}
    for component in class_components(records):
        table = class_table(records, component)
        if table is not None:
            classes[component] = _class_details(records, table, **settings)
    n_pieces, n_seen = (sum(getattr(rec, key) for rec in records) for key in ("pieces", "seen_pieces"))
    return {
        "headline": headlines(records, **settings),
        "bootstrap": {"unit": "document", "level": LEVEL, "method": "percentile", **settings},
        "coverage": {"documents": len(records), "pieces": n_pieces, "seen_pieces": n_seen},
        "entities": mentions.pop("entities", None),
        "spans": {name.removeprefix("spans."): each for name, each in mentions.items()},
        "classes": classes,
    }


def headlines(
    records: Sequence[DocumentPrediction], *, n_resamples: int = DEFAULT_RESAMPLES, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Compute the headline figures with their intervals.

    RETURNS (dict): name → {"value": float | None, "interval": [low, high]}; no interval without resamples.
    """
    found = {}
    for name, statistic in headline_statistics(records).items():
        value = float(statistic(np.ones((1, len(records))))[0])
        found[name] = {"value": None if np.isnan(value) else value}
        if n_resamples:
            drawn = bootstrap(statistic, len(records), n_resamples, seed)
            found[name]["interval"] = percentile_interval(drawn)
    return found


def _mention_details(
    records: Sequence[DocumentPrediction], pick: Pick, *, n_resamples: int, seed: int
) -> dict[str, Any]:
    _, table = count_mentions(records, pick)
    totals = table[:, 0].sum(axis=0)
    _, confidence, hit = confidences(records, pick)
    return {
        "gold": int(totals[0] + totals[2]),
        "predicted": int(totals[0] + totals[1]),
        **dict(zip("prf", f_scores(totals).tolist())),
        "semeval": semeval_scores([pick(record) for record in records]),
        "recall": recall_per_label(records, pick),
        "calibration": calibration_report(confidence, hit),
        "slices": slice_mentions(records, pick, n_resamples=n_resamples, seed=seed),
    }


def _class_details(
    records: Sequence[DocumentPrediction], table: ClassTable, *, n_resamples: int, seed: int
) -> dict[str, Any]:
    counts = table.counts().sum(axis=0)
    support = counts[:, 0] + counts[:, 2]
    both = areas(table)
    details: dict[str, Any] = {"exclusive": table.exclusive, "documents": int(table.counted.sum())}
    details.update((f"{name}_f", value) for name, value in zip(AVERAGES, average_f(counts).tolist()))
    for area, values in zip(("auroc", "auprc"), both):
        macro, weighted = (_plain(value) for value in average_areas(values, support[None])[0])
        details[f"macro_{area}"], details[f"weighted_{area}"] = macro, weighted
    details["per_label"] = {
        label: {
            **dict(zip("prf", f_scores(counts[k]).tolist())),
            "support": int(support[k]),
            "r_interval": wilson_interval(int(counts[k, 0]), int(support[k])),
            "auroc": _plain(both[0, 0, k]),
            "auprc": _plain(both[1, 0, k]),
        }
        for k, label in enumerate(table.labels)
    }
    _, confidence, hit = table.confidences()
    details["calibration"] = calibration_report(confidence, hit)
    details["slices"] = slice_classes(records, table, n_resamples=n_resamples, seed=seed)
    return details


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
