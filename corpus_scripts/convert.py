"""The converter's commands: known corpora by name, files by format; out come .spacy files with reports.

python -m corpus_scripts.convert list
python -m corpus_scripts.convert corpus bc5cdr --input assets/bc5cdr --output corpus/bc5cdr
python -m corpus_scripts.convert files notes/ --format brat --output corpus/notes.spacy
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from corpus_scripts.cli import quiet_errors, show
from corpus_scripts.corpora import CORPORA, find_corpus, read_corpus
from corpus_scripts.formats.conll import ConllOptions
from corpus_scripts.formats.jsonl import JsonlOptions
from corpus_scripts.reading import FORMATS, ReadOptions, guess_format, label_inventory, read_paths
from corpus_scripts.report import describe_sources
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import convert_records
from corpus_scripts.tokenizer import make_tokenizer
from spacy_bioclinical.errors import Errors

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, that is notes
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Convert annotated corpora to spaCy's binary format (.spacy), with a report of all that was kept or "
    "lost.",
)

Lang = Annotated[str, typer.Option(help="Language whose spaCy tokenizer is used.")]
MaxLoss = Annotated[
    float,
    typer.Option(
        help="Largest part of the mentions that may be lost (0.01 = one in a hundred).", min=0, max=1
    ),
]
Documents = Annotated[
    str | None,
    typer.Option(
        help="conll: what makes a document: docstart, file, sentence, or a number of sentences. "
        "Default: docstart if there is any -DOCSTART-, else 10 sentences (about an abstract)."
    ),
]
Repair = Annotated[
    str | None,
    typer.Option(
        help="conll: an I- tag that continues nothing: open (begins an entity, the default), drop or error."
    ),
]


@app.command("list")
def list_corpora() -> None:
    """Tell which corpora are known, under which terms, and how their files must lie."""
    for corpus in CORPORA:
        typer.echo(
            f"{corpus.name}  [{corpus.task}, {corpus.format}]  licence: {corpus.licence}; {corpus.access}"
        )
        typer.echo(f"    source: {corpus.source}")
        typer.echo(f"    files:  {corpus.layout()}")
        for part, (origin, fraction) in corpus.carve.items():
            typer.echo(
                f"    {part}:  if missing, {fraction:.0%} of {origin}, by checksum of the text and seed"
            )
        if corpus.note:
            typer.echo(f"    note:   {corpus.note}")


@app.command("corpus")
@quiet_errors
def convert_corpus(
    name: Annotated[str, typer.Argument(help="One of `convert list`.")],
    input_folder: Annotated[
        Path, typer.Option("--input", help="Folder with the corpus' files.", exists=True, file_okay=False)
    ],
    output: Annotated[Path, typer.Option(help="Folder for train.spacy, dev.spacy, test.spacy and reports.")],
    documents: Documents = None,
    repair: Repair = None,
    seed: Annotated[int, typer.Option(help="Decides which documents make a part the corpus lacks.")] = 0,
    max_loss: MaxLoss = 0.01,
    lang: Lang = "en",
) -> None:
    """Convert a known corpus: train.spacy, dev.spacy and test.spacy, each with its report.

    Example:  python -m corpus_scripts.convert corpus bc5cdr --input assets/bio --output corpus/bc5cdr

    A part the corpus does not have is carved out of train where `convert list` says so. Nothing is written
    unless all parts are sound.
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
    parts = read_corpus(corpus, input_folder, seed=seed, options=options)
    tokenize = make_tokenizer(lang)
    converted = {
        part.name: convert_records(
            part.records,
            name=part.name,
            tokenize=tokenize,
            tally=part.tally,
            max_loss=max_loss,
            sources=describe_sources([part.path]),
            seed=seed if part.carved else None,
            options={**_options_of(corpus.format, options), "lang": lang, "carved": dict(part.carved)},
            corpus=corpus.facts(),
        )
        for part in parts
    }
    for part_name, result in converted.items():
        result.write(output / f"{part_name}.spacy")
    show([result.report for result in converted.values()])
    for part in parts:
        if part.carved:
            typer.echo(
                f"{part.name}: {part.carved['documents']} of the {part.carved['of']} documents of "
                f"{part.carved['from']}, by checksum of the text and seed {seed}"
            )


@app.command("files")
@quiet_errors
def convert_files(
    inputs: Annotated[list[Path], typer.Argument(help="Files, or (brat) folders.", exists=True)],
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
        typer.Option(help="jsonl: all labels, by commas, for lines that list only the positive ones."),
    ] = None,
    text_key: Annotated[str, typer.Option(help="jsonl: key of the text.")] = "text",
    labels_key: Annotated[
        str, typer.Option(help="jsonl: key of the listed labels (or of a single one).")
    ] = "labels",
    max_loss: MaxLoss = 0.01,
    lang: Lang = "en",
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
        jsonl=JsonlOptions(text=text_key, labels=labels_key),
        missing_ann=missing_ann,
        inventory=tuple(part.strip() for part in labels.split(",")) if labels else None,
    )
    if format_name == "jsonl" and options.inventory is None:
        options = replace(options, inventory=label_inventory(inputs, options.jsonl))
    tally = Tally()
    result = convert_records(
        read_paths(inputs, format_name, options, tally),
        name=output.stem,
        tokenize=make_tokenizer(lang),
        tally=tally,
        max_loss=max_loss,
        sources=describe_sources(inputs),
        options={"format": format_name, **_options_of(format_name, options), "lang": lang},
    )
    result.write(output)
    show([result.report])


def _options_of(format_name: str, options: ReadOptions) -> dict[str, Any]:
    """The options that had an effect, for the report."""
    if format_name == "conll":
        return asdict(options.conll)
    if format_name == "jsonl":
        return {**asdict(options.jsonl), "inventory": list(options.inventory or ())}
    return {"missing_ann": options.missing_ann} if format_name == "brat" else {}


if __name__ == "__main__":
    app()
