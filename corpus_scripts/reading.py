"""One way into all file formats: a path and a format name give Records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from corpus_scripts.formats.bioc import BiocOptions
from corpus_scripts.formats.bioc_json import read_bioc_json
from corpus_scripts.formats.bioc_xml import read_bioc_xml
from corpus_scripts.formats.brat import read_brat
from corpus_scripts.formats.chemprot_blue import read_chemprot_blue
from corpus_scripts.formats.conll import ConllOptions, read_conll
from corpus_scripts.formats.cos import read_cos
from corpus_scripts.formats.datasets_hub import dataset_labels, read_dataset
from corpus_scripts.formats.delimited import delimited_labels, read_delimited
from corpus_scripts.formats.i2b2_2006 import read_i2b2_2006
from corpus_scripts.formats.i2b2_2010 import read_i2b2_2010
from corpus_scripts.formats.i2b2_2012 import read_i2b2_2012
from corpus_scripts.formats.i2b2_2014 import read_i2b2_2014
from corpus_scripts.formats.jsonl import jsonl_labels, read_jsonl
from corpus_scripts.formats.mednli import read_mednli
from corpus_scripts.formats.mimic_notes import NoteOptions, read_mimic_notes
from corpus_scripts.formats.phenotype_mimic import read_phenotype
from corpus_scripts.formats.physionet_deid import read_physionet_deid
from corpus_scripts.formats.pubtator import read_pubtator
from corpus_scripts.formats.rows import RowOptions
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_ENDINGS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "brat", ".ann": "brat",
    ".tsv": "conll", ".conll": "conll", ".iob": "conll", ".bio": "conll",
    ".csv": "csv", ".parquet": "parquet", ".xml": "bioc_xml", ".json": "bioc_json",
}  # fmt: skip
# What tells a folder of a data set from one of brat files.
_DATASET_MARKS = ("state.json", "dataset_dict.json", "*.parquet", "*/*.parquet")


@dataclass(frozen=True)
class ReadOptions:
    """The options of all formats; a format takes its own.

    conll (ConllOptions): Columns, tag scheme, repair, documents.
    rows (RowOptions): jsonl, csv, tsv, parquet, dataset: keys or columns, dialect, separators.
    missing_ann (str): brat: a .txt without .ann is an "error", left out ("skip") or annotated with nothing
        ("empty").
    inventory (tuple | None): Formats of rows: all labels, for rows that list only the positive ones.
    bioc (BiocOptions): bioc_xml, bioc_json: which infon is the label, what to do where mention and text differ.
    notes (NoteOptions): mimic_notes: which notes to take.
    mismatch (str): i2b2: a mention whose text stands neither at its offsets nor once nearby is an "error", or its
        offsets are trusted ("keep").
    timex (bool): i2b2_2012: time expressions are spans, too.
    split, config (str): parquet, dataset: which split is read; the configuration of a data set of the hub.
    """

    conll: ConllOptions = field(default_factory=ConllOptions)
    rows: RowOptions = field(default_factory=RowOptions)
    missing_ann: str = "error"
    inventory: tuple[str, ...] | None = None
    bioc: BiocOptions = field(default_factory=BiocOptions)
    notes: NoteOptions = field(default_factory=NoteOptions)
    mismatch: str = "error"
    timex: bool = False
    split: str = ""
    config: str = ""


Reader = Callable[[Path, ReadOptions, Tally], Iterator[Record]]


def _read_csv(path: Path, options: ReadOptions, tally: Tally) -> Iterator[Record]:
    return read_delimited(path, options.rows, inventory=options.inventory, tally=tally)


def _read_tsv(path: Path, options: ReadOptions, tally: Tally) -> Iterator[Record]:
    return read_delimited(path, _tabs(options.rows), inventory=options.inventory, tally=tally)


def _read_dataset(path: Path, options: ReadOptions, tally: Tally) -> Iterator[Record]:
    return read_dataset(
        path, options.split, options.rows, config=options.config, inventory=options.inventory, tally=tally
    )


def _tabs(rows: RowOptions) -> RowOptions:
    return rows if rows.delimiter else replace(rows, delimiter="\t")


def _dataset_labels(path: Path, options: ReadOptions) -> set[str]:
    return dataset_labels(path, options.split, options.rows, config=options.config)


# Format → how a file or folder of it is read. A format that is not for `convert files` alone is listed all the same.
FORMATS: Mapping[str, Reader] = {
    "conll": lambda path, options, tally: read_conll(path, options.conll, tally),
    "brat": lambda path, options, tally: read_brat(path, tally, missing_ann=options.missing_ann),
    "jsonl": lambda path, options, tally: read_jsonl(
        path, options.rows, inventory=options.inventory, tally=tally
    ),
    "csv": _read_csv,
    "tsv": _read_tsv,
    "parquet": _read_dataset,
    "dataset": _read_dataset,
    "pubtator": lambda path, options, tally: read_pubtator(path, tally),
    "bioc_xml": lambda path, options, tally: read_bioc_xml(path, options.bioc, tally),
    "bioc_json": lambda path, options, tally: read_bioc_json(path, options.bioc, tally),
    "physionet_deid": lambda path, options, tally: read_physionet_deid(path, tally),
    "cos": lambda path, options, tally: read_cos(path, tally),
    "chemprot_blue": lambda path, options, tally: read_chemprot_blue(path, tally),
    "phenotype_mimic": lambda path, options, tally: read_phenotype(path, tally),
    "i2b2_2006": lambda path, options, tally: read_i2b2_2006(path, tally),
    "i2b2_2010": lambda path, options, tally: read_i2b2_2010(path, tally, mismatch=options.mismatch),
    "i2b2_2012": lambda path, options, tally: read_i2b2_2012(
        path, tally, timex=options.timex, mismatch=options.mismatch
    ),
    "i2b2_2014": lambda path, options, tally: read_i2b2_2014(path, tally, mismatch=options.mismatch),
    "mednli": lambda path, options, tally: read_mednli(path, tally),
    "mimic_notes": lambda path, options, tally: read_mimic_notes(path, tally, options.notes),
}

# Formats whose rows may list only the labels that hold → all that a file lists.
LISTED_LABELS: Mapping[str, Callable[[Path, ReadOptions], set[str]]] = {
    "jsonl": lambda path, options: jsonl_labels(path, options.rows),
    "csv": lambda path, options: delimited_labels(path, options.rows),
    "tsv": lambda path, options: delimited_labels(path, _tabs(options.rows)),
    "parquet": _dataset_labels,
    "dataset": _dataset_labels,
}


def guess_format(path: Path) -> str:
    """Tell the format from the name of a file, compressed or not.

    A folder is brat, unless it holds Parquet files or was made by ``save_to_disk``. A .tsv is conll: say "tsv"
    for a table with a header.

    RAISES (ValueError): BC621.
    """
    if path.is_dir():
        marked = any(next(path.glob(mark), None) is not None for mark in _DATASET_MARKS)
        return "dataset" if marked else "brat"
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix not in (".gz", ".xz")]
    if ".pubtator" in suffixes:  # CDR_TrainingSet.PubTator.txt
        return "pubtator"
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


def with_inventory(paths: Sequence[Path], format_name: str, options: ReadOptions) -> ReadOptions:
    """Add all labels that the files list, so that every part of a corpus gets the same categories.

    paths (Sequence[Path]): All files of the corpus; they are read through once.
    format_name (str): One of FORMATS.
    options (ReadOptions): How to read.
    RETURNS (ReadOptions): The options themselves where the inventory is given, or the format lists no labels.
    """
    if options.inventory is not None or format_name not in LISTED_LABELS:
        return options
    labels: set[str] = set()
    for path in paths:
        labels |= LISTED_LABELS[format_name](path, options)
    return replace(options, inventory=tuple(sorted(labels)))
