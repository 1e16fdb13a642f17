"""Headline figures of prediction records as functions of document weights: for values, intervals and tests alike.

Names: "entities.f", "spans.KEY.partial_f", "classes.COMPONENT.weighted_f", … Each function takes weights (B,
n_documents) and gives (B,) values. Where larger is worse, the name ends in "ece".
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spacy_bioclinical.pipeline.matching import SCHEMES, precision_recall_f
from spacy_bioclinical.training.class_tables import (
    AVERAGES,
    ClassTable,
    areas,
    average_areas,
    average_f,
    class_table,
)
from spacy_bioclinical.training.intervals import Statistic
from spacy_bioclinical.training.predictions import DocumentPrediction
from spacy_bioclinical.training.probability_scores import bin_edges, bin_index, calibration_error
from spacy_bioclinical.training.semeval_scores import semeval_counts
from spacy_bioclinical.training.span_scores import (
    Pick,
    confidences,
    count_mentions,
    f_scores,
    of_entities,
    of_spans,
)


def headline_statistics(records: Sequence[DocumentPrediction]) -> dict[str, Statistic]:
    """Make the functions for all that the records hold.

    records (Sequence[DocumentPrediction]): the documents, in the order of the weights.
    RETURNS (dict[str, Callable]): by name.
    """
    found: dict[str, Statistic] = {}
    for name, pick in mention_picks(records).items():
        found.update(_of_mentions(records, name, pick))
    for component in class_components(records):
        table = class_table(records, component)
        if table is not None:
            found.update(_of_classes(table, f"classes.{component}"))
    return found


def mention_picks(records: Sequence[DocumentPrediction]) -> dict[str, Pick]:
    """RETURNS (dict): "entities" and "spans.KEY" → what picks them, for those with any mention."""
    picks: dict[str, Pick] = {"entities": of_entities}
    for key in sorted({key for record in records for key in record.spans}):
        picks[f"spans.{key}"] = of_spans(key)

    def has_any(pick: Pick) -> bool:
        return any(found.gold or found.predicted for record in records if (found := pick(record)))

    return {name: pick for name, pick in picks.items() if has_any(pick)}


def class_components(records: Sequence[DocumentPrediction]) -> list[str]:
    """RETURNS (list[str]): the text classifiers, in the order of the pipeline."""
    return list(dict.fromkeys(name for record in records for name in record.cats))


def sums_of(counts: np.ndarray) -> Statistic:
    """RETURNS (Callable): which adds up counts (n_documents, …) for rows of weights: (B, …)."""
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    return lambda weights: (weights @ flat).reshape(len(weights), *counts.shape[1:])


def composed(score: Callable[[np.ndarray], np.ndarray], sums: Statistic) -> Statistic:
    """RETURNS (Callable): weights → scores of the sums."""
    return lambda weights: score(sums(weights))


def column(statistic: Statistic, *index: int) -> Statistic:
    """RETURNS (Callable): weights → one of several values, (B,)."""
    where: Any = (slice(None), *index)
    return lambda weights: statistic(weights)[where]


def _of_mentions(records: Sequence[DocumentPrediction], name: str, pick: Pick) -> dict[str, Statistic]:
    _, table = count_mentions(records, pick)
    exact = composed(f_scores, sums_of(table[:, 0]))
    found = {f"{name}.{key}": column(exact, k) for k, key in enumerate("prf")}
    loose = sums_of(semeval_counts([pick(record) for record in records]))
    for scheme in ("partial", "type"):
        found[f"{name}.{scheme}_f"] = column(composed(precision_recall_f, loose), SCHEMES.index(scheme), 2)
    document, confidence, hit = confidences(records, pick)
    if len(confidence):
        found[f"{name}.ece"] = _calibration(len(records), document, confidence, hit)
    return found


def _of_classes(table: ClassTable, name: str) -> dict[str, Statistic]:
    averages = composed(average_f, sums_of(table.counts()))
    found = {f"{name}.{average}_f": column(averages, k) for k, average in enumerate(AVERAGES)}
    support = sums_of((table.truth & table.known).astype(np.int64))
    for which, area in enumerate(("auroc", "auprc")):

        def both(weights: np.ndarray, which: int = which) -> np.ndarray:
            return average_areas(areas(table, weights)[which], support(weights))

        for k, average in enumerate(("macro", "weighted")):
            found[f"{name}.{average}_{area}"] = column(both, k)
    found[f"{name}.ece"] = _calibration(len(table.truth), *table.confidences())
    return found


def _calibration(
    n_documents: int, document: np.ndarray, confidence: np.ndarray, hit: np.ndarray
) -> Statistic:
    edges = bin_edges(confidence)
    table = np.zeros((n_documents, len(edges) - 1, 3))
    cases = np.stack([np.ones(len(confidence)), confidence, hit], axis=1)
    np.add.at(table, (document, bin_index(confidence, edges)), cases)
    return composed(calibration_error, sums_of(table))
