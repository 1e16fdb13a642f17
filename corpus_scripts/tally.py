"""Counts of what reading and converting had to repair or leave out: nothing disappears without a number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from spacy_bioclinical.errors import Errors

# Reasons that lose a mention an annotator marked; a repeated line, say, loses nothing.
LOSSES = ("blank_span", "stray_continuation")


@dataclass
class Tally:
    """Reason → how often.

    repaired (Counter): What was kept, but changed.
    dropped (Counter): What was left out.
    """

    repaired: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Tally) -> None:
        """Add the counts of another."""
        self.repaired.update(other.repaired)
        self.dropped.update(other.dropped)

    def refuse_loss(self, name: str, *, kept: int, limit: float) -> None:
        """Refuse to go on if too large a part of the mentions was lost.

        name (str): Of the part of the corpus, for the message.
        kept (int): How many mentions were kept.
        limit (float): Largest part that may be lost, 0.0 … 1.0.
        RAISES (ValueError): BC615.
        """
        lost = sum(self.dropped[reason] for reason in LOSSES)
        if lost > limit * (kept + lost):
            reasons = ", ".join(
                f"{reason} {self.dropped[reason]}" for reason in LOSSES if self.dropped[reason]
            )
            raise ValueError(
                Errors.BC615.format(lost=lost, total=kept + lost, name=name, reasons=reasons, limit=limit)
            )
