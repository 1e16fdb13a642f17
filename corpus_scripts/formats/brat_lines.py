"""The lines of a brat .ann file, each taken apart and put together: mentions, and all that is kept beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpus_scripts.formats.files import read_lines
from spacy_bioclinical.errors import Errors

_MENTION = re.compile(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)")


@dataclass(frozen=True)
class Mention:
    """A T line: fragments are (start, end) in the order of the file."""

    id: str
    label: str
    fragments: tuple[tuple[int, int], ...]
    text: str
    line: int
    path: Path


class AnnLine(NamedTuple):
    """Any other line: the list of ``Record.meta`` it goes to, and its facts."""

    kind: str
    facts: dict[str, Any]
    line: int = 0


def parse_ann(path: Path, seen: dict[str, None] | None = None) -> tuple[list[Mention], list[AnnLine]]:
    """Read a .ann file.

    path (Path): The file.
    seen (dict | None): Ids so far, where one document's annotation is split over several files; gets those of
        this one, in the order of the lines (without equivalences, which have none).
    RETURNS (tuple): Mentions, and all other lines.
    RAISES (ValueError): BC607 with file and line; the line is not quoted.
    """
    mentions: list[Mention] = []
    others: list[AnnLine] = []
    seen = {} if seen is None else seen
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue

        def refuse(why: str, number: int = number) -> ValueError:
            return ValueError(Errors.BC607.format(path=path, line=number, why=why))

        parts = line.split("\t")
        name = parts[0]
        if len(parts) < 2 or name.split() != [name]:
            raise refuse("no tab after the id")
        if name != "*" and name in seen:
            raise refuse("its id was used above")
        seen[name] = None
        if name[0] == "T":
            mentions.append(_parse_mention(name, parts, number, path, refuse))
            continue
        kind = _KINDS.get(name[0])
        if kind is None:
            raise refuse("its id begins with none of T E R A M N # *")
        other = parse_other(line)
        if other is None:
            raise refuse(f"not a line of {kind.name}")
        others.append(other._replace(line=number))
    return mentions, others


def parse_other(line: str) -> AnnLine | None:
    """Take apart a line that is no mention; None if it is malformed."""
    name, *parts = line.split("\t")
    kind = _KINDS.get(name[:1])
    facts = kind.parse(parts[0].split(), parts[1:]) if kind and parts else None
    if kind is None or facts is None:
        return None
    # brat ends some lines of relations with a tab and some of events with a space.
    tail = line[len(line.rstrip()) :]
    if tail and kind.name not in ("normalizations", "notes"):
        facts["tail"] = tail
    return AnnLine(kind.name, {"id": name, **facts})


def format_other(kind: str, facts: Any) -> str | None:
    """Put together the line of ``facts`` as parse_other stores them; None if they are no such facts."""
    try:
        name = facts["id"]
        line = f"{name}\t{_FORMATS[kind](facts)}{facts.get('tail', '')}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if "\n" in line or line.endswith("\r"):
        return None
    return line if parse_other(line) == AnnLine(kind, _plain(facts)) else None


def _plain(value: Any) -> Any:
    """Tuples as lists, at any depth, as JSON and msgpack give them back."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _parse_mention(
    name: str, parts: list[str], line: int, path: Path, refuse: Callable[[str], ValueError]
) -> Mention:
    match = _MENTION.fullmatch(parts[1])
    if match is None:
        raise refuse("label and offsets expected after the id")
    if len(parts) < 3:
        raise refuse("no mention after the offsets")
    fragments = []
    for fragment in match.group(2).split(";"):
        start, end = map(int, fragment.split())
        if start >= end:
            raise refuse("a mention of no characters")
        fragments.append((start, end))
    # A tab inside the mention is text, not a column.
    return Mention(name, match.group(1), tuple(fragments), "\t".join(parts[2:]), line, path)


def _parse_event(words: list[str], rest: list[str]) -> dict[str, Any] | None:
    """E1	Tobacco:T2 State:T1"""
    pairs = [word.split(":", 1) for word in words]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        return None
    (label, trigger), *roles = pairs
    return {"label": label, "trigger": trigger, "roles": roles}


def _parse_relation(words: list[str], rest: list[str]) -> dict[str, Any] | None:
    """R1	Treats Arg1:T1 Arg2:T2"""
    pairs = [word.split(":", 1) for word in words[1:]]
    if len(words) < 3 or any(len(pair) != 2 for pair in pairs):
        return None
    return {"label": words[0], "roles": pairs}


def _parse_attribute(words: list[str], rest: list[str]) -> dict[str, Any] | None:
    """A1	Value T2 current; without a value it is a flag."""
    if len(words) < 2:
        return None
    return {"label": words[0], "target": words[1], "value": " ".join(words[2:]) or True}


def _parse_normalization(words: list[str], rest: list[str]) -> dict[str, Any] | None:
    """N1	Reference T1 UMLS:C0011849	name in the resource"""
    if len(words) != 3:
        return None
    return {"target": words[1], "reference": words[2], "name": "\t".join(rest)}


def _parse_note(words: list[str], rest: list[str]) -> dict[str, Any] | None:
    """#1	AnnotatorNotes T1	what was noted"""
    if len(words) < 2:
        return None
    return {"label": words[0], "target": words[1], "text": "\t".join(rest)}


def _parse_equivalence(words: list[str], rest: list[str]) -> dict[str, Any] | None:
    """*	Equiv T1 T2 T3"""
    if len(words) < 3:
        return None
    return {"label": words[0], "targets": words[1:]}


class _Kind(NamedTuple):
    name: str
    parse: Callable[[list[str], list[str]], dict[str, Any] | None]


_KINDS = {
    "E": _Kind("events", _parse_event),
    "R": _Kind("relations", _parse_relation),
    "A": _Kind("attributes", _parse_attribute),
    "M": _Kind("attributes", _parse_attribute),
    "N": _Kind("normalizations", _parse_normalization),
    "#": _Kind("notes", _parse_note),
    "*": _Kind("equivalences", _parse_equivalence),
}


def _roles(pairs: list[list[str]]) -> str:
    return "".join(f" {role}:{target}" for role, target in pairs)


# What stands after the id and its tab.
_FORMATS: dict[str, Callable[[Any], str]] = {
    "events": lambda facts: f"{facts['label']}:{facts['trigger']}{_roles(facts['roles'])}",
    "relations": lambda facts: f"{facts['label']}{_roles(facts['roles'])}",
    "attributes": lambda facts: (
        f"{facts['label']} {facts['target']}" + ("" if facts["value"] is True else f" {facts['value']}")
    ),
    "normalizations": lambda facts: f"Reference {facts['target']} {facts['reference']}\t{facts['name']}",
    "notes": lambda facts: f"{facts['label']} {facts['target']}\t{facts['text']}",
    "equivalences": lambda facts: f"{facts['label']} {' '.join(facts['targets'])}",
}
OTHER_KINDS = tuple(_FORMATS)
