"""One way into all file formats: a path and a format name give Records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corpus_scripts.formats.brat import read_brat
from corpus_scripts.formats.conll import ConllOptions, read_conll
from corpus_scripts.formats.jsonl import JsonlOptions, listed_labels, read_jsonl
from corpus_scripts.formats.physionet_deid import read_physionet_deid
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_ENDINGS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "brat", ".ann": "brat",
    ".tsv": "conll", ".conll": "conll", ".iob": "conll", ".bio": "conll",
}  # fmt: skip


@dataclass(frozen=True)
class ReadOptions:
    """The options of all formats; a format takes its own.

    conll (ConllOptions): Columns, tag scheme, repair, documents.
    jsonl (JsonlOptions): Keys.
    missing_ann (str): brat: a .txt without .ann is an "error", left out ("skip") or annotated with nothing
        ("empty").
    inventory (tuple | None): JSONL: all labels, for lines that list only the positive ones.
    """

    conll: ConllOptions = field(default_factory=ConllOptions)
    jsonl: JsonlOptions = field(default_factory=JsonlOptions)
    missing_ann: str = "error"
    inventory: tuple[str, ...] | None = None


Reader = Callable[[Path, ReadOptions, Tally], Iterator[Record]]

# Format → how a file or folder of it is read. A format that is not for `convert files` alone is listed all the same.
FORMATS: Mapping[str, Reader] = {
    "conll": lambda path, options, tally: read_conll(path, options.conll, tally),
    "brat": lambda path, options, tally: read_brat(path, tally, missing_ann=options.missing_ann),
    "jsonl": lambda path, options, tally: read_jsonl(path, options.jsonl, inventory=options.inventory),
    "physionet_deid": lambda path, options, tally: read_physionet_deid(path, tally),
}


def guess_format(path: Path) -> str:
    """Tell the format from the name of a file, compressed or not; a folder is brat.

    RAISES (ValueError): BC621.
    """
    if path.is_dir():
        return "brat"
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".xz")]
    if suffixes and suffixes[-1] in _ENDINGS:
        return _ENDINGS[suffixes[-1]]
    raise ValueError(Errors.BC621.format(path=path))


def read_paths(
    paths: Sequence[Path], format_name: str, options: ReadOptions, tally: Tally
) -> Iterator[Record]:
    """Read files (brat: folders or files) of one format, one after the other.

    paths (Sequence[Path]): What to read.
    format_name (str): One of FORMATS.
    options (ReadOptions): How to read.
    tally (Tally): Receives what was repaired or dropped.
    YIELDS (Record): Documents in the order of the paths.
    RAISES (ValueError): BC622 for an unknown format, and the errors of the readers.
    """
    if format_name not in FORMATS:
        raise ValueError(
            Errors.BC622.format(option="--format", value=format_name, expected=" or ".join(FORMATS))
        )
    for path in paths:
        yield from FORMATS[format_name](path, options, tally)


def label_inventory(paths: Sequence[Path], options: JsonlOptions) -> tuple[str, ...] | None:
    """All labels that JSONL files list, so that every part gets the same categories; None if none does."""
    labels: set[str] = set()
    for path in paths:
        labels |= listed_labels(path, options)
    return tuple(sorted(labels)) or None
