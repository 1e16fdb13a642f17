"""What a promised recall costs: how many more entities are written, how many of all are right, how many words go.

A low threshold covers what the decoder leaves out, and much else besides. Two figures for precision, both before (the
decoder's entities) and after (with those added): of entities, right if type and both ends are right, as entity F1
counts them; and of words, right if they stand in a gold mention, which is what redaction loses: an added entity that is
a word too long is wrong as an entity, but costs one word. Words are tokens that are no white space. On the development
corpus itself, so to come it may be a little more or less.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from spacy_bioclinical.models.viterbi import TagSpan
from spacy_bioclinical.training.conformal import GAP
from spacy_bioclinical.training.predictions import DocumentPrediction
from spacy_bioclinical.training.stretches import GoldRows, Place

_KEYS = ("entities", "right", "words_flagged", "words_right")


class PriceCount:
    """Counts documents as they come; `to_dict` says the price."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.n_words = 0
        self.counts = {when: np.zeros(len(_KEYS), dtype=np.int64) for when in ("before", "after")}

    def add_rows(
        self, golds: Sequence[GoldRows], before: list[TagSpan], after: list[TagSpan], labels: Sequence[str]
    ) -> None:
        """Count the documents of a stretch.

        golds (Sequence[GoldRows]): the documents. before, after (list[TagSpan]): entities by rows, in order. labels
        (Sequence[str]): their types.
        """
        sides = [
            (when, spans, [span.start for span in spans])
            for when, spans in (("before", before), ("after", after))
        ]
        for gold in golds:
            known = ~_inside(gold.starts, gold.ends, ((low, high, "") for low, high in gold.unknown))
            in_gold = _inside(gold.starts, gold.ends, gold.true)
            self.n_words += int(known.sum())
            last = gold.first + len(gold.starts)
            for when, spans, starts in sides:
                inside = spans[bisect_left(starts, gold.first) : bisect_left(starts, last)]
                own = [gold.place(span, labels) for span in inside]
                judged = [place for place in own if gold.is_judged(*place[:2])]
                flagged = _inside(gold.starts, gold.ends, own) & known
                right = sum(place in gold.true for place in judged)
                self.counts[when] += (len(judged), right, flagged.sum(), (flagged & in_gold).sum())

    def add_record(self, record: DocumentPrediction, threshold: float) -> None:
        """Count a document of a prediction file, about; see `price_of_records`."""
        if record.entities is None or record.token_scores is None:
            return
        gold, found = ([(a.start, a.end, a.label) for a in side] for side in _sides(record))
        starts, ends = (np.array([score[k] for score in record.token_scores], dtype=np.int64) for k in (0, 1))
        likely = np.array([score[2] for score in record.token_scores], dtype=np.float64) >= threshold
        in_gold, in_found = (_inside(starts, ends, side) for side in (gold, found))
        runs: list[tuple[int, int]] = []
        previous = -2
        for i in np.flatnonzero(likely & ~in_found).tolist():
            if i == previous + 1 and starts[i] <= ends[previous] + GAP:
                runs[-1] = (runs[-1][0], int(ends[i]))
            else:
                runs.append((int(starts[i]), int(ends[i])))
            previous = i
        places = {(low, high) for low, high, _ in gold}
        n_found, n_right = len(found), len(set(found) & set(gold))
        self.n_words += record.tokens
        self.counts["before"] += (n_found, n_right, in_found.sum(), (in_found & in_gold).sum())
        flagged = in_found | likely
        n_right += sum(run in places for run in runs)
        self.counts["after"] += (n_found + len(runs), n_right, flagged.sum(), (flagged & in_gold).sum())

    def to_dict(self) -> dict[str, Any]:
        """Say the price.

        RETURNS (dict): "words"; "before" and "after", each: "entities"; "precision" of entities and "word_precision",
            in [0, 1], None where there are none; "words_flagged_per_1000".
        """
        told: dict[str, Any] = {"words": self.n_words}
        for when, counts in self.counts.items():
            entities, right, flagged, flagged_right = counts.tolist()
            told[when] = {
                "entities": entities,
                "precision": right / entities if entities else None,
                "words_flagged_per_1000": 1000 * flagged / self.n_words if self.n_words else 0.0,
                "word_precision": flagged_right / flagged if flagged else None,
            }
        return told


def price_of_records(records: Iterable[DocumentPrediction], threshold: float) -> dict[str, Any]:
    """Say what a threshold costs on a prediction file, about: it holds neither text nor the types of likely tokens.

    A run of likely tokens outside the entities counts as one entity more, also beside one that it would join, and as
    right if a gold mention of any type stands at its place. Words are all tokens, white space too.

    records (Iterable[DocumentPrediction]): with token scores, of a pipeline without a recall target.
    threshold (float): tokens of at least this probability are part of an entity; not below 1e-4.
    RETURNS (dict): see `PriceCount.to_dict`.
    """
    count = PriceCount()
    for record in records:
        count.add_record(record, threshold)
    return count.to_dict()


def price_lines(price: dict[str, Any]) -> tuple[str, str]:
    """RETURNS (Tuple[str, str]): what a user reads, about entities and about words. price (dict): see `PriceCount`."""
    before, after = price["before"], price["after"]
    entities = (
        f"{before['entities']} entities become {after['entities']}, "
        f"their precision {_share(before['precision'])} becomes {_share(after['precision'])}"
    )
    words = (
        f"{before['words_flagged_per_1000']:.1f} words flagged of 1,000 become {after['words_flagged_per_1000']:.1f}, "
        f"of them in a gold mention {_share(before['word_precision'])}, then {_share(after['word_precision'])}"
    )
    return entities, words


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _sides(record: DocumentPrediction) -> tuple[Any, Any]:
    assert record.entities is not None
    return record.entities.gold, record.entities.predicted


def _inside(starts: np.ndarray, ends: np.ndarray, places: Iterable[Place]) -> np.ndarray:
    """RETURNS (np.ndarray): bool (words,): whether a word overlaps one of the places."""
    inside = np.zeros(len(starts), dtype=bool)
    for low, high, _ in places:
        inside[int(np.searchsorted(ends, low, side="right")) : int(np.searchsorted(starts, high))] = True
    return inside
