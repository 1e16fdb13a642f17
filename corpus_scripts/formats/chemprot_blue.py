"""Read ChemProt as the BLUE benchmark lays it out: index, sentence and label by tab, one line a pair.

Python's csv module wrote these files: a sentence with a quotation mark stands in quotes, its marks doubled. Such a
cell is undone; any other is taken as it stands, whatever marks it holds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpus_scripts.formats.files import stream_lines
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

LABELS = ("CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9", "false")
COLUMNS = ("index", "sentence", "label")


def read_chemprot_blue(path: Path, tally: Tally) -> Iterator[Record]:
    """Read one .tsv file.

    path (Path): train.tsv, dev.tsv or test.tsv (also .gz, .xz).
    tally (Tally): Receives cells whose quoting was undone.
    YIELDS (Record): ids are the indices; a pair that stands in several lines gets "-2", "-3" … All six labels are
        named, that of the line is 1.0; ``meta["label_id"]`` is its place among them.
    RAISES (ValueError): BC641 with file and line.
    """
    seen: Counter[str] = Counter()
    places: list[int] = []
    width = 0
    for line, content in enumerate(stream_lines(path), start=1):
        if not content:
            continue
        cells = content.split("\t")
        if not places:
            places, width = find_columns(cells, path, line), len(cells)
            continue
        if len(cells) != width:
            why = f"{len(cells)} cells, but the header has {width}"
            raise ValueError(Errors.BC641.format(path=path, line=line, why=why))
        index, sentence, label = (cells[place] if place >= 0 else "" for place in places)
        if _is_quoted(sentence):
            sentence = sentence[1:-1].replace('""', '"')
            tally.repaired["quoted_cell"] += 1
        label_id = LABELS.index(checked_label(label, path, line))
        yield make_record(index or f"{path.name.split('.')[0]}-{line}", sentence, label, label_id, seen)
    if not seen:
        raise ValueError(Errors.BC612.format(where=path))


def find_columns(header: Sequence[str], path: Path, line: int) -> list[int]:
    """Places of index (-1 if there is none), sentence and label in the header (BC641 if they are missing)."""
    missing = [name for name in COLUMNS[1:] if name not in header]
    if missing:
        why = f"no column {' and '.join(missing)} in the header, which has {len(header)}"
        raise ValueError(Errors.BC641.format(path=path, line=line, why=why))
    return [header.index(name) if name in header else -1 for name in COLUMNS]


def checked_label(label: str, path: Path, line: int) -> str:
    """The label, if it is one of the six (BC641)."""
    if label not in LABELS:
        why = f"the label is none of {', '.join(LABELS)}"
        raise ValueError(Errors.BC641.format(path=path, line=line, why=why))
    return label


def make_record(index: str, sentence: str, label: str, label_id: int, seen: Counter[str]) -> Record:
    """The record of one line; ``seen`` counts the indices so far."""
    name = index.strip() or "pair"
    seen[name] += 1
    if seen[name] > 1:
        name = f"{name}-{seen[name]}"
    labels = {known: float(known == label) for known in LABELS}
    return Record(name, sentence, None, labels, meta={"label_id": label_id})


def _is_quoted(cell: str) -> bool:
    """Whether the csv module quoted this cell: in quotes, and every mark inside doubled (there is at least one)."""
    inner = cell[1:-1]
    return (
        len(cell) >= 4
        and cell[0] == cell[-1] == '"'
        and '"' in inner
        and all(len(run) % 2 == 0 for run in re.findall('"+', inner))
    )
