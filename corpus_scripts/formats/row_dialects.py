"""Take rows apart as their dialect has it: our own, Prodigy's, doccano's, or tokens with tags.

Prodigy: text, spans, tokens, answer; options and accept (choice); label and answer (one category, yes or no).
doccano: label, labels or entities hold [start, end, label], or {id, start_offset, end_offset, label}, or only
labels; version 1.5 calls the text "data", old versions call the entities "annotations".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from corpus_scripts.formats.row_parts import Parts, Place, Row, RowOptions
from corpus_scripts.formats.tags import parse_tag, read_chunks
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally

# Our own: meta whose keys would be taken for something else, see jsonl.py.
META = "_meta"
TOKENS = "tokens"
ANSWERS = ("accept", "reject", "ignore")
_PRODIGY_KEYS = ("_input_hash", "_task_hash")
_DOCCANO_SPANS = ("entities", "annotations")
_DOCCANO_EITHER = ("label", "labels")
# Without any of these and the two an option names, a row lists no label, whatever its dialect.
LISTING = (*_DOCCANO_EITHER, "accept", "cats")


def dialect_of(row: Row, options: RowOptions) -> str:
    """Tell the dialect of a row from its keys and the kinds of their values.

    RETURNS (str): "plain", "prodigy", "doccano" or "tagged".
    """
    if META in row:
        return "plain"
    tokens = row.get(TOKENS)
    begins = _first(tokens)
    choice = isinstance(row.get("options"), list) and isinstance(row.get("accept"), list)
    answered = row.get("answer") in ANSWERS if isinstance(row.get("answer"), str) else False
    if (
        choice or answered or any(key in row for key in _PRODIGY_KEYS)
        or (isinstance(begins, dict) and "start" in begins)
    ):  # fmt: skip
        return "prodigy"
    if options.text not in row and _is_words(row.get(options.words)) and options.tags in row:
        return "tagged"
    if row.get(options.spans) is not None or isinstance(row.get(options.cats), dict):
        return "plain"
    if "Comments" in row or (options.text not in row and isinstance(row.get("data"), str)):
        return "doccano"
    for key in (*_DOCCANO_SPANS, *_DOCCANO_EITHER):
        value = row.get(key)
        first = _first(value)
        if isinstance(first, list) or (isinstance(first, dict) and "label" in first):
            return "doccano"
        lists_labels = key == "label" != options.labels and _are_strings(value)
        if lists_labels or (key in _DOCCANO_SPANS and value == []):
            return "doccano"
    return "plain"


def take_apart(row: Row, place: Place, options: RowOptions, tally: Tally) -> Parts | None:
    """Take one row apart.

    row (Mapping): Keys and values as JSON has them.
    place (Place): For messages.
    options (RowOptions): Which keys hold what.
    tally (Tally): Receives what was left out.
    RETURNS (Parts | None): None if an annotator rejected or ignored the row.
    RAISES (ValueError): The place's message.
    """
    dialect = dialect_of(row, options) if options.dialect == "auto" else options.dialect
    return _DIALECTS[dialect](row, place, options, tally)


def _plain(row: Row, place: Place, options: RowOptions, tally: Tally) -> Parts:
    parts = Parts(row.get(options.text), spans=spans_of(row.get(options.spans), options.spans, place))
    used = {options.text, options.id, options.spans, options.cats, options.labels, *options.label_columns}
    _categories(row, parts, place, options)
    if options.dialect == "auto" and parts.listed == [] and row.get(options.spans) is None:
        parts.undecided = True
    tokens: Any = row.get(TOKENS)
    if _are_pairs(tokens) and (tokens or not str(parts.text).strip()):
        parts.tokens = tuple((start, end) for start, end in tokens)
        used.add(TOKENS)
    meta = {key: value for key, value in row.items() if key not in used}
    if META in meta:
        nested = meta.pop(META)
        if not isinstance(nested, Mapping):
            raise place.refuse(f'"{META}" is not an object')
        meta.update(nested)
    parts.meta = meta
    return parts


def _prodigy(row: Row, place: Place, options: RowOptions, tally: Tally) -> Parts | None:
    answer = row.get("answer", "accept")
    if answer not in ANSWERS:
        raise place.refuse('"answer" is neither accept nor reject nor ignore')
    label = row.get("label")
    choice = isinstance(row.get("accept"), list)
    # One category, yes or no: here a rejected row teaches something. Its spans, if any, only show why it was asked.
    binary = isinstance(label, str) and "answer" in row and not choice
    if answer == "ignore" or (answer == "reject" and not binary):
        tally.dropped["prodigy_ignored" if answer == "ignore" else "prodigy_rejected"] += 1
        return None
    used = {options.text, options.id, TOKENS}
    parts = Parts(row.get(options.text))
    if binary:
        parts.cats = {str(label): float(answer == "accept")}
        used.add("label")
    else:
        parts.spans = spans_of(row.get(options.spans), options.spans, place)
        used.add(options.spans)
        if choice:
            _choice(row, parts, place)
            used |= {"options", "accept"}
        else:
            _categories(row, parts, place, options)
            used |= {options.cats, options.labels}
    if options.tokens == "keep":
        parts.tokens = _prodigy_tokens(row.get(TOKENS), parts.text, place, tally)
    parts.meta = {key: value for key, value in row.items() if key not in used}
    return parts


def _choice(row: Row, parts: Parts, place: Place) -> None:
    """A choice says of all its options whether they hold; without them it only lists what holds."""
    accepted = [_option(value, place) for value in row["accept"]]
    choices = row.get("options")
    if choices is None:
        parts.listed = accepted
        return
    if not isinstance(choices, list):
        raise place.refuse('"options" is not a list')
    offered = [_option(choice.get("id") if isinstance(choice, dict) else choice, place) for choice in choices]
    if not set(accepted) <= set(offered):
        raise place.refuse('"accept" holds something that is not among the "options"')
    parts.cats = {option: float(option in accepted) for option in offered}


def _option(value: Any, place: Place) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise place.refuse('an option of "options" or "accept" has no id')
    return str(value)


def _prodigy_tokens(tokens: Any, text: Any, place: Place, tally: Tally) -> tuple[tuple[int, int], ...] | None:
    """The stored tokens without those of white space; None, and counted, if they do not make up the text."""
    if tokens is None or not isinstance(text, str):
        return None
    try:
        edges = [(token["start"], token["end"]) for token in tokens]
        kept = tuple((start, end) for start, end in edges if text[start:end].strip())
        check_record(Record(place.name, text, tokens=kept))
    except (KeyError, TypeError, ValueError):
        tally.repaired["stored_tokens_unfit"] += 1
        return None
    return kept


def _doccano(row: Row, place: Place, options: RowOptions, tally: Tally) -> Parts:
    text_key = options.text if options.text in row or "data" not in row else "data"
    parts = Parts(row.get(text_key))
    used = {text_key, options.id}
    for key in (*_DOCCANO_SPANS, *_DOCCANO_EITHER):
        value = row.get(key)
        if not isinstance(value, (list, str)):
            continue
        used.add(key)
        if _are_strings([value] if isinstance(value, str) else value) and key in _DOCCANO_EITHER:
            parts.listed = [value] if isinstance(value, str) else value
        else:
            parts.spans = (*(parts.spans or ()), *(spans_of(value, key, place) or ()))
    parts.undecided = parts.listed == [] and parts.spans is None
    if isinstance(row.get("cats"), list):  # intents beside slots
        parts.listed = _labels_in(row["cats"], "cats", place)
        used.add("cats")
    parts.meta = {key: value for key, value in row.items() if key not in used}
    return parts


def _tagged(row: Row, place: Place, options: RowOptions, tally: Tally) -> Parts:
    """Tokens with tags: the text is the tokens joined by one space, as in conll.py."""
    words: Any = row.get(options.words)
    names: Any = row.get(options.tags)
    if not _is_words(words):
        raise place.refuse(f'"{options.words}" is not a list of strings')
    parts = Parts(" ".join(words))
    _categories(row, parts, place, options)
    used = {options.words, options.id, options.tags, options.cats, options.labels, *options.label_columns}
    parts.meta = {key: value for key, value in row.items() if key not in used}
    if names is None:
        return parts
    if not _are_strings(names) or len(names) != len(words):
        raise place.refuse(f'"{options.tags}" does not hold one tag, by name, for each of "{options.words}"')
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    tags = [
        parse_tag(name, line=place.number, path=place.source, scheme="auto", label=None) for name in names
    ]
    # The rule of conlleval; the tags of one row do not tell a scheme.
    chunks = read_chunks(tags, scheme="iob2", repair="open", tally=tally, path=place.source)
    parts.spans = tuple(TextSpan(starts[chunk.start], starts[chunk.end] - 1, chunk.label) for chunk in chunks)
    return parts


def spans_of(value: Any, key: str, place: Place) -> tuple[TextSpan, ...] | None:
    """Spans written as [start, end, label] or as an object; None stays None."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise place.refuse(f'"{key}" is not a list')
    try:
        return tuple(_make_span(entry) for entry in value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise place.refuse(f'an entry of "{key}" is not {{"start", "end", "label"}}') from None


def _make_span(entry: Any) -> TextSpan:
    if isinstance(entry, list):
        start, end, label = entry
        return TextSpan(start, end, label)
    prefix = "start" if "start" in entry else "start_offset"
    name = entry.get("id")
    return TextSpan(
        entry[prefix], entry["end" if prefix == "start" else "end_offset"], entry["label"],
        "" if name is None else str(name),
    )  # fmt: skip


def _categories(row: Row, parts: Parts, place: Place, options: RowOptions) -> None:
    cats = row.get(options.cats)
    if cats is not None:
        if not isinstance(cats, dict) or not all(
            isinstance(value, (bool, int, float)) for value in cats.values()
        ):
            raise place.refuse(f'"{options.cats}" does not map each label to a number')
        parts.cats = {label: _as_float(value) for label, value in cats.items()}
        return
    columns = {label: _cell_number(row.get(label), label, place) for label in options.label_columns}
    given = {label: value for label, value in columns.items() if value is not None}
    if given:
        parts.cats = given
    elif row.get(options.labels) is not None:
        parts.listed = _labels_in(row[options.labels], options.labels, place)


def _labels_in(value: Any, key: str, place: Place) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not _are_strings(value):
        raise place.refuse(f'"{key}" is neither a label nor a list of labels')
    return list(value)


def _cell_number(value: Any, label: str, place: Place) -> float | None:
    if value is None:
        return None
    if isinstance(value, str):
        known = {"true": 1.0, "false": 0.0}.get(value.strip().lower())
        try:
            value = float(value) if known is None else known
        except ValueError:
            value = None
    if not isinstance(value, (bool, int, float)) or not 0 <= value <= 1:
        raise place.refuse(f'the column of label "{label}" does not hold a number from 0 to 1')
    return float(value)


def _as_float(value: float) -> float:
    """A number that fits; one beyond 0 … 1 is left for check_record (it may be too large for a float)."""
    return float(value) if 0 <= value <= 1 else value


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _is_words(value: Any) -> bool:
    return _are_strings(value) and bool(value)


def _are_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(type(edge) is int for edge in pair)
        for pair in value
    )


_DIALECTS: Mapping[str, Callable[[Row, Place, RowOptions, Tally], Parts | None]] = {
    "plain": _plain, "prodigy": _prodigy, "doccano": _doccano, "tagged": _tagged,
}  # fmt: skip
