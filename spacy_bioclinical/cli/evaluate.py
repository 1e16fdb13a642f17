"""`python -m spacy bioclinical evaluate`: score a pipeline on a corpus, with the numbers' signature.

Like the other commands that need a device, it runs in a child process that sees only that device.
"""

from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.processes import device_environment, run_python, spacy_gpu_id


@bioclinical.command("evaluate")
def evaluate_cli(
    model: str = typer.Argument(..., help="Folder or name of a trained pipeline"),
    data: Path = typer.Argument(..., help="A .spacy file or a folder of shards", exists=True),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="JSON file for all scores", dir_okay=False
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU; needs no cupy"),
    here: bool = typer.Option(False, "--here", help="Stay in this process, with the devices it sees"),
) -> None:
    """Score entities (by spaCy, seqeval and characters) and classes (weighted, micro and macro F1)."""
    try:
        if here:
            evaluate_here(model, data, output, gpu_id)
            return
        arguments = ["-m", "spacy", "bioclinical", "evaluate", model, str(data), "--here"]
        arguments += ["--gpu-id", str(spacy_gpu_id(gpu_id))]
        if output:
            arguments += ["--output", str(output)]
        run_python(arguments, environment=device_environment(gpu_id))
    except (ValueError, ImportError, OSError) as error:
        msg.fail("This pipeline could not be evaluated", str(error), exits=1)


def evaluate_here(model: str, data: Path, output: Path | None, gpu_id: int) -> None:
    """Evaluate in this process, write the report and print its main numbers.

    model (str): Folder or name of a pipeline.
    data (Path): A .spacy file or a folder of shards.
    output (Path | None): JSON file, written aside first.
    gpu_id (int): Device for spaCy itself, which needs cupy; -1 for none.
    """
    import spacy

    from spacy_bioclinical.training.evaluation import evaluate_pipeline

    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    report = evaluate_pipeline(spacy.load(model), data)
    if output:
        write_json(output, report)
    print_report(report)


def print_report(report: dict[str, Any]) -> None:
    """Print the main numbers of a report as a table.

    report (dict): As `evaluate_pipeline` returns it.
    """
    rows: list[tuple[str, ...]] = []
    entities = report["entities"]
    if entities:
        for key, name in (("spacy", "spaCy"), ("seqeval", "seqeval"), ("exact", "characters")):
            rows.append((f"entities ({name})", *(f"{100 * entities[key][score]:.2f}" for score in "prf")))
        for label, scores in entities["per_type"].items():
            rows.append((f"  {label}", *(f"{100 * scores[score]:.2f}" for score in "prf")))
    for component, scores in report["classes"].items():
        for key in ("weighted", "micro", "macro"):
            rows.append((f"{component} ({key})", "", "", f"{100 * scores[f'{key}_f']:.2f}"))
    msg.table(rows, header=("", "P", "R", "F1"), aligns=("l", "r", "r", "r"), divider=True)
    speed = f"{report['words_per_second']:,.0f} words/s"
    print(f"{report['documents']} documents, {report['tokens']} tokens, {speed}")
    if entities and not entities["equal"]:
        msg.warn(
            "spaCy and seqeval differ",
            f"{entities['clashes']} predicted entities share a gold token with another one, "
            f"{entities['unannotated']} touch tokens without annotation",
        )
