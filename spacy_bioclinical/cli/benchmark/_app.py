"""The group `python -m spacy bioclinical benchmark …`; its commands measure ours beside what people use today."""

import typer

from spacy_bioclinical.cli._app import bioclinical

benchmark = typer.Typer(
    name="benchmark",
    help="Measure speed, memory, cost of length and precision, beside other implementations, in one run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

bioclinical.add_typer(benchmark, name="benchmark")
