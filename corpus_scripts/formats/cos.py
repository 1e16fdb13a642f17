"""Read the UW COS corpus: one .ann (and .txt) holds a hundred snippets, each of which becomes a record.

A snippet is a mention of type Snippet; the entities inside it get offsets of its own. Discontinuous entities
keep their fragments; relations, attributes and notes of a snippet's entities go to its meta.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpus_scripts.formats.brat_lines import AnnLine, Mention, parse_ann
from corpus_scripts.formats.files import read_text
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

TYPES = ("Attr", "Cos", "Loc", "Ref", "Val")
SNIPPET = "Snippet"


def ann_files(path: Path) -> list[Path]:
    """The .ann files of a flat folder in the order of their names; a file stands for itself."""
    if path.is_file():
        return [path]
    found = [file for file in path.glob("*.ann") if file.is_file() and not file.name.startswith(".")]
    return sorted(found, key=lambda file: file.name)


def read_cos(path: Path, tally: Tally) -> Iterator[Record]:
    """Read the snippets of all .ann files of a folder.

    path (Path): The folder, or one .ann file. The .txt beside an .ann is used if it is there; without it a
        snippet's text is what the .ann says.
    tally (Tally): Receives fragments, entities of other types or outside the snippets, and annotations that belong
        to none.
    YIELDS (Record): ids "<file>-<snippet>", in the order of files and lines.
    RAISES (ValueError): BC607 malformed line, BC608 mention and text differ, BC641 a snippet that is not one
        piece of text, BC612 no snippet.
    """
    found = False
    for file in ann_files(path):
        mentions, others = parse_ann(file)
        snippets = [mention for mention in mentions if mention.label == SNIPPET]
        if not snippets:
            continue
        found = True
        entities = [mention for mention in mentions if mention.label in TYPES]
        _drop(tally, "mention_of_other_type", len(mentions) - len(snippets) - len(entities))
        whole = _text_of(file, mentions)
        used: set[str] = set()
        for snippet in snippets:
            yield _snippet_record(file, snippet, entities, others, whole, used, tally)
        _drop(tally, "mention_outside_snippets", sum(entity.id not in used for entity in entities))
        _drop(tally, "annotation_outside_snippets", sum(_key(line) not in used for line in others))
    if not found:
        raise ValueError(Errors.BC612.format(where=path))


def _drop(tally: Tally, reason: str, number: int) -> None:
    if number:
        tally.dropped[reason] += number


def _snippet_record(
    file: Path,
    snippet: Mention,
    entities: list[Mention],
    others: list[AnnLine],
    whole: str | None,
    used: set[str],
    tally: Tally,
) -> Record:
    if len(snippet.fragments) != 1:
        raise ValueError(Errors.BC641.format(path=file, line=snippet.line, why="a snippet of several pieces"))
    [(start, end)] = snippet.fragments
    text = whole[start:end] if whole is not None else snippet.text
    if len(text) != end - start:
        why = "the text of the snippet is not as long as its offsets say, and there is no .txt"
        raise ValueError(Errors.BC641.format(path=file, line=snippet.line, why=why))
    spans: list[TextSpan] = []
    discontinuous: list[str] = []
    inside = {snippet.id}
    for entity in entities:
        if not all(start <= left and right <= end for left, right in entity.fragments):
            continue
        fragments = [(left - start, right - start) for left, right in entity.fragments]
        if " ".join(text[left:right] for left, right in fragments).split() != entity.text.split():
            raise _differs(file, entity)
        inside.add(entity.id)
        spans.extend(TextSpan(left, right, entity.label, entity.id) for left, right in fragments)
        if len(fragments) > 1:
            tally.repaired["discontinuous_mention"] += 1
            tally.repaired["discontinuous_fragment"] += len(fragments)
            discontinuous.append(entity.id)
    meta: dict[str, Any] = {"file": file.name, "start": start}
    used |= inside
    for line in _about(others, inside):
        used.add(_key(line))
        meta.setdefault(line.kind, []).append(line.facts)
    if discontinuous:
        meta["discontinuous"] = discontinuous
    return Record(f"{file.stem}-{snippet.id}", text, tuple(spans), meta=meta)


def _text_of(file: Path, mentions: list[Mention]) -> str | None:
    """The .txt as the offsets count it (with or without byte order mark and CR); None if there is none."""
    path = file.with_suffix(".txt")
    if not path.exists():
        return None
    text = read_text(path)
    unix = text.replace("\r\n", "\n")
    failed: Mention | None = None
    for view in dict.fromkeys((text, unix, text.removeprefix("\ufeff"), unix.removeprefix("\ufeff"))):
        wrong = next((mention for mention in mentions if not _stands(mention, view)), None)
        if wrong is None:
            return view
        failed = failed or wrong
    assert failed is not None
    raise _differs(file, failed)


def _stands(mention: Mention, text: str) -> bool:
    if any(end > len(text) for _, end in mention.fragments):
        return False
    return " ".join(text[start:end] for start, end in mention.fragments).split() == mention.text.split()


def _differs(file: Path, mention: Mention) -> ValueError:
    offsets = ";".join(f"{start}-{end}" for start, end in mention.fragments)
    text = file.with_suffix(".txt")
    name = text.name if text.exists() else file.name
    return ValueError(Errors.BC608.format(path=file, line=mention.line, offsets=offsets, text_path=name))


def _about(lines: list[AnnLine], names: set[str]) -> list[AnnLine]:
    """The lines that speak of these mentions, or of a relation that does."""
    known = set(names)
    chosen: dict[str, AnnLine] = {}
    grown = True
    while grown:
        grown = False
        for line in lines:
            if _key(line) not in chosen and _words(line.facts) & known:
                chosen[_key(line)] = line
                known.add(_key(line))
                grown = True
    return [line for line in lines if _key(line) in chosen]


def _key(line: AnnLine) -> str:
    name = str(line.facts.get("id", ""))
    return name if name != "*" else f"*{sorted(_words(line.facts))}"


def _words(value: object) -> set[str]:
    """All that a line refers to, however it holds it; its own id, and free text, are no reference."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(
            *(_words(part) for key, part in value.items() if key not in ("id", "text", "name"))
        )
    if isinstance(value, (list, tuple)):
        return set().union(*(_words(part) for part in value))
    return set()
