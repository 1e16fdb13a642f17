"""A stretch of a document with its mentions marked, by displaCy's own renderers: the only code that shows text.

Entities where mentions lie beside each other, displaCy's span style where they overlap. Text and labels are escaped.
"""

import itertools
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from spacy.tokens import Doc, Span

COLORS = ("#a8d8ea", "#fcd5ce", "#cdeac0", "#e2cfea", "#ffe5a8", "#bde0fe", "#f7c6d9", "#d6d6c2")


def mark_mentions(shown: Span, mentions: Sequence[tuple[int, int, str]], labels: Iterable[str] = ()) -> str:
    """Mark mentions in a text.

    shown (Span): the stretch.
    mentions (Sequence[tuple]): (start, end, label), characters of the document; those not wholly inside are left out.
    labels (Iterable[str]): all labels that shall have the same colours as in other stretches; default: those here.
    RETURNS (str): HTML.
    """
    from spacy import displacy

    first, last = shown.start_char, shown.end_char
    inside = sorted(each for each in mentions if first <= each[0] < each[1] <= last)
    known = sorted(set(labels) or {label for *_, label in inside})
    colors = {escape(label).upper(): COLORS[number % len(COLORS)] for number, label in enumerate(known)}
    settings: dict[str, Any] = {
        "manual": True,
        "page": False,
        "jupyter": False,
        "options": {"colors": colors},
    }
    overlap = any(one[1] > other[0] for one, other in itertools.pairwise(inside))
    # displaCy escapes text but not labels.
    if overlap:
        spans = []
        for start, end, label in inside:
            span = tokens_between(shown.doc, start, end)
            if span is not None:
                place = {"start_token": span.start - shown.start, "end_token": span.end - shown.start}
                spans.append({**place, "label": escape(label)})
        tokens: dict[str, Any] = {"text": shown.text, "tokens": [t.text for t in shown], "spans": spans}
        return displacy.render(tokens, style="span", **settings)
    ents = [
        {"start": start - first, "end": end - first, "label": escape(label)} for start, end, label in inside
    ]
    return displacy.render({"text": shown.text, "ents": ents, "title": None}, style="ent", **settings)


def tokens_between(doc: Doc, start: int, end: int) -> Span | None:
    """RETURNS (Span | None): the tokens that share a character with [start, end); None if there are none."""
    touched = [token.i for token in doc if token.idx < end and start < token.idx + len(token)]
    return doc[touched[0] : touched[-1] + 1] if touched else None
