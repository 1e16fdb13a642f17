"""Read MedNLI: JSON lines with a premise (a sentence of a note), a hypothesis and what the first says of the second.

The text of a record is both sentences, one a line; ``meta`` says where each stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpus_scripts.formats.files import plain_stem, read_lines
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

LABELS = ("contradiction", "entailment", "neutral")
# What its model, the SNLI corpus, writes where the annotators did not agree.
_NO_LABEL = "-"


def read_mednli(path: Path, tally: Tally) -> Iterator[Record]:
    """Read one file.

    path (Path): mli_train_v1.jsonl, mli_dev_v1.jsonl or mli_test_v1.jsonl; blank lines are passed over.
    tally (Tally): Receives pairs without a label ("pair_without_label", left out).
    YIELDS (Record): text = premise, line break, hypothesis; labels in the order of LABELS; ``meta`` = {"premise":
        [start, end], "hypothesis": [start, end]}. Pairs without a pairID get "<file>-00001", … after their line.
    RAISES (ValueError): BC649 with file and line, BC602, BC611.
    """
    for line, content in enumerate(read_lines(path), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError):
            raise _refuse(path, line, "not JSON") from None
        if not isinstance(row, dict):
            raise _refuse(path, line, "not a JSON object")
        if row.get("gold_label") == _NO_LABEL:
            tally.dropped["pair_without_label"] += 1
            continue
        record = _make_record(path, line, row)
        check_record(record, where=f"{path}, line {line}")
        yield record


def _make_record(path: Path, line: int, row: dict[str, Any]) -> Record:
    premise, hypothesis, gold = (row.get(key) for key in ("sentence1", "sentence2", "gold_label"))
    if not isinstance(premise, str) or not isinstance(hypothesis, str):
        raise _refuse(path, line, '"sentence1" or "sentence2" is no string')
    if gold not in LABELS:
        raise _refuse(path, line, f'"gold_label" is not {", ".join(LABELS)}')
    name = row.get("pairID", f"{plain_stem(path)}-{line:05d}")
    if not isinstance(name, str) or not name.strip():
        raise _refuse(path, line, '"pairID" is no string, or empty')
    text = f"{premise}\n{hypothesis}"
    meta = {"premise": [0, len(premise)], "hypothesis": [len(premise) + 1, len(text)]}
    return Record(name, text, None, {label: float(label == gold) for label in LABELS}, meta)


def _refuse(path: Path, line: int, why: str) -> ValueError:
    return ValueError(Errors.BC649.format(path=path, line=line, why=why))
