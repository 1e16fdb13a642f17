"""The classes of all documents as arrays, and the scores computed from them for one or many rows of weights.

Rules as in `class_scores`: a label that the gold document does not mention is unknown and counts nowhere; documents
without exactly one true label are left out where classes exclude each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacy_bioclinical.pipeline.matching import divide
from spacy_bioclinical.training.predictions import DocumentPrediction
from spacy_bioclinical.training.probability_scores import auroc, average_precision
from spacy_bioclinical.training.span_scores import f_scores

AVERAGES = ("weighted", "micro", "macro")


@dataclass(frozen=True)
class ClassTable:
    """One component's classes.

    labels (list[str]): the columns. exclusive (bool): one class per document.
    truth, scores, predicted (bool or float (n_documents, n_labels)): gold, score, decision.
    known (bool (n_documents, n_labels)): which cells count.
    """

    labels: list[str]
    exclusive: bool
    truth: np.ndarray
    scores: np.ndarray
    predicted: np.ndarray
    known: np.ndarray

    @property
    def counted(self) -> np.ndarray:
        """RETURNS (bool (n_documents,)): documents with anything to count."""
        return np.asarray(self.known.any(axis=1))

    def counts(self) -> np.ndarray:
        """RETURNS (int64 (n_documents, n_labels, 3)): TP, FP, FN."""
        true, found = self.truth & self.known, self.predicted & self.known
        return np.stack([true & found, found & ~true, true & ~found], axis=-1).astype(np.int64)

    def confidences(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gather what the probabilities claim.

        RETURNS (tuple): number of the document (n,), probability (n,), 1.0 where it came true (n,). Exclusive: the
            largest probability of each document and whether that class is right; else each known label.
        """
        if self.exclusive:
            rows = np.flatnonzero(self.counted)
            best = self.scores[rows].argmax(axis=1)
            return rows, self.scores[rows, best], self.truth[rows, best].astype(np.float64)
        rows, columns = np.nonzero(self.known)
        return rows, self.scores[rows, columns], self.truth[rows, columns].astype(np.float64)


def class_table(records: Sequence[DocumentPrediction], component: str) -> ClassTable | None:
    """Make the table of a component.

    records (Sequence[DocumentPrediction]): the documents; those without the component count nothing.
    component (str): its name.
    RETURNS (ClassTable | None): None if no document has anything to count.
    """
    found = [record.cats.get(component) for record in records]
    labels = list(dict.fromkeys(label for each in found if each for label in each.scores))
    shape = (len(records), len(labels))
    truth, scores, known = np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(shape, dtype=bool)
    predicted = np.zeros(shape, dtype=bool)
    exclusive = any(each.exclusive for each in found if each)
    for i, each in enumerate(found):
        if each is None:
            continue
        values = np.array([each.gold.get(label, np.nan) for label in labels], dtype=np.float64)
        scores[i] = [each.scores.get(label, 0.0) for label in labels]
        truth[i] = values > 0.5
        if exclusive:
            known[i] = truth[i].sum() == 1
            predicted[i, scores[i].argmax()] = True
        else:
            known[i] = ~np.isnan(values)
            least = (
                each.threshold if isinstance(each.threshold, dict) else dict.fromkeys(labels, each.threshold)
            )
            predicted[i] = scores[i] >= [least.get(label, 0.5) for label in labels]
    if not known.any():
        return None
    return ClassTable(labels, exclusive, truth, scores, predicted, known)


def average_f(counts: np.ndarray) -> np.ndarray:
    """Average F1 over labels.

    counts (…, n_labels, 3): TP, FP, FN.
    RETURNS (float64 (…, 3)): weighted by support, micro, macro.
    """
    f = f_scores(counts)[..., 2]
    support = counts[..., 0] + counts[..., 2]
    weighted = divide((f * support).sum(axis=-1), support.sum(axis=-1))
    micro = f_scores(counts.sum(axis=-2))[..., 2]
    return np.stack([weighted, micro, f.mean(axis=-1)], axis=-1)


def areas(table: ClassTable, weights: np.ndarray | None = None) -> np.ndarray:
    """Compute the areas under the ROC and the precision-recall curve of each label.

    table (ClassTable): the classes.
    weights (float (B, n_documents) | None): of the documents; None: one row of ones.
    RETURNS (float64 (2, B, n_labels)): NaN where a label has no positive (or for the ROC no negative) document.
    """
    rows = []
    for k in range(len(table.labels)):
        known = table.known[:, k]
        part = None if weights is None else weights[:, known]
        cases = (table.truth[known, k], table.scores[known, k], part)
        rows.append((auroc(*cases), average_precision(*cases)))
    return np.stack([np.stack([row[which] for row in rows], axis=-1) for which in (0, 1)])


def average_areas(areas_BL: np.ndarray, support_BL: np.ndarray) -> np.ndarray:
    """Average areas over the labels for which they are defined.

    areas_BL (float (B, n_labels)): from `areas`. support_BL (float (B, n_labels)): true documents.
    RETURNS (float64 (B, 2)): macro, and weighted by support; NaN if no label has an area.
    """
    defined = ~np.isnan(areas_BL)
    values = np.where(defined, areas_BL, 0.0)
    support = np.where(defined, support_BL, 0.0)
    n_defined, n_support = defined.sum(axis=1), support.sum(axis=1)
    macro = np.where(n_defined > 0, divide(values.sum(axis=1), n_defined), np.nan)
    weighted = np.where(n_support > 0, divide((values * support).sum(axis=1), n_support), np.nan)
    return np.stack([macro, weighted], axis=1)
