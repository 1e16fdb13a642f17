"""What the paper's token loaders produce, as a Record: tokens joined by a space, tags, and what they mean."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus_scripts.formats.tags import Tag, read_chunks
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors


def tagged_record(
    name: str,
    words: Sequence[str],
    tags: Sequence[str],
    *,
    labels: Collection[str],
    path: Path,
    where: str,
    tally: Tally,
    meta: Mapping[str, Any] | None = None,
) -> Record:
    """Make the record of one published example.

    name (str): Id, as in exact mode.
    words, tags (Sequence[str]): The published tokens and tags, one for one.
    labels (Collection[str]): The published tags; any other stops the published loader.
    path (Path), where (str): For the message.
    tally (Tally): Receives the continuations without a beginning, which open an entity as in seqeval.
    meta (Mapping | None): Further facts.
    RETURNS (Record): Its spans are the entities that seqeval (default, lenient) reads in the tags;
        ``meta["tags"]`` keeps the tags.
    RAISES (ValueError): BC640.
    """
    unknown = sum(tag not in labels for tag in tags)
    if unknown:
        why = f"{unknown} token(s) get a tag that is not in its label list"
        raise ValueError(Errors.BC640.format(path=path, where=where, why=why))
    tokens: list[tuple[int, int]] = []
    position = 0
    for word in words:
        tokens.append((position, position + len(word)))
        position += len(word) + 1
    parsed = [Tag("O", "", 0) if tag == "O" else Tag(tag[0], tag[2:], 0) for tag in tags]
    chunks = read_chunks(parsed, scheme="iob2", repair="open", tally=tally, path=str(path))
    spans = tuple(TextSpan(tokens[start][0], tokens[end - 1][1], label) for start, end, label in chunks)
    facts = {**(meta or {}), "tags": list(tags)}
    return Record(name, " ".join(words), spans, meta=facts, tokens=tuple(tokens))


def mark_tokens(
    tokens: Sequence[tuple[int, int]], mentions: Sequence[tuple[int, int, str]], tally: Tally
) -> list[str]:
    """Tag the tokens that lie wholly inside a mention, B- first, I- after; later mentions overwrite earlier ones.

    tokens (Sequence): (start, end) of each, in order.
    mentions (Sequence): (start, end, label) in the order in which they are written.
    tally (Tally): Receives mentions that hold no whole token, and those of which a later one overwrote some.
    RETURNS (list[str]): One tag for each token.
    """
    tags = ["O"] * len(tokens)
    writer = [-1] * len(tokens)
    starts = [left for left, _ in tokens]
    overwritten: set[int] = set()
    for number, (start, end, label) in enumerate(mentions):
        prefix = "B-"
        for index in range(bisect_left(starts, start), len(tokens)):
            if tokens[index][1] > end:
                break
            if writer[index] >= 0:
                overwritten.add(writer[index])
            tags[index], writer[index], prefix = prefix + label, number, "I-"
        if prefix == "B-":
            tally.dropped["published_mention_without_token"] += 1
    if overwritten:
        tally.dropped["published_mention_overwritten"] += len(overwritten)
    return tags


def python_text(text: str) -> str:
    """The text as Python's ``open`` gives it: every line end is one LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
