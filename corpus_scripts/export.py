"""Write a .spacy file as brat, CoNLL or JSONL: for annotators, other tools, and to look at what is in it.

python -m corpus_scripts.export corpus/dev.spacy --format brat --output dev_brat
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from spacy.vocab import Vocab
from tqdm import tqdm

from corpus_scripts.cli import quiet_errors
from corpus_scripts.formats.brat import write_brat
from corpus_scripts.formats.conll_exact import write_conll
from corpus_scripts.formats.jsonl import write_jsonl
from corpus_scripts.from_docbin import read_docs, to_record
from corpus_scripts.record import Record, check_unique_ids
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, that is notes
    rich_markup_mode=None,
)

Writer = Callable[[Iterable[Record], Path, bool, Tally], None]

WRITERS: Mapping[str, Writer] = {
    "brat": lambda records, path, lossy, tally: _write_folder(records, path, lossy, tally),
    "conll": lambda records, path, lossy, tally: write_conll(records, path, lossy=lossy, tally=tally),
    "jsonl": lambda records, path, lossy, tally: write_jsonl(records, path),
}


@app.command()
@quiet_errors
def export(
    source: Annotated[
        Path, typer.Argument(metavar="FILE.spacy", help="The file, or a folder of shards.", exists=True)
    ],
    format_name: Annotated[str, typer.Option("--format", help=", ".join(WRITERS))],
    output: Annotated[Path, typer.Option(help="The file to write; brat: the folder.")],
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Leave out, and count, what the format cannot hold.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
) -> None:
    """Write the documents of a .spacy file in another format; reading them back gives the same.

    Examples:
    python -m corpus_scripts.export corpus/dev.spacy --format brat --output dev_brat

    python -m corpus_scripts.export corpus/dev.spacy --format conll --output dev.conll --lossy

    brat holds mentions of any kind, with what was read beside them; conll holds mentions that do not overlap;
    jsonl holds everything. What a format cannot hold is refused unless --lossy is given. The output appears
    only when it is whole.
    """
    tally = Tally()
    count = export_docs(source, format_name, output, lossy=lossy, force=force, tally=tally)
    typer.echo(f"{count:,} documents written to {output}")
    if tally.dropped:
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(tally.dropped.items()))
        typer.echo(f"left out: {reasons}")


def export_docs(
    source: Path, format_name: str, output: Path, *, lossy: bool = False, force: bool = False, tally: Tally
) -> int:
    """Write the Docs of a .spacy file (or folder of shards) in another format.

    source (Path): The file or folder.
    format_name (str): One of WRITERS.
    output (Path): The file, or (brat) the folder.
    lossy (bool): Leave out and count what the format cannot hold.
    force (bool): Replace an output that is not empty.
    tally (Tally): Receives the counts.
    RETURNS (int): How many documents were written.
    RAISES (ValueError): BC603 repeated id, BC612 no document, BC620 no such file, BC622 unknown format, BC655
        and BC659 what the format cannot hold, BC657 the output exists.
    """
    if format_name not in WRITERS:
        raise ValueError(
            Errors.BC622.format(option="--format", value=format_name, expected=" or ".join(WRITERS))
        )
    if output.suffix in (".gz", ".xz"):
        raise ValueError(
            Errors.BC622.format(option="--output", value=output, expected="a name without .gz or .xz")
        )
    if _holds_something(output) and not force:
        raise ValueError(Errors.BC657.format(path=output))
    count = 0

    def records() -> Iterator[Record]:
        nonlocal count
        docs = tqdm(read_docs(source, Vocab()), desc=source.name, unit="doc", disable=None, leave=False)
        for count, doc in enumerate(docs, start=1):
            # Tags need tokens to stand beside, whoever made them.
            yield to_record(
                doc, name=f"{source.stem}-{count:05d}", tokens=True if format_name == "conll" else None
            )
        if not count:
            raise ValueError(Errors.BC612.format(where=source))

    WRITERS[format_name](check_unique_ids(records()), output, lossy, tally)
    return count


def _holds_something(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() and path.stat().st_size > 0


def _write_folder(records: Iterable[Record], folder: Path, lossy: bool, tally: Tally) -> None:
    with _folder_aside(folder) as part:
        write_brat(records, part, lossy=lossy, tally=tally)


@contextmanager
def _folder_aside(folder: Path) -> Iterator[Path]:
    """A folder to write beside ``folder``, which takes its place when the block ends without an error."""
    folder = folder.resolve()
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            os.replace(folder, old)
        os.replace(part, folder)
    finally:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        for leftover in (part, old):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)


if __name__ == "__main__":
    app()
