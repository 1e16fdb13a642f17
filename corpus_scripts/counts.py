"""What annotated Docs hold, as numbers that add up: of one shard, of many, in whichever process they were made."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any

from spacy.tokens import Doc

from corpus_scripts.tally import Tally

SPANS_KEY = "gold"


class Counts:
    """Numbers of some Docs, and of what their conversion repaired or left out.

    lengths (array): Tokens of each Doc, in order.
    characters (int): Of all texts.
    spans / ents (Counter): Label → mentions in ``doc.spans["gold"]`` / in ``doc.ents``.
    cats (dict): Label → {"positive": n, "negative": n}.
    only_in_spans (int): Mentions that are in ``doc.spans["gold"]`` alone.
    tally (Tally): Of the conversion (not of the reader).
    """

    def __init__(self, tally: Tally | None = None) -> None:
        self.lengths = array("q")
        self.characters = 0
        self.spans: Counter[str] = Counter()
        self.ents: Counter[str] = Counter()
        self.cats: dict[str, dict[str, int]] = {}
        self.only_in_spans = 0
        self.tally = tally or Tally()

    @property
    def mentions(self) -> int:
        """How many mentions there are (counted in ``doc.spans`` where there are any)."""
        return sum((self.spans or self.ents).values())

    def add(self, doc: Doc) -> None:
        """Count one Doc."""
        self.lengths.append(len(doc))
        if len(doc):
            self.characters += doc[-1].idx + len(doc[-1].text_with_ws)
        ents = [ent.label_ for ent in doc.ents]
        self.ents.update(ents)
        if SPANS_KEY in doc.spans:
            labels = [span.label_ for span in doc.spans[SPANS_KEY]]
            self.spans.update(labels)
            self.only_in_spans += len(labels) - len(ents)
        for label, value in doc.cats.items():
            counts = self.cats.setdefault(label, {"positive": 0, "negative": 0})
            counts["positive" if value >= 0.5 else "negative"] += 1

    def merge(self, other: Counts) -> None:
        """Add the numbers of other Docs, which come after these."""
        self.lengths.extend(other.lengths)
        self.characters += other.characters
        self.spans.update(other.spans)
        self.ents.update(other.ents)
        self.only_in_spans += other.only_in_spans
        for label, counts in other.cats.items():
            mine = self.cats.setdefault(label, {"positive": 0, "negative": 0})
            for kind, number in counts.items():
                mine[kind] += number
        self.tally.merge(other.tally)

    def to_dict(self) -> dict[str, Any]:
        """JSON-like; ``from_dict`` gives the same counts back."""
        return {
            "lengths": list(self.lengths), "characters": self.characters, "spans": dict(self.spans),
            "ents": dict(self.ents), "cats": self.cats, "only_in_spans": self.only_in_spans,
            "repaired": dict(self.tally.repaired), "dropped": dict(self.tally.dropped),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Counts:
        """Inverse of ``to_dict``."""
        counts = cls(Tally(Counter(data["repaired"]), Counter(data["dropped"])))
        counts.lengths.extend(data["lengths"])
        counts.characters = data["characters"]
        counts.spans.update(data["spans"])
        counts.ents.update(data["ents"])
        counts.cats = {label: dict(numbers) for label, numbers in data["cats"].items()}
        counts.only_in_spans = data["only_in_spans"]
        return counts
