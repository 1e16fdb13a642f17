"""Docs become Records again, and .spacy files are read one shard at a time: the way back out of training's format.

What ``to_doc`` put into a Doc comes back as it was; a Doc made elsewhere (``spacy convert``, a pipeline's
predictions) becomes the Record that says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from corpus_scripts.docbin import SPANS_KEY
from corpus_scripts.record import Record, TextSpan
from spacy_bioclinical.errors import Errors

_WORD = re.compile(r"\S+")


def to_record(doc: Doc, *, name: str = "document", tokens: bool | None = None) -> Record:
    """The Record of a Doc: the inverse of ``to_doc``.

    doc (Doc): Mentions are read from ``doc.spans["gold"]`` with their ids; where there is no such group, from
        ``doc.ents``, and if those were never set the Record's spans are None.
    name (str): Id for a Doc that has none in ``user_data["id"]``.
    tokens (bool | None): Whether the Record brings the Doc's tokens (without those of white space; one with
        white space inside counts as several). By default it does if they were given to the Doc, and not made
        by spaCy's tokenizer.
    RETURNS (Record): Not checked; the writers do that.
    """
    given_id = doc.user_data.get("id")
    if tokens is None:
        tokens = doc.user_data.get("tokens") == "given" or given_id is None
    spans: tuple[TextSpan, ...] | None = None
    if SPANS_KEY in doc.spans:
        spans = tuple(
            TextSpan(span.start_char, span.end_char, span.label_, span.id_) for span in doc.spans[SPANS_KEY]
        )
    elif doc.has_annotation("ENT_IOB"):
        spans = tuple(TextSpan(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
    return Record(
        name if given_id is None else str(given_id),
        doc.text,
        spans,
        dict(doc.cats) or None,
        dict(doc.user_data.get("meta") or {}),
        _token_offsets(doc) if tokens else None,
    )


def _token_offsets(doc: Doc) -> tuple[tuple[int, int], ...]:
    return tuple(
        (token.idx + found.start(), token.idx + found.end())
        for token in doc
        for found in _WORD.finditer(token.text)
    )


def read_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read a .spacy file, or a folder of shards, with one shard in memory at a time.

    path (Path): The file; or a folder, whose .spacy files are read in the order of their names.
    vocab (Vocab): Shared by the Docs.
    YIELDS (Doc): In the order of the file.
    RAISES (ValueError): BC620 for anything that is no such file, with the kind of failure.
    """
    path = Path(path)
    shards = sorted(path.glob("*.spacy")) if path.is_dir() else [path]
    if not shards:
        raise ValueError(Errors.BC620.format(path=path, why="a folder without .spacy files"))
    for shard in shards:
        docs = _docs_of(shard, vocab)
        while True:
            try:
                doc = next(docs, None)
                if doc is not None:
                    _check_doc(doc)
            except OSError:
                raise
            # msgpack, zlib, numpy and spaCy each have their own ways to fail on bytes that are none of theirs,
            # and some of them would quote these.
            except Exception as error:
                raise ValueError(Errors.BC620.format(path=shard, why=type(error).__name__)) from None
            if doc is None:
                break
            yield doc


def _docs_of(shard: Path, vocab: Vocab) -> Iterator[Doc]:
    yield from DocBin().from_bytes(shard.read_bytes()).get_docs(vocab)


def _check_doc(doc: Doc) -> None:
    """Refuse mentions outside the Doc (spaCy does not look, and would read foreign memory) or of lost names."""
    for group in doc.spans.values():
        for span in group:
            if not 0 <= span.start <= span.end <= len(doc):
                raise IndexError
            _ = span.label_, span.id_  # KeyError if the file does not tell them
    _ = [ent.label_ for ent in doc.ents]
    if not all(isinstance(value, (int, float)) for value in doc.cats.values()):
        raise TypeError
    if not isinstance(doc.user_data.get("meta") or {}, dict):
        raise TypeError
