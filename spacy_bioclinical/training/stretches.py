"""Documents as a `bioclinical_ner` sees them, one behind the other: many short passes cost more than one long one.

Rows of tokens that are no white space, parted by rows that are surely outside every entity; of a CRF, whose transitions
reach over such a row, one document at a time. Plain arrays and places, never text.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc

from spacy_bioclinical.models.viterbi import TagSpan

_SURE = 1e5  # logits below that of O: sure at every temperature that is tried

Place = tuple[int, int, str]  # characters [start, end), type


class GoldRows(NamedTuple):
    """What is true of one document, by the rows of its words.

    first (int): its first row. starts, ends (np.ndarray): int (words,), characters of each word. true (frozenset): gold
    entities. unknown (tuple): characters of tokens without annotation, about which nothing is judged.
    """

    first: int
    starts: np.ndarray
    ends: np.ndarray
    true: frozenset[Place]
    unknown: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, doc: Doc, gold: Doc, visible: np.ndarray) -> "GoldRows":
        """RETURNS (GoldRows): of a document; visible (np.ndarray): its tokens that are no white space."""
        starts = np.array([doc[i].idx for i in visible.tolist()], dtype=np.int64)
        ends = np.array([doc[i].idx + len(doc[i]) for i in visible.tolist()], dtype=np.int64)
        true = frozenset((ent.start_char, ent.end_char, ent.label_) for ent in gold.ents)
        unknown = tuple((token.idx, token.idx + len(token)) for token in gold if not token.ent_iob)
        return cls(0, starts, ends, true, unknown)

    def place(self, span: TagSpan, labels: Sequence[str]) -> Place:
        """RETURNS (Tuple[int, int, str]): where an entity stands in the text. span (TagSpan): its rows."""
        low, high = self.starts[span.start - self.first], self.ends[span.end - 1 - self.first]
        return int(low), int(high), labels[span.type_index]

    def is_judged(self, low: int, high: int) -> bool:
        """RETURNS (bool): whether the gold document says something about all of these characters."""
        return not any(a < high and low < b for a, b in self.unknown)


class Stretch(NamedTuple):
    """Documents one behind the other.

    rows (np.ndarray): float32 (rows, tags), logits. entities (list): as decoded. judged, hits (np.ndarray): bool, by
    entity: whether the gold document says anything about it, and whether it is there. mentions (list): gold, rows
    [start, end) and number of the document. covered (np.ndarray): bool, by row: whether an entity was found there.
    golds (list): of each document.
    """

    rows: np.ndarray
    entities: list[TagSpan]
    judged: np.ndarray
    hits: np.ndarray
    mentions: list[tuple[int, int, int]]
    covered: np.ndarray
    golds: list[GoldRows]


def stretch_of(
    gold: GoldRows, rows: np.ndarray, entities: list[TagSpan], labels: Sequence[str], document: int
) -> Stretch:
    """Make the stretch of one document.

    gold (GoldRows): what is true. rows (np.ndarray): logits (words, tags). entities (list[TagSpan]): as decoded.
    labels (Sequence[str]): the types. document (int): its number.
    RETURNS (Stretch): see there.
    """
    places = [gold.place(span, labels) for span in entities]
    hits = np.array([place in gold.true for place in places], dtype=bool)
    judged = np.array([gold.is_judged(low, high) for low, high, _ in places], dtype=bool)
    covered = np.zeros(len(rows), dtype=bool)
    for start, end, _ in entities:
        covered[start:end] = True
    touched = [
        (int((gold.ends <= low).sum()), int((gold.starts < high).sum())) for low, high, _ in sorted(gold.true)
    ]
    mentions = [(start, end, document) for start, end in touched if start < end]
    return Stretch(rows, entities, judged, hits, mentions, covered, [gold])


def joined_stretch(stretches: Sequence[Stretch]) -> Stretch:
    """RETURNS (Stretch): all of these, one behind the other."""
    outside = np.full((1, stretches[0].rows.shape[1]), -_SURE, dtype="f")
    outside[0, 0] = 0.0
    rows, entities, mentions, covered, golds = [], [], [], [], []
    offset = 0
    for each in stretches:
        rows += [each.rows, outside]
        covered += [each.covered, np.zeros(1, dtype=bool)]
        entities += [TagSpan(start + offset, end + offset, index) for start, end, index in each.entities]
        mentions += [(start + offset, end + offset, document) for start, end, document in each.mentions]
        golds += [gold._replace(first=gold.first + offset) for gold in each.golds]
        offset += len(each.rows) + 1
    judged, hits = (np.concatenate([getattr(each, key) for each in stretches]) for key in ("judged", "hits"))
    return Stretch(np.concatenate(rows), entities, judged, hits, mentions, np.concatenate(covered), golds)
