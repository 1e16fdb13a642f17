"""Read and write brat standoff: notes as .txt, what annotators marked as .ann of the same name.

Offsets count characters of the .txt; where another tool counted them otherwise they are moved, and counted
(brat_views). What is no mention (attributes, events, relations, normalisations, comments) is kept in ``Record.meta``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from corpus_scripts.formats.brat_lines import AnnLine, Mention, parse_ann
from corpus_scripts.formats.brat_views import find_view
from corpus_scripts.formats.brat_writer import write_brat
from corpus_scripts.formats.files import read_text
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

__all__ = ["MISSING_ANN", "read_brat", "read_document", "write_brat"]

MISSING_ANN = ("error", "skip", "empty")
# BioNLP's shared tasks part the annotation: entities given (.a1), and what was to be found (.a2).
_ANN_ENDINGS = (".ann", ".a1", ".a2")


def read_brat(folder: Path, tally: Tally, *, missing_ann: str = "error") -> Iterator[Record]:
    """Read all pairs of a folder and its subfolders, or one pair if given a .txt or .ann file.

    folder (Path): The folder. Files that are neither .txt nor .ann, and hidden ones, are passed over.
    tally (Tally): Receives what was repaired or dropped.
    missing_ann (str): A .txt without .ann is an "error", is left out and counted ("skip"), or counts as
        annotated with nothing found ("empty").
    YIELDS (Record): In the order of the names. The id is the path below the folder without ending. The
        fragments of a discontinuous mention are several spans with the mention's id, and the id is in
        ``meta["discontinuous"]``; ``meta["order"]`` lists all ids where the lines are not sorted by kind.
    RAISES (ValueError): BC607 malformed line, BC608 mention and text differ, BC609 partner missing, BC611 not
        UTF-8.
    """
    folder = Path(folder)
    if missing_ann not in MISSING_ANN:
        expected = " or ".join(MISSING_ANN)
        raise ValueError(Errors.BC622.format(option="--missing-ann", value=missing_ann, expected=expected))
    for name, text_path, ann_paths in _pairs(folder):
        if not text_path.exists():
            partner = ann_paths[0] if ann_paths else folder
            raise ValueError(Errors.BC609.format(path=partner, partner=text_path.name))
        if not ann_paths:
            if missing_ann == "error":
                partner = text_path.with_suffix(".ann")
                raise ValueError(Errors.BC609.format(path=text_path, partner=partner.name))
            if missing_ann == "skip":
                tally.dropped["document_without_ann"] += 1
                continue
        yield read_document(name, text_path, ann_paths, tally)


def read_document(name: str, text_path: Path, ann_paths: Sequence[Path], tally: Tally) -> Record:
    """Read one .txt with its .ann, or .a1 and .a2 (none: annotated, nothing found); see read_brat."""
    text = read_text(text_path)
    lines: list[Mention | AnnLine] = []
    seen: dict[str, None] = {}
    for path in ann_paths:
        found, beside = parse_ann(path, seen)
        lines += sorted([*found, *beside], key=lambda line: line.line)
    mentions = [line for line in lines if isinstance(line, Mention)]
    view = find_view(text, mentions)
    if isinstance(view, Mention):
        offsets = ";".join(f"{start}-{end}" for start, end in view.fragments)
        raise ValueError(
            Errors.BC608.format(path=view.path, line=view.line, offsets=offsets, text_path=text_path.name)
        )
    if view.reason:
        tally.repaired[view.reason] += len(mentions)
    spans: list[TextSpan] = []
    discontinuous: list[str] = []
    for mention in mentions:
        fragments = _join_touching(view.place(mention.fragments) or [], text, tally)
        if len(fragments) > 1:
            tally.repaired["discontinuous_mention"] += 1
            tally.repaired["discontinuous_fragment"] += len(fragments)
            discontinuous.append(mention.id)
        spans.extend(TextSpan(start, end, mention.label, mention.id) for start, end in fragments)
    meta = _meta_of([line for line in lines if isinstance(line, AnnLine)])
    order = _order_of(lines)
    if order:
        meta["order"] = order
    if discontinuous:
        meta["discontinuous"] = discontinuous
    record = Record(name, text, tuple(spans), meta=meta)
    check_record(record, where=str(ann_paths[0] if ann_paths else text_path))
    return record


def _pairs(folder: Path) -> list[tuple[str, Path, list[Path]]]:
    """(id, .txt, its annotation files) of all documents, whether or not there are any, in the order of the ids."""
    if folder.is_file():
        return [(folder.stem, folder.with_suffix(".txt"), _annotations(folder.with_suffix("")))]
    stems = {
        path.relative_to(folder).as_posix().removesuffix(path.suffix)
        for path in folder.rglob("*")
        if path.suffix in (".txt", *_ANN_ENDINGS) and not path.name.startswith(".") and path.is_file()
    }
    return [(stem, folder / f"{stem}.txt", _annotations(folder / stem)) for stem in sorted(stems)]


def _annotations(stem: Path) -> list[Path]:
    paths = (stem.with_name(stem.name + ending) for ending in _ANN_ENDINGS)
    return [path for path in paths if path.exists()]


def _order_of(lines: list[Mention | AnnLine]) -> list[str] | None:
    """Ids in the order of the file, if that is not: mentions, then kind by kind in order of appearance."""

    def kind_of(line: Mention | AnnLine) -> str:
        return "" if isinstance(line, Mention) else line.kind

    kinds = {"": 0}
    for line in lines:
        kinds.setdefault(kind_of(line), len(kinds))
    ranks = [kinds[kind_of(line)] for line in lines]
    if ranks == sorted(ranks):
        return None
    return [line.id if isinstance(line, Mention) else str(line.facts["id"]) for line in lines]


def _join_touching(fragments: Sequence[tuple[int, int]], text: str, tally: Tally) -> list[tuple[int, int]]:
    """Put fragments together that only white space parts: brat cuts a mention at each line break."""
    joined = [fragments[0]]
    for start, end in fragments[1:]:
        if not text[joined[-1][1] : start].strip() and start >= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
            tally.repaired["fragments_joined"] += 1
        else:
            joined.append((start, end))
    return joined


def _meta_of(lines: list[AnnLine]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    for line in lines:
        meta.setdefault(line.kind, []).append(line.facts)
    return meta
