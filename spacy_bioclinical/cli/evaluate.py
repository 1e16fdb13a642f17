"""`python -m spacy bioclinical evaluate`: score a pipeline on a .spacy file, with the numbers' signature."""

from pathlib import Path

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.processes import device_environment, run_python, spacy_gpu_id


@bioclinical.command("evaluate")
def evaluate_cli(
    model: str = typer.Argument(..., help="Folder or name of a trained pipeline"),
    data: Path = typer.Argument(..., help="A .spacy file", exists=True, dir_okay=False),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="JSON file for all scores", dir_okay=False
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU; needs no cupy"),
) -> None:
    """Score entities (spaCy, seqeval strict IOB2, exact characters) and classes (weighted, micro, macro F1)."""
    arguments = ["-m", "spacy_bioclinical.training.evaluation", model, str(data), str(output or "")]
    try:
        run_python([*arguments, str(spacy_gpu_id(gpu_id))], environment=device_environment(gpu_id))
    except ValueError as error:
        msg.fail("No scores were written", str(error), exits=1)
