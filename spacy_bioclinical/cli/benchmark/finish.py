"""Beginning and end of every benchmark: the record to write into, interruption, what failed, files and signature."""

from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli.benchmark.figures import INTERVAL
from spacy_bioclinical.cli.benchmark.race import Contestant, Launch, Race
from spacy_bioclinical.cli.benchmark.record import Record
from spacy_bioclinical.cli.benchmark.signature import one_line, signature
from spacy_bioclinical.cli.files import write_aside
from spacy_bioclinical.errors import Errors

INTERRUPTED = 130
MAX_COLUMN = 60  # characters


def open_record(
    command: str,
    settings: dict[str, Any],
    sets: dict[str, Any],
    environment: dict[str, str],
    gpu_id: int,
    output: Path | None,
    resume: bool,
) -> Record:
    """Begin a record, or go on with one.

    command (str): e.g. "benchmark speed".
    settings (dict): every option that shapes the figures.
    sets (dict): name to facts of each set.
    environment (dict): of the contestants.
    gpu_id (int): -1 for the CPU.
    output (Path | None): the result file.
    resume (bool): whether to go on with it.
    RETURNS (Record): the record.
    RAISES (ValueError): BC530 if there is no file to go on with, BC531 if it does not fit.
    """
    signed = signature(command, settings, environment, gpu_id)
    if not resume:
        return Record(output, signed, sets)
    if output is None:
        wanted = "used together with --output, which names the file to go on with"
        raise ValueError(Errors.BC530.format(option="--resume", given="given alone", wanted=wanted))
    return Record.resume(output, signed, sets)


def run_race(
    contestants: list[Contestant], record: Record, *, rounds: int, warmup: int, launch: Launch
) -> None:
    """Run the race; on Ctrl-C say how to go on and end with code 130.

    RAISES (ValueError): BC533 if nothing could be measured.
    """
    try:
        Race(contestants, record, rounds=rounds, warmup=warmup, launch=launch).run()
    except KeyboardInterrupt as stop:
        n_done = sum(len(runs) for sets in record.data["runs"].values() for runs in sets.values())
        kept = f"; they are in {record.path}: add --resume to go on" if record.path else ""
        msg.warn(f"Interrupted after {n_done} measurements{kept}")
        raise typer.Exit(INTERRUPTED) from stop
    if not record.data["runs"]:
        key, why = next(iter(record.data["failed"].items()), ("none", "nobody took part"))
        raise ValueError(Errors.BC533.format(key=key, why=why))


def print_table(header: tuple[str, ...], lines: list[tuple[str, ...]]) -> None:
    """Print a table to the terminal."""
    msg.table(lines, header=header, divider=True, max_col=MAX_COLUMN)


def finish(record: Record, results: dict[str, Any], chart: str | None) -> None:
    """Write results and chart, print what failed and the signature.

    record (Record): the measurements.
    results (dict): computed from them; figures are intervals as `figures.INTERVAL` says.
    chart (str | None): an SVG document, written beside the result file.
    """
    record.data["results"] = {"interval": INTERVAL, **results}
    record.save()
    for key, why in record.data["failed"].items():
        msg.warn(f"{key} was left out", why)
    print(f"Figures: {INTERVAL}. {one_line(record.data['signature'])}")
    if record.path is not None:
        written = [str(record.path)]
        if chart is not None:
            write_aside(record.path.with_suffix(".svg"), chart)
            written.append(str(record.path.with_suffix(".svg")))
        msg.good(f"Wrote {' and '.join(written)}")
