"""Read the parts of a known corpus from its folder, split or carve what it lacks, and rename its labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from corpus_scripts.corpora.published import PUBLISHED
from corpus_scripts.corpora.published_i2b2 import PUBLISHED_BY_PART, PUBLISHED_I2B2
from corpus_scripts.corpora.table import Corpus
from corpus_scripts.formats.phenotype_mimic import notes_beside
from corpus_scripts.reading import ReadOptions, read_paths, with_inventory
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.split import split as split_by_checksum
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

PARTS = ("train", "dev", "test")
MODES = ("exact", "published")
SPLITS = ("auto", "published", "checksum")
_LOADERS = {**PUBLISHED, **PUBLISHED_I2B2}
# An unsplit corpus whose table line does not say more.
_WHOLE_CARVE = {"test": ("train", 0.15), "dev": ("train", 0.15)}
# Format → the other file that its reader opens.
_BESIDE: Mapping[str, Callable[[Path], Path]] = {
    "physionet_deid": lambda path: path.with_suffix(".res"),
    "phenotype_mimic": notes_beside,
}


@dataclass(frozen=True)
class Part:
    """One part of a corpus.

    name (str): "train", "dev" or "test".
    records (Iterable): Its documents. A list where documents were drawn from it; else they are read while one goes
        through them, once.
    tally (Tally): What reading had to repair or drop, complete when the records were gone through. Of a part drawn
        from another it stays with that other (train).
    path (Path): What is read.
    carved (Mapping): Empty, or how the documents were drawn by checksum: from which part, how many of how many.
    split (str): One line for reports: how the part came about.
    mode (str): "exact" or "published".
    sources (tuple): All files or folders that are read: ``path`` and what belongs beside it (id.res, NOTEEVENTS).
    """

    name: str
    records: Iterable[Record]
    tally: Tally
    path: Path
    carved: Mapping[str, Any] = field(default_factory=dict)
    split: str = "as its files lie"
    mode: str = "exact"
    sources: tuple[Path, ...] = ()


def read_corpus(
    corpus: Corpus,
    folder: Path,
    *,
    seed: int = 0,
    options: ReadOptions | None = None,
    mode: str = "exact",
    split: str = "auto",
) -> list[Part]:
    """Read all parts; those the corpus lacks are split or carved out where its table line says how.

    corpus (Corpus): The line of the table.
    folder (Path): Holds the parts, or the corpus' own folder that does.
    seed (int): Decides which documents are carved out by checksum; those with the same words go together.
    options (ReadOptions | None): Instead of the corpus' own.
    mode (str): "exact" keeps every annotated character; "published" gives the tokens and labels of the paper's
        loader, faults included.
    split (str): Of a corpus that lies unsplit: "published" is the paper's (by position), "checksum" draws by
        checksum and seed, "auto" takes the paper's if there is one. Files that lie in parts stay in them.
    RETURNS (list[Part]): In the order train, dev, test.
    RAISES (ValueError): BC614 if a part is missing that cannot be carved, BC622 or BC642 a mode or split it does not
        have, BC643 too few documents, and the errors of the readers (when records are gone through).
    """
    for option, value, known in (("--mode", mode, MODES), ("--split", split, SPLITS)):
        if value not in known:
            raise ValueError(Errors.BC622.format(option=option, value=value, expected=" or ".join(known)))
    if mode == "published" and not corpus.published:
        why = "the paper has no loader for it"
        raise ValueError(Errors.BC642.format(name=corpus.name, option="--mode", value=mode, why=why))
    paths, whole = _find_files(corpus, folder)
    by_paper = whole and corpus.published_split is not None and split != "checksum"
    if split == "published" and not by_paper and (set(paths) != set(PARTS) or corpus.published_split):
        why = "its files lie in parts already" if corpus.published_split else "none was published"
        raise ValueError(Errors.BC642.format(name=corpus.name, option="--split", value=split, why=why))
    if mode == "published" and corpus.published in PUBLISHED_BY_PART:
        paths.setdefault("dev", paths["train"])
    options = with_inventory(list(paths.values()), corpus.format, options or corpus.options)
    parts = {name: _open_part(corpus, name, path, options=options, mode=mode) for name, path in paths.items()}
    if by_paper:
        parts = _split_as_published(corpus, parts["train"])
    else:
        rules = {**_WHOLE_CARVE, **corpus.carve} if whole else corpus.carve
        _carve(corpus, parts, {name: rule for name, rule in rules.items() if name not in parts}, seed)
    return [parts[name] for name in PARTS if name in parts]


def _find_files(corpus: Corpus, folder: Path) -> tuple[dict[str, Path], bool]:
    """The paths of the parts, and whether they are one unsplit corpus (as "train")."""
    if corpus.folder and (folder / corpus.folder).is_dir():
        folder = folder / corpus.folder
    found: dict[str, Path] = {}
    for name, candidates in corpus.parts.items():
        path = next((folder / path for path in candidates if (folder / path).exists()), None)
        if path is not None:
            found[name] = path
    wholes = [folder / path for path in corpus.whole]
    if not found or set(found.values()) <= set(wholes):
        path = next((path for path in wholes if _holds_files(path)), None)
        if path is not None:
            return {"train": path}, True
    for name, candidates in corpus.parts.items():
        if name not in found and name not in corpus.carve:
            raise _missing(corpus, folder, candidates)
    for origin, _ in corpus.carve.values():
        if origin not in found:
            raise _missing(corpus, folder, corpus.parts[origin])
    return found, False


def _holds_files(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and next(path.glob("*.ann"), None) is not None)


def _missing(corpus: Corpus, folder: Path, candidates: Iterable[str]) -> ValueError:
    return ValueError(
        Errors.BC614.format(
            name=corpus.name,
            expected=" or ".join(
                [*candidates, *(path for path in corpus.whole if path not in candidates and path)]
            ),
            folder=folder,
            layout=corpus.layout(),
            access=f"{corpus.access} ({corpus.source})",
        )
    )


def _open_part(corpus: Corpus, name: str, path: Path, *, options: ReadOptions, mode: str) -> Part:
    tally = Tally()
    if mode == "published" and corpus.published in PUBLISHED_BY_PART:
        records = PUBLISHED_BY_PART[corpus.published](path, tally, part=name)
    elif mode == "published":
        records = _LOADERS[corpus.published](path, tally)
    else:
        records = read_paths([path], corpus.format, options, tally)
    beside = _BESIDE.get(corpus.format)
    sources = (path, beside(path)) if beside else (path,)
    part = Part(name, _renamed(records, corpus, tally), tally, path, mode=mode, sources=sources)
    if mode == "published" and corpus.published in PUBLISHED_BY_PART and name != "test":
        return replace(part, split="the published part of the training file, by line")
    return part


def _split_as_published(corpus: Corpus, whole: Part) -> dict[str, Part]:
    """Cut the unsplit corpus by position, in the published order of each part."""
    rule = corpus.published_split
    assert rule is not None
    records = list(whole.records)
    if rule.by_file_name:
        records.sort(key=lambda record: f"{record.id}.txt")
    return {
        name: replace(
            whole,
            name=name,
            records=[records[index] for index in indices],
            tally=whole.tally if name == "train" else Tally(),
            split=f"{len(indices)} of {len(records)} documents, {rule.describe()}",
        )
        for name, indices in rule.indices(len(records), name=corpus.name).items()
    }


def _carve(
    corpus: Corpus, parts: dict[str, Part], missing: Mapping[str, tuple[str, float]], seed: int
) -> None:
    """Take the missing parts out of those they come from; all that come from one part are drawn together."""
    for source in dict.fromkeys(origin for origin, _ in missing.values()):
        whole = parts[source]
        records = list(whole.records)
        fractions = {name: fraction for name, (origin, fraction) in missing.items() if origin == source}
        drawn = split_by_checksum(
            records,
            lambda record: _together(corpus, record),
            fractions=fractions,
            rest=source,
            seed=seed,
        )
        for name, chosen in drawn.items():
            facts = {"from": source, "documents": len(chosen), "of": len(records)}
            tally = whole.tally if name == source else Tally()
            line = f"{len(chosen)} of the {len(records)} documents of {source}, by checksum of the text and seed {seed}"
            parts[name] = replace(whole, name=name, records=chosen, tally=tally, carved=facts, split=line)


def _together(corpus: Corpus, record: Record) -> str:
    """What must not stand in two parts: one patient's notes, or the same words with other marks among them.

    ChemProt, say, repeats a sentence for each pair of entities it marks in it.
    """
    match = re.search(corpus.group, record.id) if corpus.group else None
    if match:
        return match.group()
    return " ".join(re.findall(r"\w+", record.text.lower())) or record.id


def _renamed(records: Iterable[Record], corpus: Corpus, tally: Tally) -> Iterator[Record]:
    for record in records:
        yield _rename_labels(record, corpus, tally)


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
