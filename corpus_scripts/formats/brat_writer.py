"""Write brat standoff: each record as <id>.txt and <id>.ann, with all that the reader kept of the original."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from corpus_scripts.formats.brat_lines import OTHER_KINDS, format_other
from corpus_scripts.formats.files import write_text
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_OWN_ID = re.compile(r"T\S*")
_HELD = {*OTHER_KINDS, "discontinuous", "order"}


def write_brat(
    records: Iterable[Record], folder: Path, *, lossy: bool = False, tally: Tally | None = None
) -> None:
    """Write records into a folder; ``read_brat`` gives them back.

    records (Iterable[Record]): Spans with one id become one discontinuous mention. Ids are kept if all begin
        with T; else mentions are numbered. Categories, meta that brat has no line for, and spans None are
        refused, not lost.
    folder (Path): Made if missing.
    lossy (bool): Leave that out and count it instead.
    tally (Tally | None): Receives the counts.
    RAISES (ValueError): BC619 an id that is no file name, BC659 what the format cannot hold, and those of
        check_record.
    """
    tally = tally or Tally()
    for record in records:
        check_record(record, where="write_brat")
        if not _is_file_name(record.id):
            raise ValueError(
                Errors.BC619.format(record=record.id, format="brat", why="its id is no file name")
            )
        ann = "".join(f"{line}\n" for line in _lines(record, lossy, tally))
        write_text(folder / f"{record.id}.txt", record.text)
        write_text(folder / f"{record.id}.ann", ann)


def _is_file_name(name: str) -> bool:
    """Whether a path below the folder is named that the reader will name the same."""
    parts = name.split("/")
    return (
        Path(name).as_posix() == name
        and name == name.strip()
        and "\\" not in name
        and "\0" not in name
        and not any(part.startswith(".") or not part for part in parts)
    )


def _lines(record: Record, lossy: bool, tally: Tally) -> Iterator[str]:
    """The lines of the .ann, in the order of the source if it is known."""

    def lose(reason: str, why: str) -> None:
        if not lossy:
            raise ValueError(Errors.BC659.format(record=record.id, why=why))
        tally.dropped[reason] += 1

    if record.labels:
        lose("categories", "it has categories")
    if record.spans is None:
        lose("spans_missing", "nobody looked for mentions in it (spans None), but an .ann says somebody did")
    if record.meta.keys() - _HELD:
        lose("meta", "its meta holds something that brat has no line for")
    groups: dict[str, list[TextSpan]] = {}
    for number, span in enumerate(record.spans or ()):
        groups.setdefault(span.id or f"\0{number}", []).append(span)
    kept = all(_OWN_ID.fullmatch(name) for name in groups)
    names = {old: old if kept else f"T{number}" for number, old in enumerate(groups, start=1)}
    lines: list[tuple[str, str]] = []  # id, line
    for old, spans in groups.items():
        if len({span.label for span in spans}) > 1 or any(map(str.isspace, spans[0].label)):
            lose("label", "a label holds white space, or fragments of one mention have several labels")
            continue
        lines.append((names[old], _mention(names[old], spans, record.text)))
    for kind in (key for key in record.meta if key in OTHER_KINDS):
        entries = record.meta[kind]
        for entry in entries if isinstance(entries, (list, tuple)) else [None]:
            line = format_other(kind, entry if kept else _renamed(entry, names))
            name = line.split("\t")[0] if line else ""
            if line is None or (name != "*" and any(name == other for other, _ in lines)):
                lose("meta", f'an entry of its meta "{kind}" is not as read_brat stores it')
                continue
            lines.append((name, line))
    return _ordered(lines, record.meta.get("order"))


def _mention(name: str, spans: list[TextSpan], text: str) -> str:
    fragments = [fragment for span in spans for fragment in _cut_at_lines(span.start, span.end, text)]
    offsets = ";".join(f"{start} {end}" for start, end in fragments)
    mention = " ".join(text[start:end] for start, end in fragments).replace("\n", " ")
    return f"{name}\t{spans[0].label} {offsets}\t{mention}"


def _cut_at_lines(start: int, end: int, text: str) -> list[tuple[int, int]]:
    """The stretches of a mention between line breaks, as brat itself cuts it.

    A mention with a line break at its very edge is left whole: its offsets would be lost.
    """
    fragments = []
    place = start
    for line in text[start:end].split("\n"):
        left = place + len(line) - len(line.lstrip()) if place > start else place
        right = place + len(line.rstrip()) if place + len(line) < end else end
        if left < right:
            fragments.append((left, right))
        place += len(line) + 1
    whole = bool(fragments) and fragments[0][0] == start and fragments[-1][1] == end
    solid = all(text[left:right].strip() for left, right in fragments)
    return fragments if whole and solid else [(start, end)]


def _renamed(entry: Any, names: dict[str, str]) -> Any:
    """An entry of meta with the new names of the mentions it refers to."""
    if not isinstance(entry, dict):
        return entry
    new = dict(entry)
    for key in ("target", "trigger"):
        if isinstance(entry.get(key), str):
            new[key] = names.get(entry[key], entry[key])
    if isinstance(entry.get("targets"), (list, tuple)):
        new["targets"] = [names.get(str(target), target) for target in entry["targets"]]
    if isinstance(entry.get("roles"), (list, tuple)):
        new["roles"] = [
            [pair[0], names.get(str(pair[1]), pair[1])]
            if isinstance(pair, (list, tuple)) and len(pair) == 2
            else pair
            for pair in entry["roles"]
        ]
    return new


def _ordered(lines: list[tuple[str, str]], order: Any) -> Iterator[str]:
    """Lines in the order of their ids in ``order``; the rest after them."""
    rest: dict[str, list[str]] = {}
    for name, line in lines:
        rest.setdefault(name, []).append(line)
    for name in order if isinstance(order, (list, tuple)) else ():
        if isinstance(name, str) and rest.get(name):
            yield rest[name].pop(0)
    for name, _ in lines:
        if rest[name]:
            yield rest[name].pop(0)
