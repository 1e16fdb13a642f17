"""`python -m spacy bioclinical speed`: `spacy benchmark speed` on a trained pipeline, kept as JSON."""

import re
from pathlib import Path

import typer
from spacy.util import load_config
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.processes import device_environment, run_python, spacy_gpu_id
from spacy_bioclinical.errors import Errors

MEAN_LINE = re.compile(r"Mean: ([\d.]+) words/s \(95% CI: (-?[\d.]+) \+(-?[\d.]+)\)")


@bioclinical.command("speed")
def speed_cli(
    model: Path = typer.Argument(..., help="Folder of a trained pipeline", exists=True),
    corpus: Path = typer.Argument(..., help="A .spacy file", exists=True),
    output: Path = typer.Option(..., "--output", "-o", help="JSON file for words per second"),
    batches: int = typer.Option(30, "--batches", min=30, help="Batches to measure; spaCy wants at least 30"),
    batch_size: int | None = typer.Option(
        None,
        "--batch-size",
        "-b",
        min=1,
        help="Documents in a batch; none: the pipeline's own, [nlp] batch_size",
    ),
    warmup: int = typer.Option(1, "--warmup", min=0, help="Passes over the corpus before measuring"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU; needs no cupy"),
) -> None:
    """Run `python -m spacy benchmark speed` and write down words per second with the 95 % interval."""
    arguments = ["-m", "spacy", "benchmark", "speed", str(model), str(corpus)]
    if batch_size is None:
        batch_size = own_batch_size(model)
    arguments += ["--batches", str(batches), "--batch-size", str(batch_size), "--warmup", str(warmup)]
    arguments += ["--gpu-id", str(spacy_gpu_id(gpu_id))]
    try:
        lines = run_python(arguments, environment=device_environment(gpu_id))
        mean, low, high = parse_mean(lines, model, corpus)
    except ValueError as error:
        msg.fail("No speed was measured", str(error), exits=1)
    result = {
        "words_per_second": mean,
        "ci_95": [round(mean + low, 1), round(mean + high, 1)],
        "batches": batches,
        "batch_size": batch_size,
        "device": "cpu" if gpu_id < 0 else f"cuda:{gpu_id}",
    }
    write_json(output, result)


def own_batch_size(model: Path) -> int:
    """The batch size that a pipeline brings along, which `nlp.pipe` and `spacy benchmark speed` use.

    model (Path): The pipeline's folder.
    RETURNS (int): `[nlp] batch_size` of its config.
    """
    return load_config(model / "config.cfg")["nlp"]["batch_size"]


def parse_mean(lines: list[str], model: Path, corpus: Path) -> tuple[float, float, float]:
    """Find the mean and its interval in what `spacy benchmark speed` prints.

    lines (list[str]): Its output.
    model (Path), corpus (Path): For the error message.
    RETURNS (tuple): Words per second; distance to the lower and to the upper end of the interval.
    RAISES (ValueError): BC515 if there is no such line.
    """
    for line in reversed(lines):
        if found := MEAN_LINE.search(line):
            return float(found[1]), float(found[2]), float(found[3])
    raise ValueError(Errors.BC515.format(model=model, corpus=corpus))
