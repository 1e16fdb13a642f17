"""`python -m spacy bioclinical benchmark length`: what long documents cost.

Two questions: how much slower is one document of 2n pieces than two of n (2 if attention were all, 1 if it were
nothing), packed and through transformers; and how much longer does a document far beyond the context take in the
pipeline's windows than one that fills the context, with four times as many pieces, say.
"""

import tempfile
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli.benchmark._app import benchmark
from spacy_bioclinical.cli.benchmark.children import Child, child_environment
from spacy_bioclinical.cli.benchmark.contestants import Choice, Roster, check
from spacy_bioclinical.cli.benchmark.data import write_ids, write_words
from spacy_bioclinical.cli.benchmark.figures import Figure, ratio, seconds, shown
from spacy_bioclinical.cli.benchmark.finish import finish, open_record, print_table, run_race
from spacy_bioclinical.cli.benchmark.folders import EncoderFolder, make_folder, write_word_tokenizer
from spacy_bioclinical.cli.benchmark.race import Contestant
from spacy_bioclinical.cli.benchmark.record import Record
from spacy_bioclinical.cli.benchmark.sets import DocumentSet
from spacy_bioclinical.errors import Errors

Pairs = dict[str, tuple[DocumentSet, DocumentSet]]


@benchmark.command("length")
def length_cli(
    encoder: str = typer.Option("modernbert-base", "--encoder", "-e", help="As in `benchmark speed`"),
    pieces: int = typer.Option(4096, "--pieces", help="n, pieces of the shorter documents", min=16),
    long: int = typer.Option(
        32768, "--long", help="Pieces of the document that is read in windows; 0: leave it out", min=0
    ),
    kernel: str = typer.Option("auto", "--kernel", "-k", help="Attention kernel of ours"),
    precision: list[str] = typer.Option(["fp32", "bf16"], "--precision", "-p", help="fp32, bf16; repeatable"),
    peer: list[str] = typer.Option(["transformers"], "--peer", help="transformers, or none"),
    rounds: int = typer.Option(3, "--rounds", "-r", help="Measurements of each, taken in turns", min=1),
    warmup: int = typer.Option(1, "--warmup", help="Passes before measuring", min=0),
    seed: int = typer.Option(0, "--seed", help="For ids and weights", min=0),
    threads: int = typer.Option(0, "--threads", help="Threads of each contestant; 0: torch's default", min=0),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU"),
    output: Path | None = typer.Option(None, "--output", "-o", help="JSON file, written as results come"),
    resume: bool = typer.Option(False, "--resume", help="Go on with the file that --output names"),
) -> None:
    """Measure two documents of n pieces against one of 2n, and a very long document in windows."""
    peers = [name for name in peer if name != "none"]
    device = "cpu" if gpu_id < 0 else "cuda"
    settings: dict[str, Any] = {
        **{"encoder": encoder, "pieces": pieces, "long": long, "kernel": kernel, "precisions": precision},
        **{"peers": peers, "rounds": rounds, "warmup": warmup, "seed": seed, "device": device},
    }
    choice = Choice([kernel], precision, peers, None, device, batch_pieces=2 * pieces, batch_documents=2)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
        try:
            check(choice)
            environment = child_environment(gpu_id, threads)
            folder = make_folder(encoder, Path(work) / "encoder", seed=seed)
            pairs = make_pairs(pieces, long, folder.context)
            sets = [documents for pair in pairs.values() for documents in pair]
            facts = {documents.name: documents.facts(2) for documents in sets}
            record = open_record("benchmark length", settings, facts, environment, gpu_id, output, resume)
            contestants = build_field(folder, Path(work) / "data", pairs, choice, seed)
            run_race(
                contestants,
                record,
                rounds=rounds,
                warmup=warmup,
                launch=lambda one: Child(one.spec, environment, one.python),
            )
        except ValueError as error:
            msg.fail("Nothing to show", str(error), exits=1)
        rows = length_rows(record, contestants, pairs)
        header = ("who", "shorter", "longer", "seconds, shorter", "seconds, longer", "longer / shorter")
        lines = [
            (
                *(row["key"], row["shorter"], row["longer"]),
                *(shown(_figure(row[name]), 3) for name in ("seconds_shorter", "seconds_longer", "ratio")),
            )
            for row in rows
        ]
        print_table(header, lines)
        finish(record, {"length": rows}, None)


def make_pairs(pieces: int, long: int, context: int) -> Pairs:
    """The documents whose times are compared.

    pieces (int): n.
    long (int): pieces of the document in windows; 0 for none.
    context (int): most pieces of one window.
    RETURNS (dict): by the level of who reads them: two of n and one of 2n, alone; one that fills the context and the
        long one, through the pipeline's windows.
    RAISES (ValueError): BC530 if 2n pieces are more than the encoder reads at once, or the long document is not longer.
    """
    if 2 * pieces > context:
        wanted = f"at most {context // 2}, half of what the encoder reads at once"
        raise ValueError(Errors.BC530.format(option="--pieces", given=pieces, wanted=wanted))
    pairs = {
        "encoder": (
            DocumentSet("two", pieces, (pieces, pieces)),
            DocumentSet("one", 2 * pieces, (2 * pieces,)),
        )
    }
    if long:
        if long <= context:
            wanted = f"more than {context}, what the encoder reads at once, or 0"
            raise ValueError(Errors.BC530.format(option="--long", given=long, wanted=wanted))
        pairs["component"] = (
            DocumentSet("full", context, (context,)),
            DocumentSet("windows", long, (long,)),
        )
    return pairs


def build_field(
    folder: EncoderFolder, data: Path, pairs: Pairs, choice: Choice, seed: int
) -> list[Contestant]:
    """Write the documents and name who takes part.

    folder (EncoderFolder): the encoder, made already.
    data (Path): folder for the documents.
    pairs (dict): from `make_pairs`.
    choice (Choice): kernel, precisions, peers.
    seed (int): for ids.
    RETURNS (list[Contestant]): in the order of turns.
    """
    sets = [documents for pair in pairs.values() for documents in pair]
    write_word_tokenizer(folder)
    write_ids(data, sets, folder.config["vocab_size"], list(folder.special_ids.values()), seed)
    write_words(data, sets)
    names = {level: [documents.name for documents in pair] for level, pair in pairs.items()}
    roster = Roster(folder, data, choice, sets[0].name)
    found = []
    for precision in choice.precisions:
        found += roster.packed(precision, names["encoder"])
        if "transformers" in choice.peers:
            found += roster.transformers(precision, names["encoder"])
        if "component" in names:
            found += roster.component(precision, names["component"])
    return found


def length_rows(record: Record, contestants: list[Contestant], pairs: Pairs) -> list[dict[str, Any]]:
    """Seconds of both documents and their ratio, for each contestant that was measured."""
    rows = []
    for contestant in contestants:
        shorter, longer = pairs[contestant.level]
        first = record.runs(contestant.key, shorter.name)
        second = record.runs(contestant.key, longer.name)
        found = ratio(first, second)
        if found is None:
            continue
        rows.append(
            {
                **contestant.facts(),
                **{"key": contestant.key, "shorter": shorter.name, "longer": longer.name},
                "seconds_shorter": Figure.of(seconds(first)).as_dict(),
                "seconds_longer": Figure.of(seconds(second)).as_dict(),
                "ratio": found.as_dict(),
            }
        )
    return rows


def _figure(found: dict[str, float]) -> Figure:
    return Figure(found["median"], found["low"], found["high"])
