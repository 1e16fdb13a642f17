"""Pairs gold mentions with predicted ones by overlap and names each error: missed, spurious, wrong type or boundary.

An overlap counts as in `pipeline.matching` (SemEval's rule). Each mention is in one pair: equal ones first, then those
of the same place, then overlaps of the same type, then any overlap, each time the closest first.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spacy_bioclinical.pipeline.matching import MIN_OVERLAP
from spacy_bioclinical.training.class_tables import class_table
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention, Mentions

CORRECT, MISSED, SPURIOUS = "correct", "missed", "spurious"
WRONG_TYPE, WRONG_BOUNDARY, WRONG_BOTH = "wrong type", "wrong boundary", "wrong type and boundary"
KINDS = (MISSED, SPURIOUS, WRONG_TYPE, WRONG_BOUNDARY, WRONG_BOTH)
NOTHING = "(none)"


@dataclass(frozen=True)
class Pair:
    """A gold mention and what was predicted there; one of both may be None."""

    kind: str
    gold: Mention | None
    predicted: Mention | None

    @property
    def place(self) -> tuple[int, int]:
        """Where it is, for the order of a list."""
        first = self.gold or self.predicted
        assert first is not None
        return first.start, first.end


def pair_mentions(mentions: Mentions) -> list[Pair]:
    """Pair the mentions of one document.

    mentions (Mentions): gold and predicted.
    RETURNS (list[Pair]): each mention in one pair, in the order of their places.
    """
    ways = []
    for i, gold in enumerate(mentions.gold):
        for j, predicted in enumerate(mentions.predicted):
            shared = min(gold.end, predicted.end) - max(gold.start, predicted.start)
            if shared <= 0 or shared < MIN_OVERLAP * (gold.end - gold.start):
                continue
            kind = _kind(gold, predicted)
            distance = abs(gold.start - predicted.start) + abs(gold.end - predicted.end)
            ways.append(((CORRECT, WRONG_TYPE, WRONG_BOUNDARY, WRONG_BOTH).index(kind), distance, i, j, kind))
    pairs, golds, found = [], set(), set()
    for _, _, i, j, kind in sorted(ways):
        if i not in golds and j not in found:
            golds.add(i)
            found.add(j)
            pairs.append(Pair(kind, mentions.gold[i], mentions.predicted[j]))
    pairs += [Pair(MISSED, gold, None) for i, gold in enumerate(mentions.gold) if i not in golds]
    pairs += [Pair(SPURIOUS, None, each) for j, each in enumerate(mentions.predicted) if j not in found]
    return sorted(pairs, key=lambda pair: (*pair.place, pair.kind))


def _kind(gold: Mention, predicted: Mention) -> str:
    same_place = (gold.start, gold.end) == (predicted.start, predicted.end)
    if gold.label == predicted.label:
        return CORRECT if same_place else WRONG_BOUNDARY
    return WRONG_TYPE if same_place else WRONG_BOTH


def confusion(pairs: Iterable[Pair]) -> Counter[tuple[str, str]]:
    """RETURNS (Counter): (gold type or "(none)", predicted type or "(none)") → how often."""
    return Counter(
        (
            pair.gold.label if pair.gold else NOTHING,
            pair.predicted.label if pair.predicted else NOTHING,
        )
        for pair in pairs
    )


@dataclass(frozen=True)
class ClassError:
    """A class of a document that is wrong: kind, label, the score, and the label chosen instead (exclusive)."""

    kind: str
    label: str
    score: float
    instead: str = ""


def class_errors(records: Sequence[DocumentPrediction], component: str) -> list[list[ClassError]]:
    """Find the wrong classes of each document.

    records (Sequence[DocumentPrediction]): the documents. component (str): the classifier.
    RETURNS (list[list[ClassError]]): for each document; exclusive classes: at most one, "wrong class".
    """
    table = class_table(records, component)
    found: list[list[ClassError]] = [[] for _ in records]
    if table is None:
        return found
    wrong = (table.truth != table.predicted) & table.known
    for i in range(len(records)):
        columns = wrong[i].nonzero()[0].tolist()
        if table.exclusive:
            if columns:
                true, chosen = int(table.truth[i].argmax()), int(table.predicted[i].argmax())
                score = float(table.scores[i, chosen])
                found[i].append(ClassError("wrong class", table.labels[true], score, table.labels[chosen]))
            continue
        for k in columns:
            kind = MISSED if table.truth[i, k] else SPURIOUS
            found[i].append(ClassError(kind, table.labels[k], float(table.scores[i, k])))
    return found
