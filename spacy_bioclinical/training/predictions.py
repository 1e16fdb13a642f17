"""The prediction file: what a pipeline found beside what is true, without any text, so that judging needs no model.

JSON lines, plain or gzipped (by the name's ending .gz): a header, then one line for each document with characters,
labels, scores and counts. Scores, intervals, tests of significance, calibration and reports are computed from it. A
file of 500 abstracts takes about 1 MB, gzipped a tenth. Labels and document ids are kept as the corpus gives them.
"""

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacy_bioclinical.errors import Errors

FORMAT, VERSION = "spacy-bioclinical.predictions", 1


@dataclass(frozen=True)
class Mention:
    """A mention, gold or predicted.

    start, end (int): characters [start, end) of the document.
    label (str): its type.
    piece (int): number of its first piece in the document, counted from 0, special pieces and windows left aside.
    section (str | None): the known heading it stands under, "other" under any other heading, None before the first.
    seen (bool | None): whether its text, with its label, is a gold mention of the training corpus; None: not known.
    confidence (float | None): the pipeline's, in [0, 1]; None for gold, and where the pipeline has none.
    """

    start: int
    end: int
    label: str
    piece: int = 0
    section: str | None = None
    seen: bool | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Mentions:
    """The gold and the predicted mentions of one document, each in the order of their places."""

    gold: tuple[Mention, ...] = ()
    predicted: tuple[Mention, ...] = ()


@dataclass(frozen=True)
class Classes:
    """The classes of one document by one component.

    exclusive (bool): one class per document, the largest score; otherwise each label stands for itself.
    threshold (float | dict[str, float]): least score of a predicted label; not used for exclusive classes.
    gold (dict[str, float]): 1.0 or 0.0 for each label that the gold document mentions.
    scores (dict[str, float]): of every label, in [0, 1].
    """

    exclusive: bool
    threshold: float | dict[str, float]
    gold: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DocumentPrediction:
    """One document.

    id (str): the corpus's id, or "#" and its number, counted from 0.
    characters, tokens, pieces (int): its size; pieces of the pipeline's encoder, its tokens without one.
    seen_pieces (int): pieces that the encoder read.
    entities (Mentions | None): None where the gold document is not annotated with entities, or nothing sets them.
    spans (dict[str, Mentions]): by key of `doc.spans`.
    cats (dict[str, Classes]): by component.
    token_scores (tuple | None): (start, end, probability that the token is part of an entity) for each token with
        a probability of at least 1e-4; None if they were not asked for.
    """

    id: str
    characters: int
    tokens: int
    pieces: int
    seen_pieces: int
    entities: Mentions | None = None
    spans: dict[str, Mentions] = field(default_factory=dict)
    cats: dict[str, Classes] = field(default_factory=dict)
    token_scores: tuple[tuple[int, int, float], ...] | None = None


def write_predictions(
    path: str | Path,
    records: Iterable[DocumentPrediction],
    *,
    signature: dict[str, Any] | None = None,
    components: dict[str, Any] | None = None,
) -> None:
    """Write a prediction file, aside first; the same records always give the same bytes.

    path (str | Path): .jsonl or .jsonl.gz; its folder is made if needed.
    records (Iterable[DocumentPrediction]): the documents.
    signature (dict | None): what was measured on what; see `evaluation.signature`.
    components (dict | None): factory and settings of the components, by name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "signature": signature or {},
        "components": components or {},
    }
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as raw:
        # No name and no time in the gzip header, so that equal content gives equal files.
        stream = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.name.endswith(".gz") else raw
        for line in (header, *map(as_json, records)):
            stream.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf8") + b"\n")
        if stream is not raw:
            stream.close()
    os.replace(aside, path)


def read_predictions(path: str | Path) -> list[DocumentPrediction]:
    """Read a prediction file.

    path (str | Path): the file.
    RETURNS (list[DocumentPrediction]): the documents, in order.
    RAISES (ValueError): BC412 if it is no prediction file of this version, BC413 with the line that is damaged.
    """
    lines = _lines(Path(path))
    next(lines)
    return [_parsed(path, number, line) for number, line in lines]


def read_header(path: str | Path) -> dict[str, Any]:
    """Read the header of a prediction file: "format", "version", "signature", "components".

    RAISES (ValueError): BC412 if it is no prediction file of this version.
    """
    return json.loads(next(_lines(Path(path)))[1])


def as_json(record: DocumentPrediction) -> dict[str, Any]:
    """RETURNS (dict): the record as one line of the file holds it."""
    line: dict[str, Any] = {
        key: getattr(record, key) for key in ("id", "characters", "tokens", "pieces", "seen_pieces")
    }
    line["entities"] = None if record.entities is None else _mentions_as_json(record.entities)
    line["spans"] = {key: _mentions_as_json(mentions) for key, mentions in record.spans.items()}
    line["cats"] = {name: dict(vars(classes)) for name, classes in record.cats.items()}
    if record.token_scores is not None:
        line["token_scores"] = [list(score) for score in record.token_scores]
    return line


def from_json(line: dict[str, Any]) -> DocumentPrediction:
    """RETURNS (DocumentPrediction): what `as_json` was made of. RAISES KeyError or TypeError for anything else."""
    scores = line.get("token_scores")
    return DocumentPrediction(
        id=str(line["id"]),
        characters=line["characters"],
        tokens=line["tokens"],
        pieces=line["pieces"],
        seen_pieces=line["seen_pieces"],
        entities=None if line["entities"] is None else _mentions(line["entities"]),
        spans={key: _mentions(mentions) for key, mentions in line["spans"].items()},
        cats={name: Classes(**classes) for name, classes in line["cats"].items()},
        token_scores=None if scores is None else tuple((start, end, float(p)) for start, end, p in scores),
    )


def _mentions_as_json(mentions: Mentions) -> dict[str, list[dict[str, Any]]]:
    return {side: [dict(vars(each)) for each in getattr(mentions, side)] for side in ("gold", "predicted")}


def _mentions(sides: dict[str, list[dict[str, Any]]]) -> Mentions:
    return Mentions(*(tuple(Mention(**each) for each in sides[side]) for side in ("gold", "predicted")))


def _parsed(path: str | Path, number: int, line: str) -> DocumentPrediction:
    try:
        return from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = Errors.BC413.format(path=path, line=number, why=type(error).__name__)
        raise ValueError(message) from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line), the header first, which is checked."""
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            for number, line in enumerate(io.TextIOWrapper(stream, encoding="utf8", newline="\n"), start=1):
                if number == 1:
                    _check_header(path, line)
                if line.strip():
                    yield number, line
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        if number == 0:
            raise ValueError(Errors.BC412.format(path=path, why=type(error).__name__)) from None
        message = Errors.BC413.format(path=path, line=number + 1, why=type(error).__name__)
        raise ValueError(message) from None
    if number == 0:
        raise ValueError(Errors.BC412.format(path=path, why="it is empty"))


def _check_header(path: Path, line: str) -> None:
    try:
        header = json.loads(line)
        found = (header.get("format"), header.get("version"))
    except (ValueError, AttributeError):
        found = (None, None)
    if found != (FORMAT, VERSION):
        why = "its first line is another" if found[0] != FORMAT else f"it has version {found[1]}"
        raise ValueError(Errors.BC412.format(path=path, why=why))
