"""ChemProt as the paper's loader reads it: pandas' defaults, and label ids of each file by itself.

The ids agree between the files only because each holds all six labels; a file that misses one has others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.corpora.published.pandas_tsv import MISSING, rows_like_pandas
from corpus_scripts.formats.chemprot_blue import LABELS, checked_label, find_columns, make_record
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

__all__ = ["LABELS", "PUBLISHED_COUNTS", "read_chemprot"]

# Lines of BLUE 0.1, by which any reader of it is to be judged.
PUBLISHED_COUNTS = {"train": 19_460, "dev": 11_820, "test": 16_943}


def read_chemprot(path: Path, tally: Tally) -> Iterator[Record]:
    """Read one .tsv file.

    path (Path): train.tsv, dev.tsv or test.tsv.
    tally (Tally): Not used; all rows are kept, or the reader stops.
    YIELDS (Record): As in exact mode; ``meta["label_id"]`` is the place of the label among those of this file.
    RAISES (ValueError): BC640 where the published loader would stop (a cell that is a missing value, too many
        cells, an open quotation), BC641 missing columns or another label.
    """
    rows: list[tuple[int, str, str, str]] = []
    places: list[int] = []
    width = 0
    for line, cells in rows_like_pandas(path):
        if not places:
            places, width = find_columns(cells, path, line), len(cells)
            continue
        if len(cells) > width:
            why = f"{len(cells)} cells, but the header has {width}"
            raise ValueError(Errors.BC640.format(path=path, where=f"line {line}", why=why))
        cells += [""] * (width - len(cells))  # pandas fills up with missing values
        index, sentence, label = (cells[place] if place >= 0 else "" for place in places)
        if sentence in MISSING or label in MISSING:
            why = "the sentence or the label is a missing value to pandas"
            raise ValueError(Errors.BC640.format(path=path, where=f"line {line}", why=why))
        name = index or f"{path.name.split('.')[0]}-{line}"
        rows.append((line, name, sentence, checked_label(label, path, line)))
    if not rows:
        raise ValueError(Errors.BC612.format(where=path))
    present = sorted({label for _, _, _, label in rows})
    seen: Counter[str] = Counter()
    for _, name, sentence, label in rows:
        yield make_record(name, sentence, label, present.index(label), seen)
