"""Several annotated Docs become one, with a blank line between their texts and nothing lost of what they say.

It works on Docs, not on Records: a Record knows neither sentences and heads nor span groups beside "gold", and to
tokenise again would move mentions' borders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy
from spacy.attrs import DEP, ENT_IOB, HEAD, SENT_START
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from corpus_scripts.docbin import SPANS_KEY
from corpus_scripts.to_docbin import GIVEN

if TYPE_CHECKING:
    from thinc.types import Ints2d

BLANK_LINE = "\n\n"
JOINED = "joined"  # user_data["meta"]["joined"]: what the document was made of

_ATTRS: list[int | str] = [*DocBin().attrs]
_OUTSIDE = 2  # ENT_IOB "O"
_MINUS_ONE = 2**64 - 1  # as an unsigned number: SENT_START "no", HEAD "the token before"
_POSITIVE = 0.5
# What of user_data has a place of its own in a joined Doc.
_PLACED = {"id", "meta", "tokens"}


def kinds_of(doc: Doc) -> dict[str, bool]:
    """What somebody looked for in a Doc, as far as it can be told: documents that differ in it cannot be joined.

    doc (Doc): The Doc.
    RETURNS (dict): Kind → whether there is any; a kind that so short a Doc does not tell is not named.
    """
    kinds = {f'mentions in doc.spans["{SPANS_KEY}"]': SPANS_KEY in doc.spans}
    if len(doc):
        kinds["entities"] = bool(doc.to_array(ENT_IOB).any())
    if len(doc) > 1:
        kinds["sentences"] = bool(doc.to_array(SENT_START)[1:].any())
        kinds["dependencies"] = bool(doc.to_array(DEP).any())
    return kinds


def join_docs(docs: Sequence[Doc], names: Sequence[str], vocab: Vocab) -> Doc:
    """Join Docs into one.

    docs (Sequence[Doc]): At least one, alike in what ``kinds_of`` tells.
    names (Sequence[str]): Their ids.
    vocab (Vocab): That of the Docs.
    RETURNS (Doc): Their texts with a blank line between, which is a token of its own; all other tokens are as they
        were. Id: that of the first, "+", and how many follow. Span ids: "3:T5" is T5 of the third. ``cats``: see
        ``join_cats``. ``user_data["meta"]["joined"]`` has id, start, end (characters) and meta of each, unchanged,
        with its own names and offsets; ``meta["discontinuous"]`` the new ids of all.
    """
    joined = _join_tokens(docs, vocab)
    sources: list[dict[str, Any]] = []
    discontinuous: list[str] = []
    groups: dict[str, list[Span]] = {}
    facts: dict[str, dict[str, Any]] = {}
    place = token = 0
    for number, (doc, name) in enumerate(zip(docs, names), start=1):
        for key, group in doc.spans.items():
            facts.setdefault(key, {}).update(group.attrs)
            groups.setdefault(key, []).extend(_moved(span, joined, token, number) for span in group)
        source: dict[str, Any] = {"id": name, "start": place, "end": place + len(doc.text)}
        meta = doc.user_data.get("meta")
        if meta:
            source["meta"] = meta
            discontinuous += [f"{number}:{found}" for found in meta.get("discontinuous") or ()]
        rest = _move_user_data(doc, joined, place)
        if rest:
            source["user_data"] = rest
        sources.append(source)
        place = source["end"] + len(BLANK_LINE)
        token += len(doc) + 1
    for key, spans in groups.items():
        joined.spans[key] = SpanGroup(joined, name=key, attrs=facts[key], spans=spans)
    joined.cats = join_cats([doc.cats for doc in docs])
    joined.user_data["id"] = f"{names[0]}+{len(docs) - 1}"
    joined.user_data["meta"] = {JOINED: sources}
    if discontinuous:
        joined.user_data["meta"]["discontinuous"] = discontinuous
    # Of a Doc without an id nobody knows who made its tokens.
    if any(doc.user_data.get("tokens") == GIVEN or "id" not in doc.user_data for doc in docs):
        joined.user_data["tokens"] = GIVEN
    return joined


def join_cats(cats: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The categories of a joined document: the largest value of each, if it is known.

    cats (Sequence[Mapping]): ``doc.cats`` of each document.
    RETURNS (dict): Labels in the order of their first appearance. A label is positive if any document says so,
        negative if all state it and none is positive; else it is missing, for nobody knows.
    """
    values: dict[str, list[float]] = {}
    for stated in cats:
        for label, value in stated.items():
            values.setdefault(label, []).append(value)
    return {
        label: max(stated)
        for label, stated in values.items()
        if max(stated) >= _POSITIVE or len(stated) == len(cats)
    }


def n_positive(cats: Mapping[str, float]) -> int:
    """How many categories are positive."""
    return sum(value >= _POSITIVE for value in cats.values())


def _join_tokens(docs: Sequence[Doc], vocab: Vocab) -> Doc:
    """Words, white space and token attributes. A Doc that does not know its spaces is taken as its text reads."""
    has: dict[str, bool] = {}
    for doc in docs:
        for kind, found in kinds_of(doc).items():
            has[kind] = has.get(kind, False) or found
    sentences, parsed = has.get("sentences", False), has.get("dependencies", False)
    words: list[str] = []
    spaces: list[bool] = []
    rows: list[numpy.ndarray] = []
    for number, doc in enumerate(docs):
        if number:
            line = Doc(vocab, words=[BLANK_LINE], spaces=[False]).to_array(_ATTRS).reshape(1, -1)
            line[0, _ATTRS.index(ENT_IOB)] = _OUTSIDE if has.get("entities") else 0
            line[0, _ATTRS.index(SENT_START)] = _MINUS_ONE if sentences and words else 0
            line[0, _ATTRS.index(HEAD)] = _MINUS_ONE if parsed and words else 0
            rows.append(line)
            words.append(BLANK_LINE)
            spaces.append(False)
        if not len(doc):
            continue
        array = doc.to_array(_ATTRS).reshape(len(doc), -1)
        if number:  # spaCy calls the first token a start even where nobody looked for sentences
            array[0, _ATTRS.index(SENT_START)] = 1 if sentences else 0
        rows.append(array)
        words += [token.text for token in doc]
        spaces += [bool(token.whitespace_) for token in doc]
    joined = Doc(vocab, words=words, spaces=spaces)
    return joined.from_array(_ATTRS, cast("Ints2d", numpy.vstack(rows))) if rows else joined


def _moved(span: Span, joined: Doc, token: int, number: int) -> Span:
    name = f"{number}:{span.id_}" if span.id else ""
    start, end = token + span.start, token + span.end
    return Span(joined, start, end, label=span.label, kb_id=span.kb_id, span_id=name)


def _move_user_data(doc: Doc, joined: Doc, place: int) -> dict[str, Any]:
    """Move custom attributes of tokens and spans to their new place; returns what belongs to the whole document."""
    rest: dict[str, Any] = {}
    for key, value in doc.user_data.items():
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "._.":
            _, name, start, end = key
            if start is None:
                rest[f"._.{name}"] = value
            else:
                joined.user_data["._.", name, start + place, None if end is None else end + place] = value
        elif key not in _PLACED:
            rest[str(key)] = value
    return rest
