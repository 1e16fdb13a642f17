"""Gathers the commands into one group and hangs it under `python -m spacy`.

The modules imported here import typer only; torch, transformers and spaCy's own training code are imported
inside the functions, because every `python -m spacy …` pays for what stands at the top of these files.
"""

import typer
from spacy.cli._util import app

bioclinical = typer.Typer(
    name="bioclinical",
    help="Long-context clinical pipelines: compose configs, evaluate, package, check an installation.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.add_typer(bioclinical, name="bioclinical")
