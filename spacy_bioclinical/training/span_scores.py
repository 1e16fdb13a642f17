"""Exact scores of mentions, entities or span groups alike: same characters and same label, overlapping or not.

Counts are kept for each document and each group of mentions (all, a label, a section, …), so that scores, slices and
bootstrap intervals are sums of the same table.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spacy_bioclinical.pipeline.matching import divide
from spacy_bioclinical.training.intervals import wilson_interval
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention, Mentions

Pick = Callable[[DocumentPrediction], Mentions | None]  # which mentions of a document are judged
Group = Callable[[Mention, DocumentPrediction], str | None]  # which group a mention counts in; None: in none
TP, FP, FN = range(3)
MERGED_GAP = 1  # characters between two predicted mentions that count as covered: a space, a hyphen


def of_entities(record: DocumentPrediction) -> Mentions | None:
    """RETURNS (Mentions | None): the entities of a document."""
    return record.entities


def of_spans(key: str) -> Pick:
    """RETURNS (Callable): which picks the span group of that key."""
    return lambda record: record.spans.get(key)


def everything(mention: Mention, record: DocumentPrediction) -> str:
    """RETURNS (str): one group for all mentions."""
    return "all"


def count_mentions(
    records: Sequence[DocumentPrediction], pick: Pick, group: Group = everything
) -> tuple[list[str], np.ndarray]:
    """Count true positives, false positives and false negatives.

    records (Sequence[DocumentPrediction]): the documents.
    pick (Callable): which mentions are judged; documents without any are zero.
    group (Callable): a hit counts in the group of the gold mention. The same mention twice counts once.
    RETURNS (tuple): names of the groups, sorted, and int64 (n_documents, n_groups, 3): TP, FP, FN.
    """
    cells: list[tuple[int, str, int]] = []
    for i, record in enumerate(records):
        mentions = pick(record)
        if mentions is None:
            continue
        gold = {(each.start, each.end, each.label): each for each in mentions.gold}
        found = {(each.start, each.end, each.label): each for each in mentions.predicted}
        for place, each in gold.items():
            name = group(each, record)
            if name is not None:
                cells.append((i, name, TP if place in found else FN))
        for place, each in found.items():
            name = group(each, record) if place not in gold else None
            if name is not None:
                cells.append((i, name, FP))
    names = sorted({name for _, name, _ in cells}) or (["all"] if group is everything else [])
    table = np.zeros((len(records), len(names), 3), dtype=np.int64)
    number = {name: k for k, name in enumerate(names)}
    for i, name, what in cells:
        table[i, number[name], what] += 1
    return names, table


def f_scores(counts: np.ndarray) -> np.ndarray:
    """Compute precision, recall and F1.

    counts (…, 3): TP, FP, FN.
    RETURNS (float64 (…, 3)): 0 where there is nothing to divide by.
    """
    counts = np.asarray(counts, dtype=np.float64)
    tp, fp, fn = counts[..., TP], counts[..., FP], counts[..., FN]
    return np.stack([divide(tp, tp + fp), divide(tp, tp + fn), divide(2 * tp, 2 * tp + fp + fn)], axis=-1)


def recall_per_label(records: Sequence[DocumentPrediction], pick: Pick) -> dict[str, dict[str, Any]]:
    """Say how many gold mentions of each label were found; what counts for de-identification.

    RETURNS (dict): by label, and "all": "gold"; "found" exactly, "recall" and Wilson's "interval"; "covered",
        "covered_recall" and "covered_interval": every character lies in predicted mentions, of whatever label (of
        the characters between two of them one may be left out, such as a space).
    """
    tally: dict[str, list[int]] = {"all": [0, 0, 0]}
    for record in records:
        mentions = pick(record)
        if mentions is None or not mentions.gold:
            continue
        found = {(each.start, each.end, each.label) for each in mentions.predicted}
        covered = _merged(mentions.predicted)
        for place in sorted({(each.start, each.end, each.label) for each in mentions.gold}):
            start, end, label = place
            is_covered = any(low <= start and end <= high for low, high in covered)
            for name in ("all", label):
                row = tally.setdefault(name, [0, 0, 0])
                row[0] += 1
                row[1] += place in found
                row[2] += is_covered
    return {
        label: {
            "gold": n_gold,
            "found": n_found,
            "recall": n_found / n_gold if n_gold else None,
            "interval": wilson_interval(n_found, n_gold),
            "covered": n_covered,
            "covered_recall": n_covered / n_gold if n_gold else None,
            "covered_interval": wilson_interval(n_covered, n_gold),
        }
        for label, (n_gold, n_found, n_covered) in sorted(tally.items())
    }


def confidences(records: Sequence[DocumentPrediction], pick: Pick) -> tuple[np.ndarray, ...]:
    """Gather the predicted mentions that have a confidence.

    RETURNS (tuple): number of the document int64 (n,), confidence float64 (n,), float64 (n,) 1 where the mention is
        exactly a gold one, else 0.
    """
    rows = []
    for i, record in enumerate(records):
        mentions = pick(record)
        if mentions is None:
            continue
        gold = {(each.start, each.end, each.label) for each in mentions.gold}
        rows += [
            (i, each.confidence, (each.start, each.end, each.label) in gold)
            for each in mentions.predicted
            if each.confidence is not None
        ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2]


def _merged(mentions: Sequence[Mention]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for start, end in sorted((each.start, each.end) for each in mentions):
        if ranges and start <= ranges[-1][1] + MERGED_GAP:
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    return ranges
