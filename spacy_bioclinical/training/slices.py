"""Scores by part: section, place in the document, length of the note, seen or unseen mention, label.

A gold mention counts in its own part and a predicted one in its own; a hit is the same mention, so both parts are one.
Places and lengths are in pieces of the pipeline's encoder.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spacy_bioclinical.training.class_tables import AVERAGES, ClassTable, average_f
from spacy_bioclinical.training.headlines import composed, sums_of
from spacy_bioclinical.training.intervals import bootstrap, percentile_interval, wilson_interval
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention
from spacy_bioclinical.training.span_scores import FN, TP, Group, Pick, count_mentions, f_scores

POSITIONS = {"0-511": 512, "512-4095": 4096, "4096-": None}  # number of the first piece: below
LENGTHS = {
    "1-512": 512,
    "513-2048": 2048,
    "2049-4096": 4096,
    "4097-8192": 8192,
    "8193-": None,
}  # pieces: up to
NO_SECTION = "(none)"


def position_of(piece: int) -> str:
    """RETURNS (str): the part of the document that a piece, counted from 0, lies in."""
    return next(name for name, end in POSITIONS.items() if end is None or piece < end)


def length_of(n_pieces: int) -> str:
    """RETURNS (str): the class of length of a document."""
    return next(name for name, most in LENGTHS.items() if most is None or n_pieces <= most)


def _by_label(mention: Mention, record: DocumentPrediction) -> str:
    return mention.label


def _by_section(mention: Mention, record: DocumentPrediction) -> str:
    return mention.section or NO_SECTION


def _by_position(mention: Mention, record: DocumentPrediction) -> str:
    return position_of(mention.piece)


def _by_length(mention: Mention, record: DocumentPrediction) -> str:
    return length_of(record.pieces)


def _by_seen(mention: Mention, record: DocumentPrediction) -> str | None:
    return None if mention.seen is None else "seen" if mention.seen else "unseen"


SLICES: dict[str, Group] = {
    "label": _by_label,
    "section": _by_section,
    "position": _by_position,
    "length": _by_length,
    "seen": _by_seen,
}


def slice_mentions(
    records: Sequence[DocumentPrediction], pick: Pick, *, n_resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Score each part of each slice.

    records (Sequence[DocumentPrediction]): the documents.
    pick (Callable): which mentions.
    n_resamples, seed (int): of the bootstrap; 0 resamples: no "f_interval".
    RETURNS (dict): slice → part → "documents" (with a mention there), "gold", "predicted", "p", "r", "f" (exact
        characters and label), "f_interval" (bootstrap), "r_interval" (Wilson). "seen" is there if it is known.
    """
    found = {}
    for name, group in SLICES.items():
        parts, table = count_mentions(records, pick, group)
        if not parts:
            continue
        totals = table.sum(axis=0)
        scores = f_scores(totals)
        intervals: list[Any] = [None] * len(parts)
        if n_resamples:
            values = bootstrap(composed(_f_if_any, sums_of(table)), len(records), n_resamples, seed)
            intervals = percentile_interval(values)
        order = sorted(range(len(parts)), key=lambda k: (_place(name, parts[k]), parts[k]))
        found[name] = {
            parts[k]: {
                "documents": int((table[:, k].sum(axis=1) > 0).sum()),
                "gold": int(totals[k, TP] + totals[k, FN]),
                "predicted": int(totals[k, :2].sum()),
                **dict(zip("prf", scores[k].tolist())),
                "f_interval": intervals[k],
                "r_interval": wilson_interval(int(totals[k, TP]), int(totals[k, TP] + totals[k, FN])),
            }
            for k in order
        }
    return found


def slice_classes(
    records: Sequence[DocumentPrediction], table: ClassTable, *, n_resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Score the classes of documents by their length.

    RETURNS (dict): {"length": part → "documents", "weighted_f", "micro_f", "macro_f", and each with "_interval"}.
    """
    lengths = np.array([length_of(record.pieces) for record in records])
    counts = table.counts()
    found: dict[str, Any] = {}
    for part in LENGTHS:
        chosen = (lengths == part) & table.counted
        if not chosen.any():
            continue
        values = average_f(counts[chosen].sum(axis=0)).tolist()
        found[part] = {"documents": int(chosen.sum())}
        found[part].update((f"{average}_f", value) for average, value in zip(AVERAGES, values))
        if n_resamples:
            averages = composed(average_f, sums_of(counts[chosen]))
            drawn = bootstrap(averages, int(chosen.sum()), n_resamples, seed)
            for average, interval in zip(AVERAGES, percentile_interval(drawn)):
                found[part][f"{average}_f_interval"] = interval
    return {"length": found} if found else {}


def _f_if_any(counts: np.ndarray) -> np.ndarray:
    """F1 of (…, 3) counts; NaN where a resample holds no mention of the part, which says nothing about it."""
    return np.where(counts.sum(axis=-1) > 0, f_scores(counts)[..., 2], np.nan)


def _place(name: str, part: str) -> int:
    ordered = list({"position": POSITIONS, "length": LENGTHS}.get(name, {}))
    return ordered.index(part) if part in ordered else 0
