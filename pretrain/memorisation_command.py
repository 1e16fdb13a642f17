"""The commands behind `python -m pretrain.memorisation`: plant canaries before training, probe the encoder after."""

import json
import os
from pathlib import Path

import typer
from tqdm import tqdm

from pretrain.canaries import (
    N_CANDIDATES,
    REPEATS,
    canary_texts,
    plant_canaries,
    read_canaries,
    write_canaries,
)
from pretrain.evaluation_command import encoder_hash, signature_of, write_report
from pretrain.memorisation import probe, read_spanned
from pretrain.scoring import ROW_PIECES
from pretrain.start import choose_device, load_tokenizer
from spacy_bioclinical.encoder.checkpoint import load_pretraining_model
from spacy_bioclinical.errors import Errors

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
STOP = 3  # exit status under --strict


@app.command()
def plant(
    output: Path = typer.Option(..., "--output", help="JSON lines to train on: give them as a --text file."),
    record: Path = typer.Option(..., "--record", help="JSON file from which `probe` knows the canaries."),
    n: int = typer.Option(8, "--number", min=1, help="Canaries for each repeat count."),
    repeats: list[int] = typer.Option(list(REPEATS), "--repeats", min=1, help="Repeat counts; repeat it."),
    seed: int = typer.Option(0, "--seed", min=0, help="Seed of the canaries."),
) -> None:
    """Write invented secrets to mix into the training text. Train on them without removing duplicates."""
    try:
        canaries = plant_canaries(n, seed, repeats)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    texts = canary_texts(canaries, seed)
    write_canaries(canaries, record)
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = output.with_name(f".{output.name}.writing")
    aside.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf8")
    os.replace(aside, output)
    typer.echo(f"written    {os.fspath(output)}  {len(texts)} documents, {len(canaries)} canaries")


@app.command("probe")
def probe_command(
    encoder: Path = typer.Argument(..., metavar="ENCODER", help="Encoder folder after training."),
    output: Path = typer.Option(..., "--output", help="JSON file to write."),
    start: Path = typer.Option(None, "--start", help="Encoder folder before training, to compare with."),
    canaries: Path = typer.Option(None, "--canaries", help="Record that `plant` wrote."),
    training_phi: Path = typer.Option(None, "--training-phi", help="JSON lines, PHI spans: trained on."),
    held_out_phi: Path = typer.Option(None, "--held-out-phi", help="The same of documents never seen."),
    candidates: int = typer.Option(N_CANDIDATES, "--candidates", min=1, help="Secrets to rank among."),
    row_pieces: int = typer.Option(ROW_PIECES, "--row-pieces", min=1, help="Pieces computed at once."),
    seed: int = typer.Option(0, "--seed", min=0, help="Choice of candidates, intervals."),
    device: str = typer.Option("auto", "--device", help="cpu, cuda, cuda:N or auto."),
    strict: bool = typer.Option(False, "--strict", help=f"Exit with {STOP} if a verdict is 'stop'."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bar."),
) -> None:
    """Report what an encoder remembers of its training text; counts and figures only."""
    try:
        if not canaries and not (training_phi and held_out_phi):
            todo = "Give --canaries RECORD, or --training-phi FILE with --held-out-phi FILE, or both"
            raise ValueError(Errors.BC767.format(why="no canaries and no PHI of both sides", todo=todo))
        tokenizer = load_tokenizer(encoder)
        models = [
            None if folder is None else load_pretraining_model(folder).to(choose_device(device)).eval()
            for folder in (encoder, start)
        ]
        planted = read_canaries(canaries) if canaries else []
        n_rounds = len(planted) * (2 if start else 1)
        assert models[0] is not None
        with tqdm(total=n_rounds, desc="canaries", unit="canary", disable=quiet or not planted) as bar:
            report = probe(
                models[0],
                tokenizer,
                start=models[1],
                canaries=planted,
                training=read_spanned(training_phi) if training_phi else (),
                held_out=read_spanned(held_out_phi) if held_out_phi else (),
                n_candidates=candidates,
                row_pieces=row_pieces,
                seed=seed,
                on_canary=bar.update,
            )
        hashes = {} if start is None else {"start": encoder_hash(start)}
    except (ValueError, ImportError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    write_report({"signature": signature_of(encoder, seed=seed, **hashes), **report}, output)
    for line in report["verdicts"]:
        typer.echo(f"{line['verdict']:<6}{line['what']}: {line['why']}. {line['advice'].capitalize()}.")
    typer.echo(f"written    {os.fspath(output)}  verdict: {report['verdict']}")
    if strict and report["verdict"] == "stop":
        raise typer.Exit(STOP)


if __name__ == "__main__":
    app()
