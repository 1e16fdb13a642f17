"""`python -m spacy bioclinical benchmark speed`: the six document sets of the paper, ours beside the peers.

One run, one machine, turns round by round; true counts of pieces; ratios at equal precision. On two CPU cores the
defaults take about an hour, most of it fp32 and 8,192 pieces; `--precision bf16 --peer transformers` takes a quarter
of that, `--length 512` a few minutes. All contestants stay loaded: about 1 GB each at base size.
"""

import tempfile
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli.benchmark._app import benchmark
from spacy_bioclinical.cli.benchmark.children import Child, child_environment
from spacy_bioclinical.cli.benchmark.contestants import PEERS, Choice, check, make_contestants
from spacy_bioclinical.cli.benchmark.data import write_ids, write_words
from spacy_bioclinical.cli.benchmark.finish import finish, open_record, print_table, run_race
from spacy_bioclinical.cli.benchmark.flops import FORMULA
from spacy_bioclinical.cli.benchmark.folders import make_folder, write_word_tokenizer
from spacy_bioclinical.cli.benchmark.race import Contestant
from spacy_bioclinical.cli.benchmark.record import Record
from spacy_bioclinical.cli.benchmark.results import ceilings, equal_mean, speed_rows, tables
from spacy_bioclinical.cli.benchmark.sets import LENGTHS, DocumentSet, default_documents, draw_sets
from spacy_bioclinical.cli.benchmark.speed_chart import draw_chart


