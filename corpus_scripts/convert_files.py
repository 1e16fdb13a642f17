"""The command that converts files of one format: python -m corpus_scripts.convert files NOTES --output x.spacy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from corpus_scripts.cli import quiet_errors, show
from corpus_scripts.convert_options import SHARD, Documents, Lang, MaxLoss, Repair, Shard, Workers
from corpus_scripts.formats.conll import ConllOptions
from corpus_scripts.formats.rows import RowOptions
from corpus_scripts.reading import (
    FORMATS,
    LISTED_LABELS,
    ReadOptions,
    guess_format,
    read_paths,
    with_inventory,
)  # fmt: skip
from corpus_scripts.report import describe_sources
from corpus_scripts.settings import with_settings
from corpus_scripts.sharding import ShardOptions, convert_to
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_HUB = "dataset"  # the format whose input may be a name instead of a path


@quiet_errors
def convert_files(
    inputs: Annotated[
        list[Path], typer.Argument(help="Files, folders (brat), or the name of a hub data set.")
    ],
    output: Annotated[Path, typer.Option(help="The .spacy file; its report is written beside it.")],
    format_name: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(FORMATS)}; guessed if left out."),
    ] = None,
    documents: Documents = None,
    repair: Repair = None,
    scheme: Annotated[
        str, typer.Option(help="conll: auto, iob1, iob2 (BIO) or biluo (IOBES, BMES).")
    ] = "auto",
    token_column: Annotated[int, typer.Option(help="conll: column of the token, from 0.")] = 0,
    tag_column: Annotated[int, typer.Option(help="conll: column of the tag, from 0; -1 is the last.")] = -1,
    label: Annotated[str | None, typer.Option(help="conll: label of tags without one (bare B, I).")] = None,
    missing_ann: Annotated[
        str, typer.Option(help="brat: a .txt without .ann: error, skip, or empty (annotated, nothing found).")
    ] = "error",
    labels: Annotated[
        str | None,
        typer.Option(
            help="jsonl, csv, parquet: all labels, by commas, for rows that list only the positive ones."
        ),
    ] = None,
    text_key: Annotated[str, typer.Option(help="jsonl, csv, parquet: key or column of the text.")] = "text",
    labels_key: Annotated[
        str, typer.Option(help="jsonl, csv, parquet: key of the listed labels (or of a single one).")
    ] = "labels",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any option of the reader as KEY=VALUE; `convert formats` lists the keys."
        ),
    ] = None,
    max_loss: MaxLoss = 0.01,
    lang: Lang = "en",
    workers: Workers = 1,
    shard_characters: Shard = SHARD,
) -> None:
    """Convert files of one format into one .spacy file; `python -m corpus_scripts.split` makes parts of it.

    Examples:
    python -m corpus_scripts.convert files train.tsv.gz --output corpus/train.spacy --documents 10

    python -m corpus_scripts.convert files annotated/ --format brat --output corpus/notes.spacy

    python -m corpus_scripts.convert files notes.jsonl --output corpus/notes.spacy --labels ASTHMA,COPD
    """
    if output.suffix != ".spacy":
        raise ValueError(
            Errors.BC622.format(option="--output", value=output, expected="a file ending with .spacy")
        )
    here = [path for path in inputs if path.exists()]
    if format_name != _HUB and len(here) < len(inputs):
        missing = next(path for path in inputs if not path.exists())
        raise ValueError(Errors.BC628.format(path=missing))
    format_name = format_name or guess_format(inputs[0])
    options = ReadOptions(
        conll=ConllOptions(
            token_column=token_column,
            tag_column=tag_column,
            scheme=scheme,
            repair=repair or "open",
            documents=documents or "auto",
            label=label,
        ),
        rows=RowOptions(text=text_key, labels=labels_key),
        missing_ann=missing_ann,
        inventory=tuple(part.strip() for part in labels.split(",")) if labels else None,
    )
    options = with_inventory(inputs, format_name, with_settings(options, settings or ()))
    tally = Tally()
    result = convert_to(
        read_paths(inputs, format_name, options, tally),
        output,
        name=output.stem,
        shards=ShardOptions(shard_characters, workers, lang),
        tally=tally,
        max_loss=max_loss,
        inputs=here,
        sources=describe_sources(here),
        options={"format": format_name, **options_of(format_name, options), "lang": lang},
    )
    result.commit()
    show([result.report])


def options_of(format_name: str, options: ReadOptions) -> dict[str, Any]:
    """The options that differ from their defaults, or always matter, for the report."""
    if format_name == "conll":
        return asdict(options.conll)
    if format_name in LISTED_LABELS:
        facts = {**asdict(options.rows), "inventory": list(options.inventory or ())}
        return {**facts, "split": options.split, "config": options.config}
    return {"missing_ann": options.missing_ann} if format_name == "brat" else {}
