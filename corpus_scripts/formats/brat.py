"""Read and write brat standoff: notes as .txt, what annotators marked as .ann of the same name.

Offsets count characters of the .txt. Files that went through Windows, or gained a byte order mark, are read
as they are; where the offsets were counted without those characters they are moved, and counted. What is no
mention (attributes, events, relations, normalisations, comments) is kept in ``Record.meta``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from corpus_scripts.formats.brat_lines import AnnLine, Mention, parse_ann
from corpus_scripts.formats.files import read_text, write_text
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

MISSING_ANN = ("error", "skip", "empty")


def read_brat(folder: Path, tally: Tally, *, missing_ann: str = "error") -> Iterator[Record]:
    """Read all pairs of a folder and its subfolders, or one pair if given a .txt or .ann file.

    folder (Path): The folder. Files that are neither .txt nor .ann, and hidden ones, are passed over.
    tally (Tally): Receives what was repaired or dropped.
    missing_ann (str): A .txt without .ann is an "error", is left out and counted ("skip"), or counts as
        annotated with nothing found ("empty").
    YIELDS (Record): In the order of the names. The id is the path below the folder without ending. The
        fragments of a discontinuous mention are several spans with the mention's id, and the id is in
        ``meta["discontinuous"]``.
    RAISES (ValueError): BC607 malformed line, BC608 mention and text differ, BC609 partner missing, BC611 not
        UTF-8.
    """
    folder = Path(folder)
    if missing_ann not in MISSING_ANN:
        expected = " or ".join(MISSING_ANN)
        raise ValueError(Errors.BC622.format(option="--missing-ann", value=missing_ann, expected=expected))
    for name, text_path, ann_path in _pairs(folder):
        if not text_path.exists():
            raise ValueError(Errors.BC609.format(path=ann_path, partner=text_path.name))
        if not ann_path.exists():
            if missing_ann == "error":
                raise ValueError(Errors.BC609.format(path=text_path, partner=ann_path.name))
            if missing_ann == "skip":
                tally.dropped["document_without_ann"] += 1
                continue
        yield read_pair(name, text_path, ann_path if ann_path.exists() else None, tally)


def read_pair(name: str, text_path: Path, ann_path: Path | None, tally: Tally) -> Record:
    """Read one .txt with its .ann (None: annotated, nothing found); see read_brat."""
    text = read_text(text_path)
    mentions, others = parse_ann(ann_path) if ann_path else ([], [])
    view = _matching_view(text, mentions, text_path, ann_path)
    if view.moved:
        tally.repaired["offsets_of_other_line_ends"] += len(mentions)
    spans: list[TextSpan] = []
    discontinuous: list[str] = []
    for mention in mentions:
        fragments = _join_touching(mention.fragments, view.text, tally)
        if len(fragments) > 1:
            tally.repaired["discontinuous_mention"] += 1
            tally.repaired["discontinuous_fragment"] += len(fragments)
            discontinuous.append(mention.id)
        spans.extend(
            TextSpan(view.offsets[start], view.offsets[end - 1] + 1, mention.label, mention.id)
            for start, end in fragments
        )
    meta = _meta_of(others)
    if discontinuous:
        meta["discontinuous"] = discontinuous
    record = Record(name, text, tuple(spans), meta=meta)
    check_record(record, where=str(ann_path or text_path))
    return record


def write_brat(records: Iterable[Record], folder: Path) -> None:
    """Write each record as <id>.txt and <id>.ann; ``read_brat`` gives texts and spans back.

    records (Iterable[Record]): Spans with one id become one discontinuous mention; other spans are numbered.
        Meta and categories have no place in the format and are refused (BC619), not lost.
    folder (Path): Made if missing.
    """
    for record in records:
        check_record(record, where="write_brat", allow_space_edges=False)
        path = Path(record.id)
        if (
            path.is_absolute()
            or ".." in path.parts
            or record.id.strip(". /") != record.id
            or "\\" in record.id
        ):
            raise ValueError(
                Errors.BC619.format(record=record.id, format="brat", why="its id is no file name")
            )
        if record.meta or record.labels:
            raise ValueError(
                Errors.BC619.format(record=record.id, format="brat", why="it has meta or labels")
            )
        if record.spans is None:
            raise ValueError(Errors.BC619.format(record=record.id, format="brat", why="it is not annotated"))
        write_text(folder / f"{record.id}.txt", record.text)
        write_text(folder / f"{record.id}.ann", _ann_of(record))


def _pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """(id, .txt, .ann) of all pairs, whether or not both files are there, in the order of the ids."""
    if folder.is_file():
        return [(folder.stem, folder.with_suffix(".txt"), folder.with_suffix(".ann"))]
    stems = {
        path.relative_to(folder).as_posix()[: -len(".txt")]
        for path in folder.rglob("*")
        if path.suffix in (".txt", ".ann") and not path.name.startswith(".") and path.is_file()
    }
    return [(stem, folder / f"{stem}.txt", folder / f"{stem}.ann") for stem in sorted(stems)]


class _View(NamedTuple):
    """The text as a tool may have counted it, and where each of its characters stands in the file."""

    text: str
    offsets: list[int] | range
    moved: bool


def _views(text: str) -> Iterator[_View]:
    yield _View(text, range(len(text)), False)
    for line_ends, mark in ((True, False), (False, True), (True, True)):
        if (line_ends and "\r\n" not in text) or (mark and not text.startswith("\ufeff")):
            continue
        kept = [
            index
            for index, character in enumerate(text)
            if not (line_ends and character == "\r" and text[index + 1 : index + 2] == "\n")
            and not (mark and index == 0)
        ]
        yield _View("".join(text[index] for index in kept), kept, True)


def _matching_view(text: str, mentions: list[Mention], text_path: Path, ann_path: Path | None) -> _View:
    """The first view in which every mention stands where the .ann says (BC608 if there is none)."""
    worst: Mention | None = None
    for view in _views(text):
        failed = next((mention for mention in mentions if not _stands(mention, view.text)), None)
        if failed is None:
            return view
        worst = worst or failed
    assert worst is not None
    offsets = ";".join(f"{start}-{end}" for start, end in worst.fragments)
    raise ValueError(
        Errors.BC608.format(path=ann_path, line=worst.line, offsets=offsets, text_path=text_path.name)
    )


def _stands(mention: Mention, text: str) -> bool:
    """Compare mention and text; brat writes a space for a line break, and between fragments."""
    if any(end > len(text) for _, end in mention.fragments):
        return False
    found = " ".join(text[start:end] for start, end in mention.fragments)
    return found.split() == mention.text.split()


def _join_touching(fragments: tuple[tuple[int, int], ...], text: str, tally: Tally) -> list[tuple[int, int]]:
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


def _ann_of(record: Record) -> str:
    groups: dict[str, list[TextSpan]] = {}
    for number, span in enumerate(record.spans or ()):
        groups.setdefault(span.id or f"\0{number}", []).append(span)
    lines = []
    for number, spans in enumerate(groups.values(), start=1):
        if len({span.label for span in spans}) > 1 or any(
            character.isspace() for character in spans[0].label
        ):
            why = "a label holds white space, or fragments of one mention have several labels"
            raise ValueError(Errors.BC619.format(record=record.id, format="brat", why=why))
        offsets = ";".join(f"{span.start} {span.end}" for span in spans)
        mention = " ".join(" ".join(record.text[span.start : span.end].split()) for span in spans)
        lines.append(f"T{number}\t{spans[0].label} {offsets}\t{mention}\n")
    return "".join(lines)
