"""The converter's commands: known corpora by name, files by format; out come .spacy files with reports.

python -m corpus_scripts.convert list
python -m corpus_scripts.convert corpus bc5cdr --input assets/bc5cdr --output corpus/bc5cdr
python -m corpus_scripts.convert files notes/ --format brat --output corpus/notes.spacy
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from corpus_scripts.cli import quiet_errors, show
from corpus_scripts.convert_files import convert_files, options_of
from corpus_scripts.convert_options import SHARD, Documents, Lang, MaxLoss, Repair, Shard, Workers
from corpus_scripts.corpora import CORPORA, find_corpus, read_corpus
from corpus_scripts.reading import FORMATS, ReadOptions
from corpus_scripts.report import describe_sources
from corpus_scripts.settings import setting_keys, with_settings
from corpus_scripts.sharding import ShardOptions, convert_to
from spacy_bioclinical.errors import Errors

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, that is notes
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Convert annotated corpora to spaCy's binary format (.spacy), with a report of all that was kept or "
    "lost.",
)


@app.command("list")
def list_corpora() -> None:
    """Tell which corpora are known, under which terms, and how their files must lie."""
    for corpus in CORPORA:
        typer.echo(
            f"{corpus.name}  [{corpus.task}, {corpus.format}]  licence: {corpus.licence}; {corpus.access}"
        )
        typer.echo(f"    source: {corpus.source}")
        if corpus.published:
            typer.echo("    modes:  exact, published")
        typer.echo(f"    files:  {corpus.layout()}")
        for part, (origin, fraction) in corpus.carve.items():
            typer.echo(
                f"    {part}:  if missing, {fraction:.0%} of {origin}, by checksum of the text and seed"
            )
        if corpus.note:
            typer.echo(f"    note:   {corpus.note}")


@app.command("formats")
def list_formats() -> None:
    """Tell which formats are read, and which options their readers take with --set."""
    typer.echo("formats: " + ", ".join(FORMATS))
    typer.echo("options (KEY=VALUE after --set), with their defaults:")
    for key, value in setting_keys(ReadOptions()):
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else value
        typer.echo(f"    {key}={shown}")


@app.command("corpus")
@quiet_errors
def convert_corpus(
    name: Annotated[str, typer.Argument(help="One of `convert list`.")],
    input_folder: Annotated[
        Path, typer.Option("--input", help="Folder with the corpus' files.", exists=True, file_okay=False)
    ],
    output: Annotated[Path, typer.Option(help="Folder for train.spacy, dev.spacy, test.spacy and reports.")],
    mode: Annotated[
        str,
        typer.Option(
            help="exact keeps every annotated character; published gives the tokens and labels of the published "
            "loader, faults included, to stand beside published results."
        ),
    ] = "exact",
    split: Annotated[
        str,
        typer.Option(
            help="For a corpus that comes in one piece: published (as the paper split it, by note), checksum "
            "(by patient where ids tell), or auto: published where there is one."
        ),
    ] = "auto",
    documents: Documents = None,
    repair: Repair = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any option of the reader as KEY=VALUE; `convert formats` lists the keys."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which documents make a part the corpus lacks.")] = 0,
    max_loss: MaxLoss = 0.01,
    lang: Lang = "en",
    workers: Workers = 1,
    shard_characters: Shard = SHARD,
) -> None:
    """Convert a known corpus: train.spacy, dev.spacy and test.spacy, each with its report.

    Example:  python -m corpus_scripts.convert corpus bc5cdr --input assets/bio --output corpus/bc5cdr

    A part the corpus does not have is carved out of train where `convert list` says so. Nothing is put into place
    unless all parts are sound; interrupted, the same command goes on.
    """
    corpus = find_corpus(name)
    given: dict[str, Any] = {
        key: value for key, value in (("documents", documents), ("repair", repair)) if value is not None
    }
    if given and corpus.format != "conll":
        raise ValueError(
            Errors.BC625.format(name=name, format=corpus.format, option=f"--{next(iter(given))}")
        )
    options = replace(corpus.options, conll=replace(corpus.options.conll, **given))
    options = with_settings(options, settings or ())
    parts = read_corpus(corpus, input_folder, seed=seed, options=options, mode=mode, split=split)
    chosen = {**options_of(corpus.format, options), "lang": lang, "mode": mode}
    converted = [
        convert_to(
            part.records,
            output / f"{part.name}.spacy",
            name=part.name,
            shards=ShardOptions(shard_characters, workers, lang),
            tally=part.tally,
            max_loss=1.0 if mode == "published" else max_loss,
            inputs=[] if isinstance(part.records, Sequence) else [part.path],
            sources=describe_sources(part.sources),
            seed=seed if part.carved else None,
            options={**chosen, "split": part.split, "carved": dict(part.carved)},
            corpus=corpus.facts(),
        )
        for part in parts
    ]
    for result in converted:
        result.commit()
    show([result.report for result in converted])
    for part in parts:
        typer.echo(f"{part.name}: {part.split}")


app.command("files")(convert_files)


if __name__ == "__main__":
    app()
