"""Make one JSONL of MTSamples as published for R: a data frame with a row for each note and specialty."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from corpus_scripts.formats.files import aside
from spacy_bioclinical.errors import Errors

_ID, _TEXT, _LABEL = "note_id", "transcription", "medical_specialty"


def make_mtsamples(source: Path, target: Path) -> int:
    """Write the notes with their specialties; a note listed under several is one note with several labels.

    source (Path): mtsamples.rda, a saved data frame with the columns note_id, transcription and medical_specialty.
        Rows with the same text, but for white space at its ends, are one note.
    target (Path): {id, text, labels} a line, in the order of the rows; id "mts" and the first row's note_id.
    RETURNS (int): Rows without a text or a specialty (left out).
    RAISES (ValueError): BC661 without the package that reads R's files, BC654 if the file is not as published.
    """
    notes: dict[str, tuple[str, set[str]]] = {}
    taken: set[str] = set()
    n_empty = 0
    for place, (number, text, label) in enumerate(_rows(source), 1):
        if not text or not label:
            n_empty += 1
            continue
        if text not in notes:
            if number in taken:
                raise ValueError(
                    Errors.BC654.format(path=source, why=f"row {place} has the note_id of another text")
                )
            taken.add(number)
        notes.setdefault(text, (number, set()))[1].add(label)
    with aside(target, binary=True) as out:
        for text, (number, labels) in notes.items():
            row = {"id": f"mts{number}", "text": text, "labels": sorted(labels)}
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf8"))
    return n_empty


def _rows(source: Path) -> list[tuple[str, str, str]]:
    """RETURNS (list): number, text and label of each row, stripped; "" where R has NA."""
    try:
        import rdata
    except ImportError:
        raise ValueError(Errors.BC661.format(path=source)) from None
    try:
        with warnings.catch_warnings():  # of classes that only R knows, such as tbl_df
            warnings.simplefilter("ignore")
            content = rdata.read_rda(source, default_encoding="utf8")
    except Exception as error:  # whatever the library meets in a damaged file; its message may quote it
        why = f"no readable R data, {type(error).__name__}"
        raise ValueError(Errors.BC654.format(path=source, why=why)) from None
    wanted = [_ID, _TEXT, _LABEL]
    for frame in content.values() if isinstance(content, dict) else ():
        if set(wanted) <= set(map(str, getattr(frame, "columns", ()))):
            return [(_number(a), _string(b), _string(c)) for a, b, c in frame[wanted].itertuples(index=False)]
    raise ValueError(Errors.BC654.format(path=source, why=f"no data frame with columns {', '.join(wanted)}"))


def _string(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: Any) -> str:
    """An id: R stores whole numbers as 12.0 too."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
