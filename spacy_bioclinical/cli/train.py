"""`python -m spacy bioclinical train`: spaCy's own training on the device asked for, with its time."""

import json
import time
from pathlib import Path

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.processes import device_environment, run_python, spacy_gpu_id


@bioclinical.command("train")
def train_cli(
    config: Path = typer.Argument(..., help="A complete config, as `compose` writes it", exists=True),
    output: Path = typer.Option(..., "--output", "-o", help="Folder for model-best and model-last"),
    report: Path = typer.Option(..., "--report", "-r", help="JSON file for minutes, device and dev scores"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU; needs no cupy"),
) -> None:
    """Run `python -m spacy train` and write down minutes, device and the best dev scores."""
    try:
        arguments = ["-m", "spacy", "train", str(config), "--output", str(output)]
        arguments += ["--gpu-id", str(spacy_gpu_id(gpu_id))]
        start = time.perf_counter()
        run_python(arguments, environment=device_environment(gpu_id))
    except ValueError as error:
        msg.fail("Training did not finish", str(error), exits=1)
    minutes = (time.perf_counter() - start) / 60
    meta = json.loads((output / "model-best" / "meta.json").read_text(encoding="utf8"))
    performance = {key: value for key, value in meta["performance"].items() if isinstance(value, float)}
    device = "cpu" if gpu_id < 0 else f"cuda:{gpu_id}"
    write_json(report, {"minutes": round(minutes, 2), "device": device, "dev": performance})
    msg.good(f"Trained in {minutes:.1f} minutes on {device}: {output / 'model-best'}")
