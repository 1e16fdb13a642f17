"""Cut token-per-line files into sentences fast: a sentence at a time, a different tag once.

Well-formed tab-separated sentences, nearly all there are, are taken apart by whole columns; whatever else is
gone through line by line, so that the message names the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.formats.files import stream_line_blocks
from corpus_scripts.formats.tags import SchemeDetector, Tag, TagCache, parse_tag
from spacy_bioclinical.errors import Errors

DOCSTART = "-DOCSTART-"


class Columns(NamedTuple):
    """Where token and tag stand, from 0 (from the end when negative), and how tags are read."""

    token: int
    tag: int
    scheme: str
    label: str | None


class Sentence(NamedTuple):
    """Consecutive lines with tokens."""

    words: list[str]
    tags: list[Tag]
    line: int  # of the first token; each has a line
    new_document: bool  # the first one after a -DOCSTART-


class Layout(NamedTuple):
    """What only the whole file tells."""

    scheme: str
    marked: bool  # more than one document between -DOCSTART- lines


def look_ahead(path: Path, columns: Columns) -> Layout:
    """Go through a file once to tell its tag scheme, and whether -DOCSTART- lines part it into documents.

    RAISES (ValueError): As read_sentences.
    """
    detector = SchemeDetector()
    cache = TagCache(columns.scheme, columns.label)
    documents = 0
    for sentence in read_sentences(path, columns, cache, counted=False):
        documents += sentence.new_document
        if not detector.decided:
            detector.add(sentence.tags)
    detector.add(list(cache.values()), kinds_only=True)
    return Layout(detector.scheme, documents > 1)


def read_sentences(
    path: Path, columns: Columns, cache: TagCache | None = None, *, counted: bool = True
) -> Iterator[Sentence]:
    """Read the sentences of a file one by one.

    path (Path): The file.
    columns (Columns): Where token and tag stand.
    cache (TagCache | None): Gets every different tag.
    counted (bool): See stream_bytes.
    YIELDS (Sentence): In the order of the file, none without a token.
    RAISES (ValueError): BC604 too few columns, BC605 no tag, BC611 not UTF-8, BC624 damaged compression,
            BC658 line ends of old Macs.
    """
    cache = TagCache(columns.scheme, columns.label) if cache is None else cache
    new_document = True
    for first, lines in paragraphs(path, counted=counted):
        quick = _take_columns(lines, columns, cache)
        if quick is not None:
            yield Sentence(*quick, first, new_document)
            new_document = False
            continue
        words: list[str] = []
        tags: list[Tag] = []
        for line, content in enumerate([*lines, ""], start=first):
            if "\r" in content.rstrip("\r"):
                raise ValueError(Errors.BC658.format(path=path, line=line))
            parts = split_columns(content)
            starts_document = bool(parts) and parts[0].strip() == DOCSTART
            if parts and not starts_document:
                word, tag = _pick(parts, columns, path, line)
                words.append(word)
                tags.append(
                    parse_tag(tag, line=line, path=str(path), scheme=columns.scheme, label=columns.label)
                )
                cache.setdefault(tag, tags[-1])
                continue
            if words:
                yield Sentence(words, tags, line - len(words), new_document)
                words, tags, new_document = [], [], False
            new_document |= starts_document


def paragraphs(path: Path, *, counted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """The lines between empty lines, with the number of the first, from 1."""
    number = 1
    lines: list[str] = []
    for block in stream_line_blocks(path, counted=counted):
        searched = len(lines)
        lines.extend(block)
        start = 0
        for _ in range(block.count("")):
            end = lines.index("", searched)
            if end > start:
                yield number + start, lines[start:end]
            start = searched = end + 1
        lines = lines[start:]
        number += start
    if lines:
        yield number, lines


def split_columns(content: str) -> list[str]:
    """The columns of a line: parted by tabs, or else by spaces; [] for a blank one.

    Other white space, such as a no-break space inside a number, belongs to the token.
    """
    if not content.strip():
        return []
    if "\t" in content:
        return content.split("\t")
    return [part for part in content.split(" ") if part]


def _take_columns(
    lines: Sequence[str], columns: Columns, cache: TagCache
) -> tuple[list[str], list[Tag]] | None:
    """Words and tags of lines that are all in order; None if one is not, or none of a sentence."""
    if "\t" in lines[0]:
        rows = [line.split("\t") for line in lines]
    else:
        rows = [split_columns(line) for line in lines]
    if len(min(rows, key=len)) < 2 or "\r" in "".join(lines):
        return None
    try:
        words = [word.strip() for word in map(itemgetter(columns.token), rows)]
        tags = [cache[tag] for tag in map(itemgetter(columns.tag), rows)]
    except (IndexError, ValueError):
        return None
    firsts = words if columns.token == 0 else [row[0].strip() for row in rows]
    return None if "" in words or DOCSTART in firsts else (words, tags)


def _pick(parts: Sequence[str], columns: Columns, path: Path, line: int) -> tuple[str, str]:
    try:
        word = parts[columns.token].strip()
        tag = parts[columns.tag].strip()
    except IndexError:
        word = ""
    if not word or len(parts) < 2:
        raise ValueError(
            Errors.BC604.format(
                path=path,
                line=line,
                columns=len(parts),
                token_column=columns.token,
                tag_column=columns.tag,
            )
        )
    return word, tag
