"""Write an invented corpus: python -m corpus_scripts.synthetic deid --output assets/deid --seed 0."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpus_scripts.cli import quiet_errors
from corpus_scripts.synthetic import deid, phenotype
from corpus_scripts.synthetic.standin.table import DEFAULT_SIZE, STAND_INS, write_stand_in

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


@app.command("stand-in")
@quiet_errors
def write_one(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(STAND_INS)}.")],
    output: Annotated[Path, typer.Option(help="Folder of its own; files of others are never replaced.")],
    size: Annotated[
        str,
        typer.Option(
            help=f"Records, or `paper` for the real corpus' number; {DEFAULT_SIZE} at most if not given."
        ),
    ] = "",
    seed: Seed = 0,
    difficulty: Annotated[
        float, typer.Option(help="0 easy, 1 hard; from 0.5 on test's templates and fillers are not in train.")
    ] = 0.3,
) -> None:
    """A corpus of the paper that stands under an agreement, invented, in the files of the original.

    Then:  python -m corpus_scripts.convert corpus NAME --input OUTPUT --output corpus/NAME
    """
    count = write_stand_in(name, output, size=size, seed=seed, difficulty=difficulty)
    typer.echo(f"{count} {STAND_INS[name].unit} in {output}")


if __name__ == "__main__":
    app()
