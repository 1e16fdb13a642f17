"""Measure training throughput against transformers, side by side in one run: `python -m pretrain.benchmark --help`.

Real pieces a second of forward, backward and optimizer step: our packed rows, transformers' ModernBERT on randomly
drawn padded batches and on length-sorted ones; same documents, masks, weights, optimizer, precision and machine.
Example: python -m pretrain.benchmark --shape tiny --documents 64 --rounds 5 --output metrics/pretrain-benchmark.json
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from pretrain.benchmarking.contestants import CONTESTANTS, Engines, Sizes, choose, row_pieces_for
from pretrain.benchmarking.documents import data_hash, invent, note_like_lengths, real_lengths
from pretrain.benchmarking.gate import gate, gate_documents
from pretrain.benchmarking.machine import device_peak, signature
from pretrain.benchmarking.plans import MEGA_BATCH
from pretrain.benchmarking.race import race
from pretrain.benchmarking.results import CLOCKS, INTERVAL, attribution, summary, table
from pretrain.benchmarking.shapes import SHAPES, for_racing, shape_of
from pretrain.flops import flops_per_piece
from pretrain.shards import shards_for
from pretrain.start import choose_device, load_tokenizer
from spacy_bioclinical.encoder.base import PRECISIONS
from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors

FORMAT = 1
FORMULA = (
    "FLOP a piece = 3 x (2 x layers x (4 D² + 3 D I) + 4 D x pieces that a piece sees, over all layers + head at "
    "predicted pieces), i.e. 6 a weight, 12 D an attended piece; utilisation = FLOP a piece x pieces a second / "
    "peak; padding is no work"
)


@dataclass(frozen=True)
class Setting:
    """Everything that shapes the figures.

    shape (str): see `benchmarking.shapes`. documents, rounds (int): how many.
    median, sigma, max_length: note-like lengths; length (int): all documents have this one instead (0: no).
    batch (int): documents of a padded batch. row_pieces (int): most pieces of a packed row (0: as many as a padded
        batch holds on average). mega_batches (int): see `plans.sorted_plan` (0: transformers' rule).
    clock (str): "wall", or "processor" where others use the machine (CPU only). only (list): contestants.
    gate_documents, gate_length (int): how many documents of at most how many pieces the gate compares.
    """

    shape: str = "tiny"
    documents: int = 64
    rounds: int = 5
    seed: int = 0
    precision: str = "fp32"
    mask_rate: float = 0.3
    median: float = 600.0
    sigma: float = 0.9
    max_length: int = 8192
    length: int = 0
    batch: int = 8
    row_pieces: int = 0
    mega_batches: int = MEGA_BATCH
    clock: str = "wall"
    only: list[str] = field(default_factory=list)
    gate_documents: int = 12
    gate_length: int = 1024

    def check(self, device: torch.device) -> None:
        """RAISES (ValueError): BC776 for a value that cannot be."""
        clocks = CLOCKS if device.type == "cpu" else CLOCKS[:1]
        for what, given, known in (
            ("--precision", self.precision, tuple(PRECISIONS)),
            ("--clock", self.clock, clocks),
        ):
            if given not in known:
                wanted = f"one of {', '.join(known)}"
                raise ValueError(Errors.BC776.format(what=what, given=f"'{given}'", wanted=wanted))
        for what, number in (
            ("--documents", self.documents),
            ("--rounds", self.rounds),
            ("--batch", self.batch),
        ):
            if number < 1:
                raise ValueError(Errors.BC776.format(what=what, given=number, wanted="1 or more"))


def benchmark(
    setting: Setting,
    *,
    device: torch.device,
    lengths: np.ndarray | None = None,
    lengths_from: str = "note-like",
    shape: ModernBertSettings | None = None,
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Gate, then race.

    lengths (np.ndarray | None): of real documents, instead of drawn ones; lengths_from (str): their name.
    shape (ModernBertSettings | None): instead of the one that `setting.shape` names.
    RETURNS (dict): JSON-ready: "signature", "documents", "gate", "contestants", "attribution", "race" (raw).
    RAISES (ValueError): BC775 (not the same model), BC776 (setting), BC777 (ours failed).
    """
    setting.check(device)
    settings = shape_of(setting.shape) if shape is None else for_racing(shape)
    contestants = choose(setting.only)
    if lengths is None and setting.length:
        lengths, lengths_from = np.full(setting.documents, setting.length), "all equal"
    if lengths is None:
        lengths = note_like_lengths(
            setting.documents,
            seed=setting.seed,
            median=setting.median,
            sigma=setting.sigma,
            most=setting.max_length,
        )
    documents = invent(
        lengths, vocab_size=settings.vocab_size, mask_rate=setting.mask_rate, seed=setting.seed
    )
    sizes = Sizes(
        setting.batch,
        setting.row_pieces or row_pieces_for(lengths, setting.batch),
        setting.mega_batches or None,
    )
    engines = Engines(settings, seed=setting.seed, precision=setting.precision, device=device)
    few = gate_documents(documents, setting.gate_documents, setting.gate_length)
    gated = gate(contestants, engines, few, sizes, seed=setting.seed, precision=setting.precision)
    outcome = race(
        contestants, engines, documents, sizes, seed=setting.seed, rounds=setting.rounds, is_quiet=is_quiet
    )
    pieces, n_labelled = int(lengths.sum()), sum(document.n_labelled for document in documents)
    seen = float(np.square(lengths.astype(np.float64)).sum() / pieces)
    work = flops_per_piece(settings, seen, n_labelled / pieces)
    peak, source = device_peak(device, setting.precision, setting.clock)
    return {
        "format": FORMAT,
        "signature": signature({**asdict(setting), "lengths": lengths_from}, device, data_hash(documents)),
        "model": {**settings.to_config(), **engines.facts()},
        "documents": {
            "count": len(documents),
            "pieces": pieces,
            "predicted": n_labelled,
            "median": float(np.median(lengths)),
            "longest": int(lengths.max()),
            "row_pieces": sizes.row_pieces,
        },
        "interval": INTERVAL,
        "work": {"flops_per_piece": work, "peak_flops": peak, "peak_from": source, "formula": FORMULA},
        "gate": gated,
        "contestants": summary(
            contestants, outcome, pieces=pieces, clock=setting.clock, flops_per_piece=work, peak_flops=peak
        ),
        "attribution": attribution(outcome, setting.clock),
        "race": outcome.to_dict(),
    }


def write_result(result: dict[str, Any], file: Path) -> None:
    """Write a result as JSON, aside first and moved into place when whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.writing")
    aside.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")
    os.replace(aside, file)


def text_lengths(texts: list[Path], encoder: Path | None, setting: Setting, is_quiet: bool) -> np.ndarray:
    """Tokenise texts aside and return the lengths of some; nothing else of them is kept. RAISES: BC776, BC7xx."""
    if encoder is None:
        wanted = "the folder of a tokenizer, which --text needs"
        raise ValueError(Errors.BC776.format(what="--encoder", given="missing", wanted=wanted))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        shards = shards_for(
            texts, load_tokenizer(encoder), Path(folder), max_length=setting.max_length, is_quiet=is_quiet
        )
        return real_lengths(shards.folder, setting.documents, seed=setting.seed, most=setting.max_length)


def main(
    shape: str = typer.Option("tiny", "--shape", help=f"One of: {', '.join(SHAPES)}."),
    documents: int = typer.Option(64, "--documents", help="How many."),
    rounds: int = typer.Option(5, "--rounds", help="Passes of each contestant over all documents."),
    seed: int = typer.Option(0, "--seed", min=0),
    precision: str = typer.Option("fp32", "--precision", help="fp32 or bf16 (transformers: autocast)."),
    device: str = typer.Option("auto", "--device", help="cpu, cuda, cuda:N or auto."),
    threads: int = typer.Option(None, "--threads", min=1, help="Of the CPU [torch's choice]."),
    clock: str = typer.Option("wall", "--clock", help="wall, or processor where others use the machine too."),
    only: list[str] = typer.Option([], "--only", help=f"Contestants: {', '.join(CONTESTANTS)} [all]."),
    mask_rate: float = typer.Option(0.3, "--mask-rate"),
    median: float = typer.Option(600.0, "--median", help="Of note-like lengths, in pieces."),
    sigma: float = typer.Option(0.9, "--sigma", help="Of note-like lengths (log-normal)."),
    max_length: int = typer.Option(8192, "--max-length", min=3, help="Longer documents are cut."),
    length: int = typer.Option(0, "--length", help="All documents have this length instead."),
    shards: Path = typer.Option(None, "--shards", help="Take the lengths of these shards instead."),
    text: list[Path] = typer.Option([], "--text", help="Take the lengths of these texts instead."),
    encoder: Path = typer.Option(None, "--encoder", help="Folder of the tokenizer for --text."),
    batch: int = typer.Option(8, "--batch", help="Documents of a padded batch."),
    row_pieces: int = typer.Option(0, "--row-pieces", help="Of a packed row [a padded batch's mean]."),
    mega_batches: int = typer.Option(
        MEGA_BATCH, "--mega-batches", help="Batches sorted at once; 0: by rule."
    ),
    gate_documents_: int = typer.Option(
        12, "--gate-documents", min=1, help="Compared before anything is timed."
    ),
    output: Path = typer.Option(None, "--output", help="JSON file to write."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bar."),
) -> None:
    """Compare training throughput with transformers' padded batches."""
    if threads is not None:
        torch.set_num_threads(threads)
    setting = Setting(
        shape=shape,
        documents=documents,
        rounds=rounds,
        seed=seed,
        precision=precision,
        mask_rate=mask_rate,
        median=median,
        sigma=sigma,
        max_length=max_length,
        length=length,
        batch=batch,
        row_pieces=row_pieces,
        mega_batches=mega_batches,
        clock=clock,
        only=list(only),
        gate_documents=gate_documents_,
    )
    try:
        lengths, name = None, "note-like"
        if shards is not None:
            lengths, name = real_lengths(shards, documents, seed=seed, most=max_length), "shards"
        elif text:
            lengths, name = text_lengths(list(text), encoder, setting, quiet), "text"
        result = benchmark(
            setting, device=choose_device(device), lengths=lengths, lengths_from=name, is_quiet=quiet
        )
    except (ValueError, ImportError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    counts = result["documents"]
    typer.echo(
        f"{shape}, {precision}: {counts['count']} documents, {counts['pieces']:,} pieces (median {counts['median']:g}, "
        f"longest {counts['longest']:,}), rows of {counts['row_pieces']:,}; {clock} time, {INTERVAL}\n{table(result)}"
    )
    if output is not None:
        write_result(result, output)
        typer.echo(f"written {output}")


if __name__ == "__main__":
    typer.run(main)
