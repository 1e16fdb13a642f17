"""Write an invented corpus: python -m corpus_scripts.synthetic deid --output assets/deid --seed 0."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpus_scripts.cli import quiet_errors
from corpus_scripts.synthetic import deid, phenotype

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Write small invented corpora in the file formats of real ones. The same seed gives the same bytes.",
)

Output = Annotated[Path, typer.Option(help="Folder to write to; files of the same names are replaced.")]
Seed = Annotated[int, typer.Option(help="Another seed, other notes.")]
Train = Annotated[int, typer.Option(help="Notes for training.", min=1)]
Dev = Annotated[int, typer.Option(help="Notes for choosing the best step.", min=1)]
Test = Annotated[int, typer.Option(help="Notes for the final score.", min=1)]


@app.command("deid")
@quiet_errors
def write_deid(output: Output, seed: Seed = 0, train: Train = 300, dev: Dev = 60, test: Test = 100) -> None:
    """Discharge notes with six classes of identifying mentions, as brat folders train/, dev/, test/.

    Then:  python -m corpus_scripts.convert corpus deid --input OUTPUT --output corpus/deid
    """
    deid.write_corpus(output, {"train": train, "dev": dev, "test": test}, seed)
    typer.echo(f"{train + dev + test} notes in {output}")


@app.command("phenotype")
@quiet_errors
def write_phenotype(
    output: Output, seed: Seed = 0, train: Train = 300, dev: Dev = 60, test: Test = 100
) -> None:
    """Notes of some 3,000 pieces with eight phenotypes, as train.jsonl, dev.jsonl, test.jsonl.

    Then:  python -m corpus_scripts.convert corpus phenotype --input OUTPUT --output
    corpus/phenotype
    """
    phenotype.write_corpus(output, {"train": train, "dev": dev, "test": test}, seed)
    typer.echo(f"{train + dev + test} notes in {output}")


if __name__ == "__main__":
    app()
