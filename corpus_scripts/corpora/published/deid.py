"""DEID as the paper's loader reads it, faults included: tokens of id.res and id.text, aligned by one pointer.

A mask reaches to where the plain part after it is found, or to the end of the record: masks separated by one
space split at the first space, touching masks and texts that differ swallow the rest, which then comes again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from corpus_scripts.corpora.published.tagged import python_text, tagged_record
from corpus_scripts.formats.files import read_text
from corpus_scripts.formats.physionet_deid import scan_records, split_marks
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

CLASSES = ("age", "date", "location", "name", "other", "phone_nb")
LABELS = ("O", *(f"B-{name}" for name in CLASSES), *(f"I-{name}" for name in CLASSES))

_HEAD = re.compile(r"\d+\|\|\|\|\d+\|\|\|\|")
# What a mask says, trimmed and in lower case → class; the first that fits.
_RULES = (
    (re.compile(r"name"), "name"),
    (re.compile(r"e-mail address|email address"), "other"),
    (re.compile(r"telephone/fax|pager number"), "phone_nb"),
    (re.compile(r"age over"), "age"),
    (re.compile(r"location"), "location"),
    (re.compile(r"hospital|street address|unit number"), "location"),
    (re.compile(r"\A(?:\d+|\d{1,2}-\d{1,2}|\d{4}-\d{2}-\d{2})\Z|date range|month/year"), "date"),
    (re.compile(r"\A\Z|company"), "other"),
)


def read_deid(path: Path, tally: Tally) -> Iterator[Record]:
    """Read ``id.text`` with ``id.res`` beside it.

    path (Path): The file of surrogate texts, or its folder.
    tally (Tally): Receives records of the longer file (left out).
    YIELDS (Record): ids "patient-note" as in exact mode.
    RAISES (ValueError): BC640 where the published loader would stop: a mask of no class, an empty record.
    """
    source = path / "id.text" if path.is_dir() else path
    marked = source.with_suffix(".res")
    if not marked.exists():
        raise ValueError(Errors.BC609.format(path=source, partner=marked.name))
    text, result = python_text(read_text(source)), python_text(read_text(marked))
    records, results = list(scan_records(text)), list(scan_records(result))
    if not records or not results:
        raise ValueError(Errors.BC612.format(where=source if not records else marked))
    if len(records) != len(results):
        tally.dropped["published_record_without_partner"] += abs(len(records) - len(results))
    for number, ((content, _), (tagged, line)) in enumerate(zip(records, results), start=1):
        fields = content.split("||||", 2)
        known = len(fields) > 2 and all(re.fullmatch(r"[^|\s]+", field) for field in fields[:2])
        name = "-".join(fields[:2]) if known else f"record-{number}"
        where = f"record {name} at line {line}"
        words, tags = align(_clean(content), _clean(tagged))
        if not words:
            raise ValueError(Errors.BC640.format(path=marked, where=where, why="the record has no token"))
        meta = {"patient": name.rpartition("-")[0]}
        yield tagged_record(
            name, words, tags, labels=LABELS, path=marked, where=where, tally=tally, meta=meta
        )


def class_of(mask: str) -> str | None:
    """The class of what stands between ``[**`` and ``**]``; None for one the published loader has no class for."""
    lowered = mask.strip().lower()
    return next((label for rule, label in _RULES if rule.search(lowered)), None)


def align(text: str, tagged: str) -> tuple[list[str], list[str]]:
    """The published tokens and tags of one record.

    text (str): With surrogates, cleaned.
    tagged (str): With masks, cleaned.
    RETURNS (tuple[list[str], list[str]]): Tokens and tags; bare "B" and "I" for a mask of no class.
    """
    plains, masks = split_marks(tagged)
    words = plains[0].split()
    tags = ["O"] * len(words)
    pointer = len(plains[0])
    for mask, plain in zip(masks, plains[1:]):
        found = text.find(plain, pointer) if plain else -1
        end = found if found >= 0 else len(text)
        surrogate = text[pointer:end].split()
        label = class_of(mask)
        suffix = f"-{label}" if label else ""
        rest = plain.split()
        words += [*surrogate, *rest]
        tags += [("I" if index else "B") + suffix for index in range(len(surrogate))] + ["O"] * len(rest)
        pointer = end + len(plain)
    return words, tags


def _clean(record: str) -> str:
    """The published cleaning: head and outer white space off, each line break a space."""
    match = _HEAD.match(record)
    return record[match.end() if match else 0 :].strip().replace("\n", " ")
