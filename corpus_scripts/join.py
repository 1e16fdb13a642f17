"""Join short annotated documents into long ones, so that corpora of short notes can stand for long notes.

Which documents meet is decided by their ids and the seed, not by the order of the file. Parts of a corpus are joined
each by itself: nothing crosses from train to test.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tqdm import tqdm

from corpus_scripts.cli import quiet_errors, show
from corpus_scripts.convert_options import SHARD, Shard
from corpus_scripts.from_docbin import read_docs
from corpus_scripts.joined_doc import join_docs, kinds_of, n_positive
from corpus_scripts.part_writer import PartWriter
from corpus_scripts.report import describe_sources
from corpus_scripts.sharding import Converted, ShardOptions
from corpus_scripts.split import rank
from corpus_scripts.to_docbin import record_id
from spacy_bioclinical.errors import Errors

PARTS = ("train", "dev", "test")
_IN_MEMORY = 64 * 2**20  # bytes of packed documents; more of them wait in a file
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Length:
    """How long joined documents are; exactly one is given.

    documents (int | None): This many documents each; the last may have fewer.
    words (int | None): Documents are added until the next would pass this many words (tokens that are not white
        space); one that is longer by itself stands alone.
    """

    documents: int | None = None
    words: int | None = None

    def __post_init__(self) -> None:
        if (self.documents is None) == (self.words is None):
            raise ValueError(Errors.BC672.format(given="Neither" if self.words is None else "Both"))


def plan(names: Sequence[str], words: Sequence[int], length: Length, seed: int) -> list[list[int]]:
    """Which documents are joined.

    names (Sequence[str]): Their ids, which differ.
    words (Sequence[int]): Words of each.
    length (Length): Of a joined document.
    seed (int): Another seed, another order.
    RETURNS (list): Places in ``names`` of each joined document, each place once.
    """
    most = length.documents or length.words or 0
    groups: list[list[int]] = []
    size = 0
    for index in sorted(range(len(names)), key=lambda place: rank(names[place], seed)):
        cost = 1 if length.documents else words[index]
        if groups and size + cost <= most:
            groups[-1].append(index)
            size += cost
        else:
            groups.append([index])
            size = cost
    return groups


def join_file(
    path: Path, output: Path, *, length: Length, seed: int, characters: int = ShardOptions().characters
) -> Converted:
    """Join the documents of a .spacy file, or of a folder of shards.

    path (Path): The file or folder; its documents wait packed, beyond 64 MB in a nameless file beside the output.
    output (Path): The new file, or folder of shards; nothing is in place before ``commit``.
    length (Length): Of a joined document.
    seed (int): Another seed, other documents meet.
    characters (int): Text of one shard.
    RETURNS (Converted): Its report counts, as "exclusive_classes_joined", the documents that have several classes
        where each of the source had one.
    RAISES (ValueError): BC603 repeated id, BC620 a damaged file, BC673 documents annotated in part, BC675 none.
    """
    here = next(folder for folder in output.resolve().parents if folder.is_dir())
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(here)) as spool:
        store = _Store(spool)
        store.fill(path)
        groups = plan(store.names, store.words, length, seed)
        writer = PartWriter(output, output.stem, characters)
        try:
            for group in tqdm(groups, desc=output.stem, unit="doc", disable=None, leave=False):
                doc = store.joined(group)
                several = store.exclusive and n_positive(doc.cats) > 1
                writer.add(doc, repaired="exclusive_classes_joined" if several else "")
            options = {"documents": length.documents, "words": length.words, "joined": len(store.names)}
            return writer.finish(sources=describe_sources([path]), seed=seed, options=options)
        except BaseException:
            writer.discard()
            raise


def join_corpus(
    source: Path, output: Path, *, length: Length, seed: int, characters: int = ShardOptions().characters
) -> list[Converted]:
    """Join a .spacy file, a folder of shards, or each part of a folder with train.spacy, dev.spacy, test.spacy.

    source, output (Path): Two files (or folders of shards), or two folders of parts.
    length, seed, characters: As for ``join_file``.
    RETURNS (list[Converted]): One, or one for each part there is; nothing is in place before all are whole.
    RAISES (ValueError): BC674 the two cannot be source and output, and those of ``join_file``.
    """
    found = sorted(file.name for file in source.glob("*.spacy")) if source.is_dir() else []
    parts = [f"{name}.spacy" for name in PARTS if f"{name}.spacy" in found]
    why = ""
    if parts and len(parts) < len(found):
        why = f"the source has {parts[0]} and {len(found) - len(parts)} other .spacy files beside the parts"
    elif source.resolve() == output.resolve() or source.resolve() in output.resolve().parents:
        why = "the output would be written over the source or into it; give another --output"
    elif output.resolve() in source.resolve().parents and not parts:
        why = "the output is the folder of the source; give --output a name that ends with .spacy"
    elif parts and output.suffix == ".spacy":
        why = "the source has several parts; give --output a folder for theirs"
    elif not parts and output.suffix != ".spacy":
        why = "the source is one part; give --output a name that ends with .spacy"
    if why:
        raise ValueError(Errors.BC674.format(source=source, output=output, why=why))
    pairs = [(source / name, output / name) for name in parts] or [(source, output)]
    done: list[Converted] = []
    try:
        for path, target in pairs:
            done.append(join_file(path, target, length=length, seed=seed, characters=characters))
    except BaseException:
        for part in done:
            part.discard()
        raise
    return done


class _Store:
    """The documents of a source, packed, to be had again in any order."""

    def __init__(self, spool: tempfile.SpooledTemporaryFile[bytes]) -> None:
        self.names: list[str] = []
        self.words: list[int] = []
        self.exclusive = True  # each document has one class of several
        self._vocab = Vocab()
        self._spool = spool
        self._places: list[tuple[int, int]] = []

    def fill(self, path: Path) -> None:
        kinds: dict[str, bool] = {}
        seen: set[str] = set()
        for number, doc in enumerate(
            tqdm(read_docs(path, self._vocab), desc=path.name, unit="doc", disable=None, leave=False)
        ):
            name = record_id(doc) or f"document {number}"
            if name in seen:
                raise ValueError(Errors.BC603.format(record=name))
            seen.add(name)
            for kind, there in kinds_of(doc).items():
                if kinds.setdefault(kind, there) != there:
                    lacking = name if not there else self._first(kind)
                    raise ValueError(Errors.BC673.format(path=path, what=kind, record=lacking))
            self.exclusive = self.exclusive and len(doc.cats) > 1 and n_positive(doc.cats) == 1
            self.names.append(name)
            # Not token.is_space, which a bare Vocab does not know.
            self.words.append(sum(not token.text.isspace() for token in doc))
            data = zlib.compress(doc.to_bytes(), 1)
            self._places.append((self._spool.tell(), len(data)))
            self._spool.write(data)
        if not self.names:
            raise ValueError(Errors.BC675.format(path=path))

    def joined(self, group: Sequence[int]) -> Doc:
        return join_docs(
            [self._doc(index) for index in group], [self.names[index] for index in group], self._vocab
        )

    def _doc(self, index: int) -> Doc:
        place, size = self._places[index]
        self._spool.seek(place)
        return Doc(self._vocab).from_bytes(zlib.decompress(self._spool.read(size)))

    def _first(self, kind: str) -> str:
        """The id of the first document that tells of a kind."""
        for index, name in enumerate(self.names):
            if kind in kinds_of(self._doc(index)):
                return name
        return self.names[0]


@app.command()
@quiet_errors
def main(
    source: Annotated[
        Path,
        typer.Argument(
            help="The .spacy file, folder of shards, or folder of train.spacy, dev.spacy, test.spacy.",
            exists=True,
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="The .spacy to write, with its report; for parts: a folder for theirs.")
    ],
    seed: Annotated[int, typer.Option(help="Another seed, other documents meet.")],
    documents: Annotated[
        int | None, typer.Option(help="Join this many documents each; the last may have fewer.", min=1)
    ] = None,
    words: Annotated[
        int | None,
        typer.Option(
            help="Join until the next would pass this many words; a longer one stands alone.", min=1
        ),
    ] = None,
    shard_characters: Shard = SHARD,
) -> None:
    """Join short annotated documents into long ones: the same texts, a blank line between, all mentions in place.

    Example:  python -m corpus_scripts.join corpus/notes --output corpus/long_notes --seed 0 --words 2600

    A category of a joined document is positive if it is in any of its documents, negative if all say so, else
    missing. So classes that exclude each other (ChemProt, MedNLI) do not anymore: what they mean is lost, a model of
    joined documents must be multi-label, and the report counts these documents as exclusive_classes_joined.
    Patients meet others: split a corpus first, then join its parts.
    """
    parts = join_corpus(
        source, output, length=Length(documents, words), seed=seed, characters=shard_characters
    )
    for part in parts:
        part.commit()
    show([part.report for part in parts])


if __name__ == "__main__":
    app()
