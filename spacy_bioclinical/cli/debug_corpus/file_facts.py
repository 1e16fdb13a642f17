"""Everything counted about one file of a corpus: sizes, labels, lengths, oddities. Numbers only, no text."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from spacy.tokens import Doc

from spacy_bioclinical.cli.debug_corpus.mentions import Mention, entity_state

LIMITS = (512, 4096, 8192)  # pieces, special ones included: BERT, Longformer, ModernBERT


class FileFacts:
    """Counts of one file, or of all files together (see `merge`)."""

    def __init__(self, name: str, limits: Sequence[int] = LIMITS) -> None:
        self.name = name
        self.limits = tuple(limits)
        self.characters = 0
        self.tokens = array("l")
        self.pieces = array("l")
        self.documents: Counter[str] = (
            Counter()
        )  # empty; without an id; entities annotated, partly, missing; …
        self.ents: Counter[str] = Counter()
        self.groups: dict[str, Counter[str]] = defaultdict(Counter)
        self.cats: dict[str, Counter[str]] = defaultdict(Counter)
        self.mention_lengths: Counter[int] = Counter()
        self.mentions: Counter[str] = Counter()
        self.beyond: Counter[int] = Counter()  # mentions that start beyond so many pieces
        self.oddities: Counter[str] = Counter()
        self.edges: dict[str, Counter[str]] = defaultdict(Counter)
        self.strings: dict[str, Counter[int]] = defaultdict(Counter)  # label → hash of a mention → times

    def add(self, doc: Doc, mentions: Sequence[Mention], text: str) -> None:
        """Count one document; its lengths in pieces come by `add_pieces`."""
        self.characters += len(text)
        self.tokens.append(len(doc))
        self.documents["empty"] += not text.strip()
        self.documents["unknown spaces"] += bool(doc.has_unknown_spaces)
        if not text.strip():
            return
        self.documents[f"entities {entity_state(doc)}"] += 1
        self.documents["without mention"] += not mentions
        self.documents["without categories"] += not doc.cats
        self.documents["without positive category"] += not any(value >= 0.5 for value in doc.cats.values())
        self.documents["without any annotation"] += (
            not mentions and not doc.cats and not doc.spans and entity_state(doc) == "missing"
        )
        self.ents.update(ent.label_ for ent in doc.ents)
        for key, group in doc.spans.items():
            self.groups[key].update(span.label_ for span in group)
        for label, value in doc.cats.items():
            self.cats[label]["positive" if value >= 0.5 else "negative"] += 1
        for mention in mentions:
            self.mentions[mention.label] += 1
            self.mention_lengths[mention.end - mention.start] += 1
            self.strings[mention.label][
                hash(" ".join(text[mention.first : mention.last].casefold().split()))
            ] += 1

    def add_pieces(self, n_pieces: int, mention_starts: Sequence[int]) -> None:
        """Count the length of one document.

        n_pieces (int): special pieces of one window included.
        mention_starts (Sequence[int]): for each mention, the pieces needed to reach its first one, special ones
            included.
        """
        self.pieces.append(n_pieces)
        for limit in self.limits:
            self.beyond[limit] += sum(start > limit for start in mention_starts)

    def merge(self, other: FileFacts) -> None:
        """Add the counts of another file."""
        self.characters += other.characters
        self.tokens.extend(other.tokens)
        self.pieces.extend(other.pieces)
        for name in ("documents", "ents", "mention_lengths", "mentions", "beyond", "oddities"):
            getattr(self, name).update(getattr(other, name))
        for name in ("groups", "cats", "edges", "strings"):
            for key, counts in getattr(other, name).items():
                getattr(self, name)[key].update(counts)

    @property
    def is_entity_corpus(self) -> bool:
        """Whether any document has entities, or was searched for them."""
        return bool(self.ents or self.documents["entities annotated"] or self.documents["entities partly"])

    def labels(self) -> dict[str, dict[str, int]]:
        """Labels by layer: "ents", "spans/KEY", "cats" (positive documents) → label → count, the most frequent first.

        Span groups are left out where they only repeat the entities.
        """
        layers: dict[str, Counter[str]] = {"ents": self.ents}
        if any(counts != self.ents for counts in self.groups.values()):  # a copy of the entities is not shown
            layers |= {f"spans/{key}": counts for key, counts in sorted(self.groups.items())}
        layers["cats"] = Counter({label: counts["positive"] for label, counts in self.cats.items()})
        return {layer: dict(sorted(c.items(), key=_by_count)) for layer, c in layers.items() if c}

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON has them. Shares are of documents or mentions, from 0 to 1."""
        n_docs, n_mentions = len(self.tokens), sum(self.mentions.values())
        labels = self.labels()
        report: dict[str, Any] = {
            "documents": n_docs,
            "tokens": sum(self.tokens),
            "characters": self.characters,
            "counts": {name: number for name, number in sorted(self.documents.items()) if number},
            "labels": {layer: _shares(counts) for layer, counts in labels.items()},
            "imbalance": {layer: imbalance(counts) for layer, counts in labels.items()},
            "categories": {label: dict(counts) for label, counts in sorted(self.cats.items())},
            "mentions": n_mentions,
            "mention_lengths": {str(length): n for length, n in sorted(self.mention_lengths.items())},
            "tokens_per_document": summary(self.tokens),
            "oddities": {name: number for name, number in sorted(self.oddities.items()) if number},
            "edges": {
                name: {key: counts[key] for key in ("cut tokens", "missed mentions")}
                for name, counts in self.edges.items()
            },
        }
        if self.pieces:
            pieces = np.asarray(self.pieces)
            report["pieces_per_document"] = summary(self.pieces)
            report["beyond"] = {
                str(limit): {
                    "documents": int((pieces > limit).sum()),
                    "documents_share": share(int((pieces > limit).sum()), n_docs),
                    "mentions": self.beyond[limit],
                    "mentions_share": share(self.beyond[limit], n_mentions),
                }
                for limit in self.limits
            }
        return report


def share(part: int, whole: int) -> float:
    """A share from 0 to 1, to six digits; 0 of nothing."""
    return round(part / whole, 6) if whole else 0.0


def imbalance(counts: dict[str, int]) -> float | None:
    """Largest label : smallest one that occurs; None for fewer than two."""
    present = [n for n in counts.values() if n]
    return round(max(present) / min(present), 2) if len(present) > 1 else None


def summary(values: Sequence[int]) -> dict[str, float]:
    """Least, quartiles, ninth decile, most and mean of some lengths."""
    if not len(values):
        return {}
    marks = np.percentile(np.asarray(values), [0, 25, 50, 75, 90, 100])
    names = ("least", "q1", "median", "q3", "p90", "most")
    return {**{n: round(float(m), 1) for n, m in zip(names, marks)}, "mean": round(float(np.mean(values)), 1)}


def _shares(counts: dict[str, int]) -> dict[str, dict[str, float]]:
    total = sum(counts.values())
    return {label: {"count": n, "share": share(n, total)} for label, n in counts.items()}


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
