"""Read the Docs of a .spacy file, or of a folder of such files (shards), one shard in memory at a time.

A shard is kept packed (arrays of numbers); each Doc is made when it is asked for and belongs to the caller alone, so
memory does not grow with the corpus. The order is that of spaCy's own reader: shards by path, documents as stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_bioclinical.errors import Errors

FILE_TYPE = ".spacy"


def shards_of(path: str | Path) -> list[Path]:
    """Find the shards of a corpus.

    path (str | Path): a .spacy file, or a folder that holds some at any depth; hidden ones are passed over.
    RETURNS (list[Path]): the files in order, at least one.
    RAISES (ValueError): BC450 if the path does not exist or is no .spacy file, BC451 for a folder without any.
    """
    path = Path(path)
    if path.is_dir():
        found = [file for file in path.rglob(f"*{FILE_TYPE}") if file.is_file()]
        shards = sorted(file for file in found if not _is_hidden(file.relative_to(path)))
        if not shards:
            raise ValueError(Errors.BC451.format(path=path))
        return shards
    if not path.is_file() or not path.name.endswith(FILE_TYPE):
        why = "it is not a .spacy file" if path.exists() else "it does not exist"
        raise ValueError(Errors.BC450.format(path=path, why=why))
    return [path]


def iter_docs(path: str | Path, vocab: Vocab) -> Iterator[Doc]:
    """Read the Docs of a corpus, empty ones too.

    path (str | Path): a .spacy file or a folder of shards.
    vocab (Vocab): shared by the Docs.
    YIELDS (Doc): the documents, in order.
    RAISES (ValueError): BC450, BC451 as `shards_of`, BC452 at a damaged shard.
    """
    for shard in shards_of(path):
        yield from unpack(read_shard(shard), vocab, shard)


def read_shard(shard: Path) -> DocBin:
    """Read one shard, packed.

    RAISES (ValueError): BC452 with the shard, if it is damaged or no such file.
    """
    try:
        return DocBin(store_user_data=True).from_disk(shard)
    except Exception as error:  # zlib, msgpack and numpy have many names for "damaged"
        raise ValueError(Errors.BC452.format(shard=shard, why=type(error).__name__)) from None


def unpack(packed: DocBin, vocab: Vocab, shard: Path) -> Iterator[Doc]:
    """Make the Docs of a packed shard, one at a time.

    RAISES (ValueError): BC452 with the number of the document that cannot be made.
    """
    docs = packed.get_docs(vocab)
    for index in range(len(packed)):
        try:
            doc = next(docs)
            _check_spans(doc)
        except Exception as error:
            why = f"document {index}: {type(error).__name__}"
            raise ValueError(Errors.BC452.format(shard=shard, why=why)) from None
        yield doc
        del doc  # the caller may be done with it before asking for the next


def _check_spans(doc: Doc) -> None:
    """Refuse spans outside the Doc: spaCy does not look when it unpacks them, and would read foreign memory."""
    for group in doc.spans.values():
        if any(not 0 <= span.start <= span.end <= len(doc) for span in group):
            raise IndexError


def take(packed: DocBin, indices: Sequence[int]) -> DocBin:
    """Choose and order the documents of a packed shard without making any Doc.

    packed (DocBin): the shard; left as it is.
    indices (Sequence[int]): documents, counted from 0, in the order wanted.
    RETURNS (DocBin): shares its arrays with `packed`.
    """
    chosen = DocBin(store_user_data=True)
    chosen.attrs, chosen.strings = packed.attrs, packed.strings
    for name in ("tokens", "spaces", "cats", "span_groups", "flags", "user_data"):
        values = getattr(packed, name)
        setattr(chosen, name, [values[index] for index in indices])
    return chosen


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
