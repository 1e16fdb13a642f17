"""Scores of mentions as in SemEval 2013, task 9.1: strict, exact, partial and type, overall and for each type."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spacy_bioclinical.pipeline.matching import OUTCOMES, SCHEMES, match_counts, precision_recall_f
from spacy_bioclinical.training.predictions import Mention, Mentions


def places(mentions: Sequence[Mention], label: str | None = None) -> list[tuple[int, int, str]]:
    """RETURNS (list[tuple]): (start, end, type) of the mentions, of one type or of all."""
    return [(each.start, each.end, each.label) for each in mentions if label is None or each.label == label]


def semeval_counts(documents: Sequence[Mentions | None], label: str | None = None) -> np.ndarray:
    """Count the outcomes in each document.

    documents (Sequence[Mentions | None]): None counts as empty.
    label (str | None): look at one type only, as nervaluate's scores of a type do.
    RETURNS (int64 (n_documents, 4, 5)): schemes and outcomes as in `pipeline.matching`.
    """
    table = np.zeros((len(documents), len(SCHEMES), len(OUTCOMES)), dtype=np.int64)
    for i, mentions in enumerate(documents):
        if mentions is not None and (mentions.gold or mentions.predicted):
            table[i] = match_counts(places(mentions.gold, label), places(mentions.predicted, label))
    return table


def semeval_scores(documents: Sequence[Mentions | None]) -> dict[str, Any]:
    """Score all documents.

    documents (Sequence[Mentions | None]): gold and predicted mentions by document.
    RETURNS (dict): for each scheme the five counts, "p", "r" and "f" in [0, 1]; "per_type": the same by type.
    """
    labels = sorted({each.label for doc in documents if doc for each in (*doc.gold, *doc.predicted)})
    scores = _summary(semeval_counts(documents).sum(axis=0))
    scores["per_type"] = {label: _summary(semeval_counts(documents, label).sum(axis=0)) for label in labels}
    return scores


def _summary(counts: np.ndarray) -> dict[str, Any]:
    prf = precision_recall_f(counts)
    return {
        scheme: {
            **dict(zip(OUTCOMES, counts[row].tolist())),
            **dict(zip("prf", prf[row].tolist())),
        }
        for row, scheme in enumerate(SCHEMES)
    }
