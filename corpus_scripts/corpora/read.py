"""Read the parts of a known corpus from its folder, carve out the parts it lacks, and rename its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corpus_scripts.corpora.table import Corpus
from corpus_scripts.reading import ReadOptions, label_inventory, read_paths
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.split import split
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

PARTS = ("train", "dev", "test")


@dataclass(frozen=True)
class Part:
    """One part of a corpus, read.

    name (str): "train", "dev" or "test".
    records (list): Its documents.
    tally (Tally): What reading had to repair or drop. Of a carved part it stays with the part it was taken
        from.
    path (Path): What was read.
    carved (dict): Empty, or how the documents were chosen: from which part, how many of how many.
    """

    name: str
    records: list[Record]
    tally: Tally
    path: Path
    carved: Mapping[str, Any]


def read_corpus(corpus: Corpus, folder: Path, *, seed: int, options: ReadOptions | None = None) -> list[Part]:
    """Read all parts; those the corpus lacks are carved out where its table line says how.

    corpus (Corpus): The line of the table.
    folder (Path): Holds the parts, or the corpus' own folder that does.
    seed (int): Decides which documents are carved out; those with the same words go together.
    options (ReadOptions | None): Instead of the corpus' own.
    RETURNS (list[Part]): In the order train, dev, test.
    RAISES (ValueError): BC614 if a part is missing that cannot be carved, and the errors of the readers.
    """
    paths = _find_parts(corpus, folder)
    options = options or corpus.options
    if corpus.format == "jsonl" and options.inventory is None:
        options = replace(options, inventory=label_inventory(list(paths.values()), options.jsonl))
    parts: dict[str, Part] = {}
    for name, path in paths.items():
        tally = Tally()
        records = [
            _rename_labels(record, corpus, tally)
            for record in read_paths([path], corpus.format, options, tally)
        ]
        parts[name] = Part(name, records, tally, path, {})
    _carve(corpus, parts, seed)
    return [parts[name] for name in PARTS if name in parts]


def _find_parts(corpus: Corpus, folder: Path) -> dict[str, Path]:
    if corpus.folder and (folder / corpus.folder).is_dir():
        folder = folder / corpus.folder
    found: dict[str, Path] = {}
    for name, candidates in corpus.parts.items():
        path = next((folder / path for path in candidates if (folder / path).exists()), None)
        if path is not None:
            found[name] = path
        elif name not in corpus.carve:
            raise ValueError(
                Errors.BC614.format(
                    name=corpus.name,
                    expected=" or ".join(candidates),
                    folder=folder,
                    layout=corpus.layout(),
                    access=f"{corpus.access} ({corpus.source})",
                )
            )
    return found


def _carve(corpus: Corpus, parts: dict[str, Part], seed: int) -> None:
    """Take the missing parts out of those they come from; all that come from one part are drawn together."""
    missing = {name: rule for name, rule in corpus.carve.items() if name not in parts}
    for source in dict.fromkeys(origin for origin, _ in missing.values()):
        whole = parts[source]
        fractions = {name: fraction for name, (origin, fraction) in missing.items() if origin == source}
        drawn = split(
            whole.records,
            lambda record: _together(corpus, record),
            fractions=fractions,
            rest=source,
            seed=seed,
        )
        for name, records in drawn.items():
            facts = {"from": source, "documents": len(records), "of": len(whole.records)}
            tally = whole.tally if name == source else Tally()
            parts[name] = Part(name, records, tally, whole.path, facts)


def _together(corpus: Corpus, record: Record) -> str:
    """What must not stand in two parts: one patient's notes, or the same words with other marks among them.

    ChemProt, say, repeats a sentence for each pair of entities it marks in it.
    """
    match = re.search(corpus.group, record.id) if corpus.group else None
    if match:
        return match.group()
    return " ".join(re.findall(r"\w+", record.text.lower())) or record.id


def _rename_labels(record: Record, corpus: Corpus, tally: Tally) -> Record:
    if not corpus.labels or record.spans is None:
        return record
    spans: list[TextSpan] = []
    for span in record.spans:
        if span.label not in corpus.labels:
            raise ValueError(Errors.BC623.format(record=record.id, label=span.label))
        label = corpus.labels[span.label]
        if label is None:
            tally.dropped["label_left_out"] += 1
        else:
            spans.append(replace(span, label=label))
    return replace(record, spans=tuple(spans))
