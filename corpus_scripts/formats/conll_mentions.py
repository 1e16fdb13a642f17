"""What a row of tags can hold of a record's mentions: one after another, each on whole tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

# Reason → how the message tells it.
_REASONS = {
    "spans_missing": "nobody looked for mentions in it (spans None), which tags cannot say",
    "categories": "it has categories",
    "discontinuous_mention": "a mention is discontinuous",
    "overlapping_mention": "mentions overlap",
    "mention_off_tokens": "a mention does not begin and end with a token",
    "label_with_white_space": "a label holds white space",
}


class Placed(NamedTuple):
    """A mention with its first and last token."""

    first: int
    last: int
    span: TextSpan


def mentions_for_tags(
    record: Record, tokens: Sequence[tuple[int, int]], *, lossy: bool, tally: Tally
) -> list[Placed]:
    """The mentions of a record that one tag for each token can hold.

    record (Record): The record.
    tokens (Sequence): (start, end) of each token.
    lossy (bool): Leave out and count what cannot be held, instead of refusing; of overlapping mentions the
        longest is kept, then the leftmost, as in ``doc.ents``.
    tally (Tally): Receives the counts, in ``dropped``.
    RETURNS (list[Placed]): In the order of the text.
    RAISES (ValueError): BC655.
    """

    def lose(reason: str) -> None:
        if not lossy:
            raise ValueError(Errors.BC655.format(record=record.id, why=_REASONS[reason]))
        tally.dropped[reason] += 1

    if record.spans is None:
        lose("spans_missing")
    if record.labels:
        lose("categories")
    starts = {start: index for index, (start, _) in enumerate(tokens)}
    ends = {end: index for index, (_, end) in enumerate(tokens)}
    fragments = Counter(span.id for span in record.spans or () if span.id)
    lost: set[str] = set()
    taken = bytearray(len(tokens))
    placed = []
    for span in sorted(record.spans or (), key=lambda span: (span.start - span.end, span.start)):
        first, last = starts.get(span.start), ends.get(span.end)
        if fragments[span.id] > 1:
            if span.id not in lost:
                lose("discontinuous_mention")
            lost.add(span.id)
        elif first is None or last is None:
            lose("mention_off_tokens")
        elif any(character.isspace() for character in span.label):
            lose("label_with_white_space")
        elif any(taken[first : last + 1]):
            lose("overlapping_mention")
        else:
            taken[first : last + 1] = b"\x01" * (last + 1 - first)
            placed.append(Placed(first, last, span))
    return sorted(placed)
