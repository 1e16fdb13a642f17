"""What a conversion did, as data: the ``<name>.report.json`` beside every .spacy, and a table to print.

A score means something only together with the exact data it was measured on, so the report carries checksums
of what was read and of what was written, and counts every span that was repaired or lost. It never holds
text.
"""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

REPORT_VERSION = 1


@dataclass(frozen=True)
class Source:
    """What was read: one file, or a folder counted as one.

    name (str): Last part of the path (no machine's folders in a report).
    files (int): How many files.
    sha256 (str): Of the file; of a folder: of the sorted lines "sha256  relative name".
    """

    name: str
    files: int
    sha256: str


@dataclass(frozen=True)
class Report:
    """The numbers of one .spacy file.

    lengths (dict): min, median, mean, max of spaCy tokens per document.
    spans / ents (dict): Label → count in ``doc.spans["gold"]`` (all mentions) / in ``doc.ents`` (without
        overlap).
    cats (dict): Label → {"positive": n, "negative": n}.
    repaired / dropped (dict): Reason → count.
    only_in_spans (int): Mentions that are in ``doc.spans["gold"]`` and, because they overlap a longer one,
        not in ``doc.ents``.
    shards (int): Files that the Docs lie in; of one, ``sha256`` is the file's, of several that of the lines
        "sha256  name".
    """

    name: str
    documents: int
    tokens: int
    characters: int
    lengths: dict[str, float]
    spans: dict[str, int]
    ents: dict[str, int]
    cats: dict[str, dict[str, int]]
    only_in_spans: int
    repaired: dict[str, int]
    dropped: dict[str, int]
    sha256: str
    shards: int = 1
    sources: tuple[Source, ...] = ()
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    corpus: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as written to JSON, with the versions of what made it."""
        return {"report_version": REPORT_VERSION, **asdict(self), "made_with": made_with()}


def length_summary(lengths: Sequence[int]) -> dict[str, float]:
    """Smallest, median, mean (two decimals) and largest of some counts; zeros if there are none."""
    if not lengths:
        return {"min": 0, "median": 0, "mean": 0, "max": 0}
    return {
        "min": min(lengths),
        "median": statistics.median(lengths),
        "mean": round(statistics.fmean(lengths), 2),
        "max": max(lengths),
    }


def sorted_counts(counter: Mapping[str, int]) -> dict[str, int]:
    """Counts above zero, in the order of their names."""
    return {name: counter[name] for name in sorted(counter) if counter[name]}


def describe_sources(paths: Iterable[Path]) -> tuple[Source, ...]:
    """Checksum files and folders (all files below; hidden ones left out).

    paths (Iterable[Path]): What was read.
    RETURNS (tuple): One Source for each path.
    """
    return tuple(_describe(Path(path)) for path in paths)


def table(reports: Sequence[Report]) -> str:
    """A short table of some reports, for the terminal.

    reports (Sequence[Report]): In the order of the columns' rows.
    RETURNS (str): Lines without a final line break.
    """
    head = ("file", "documents", "tokens", "median", "max", "spans", "ents", "cats+", "repaired", "dropped")
    rows: list[tuple[str, ...]] = [head]
    for report in reports:
        positives = sum(counts["positive"] for counts in report.cats.values())
        numbers = (
            report.documents, report.tokens, report.lengths["median"], report.lengths["max"],
            sum(report.spans.values()), sum(report.ents.values()), positives,
            sum(report.repaired.values()), sum(report.dropped.values()),
        )  # fmt: skip
        rows.append((report.name, *(f"{number:,.0f}" for number in numbers)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    ]
    for kind in ("repaired", "dropped"):
        reasons: Counter[str] = Counter()
        for report in reports:
            reasons.update(getattr(report, kind))
        if reasons:
            lines.append(
                f"{kind}: " + ", ".join(f"{name} {count:,}" for name, count in sorted(reasons.items()))
            )
    overlapping = sum(report.only_in_spans for report in reports)
    if overlapping:
        lines.append(f'{overlapping:,} overlapping mentions are in doc.spans["gold"] only')
    return "\n".join(lines)


def _describe(path: Path) -> Source:
    if path.is_dir():
        files = sorted(
            (file.relative_to(path).as_posix(), file)
            for file in path.rglob("*")
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        lines = "".join(f"{_sha256(file)}  {name}\n" for name, file in files)
        return Source(path.resolve().name, len(files), hashlib.sha256(lines.encode("utf-8")).hexdigest())
    return Source(path.name, 1, _sha256(path))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def made_with() -> dict[str, str]:
    """Versions of what decides the bytes of a .spacy file."""
    return {name: _version(name) for name in ("spacy-bioclinical", "spacy")}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