@benchmark.command("speed")
def speed_cli(
    encoder: list[str] = typer.Option(
        ["modernbert-base"],
        "--encoder",
        "-e",
        help="modernbert-base, modernbert-large, bert-base, roberta-base, tiny (random weights), or a catalogue "
        "name, hub id or folder; repeatable",
    ),
    kernel: list[str] = typer.Option(["auto"], "--kernel", "-k", help="Attention kernel of ours; repeatable"),
    precision: list[str] = typer.Option(
        ["fp32", "bf16"], "--precision", "-p", help="fp32, bf16; repeatable. Peers run in the same"
    ),
    peer: list[str] = typer.Option(
        list(PEERS), "--peer", help="transformers, spacy-transformers; repeatable; none: ours alone"
    ),
    edsnlp: Path | None = typer.Option(
        None, "--edsnlp", help="Python interpreter of an environment with edsnlp[ml], to run it as a peer"
    ),
    length: list[int] = typer.Option(list(LENGTHS), "--length", "-l", help="Pieces of a set; repeatable"),
    documents: list[int] = typer.Option(
        [], "--documents", "-d", help="Documents of a set, one for each length; default: a few on a CPU"
    ),
    mean: float = typer.Option(0.5, "--mean", help="Mean of variable documents, share of the length", min=0),
    spread: float = typer.Option(
        0.125, "--spread", help="Standard deviation of variable documents, share of the length", min=0
    ),
    equal: bool = typer.Option(
        True, "--equal-mean/--no-equal-mean", help="Compare variable documents with equal ones of their mean"
    ),
    batch_pieces: int = typer.Option(16384, "--batch-pieces", help="Budget of a packed batch", min=1),
    batch_documents: int = typer.Option(
        8, "--batch-documents", help="Documents of a batch that transformers pads to its longest", min=1
    ),
    rounds: int = typer.Option(3, "--rounds", "-r", help="Measurements of each, taken in turns", min=1),
    warmup: int = typer.Option(1, "--warmup", help="Passes before measuring", min=0),
    seed: int = typer.Option(0, "--seed", help="For lengths, ids and weights", min=0),
    threads: int = typer.Option(0, "--threads", help="Threads of each contestant; 0: torch's default", min=0),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU"),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="JSON file, written as results come; the chart is drawn beside it (.svg)"
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on with the file that --output names"),
) -> None:
    """Measure kTok/s on the paper's six sets: encoders, kernels and precisions beside the peers, in one run."""
    device = "cpu" if gpu_id < 0 else "cuda"
    counts = documents or [default_documents(pieces, device == "cuda") for pieces in length]
    peers = [name for name in peer if name != "none"]
    choice = Choice(kernel, precision, peers, edsnlp, device, batch_pieces, batch_documents)
    settings: dict[str, Any] = {
        **{"encoders": encoder, "kernels": kernel, "precisions": precision, "peers": peers},
        **{"edsnlp": edsnlp is not None, "lengths": length, "documents": counts, "mean": mean},
        **{"spread": spread, "equal_mean": equal, "batch_pieces": batch_pieces},
        **{"batch_documents": batch_documents, "rounds": rounds, "warmup": warmup, "seed": seed},
        "device": device,
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
        try:
            check(choice)
            environment = child_environment(gpu_id, threads)
            sets = draw_sets(length, counts, mean=mean, spread=spread, seed=seed, equal_mean=equal)
            facts = {documents.name: documents.facts(batch_documents) for documents in sets}
            record = open_record("benchmark speed", settings, facts, environment, gpu_id, output, resume)
            contestants, windows = build_field(encoder, Path(work), sets, choice, seed)
            run_race(
                contestants,
                record,
                rounds=rounds,
                warmup=warmup,
                launch=lambda one: Child(one.spec, environment, one.python),
            )
        except ValueError as error:
            msg.fail("Nothing to show", str(error), exits=1)
        show(record, contestants, windows)


def build_field(
    encoders: list[str], work: Path, sets: list[DocumentSet], choice: Choice, seed: int
) -> tuple[list[Contestant], dict[tuple[str, str], list[int]]]:
    """Make folders and documents, and name who takes part.

    encoders (list[str]): as the user named them.
    work (Path): an empty folder.
    sets (list[DocumentSet]): the documents.
    choice (Choice): what is to be compared.
    seed (int): for weights and ids.
    RETURNS (tuple): the contestants; and (encoder, set) to the lengths of the windows that its documents need.
    """
    from spacy_bioclinical.cli.benchmark.racers.encoders import cut

    contestants: list[Contestant] = []
    windows = {}
    for number, name in enumerate(dict.fromkeys(encoders)):
        folder = make_folder(name, work / f"encoder-{number}", seed=seed)
        write_word_tokenizer(folder)
        data = work / f"data-{number}"
        special = list(folder.special_ids.values())
        write_ids(data, sets, folder.config["vocab_size"], special, seed)
        if choice.reads_text:
            write_words(data, sets)
        contestants += make_contestants(folder, data, choice, sets)
        for documents in sets:
            ranges = cut(list(documents.lengths), folder.context)
            windows[name, documents.name] = [end - start for document in ranges for start, end in document]
    return contestants, windows


def show(record: Record, contestants: list[Contestant], windows: dict[tuple[str, str], list[int]]) -> None:
    """Compute the results, print them, and finish the files."""
    rows = speed_rows(record, contestants, windows)
    rates, shares = ceilings(record, contestants, windows), equal_mean(record, contestants)
    results = {"speed": rows, "work": FORMULA, "ceilings": rates, "variable_to_equal_mean": shares}
    for header, lines in tables(rows):
        print_table(header, lines)
    for key, told in record.data["contestants"].items():
        if told["kind"] == "packed":
            print(f"{key}: attention kernel {told['kernel']}")
    for row in rates:
        attention = row["attention_tflops"]
        print(
            f"{row['set']} {row['encoder']} {row['precision']}: matrix products "
            f"{row['linear_tflops']['median']:.3g} TFLOP/s"
            + (f", torch's attention {attention['median']:.3g} TFLOP/s" if attention else "")
        )
    for row in shares:
        share = row["share"]
        print(
            f"{row['key']}: variable documents run at {share['median']:.2f} [{share['low']:.2f}–"
            f"{share['high']:.2f}] x the speed of documents all of {row['mean']:,.0f} pieces ({row['set']})"
        )
    finish(record, results, draw_chart(rows, record) if rows else None)
