"""`python -m spacy bioclinical benchmark pipeline`: words a second of whole pipelines, from text to entities.

Ours reads each note as one window; peers read it as one window too, and as their users mostly do, in windows of 128
with a short encoder. Base shapes with random weights; each pipeline in a process of its own, EDS-NLP in an
environment of its own; turns round by round.
"""

import tempfile
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli.benchmark._app import benchmark
from spacy_bioclinical.cli.benchmark.children import Child, child_environment
from spacy_bioclinical.cli.benchmark.contestants import Choice, check
from spacy_bioclinical.cli.benchmark.data import write_texts
from spacy_bioclinical.cli.benchmark.finish import finish, open_record, print_table, run_race
from spacy_bioclinical.cli.benchmark.folders import EncoderFolder, make_folder
from spacy_bioclinical.cli.benchmark.note_tokenizers import copy_tokenizer, train_tokenizer
from spacy_bioclinical.cli.benchmark.notes import write_notes
from spacy_bioclinical.cli.benchmark.pipeline_results import draw_chart, pipeline_rows, tables
from spacy_bioclinical.cli.benchmark.race import Contestant

NOTES = "notes"  # the only set
WINDOW, STRIDE = 128, 96  # what both peers do unless told otherwise; tokens there, pieces here


@benchmark.command("pipeline")
def pipeline_cli(
    encoder: list[str] = typer.Option(
        ["modernbert-base"],
        "--encoder",
        "-e",
        help="Encoder that reads whole notes: a built-in shape, catalogue name, hub id or folder; repeatable",
    ),
    window_encoder: str = typer.Option(
        "bert-base", "--window-encoder", help="Encoder that the peers run in windows of 128; none: leave out"
    ),
    tokenizer: Path | None = typer.Option(
        None, "--tokenizer", help="Folder with the tokenizer of --encoder; none: one trained on the notes"
    ),
    precision: list[str] = typer.Option(
        ["fp32", "bf16"], "--precision", "-p", help="fp32, bf16; repeatable. spacy-transformers has fp32 only"
    ),
    kernel: str = typer.Option("auto", "--kernel", "-k", help="Attention kernel of ours"),
    peer: list[str] = typer.Option(
        ["spacy-transformers"], "--peer", help="spacy-transformers, or none; repeatable"
    ),
    edsnlp: Path | None = typer.Option(
        None, "--edsnlp", help="Python interpreter of an environment with edsnlp[ml], to run it as a peer"
    ),
    notes: int = typer.Option(4, "--notes", "-n", help="Notes of a pass", min=1),
    words: int = typer.Option(3000, "--words", "-w", help="Words of a note", min=10),
    pieces_per_word: float = typer.Option(
        1.3, "--pieces-per-word", help="Of tokenizers that are trained here", min=1.05
    ),
    rounds: int = typer.Option(3, "--rounds", "-r", help="Measurements of each, taken in turns", min=1),
    warmup: int = typer.Option(1, "--warmup", help="Passes before measuring", min=0),
    seed: int = typer.Option(0, "--seed", help="For notes and weights", min=0),
    threads: int = typer.Option(0, "--threads", help="Threads of each contestant; 0: torch's default", min=0),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU"),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="JSON file, written as results come; the chart is drawn beside it (.svg)"
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on with the file that --output names"),
) -> None:
    """Measure words per second of whole pipelines on long notes: ours, spacy-transformers, EDS-NLP."""
    peers = [name for name in peer if name != "none"]
    device = "cpu" if gpu_id < 0 else "cuda"
    choice = Choice([kernel], precision, peers, edsnlp, device)
    short = None if window_encoder == "none" else window_encoder
    settings: dict[str, Any] = {
        **{"encoders": encoder, "window_encoder": short, "kernel": kernel, "precisions": precision},
        **{"tokenizer": "trained" if tokenizer is None else "given", "peers": peers},
        **{"edsnlp": edsnlp is not None, "notes": notes, "words": words},
        **{"pieces_per_word": pieces_per_word, "rounds": rounds, "warmup": warmup, "seed": seed},
        "device": device,
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
        try:
            check(choice)
            environment = child_environment(gpu_id, threads)
            texts = write_notes(notes, words, seed)
            folders = {}
            for number, name in enumerate(dict.fromkeys([*encoder, *([short] if short else [])])):
                folders[name] = make_folder(name, Path(work) / f"encoder-{number}", seed=seed)
                if tokenizer is not None and name in encoder:
                    copy_tokenizer(tokenizer, folders[name])
                else:
                    train_tokenizer(folders[name], texts, notes * words, pieces_per_word)
            lengths = {name: piece_lengths(folder, texts) for name, folder in folders.items()}
            facts = {NOTES: note_facts(texts, words, lengths)}
            record = open_record("benchmark pipeline", settings, facts, environment, gpu_id, output, resume)
            write_texts(Path(work) / "data", NOTES, texts)
            contestants = make_pipelines(
                folders, Path(work) / "data", choice, encoder, short, {k: max(v) for k, v in lengths.items()}
            )
            run_race(
                contestants,
                record,
                rounds=rounds,
                warmup=warmup,
                launch=lambda one: Child(one.spec, environment, one.python),
            )
        except ValueError as error:
            msg.fail("Nothing to show", str(error), exits=1)
        rows = pipeline_rows(record, contestants, NOTES)
        for header, lines in tables(rows):
            print_table(header, lines)
        for name, number in facts[NOTES]["pieces_per_word"].items():
            print(f"{name}: {number} pieces a word")
        finish(record, {"pipelines": rows}, draw_chart(rows, record) if rows else None)


def piece_lengths(folder: EncoderFolder, texts: list[str]) -> list[int]:
    """Pieces of each text by the encoder's tokenizer, special pieces not counted."""
    from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

    return [len(pieces) for pieces in PieceTokenizer.from_folder(folder.path).encode(texts)]


def note_facts(texts: list[str], words: int, lengths: dict[str, list[int]]) -> dict[str, Any]:
    """What belongs beside the figures: how many notes, words, and pieces a word by each encoder's tokenizer."""
    per_word = {name: round(sum(found) / (len(texts) * words), 3) for name, found in lengths.items()}
    return {"documents": len(texts), "words": len(texts) * words, "pieces_per_word": per_word}


def make_pipelines(
    folders: dict[str, EncoderFolder],
    data: Path,
    choice: Choice,
    encoders: list[str],
    window_encoder: str | None,
    longest: dict[str, int],
) -> list[Contestant]:
    """Name who takes part, in the order of turns.

    folders (dict[str, EncoderFolder]): by name.
    data (Path): folder of the notes.
    choice (Choice): kernel, precisions, peers.
    encoders (list[str]): ours run these; peers read whole notes with those that can.
    window_encoder (str | None): peers run it in windows.
    longest (dict[str, int]): pieces of the longest note, by encoder.
    RETURNS (list[Contestant]): ours and peers.
    """

    def contestant(kind: str, name: str, how: str, precision: str, **spec: Any) -> Contestant:
        folder = folders[name]
        full = {
            **{"kind": kind, "folder": str(folder.path), "data": str(data), "device": choice.device},
            **{"context": folder.context, "precision": precision, "head": True},
            **spec,
        }
        who = "ours" if kind == "pipeline" else kind.removesuffix("-pipeline")
        label = f"{who} {name} {how} {precision}"
        python = str(choice.edsnlp) if kind == "edsnlp" else None
        return Contestant(label, label, kind, "pipeline", name, precision, full, (NOTES,), python)

    def fits(name: str) -> bool:
        return longest[name] + 2 <= folders[name].context

    found = []
    for name in dict.fromkeys(encoders):
        how = "whole" if fits(name) else "windows"
        for precision in choice.precisions:
            found.append(contestant("pipeline", name, how, precision, kernel=choice.kernels[0]))
    runs: list[tuple[str, str, dict[str, int | None]]] = [
        (name, "whole", {"window": None, "stride": None}) for name in dict.fromkeys(encoders) if fits(name)
    ]
    if window_encoder is not None:
        runs.append((window_encoder, f"{WINDOW}/{STRIDE}", {"window": WINDOW, "stride": STRIDE}))
    default = "bf16" if "bf16" in choice.precisions else "fp32"
    for name, how, windows in runs:
        if "spacy-transformers" in choice.peers:
            found.append(contestant("spacy-transformers-pipeline", name, how, "fp32", **windows))
        if choice.edsnlp is not None:
            found.append(contestant("edsnlp", name, how, default, **windows))
    return found
