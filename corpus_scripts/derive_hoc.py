"""Make one JSONL of the Hallmarks of Cancer corpus as published: a tar of text/ID.txt and labels/ID.txt."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from corpus_scripts.formats.files import aside
from spacy_bioclinical.errors import Errors

_AND = re.compile(r"\s*AND\s*(?=[A-Z])")  # between labels of one sentence
_MOST = 1 << 20  # bytes of one file; abstracts have a few thousand


def make_hoc(source: Path, target: Path) -> int:
    """Write the abstracts with their top-level hallmarks.

    source (Path): the archive. text/ID.txt has a sentence a line; labels/ID.txt for each sentence "<" and its labels,
        paths through the taxonomy such as "Resisting cell death--Apoptosis".
    target (Path): {id, text, labels} a line, by id; text with a space between sentences, labels sorted, of the whole
        abstract.
    RETURNS (int): Abstracts without a file of labels (left out).
    RAISES (ValueError): BC654 with the member if the archive is not as published.
    """
    try:
        files = dict(_members(source))
    except (OSError, EOFError, tarfile.TarError, UnicodeDecodeError) as error:
        raise ValueError(
            Errors.BC654.format(path=source, why=f"no readable archive, {type(error).__name__}")
        ) from None
    ids = sorted(number for folder, number in files if folder == "text")
    if not ids:
        raise ValueError(Errors.BC654.format(path=source, why="the archive has no folder text"))
    rows = [_row(source, number, files) for number in ids if ("labels", number) in files]
    with aside(target, binary=True) as out:
        for row in rows:
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf8"))
    return len(ids) - len(rows)


def _members(source: Path) -> Iterator[tuple[tuple[str, str], str]]:
    with tarfile.open(source) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and path.suffix == ".txt" and path.parent.name in ("text", "labels"):
                if member.size > _MOST:
                    raise tarfile.ReadError
                yield (path.parent.name, path.stem), file.read().decode("utf8")


def _row(source: Path, number: str, files: dict[tuple[str, str], str]) -> dict[str, object]:
    sentences = [line.strip() for line in files["text", number].split("\n") if line.strip()]
    marks = files["labels", number].split("<")[1:]
    if len(marks) != len(sentences):
        why = f"labels/{number}.txt is of {len(marks)} sentences, text/{number}.txt has {len(sentences)}"
        raise ValueError(Errors.BC654.format(path=source, why=why))
    labels = {label.split("--")[0].strip() for mark in marks for label in _AND.split(mark) if label.strip()}
    return {"id": number, "text": " ".join(sentences), "labels": sorted(labels)}
