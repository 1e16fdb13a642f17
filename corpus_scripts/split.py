"""Split one .spacy file into train, dev and test by document, decided by the document's id and the seed.

Neither the order of the documents nor those added later move a document from one end of the ranking to the
other. Notes of one patient belong together: with ``--group`` a part of the id names the patient, and groups
are never torn apart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from spacy.vocab import Vocab
from tqdm import tqdm

from corpus_scripts.cli import quiet_errors, show
from corpus_scripts.convert_options import SHARD, Shard
from corpus_scripts.from_docbin import read_docs
from corpus_scripts.part_writer import PartWriter
from corpus_scripts.report import describe_sources
from corpus_scripts.sharding import Converted, ShardOptions
from corpus_scripts.to_docbin import record_id
from spacy_bioclinical.errors import Errors

Item = TypeVar("Item")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def split(
    items: Sequence[Item],
    key: Callable[[Item], str],
    *,
    fractions: Mapping[str, float],
    rest: str,
    seed: int,
) -> dict[str, list[Item]]:
    """Assign items to parts by the rank of a seeded checksum of their key.

    items (Sequence): Documents or records.
    key (Callable): Item → what must stay together: its id, or the patient.
    fractions (Mapping): Part → fraction of the items; filled in this order, whole groups at a time.
    rest (str): Part that gets all others.
    seed (int): Another seed, another split.
    RETURNS (dict): Part → its items in their original order; ``rest`` first.
    RAISES (ValueError): BC616 if a part would be empty.
    """
    groups: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(key(item), []).append(index)
    ranked = sorted(groups, key=lambda name: rank(name, seed))
    chosen: dict[str, list[int]] = {rest: []}
    position = 0
    for part, fraction in fractions.items():
        chosen[part] = []
        while position < len(ranked) and len(chosen[part]) < max(1, round(fraction * len(items))):
            chosen[part].extend(groups[ranked[position]])
            position += 1
    for name in ranked[position:]:
        chosen[rest].extend(groups[name])
    why = ""
    if not all(0.0 < fraction < 1.0 for fraction in fractions.values()) or sum(fractions.values()) >= 1.0:
        why = "the fractions do not lie between 0 and 1"
    elif not all(chosen.values()):
        why = "a part would be empty"
    if why:
        shares = {name: fractions.get(name, 0) for name in ("dev", "test")}
        raise ValueError(Errors.BC616.format(total=len(items), groups=len(groups), why=why, **shares))
    return {part: [items[index] for index in sorted(indices)] for part, indices in chosen.items()}


def rank(name: str, seed: int) -> bytes:
    """Where a name stands among others: by a checksum, so that no other name and no order of files matters."""
    return hashlib.sha256(f"{seed}\0{name}".encode()).digest()


def split_file(
    path: Path,
    output: Path,
    *,
    dev: float,
    test: float,
    seed: int,
    group: str | None = None,
    characters: int = ShardOptions().characters,
) -> list[Converted]:
    """Split a .spacy file or a folder of shards, read twice: once for the ids, once to write.

    path (Path): The file or folder.
    output (Path): Folder of the parts; nothing is in place before each part's ``commit``.
    dev, test (float): Fractions of the documents; 0 leaves the part out.
    seed (int): Another seed, another split.
    group (str | None): Regular expression searched in each document's id; what it matches (its first group,
        if it has one) stays together. Documents without an id or a match stand alone.
    characters (int): Text of one shard.
    RETURNS (list[Converted]): train, and dev and test if asked for.
    RAISES (ValueError): BC616 if a part would be empty, BC620 a damaged file.
    """
    pattern = re.compile(group) if group else None
    keys = [_key(number, record_id(doc), pattern) for number, doc in enumerate(read_docs(path, Vocab()))]
    fractions = {name: share for name, share in (("test", test), ("dev", dev)) if share}
    parts = split(range(len(keys)), keys.__getitem__, fractions=fractions, rest="train", seed=seed)
    part_of = {number: name for name, numbers in parts.items() for number in numbers}
    names: list[str] = [name for name in ("train", "dev", "test") if name in parts]
    writers = {name: PartWriter(output / f"{name}.spacy", name, characters) for name in names}
    try:
        for number, doc in enumerate(
            tqdm(read_docs(path, Vocab()), total=len(keys), unit="doc", disable=None)
        ):
            writers[part_of[number]].add(doc)
        sources = describe_sources([path])
        options = {"dev": dev, "test": test, "group": group}
        return [writers[name].finish(sources=sources, seed=seed, options=options) for name in names]
    except BaseException:
        for writer in writers.values():
            writer.discard()
        raise


def _key(number: int, name: str, pattern: re.Pattern[str] | None) -> str:
    match = pattern.search(name) if pattern else None
    return f"group {match.group(match.re.groups and 1)}" if match else f"id {name or f'document {number}'}"


@app.command()
@quiet_errors
def main(
    source: Annotated[
        Path, typer.Argument(help="The .spacy file, or folder of shards, to split.", exists=True)
    ],
    output: Annotated[Path, typer.Option(help="Folder for train.spacy, dev.spacy, test.spacy and reports.")],
    seed: Annotated[int, typer.Option(help="Another seed, another split.")],
    dev: Annotated[float, typer.Option(help="Fraction for dev; 0 leaves it out.")] = 0.1,
    test: Annotated[float, typer.Option(help="Fraction for test; 0 leaves it out.")] = 0.1,
    group: Annotated[
        str | None,
        typer.Option(help=r"Regular expression: ids with the same match stay together, e.g. '^(\d+)_'."),
    ] = None,
    shard_characters: Shard = SHARD,
) -> None:
    """Split one .spacy file into train, dev and test, by document.

    Example:  python -m corpus_scripts.split corpus/notes.spacy --output corpus/notes --seed 0
    """
    parts = split_file(
        source, output, dev=dev, test=test, seed=seed, group=group, characters=shard_characters
    )
    for part in parts:
        part.commit()
    show([part.report for part in parts])


if __name__ == "__main__":
    app()
