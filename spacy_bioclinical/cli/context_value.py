"""`python -m spacy bioclinical context-value`: what longer context is worth on a corpus, with paired intervals."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.errors import Errors

FORMAT, VERSION = "spacy-bioclinical.context-value", 1
MEANINGS = {"both": ("window", "cut"), "window": ("window",), "cut": ("cut",)}


@bioclinical.command(
    "context-value", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def context_value_cli(
    ctx: typer.Context,  # holds single settings such as --training.max_steps 100
    task: str = typer.Option(
        ..., "--task", help="A task of the suite file or of configs/task, or an overlay file"
    ),
    encoder: str = typer.Option(..., "--encoder", help="Encoder: of the suite file, a folder, or a name"),
    windows: str = typer.Option("128,512,2048,8192", "--windows", help="Pieces, special pieces counted"),
    meaning: str = typer.Option(
        "both",
        "--meaning",
        help="window: whole documents in windows of so many pieces; cut: documents that end there; or both",
    ),
    seeds: str = typer.Option("42-46", "--seeds", help="42-46 or 1,2,5"),
    suite: Path | None = typer.Option(
        None, "--suite", "-s", help="Suite file that names task or encoder", exists=True, dir_okay=False
    ),
    overlays: str | None = typer.Option(None, "--overlays", help="Config overlays, comma between them"),
    metric: str | None = typer.Option(None, "--metric", help="Headline, as for evaluate-suite"),
    jobs: int = typer.Option(0, "--jobs", "-j", min=0, help="Cells at once; 0: as many as the machine takes"),
    gpu_ids: str | None = typer.Option(None, "--gpu-ids", help="GPUs to deal out, 0,1; none: the CPU"),
    output: Path = typer.Option(
        Path("metrics/context_value.json"), "--output", "-o", help="Result file", dir_okay=False
    ),
    results: Path = typer.Option(
        Path("metrics/context_value.suite.json"),
        "--results",
        help="Rows of the runs, kept to go on",
        dir_okay=False,
    ),
    folder: Path = typer.Option(
        Path("training/suite"), "--folder", help="Where trainings are kept", file_okay=False
    ),
    resamples: int = typer.Option(
        5000, "--resamples", min=100, help="Resamples of documents for the intervals"
    ),
    keep: str = typer.Option("best", "--keep", help="Models kept once scored: best, all or none"),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be trained, and stop"),
) -> None:
    """Train and score one task with shorter windows, and with documents cut short; say what longer is worth.

    Single settings can be set last, in spaCy's way: --training.max_steps 100
    """
    from spacy_bioclinical.cli.suite.command import names
    from spacy_bioclinical.cli.suite.plan import Suite, choose, read_suite
    from spacy_bioclinical.cli.suite.run_cell import KEEP

    try:
        if meaning not in MEANINGS:
            raise ValueError(
                Errors.BC456.format(what="--meaning", given=meaning, wanted=f"one of {list(MEANINGS)}")
            )
        if keep not in KEEP:
            raise ValueError(Errors.BC456.format(what="--keep", given=keep, wanted=f"one of {KEEP}"))
        sizes = names(windows) or []
        if not all(size.isdigit() for size in sizes):
            raise ValueError(
                Errors.BC456.format(what="--windows", given=windows, wanted="such as 128,512,2048,8192")
            )
        chosen = choose(
            read_suite(suite) if suite is not None else Suite(),
            tasks=[task],
            encoders=[encoder],
            seeds=seeds,
            overlays=names(overlays),
            settings=parse_config_overrides(ctx.args),
            metric=metric,
        )
        n_failed, n_cells = study(
            replace(chosen, recipes=chosen.recipes[:1]),
            windows=[int(size) for size in sizes],
            meanings=MEANINGS[meaning],
            output=output,
            results_file=results,
            folder=folder,
            resamples=resamples,
            jobs=jobs,
            gpu_ids=[int(name) for name in names(gpu_ids) or []],
            keep=keep,
            dry_run=dry_run,
        )
    except (ValueError, ImportError, OSError) as error:
        msg.fail("The study cannot be made", str(error), exits=1)
    except KeyboardInterrupt:
        msg.fail("Interrupted", "The same command goes on where this one stopped.")
        raise typer.Exit(130) from None
    if n_failed:
        msg.fail(Errors.BC458.format(n_failed=n_failed, n_cells=n_cells, path=results), exits=1)


def study(
    suite: Any,
    *,
    windows: list[int],
    meanings: Sequence[str],
    output: Path,
    results_file: Path,
    folder: Path,
    resamples: int = 5000,
    jobs: int = 0,
    gpu_ids: list[int] | None = None,
    keep: str = "best",
    dry_run: bool = False,
    runner: Any = None,
    progress: bool = True,
) -> tuple[int, int]:
    """Run the study of one task and one encoder: train and score every condition, compare, write, print.

    suite (Suite): with one task, encoder and recipe. windows (list[int]): pieces. meanings (Sequence[str]): of them.
    output (Path): the comparison. results_file (Path): rows of the runs. folder (Path): of the trainings.
    resamples (int): of documents. The others: see `suite.command.go`.
    RETURNS (tuple[int, int]): how many runs failed, how many there are.
    """
    from spacy_bioclinical.cli.suite import context_study
    from spacy_bioclinical.cli.suite.cells import Planner, groups
    from spacy_bioclinical.cli.suite.command import go
    from spacy_bioclinical.cli.suite.config_text import context_of, interpolated
    from spacy_bioclinical.cli.suite.results import Results

    planner = Planner()
    (group,) = groups(suite)
    base = planner.cell(suite, *group, suite.seeds[0])
    limit = context_of(interpolated(base.config), Path(base.source))
    lengths = context_study.count_pieces(base.parts, Path(base.source))
    conditions, left_out = context_study.conditions_of(windows, meanings, limit, lengths)
    if suite.recipes[0].calibrate:
        conditions = [replace(each, recipe=replace(each.recipe, calibrate=True)) for each in conditions]
    wider = context_study.study_suite(suite, conditions)
    if left_out:
        sizes = ", ".join(f"{size:,}" for size in left_out)
        msg.warn(f"Windows of {sizes} pieces are left out", f"The encoder takes {limit:,} pieces.")
    n_failed, n_cells = go(
        wider,
        output=results_file,
        folder=folder,
        jobs=jobs,
        gpu_ids=gpu_ids,
        keep=keep,
        dry_run=dry_run,
        runner=runner,
        planner=planner,
        progress=progress,
    )
    if dry_run:
        return n_failed, n_cells
    results = Results(results_file)
    rows: dict[str, dict[int, Any]] = {}
    for cell in planner.cells(wider):
        row = results.row(cell.signature)
        if row is not None:
            rows.setdefault(cell.recipe, {})[cell.seed] = row
    entries = context_study.compare(conditions, rows, base.metric, n_resamples=resamples)
    told = context_study.sentences(entries, base.metric)
    write_json(
        output,
        {
            "format": FORMAT,
            "version": VERSION,
            "task": base.task,
            "encoder": {"name": base.encoder, "sha256": base.weights, "context": limit},
            "metric": base.metric,
            "data": base.data,
            "meanings": {
                "window": "documents read whole, in overlapping windows of so many pieces",
                "cut": "documents end after so many pieces; gold mentions behind are misses",
            },
            "reference": {"meaning": "window", "pieces": conditions[0].pieces},
            "pieces": {part: describe(counts) for part, counts in lengths.items()},
            "left_out": left_out,
            "bootstrap": {"unit": "document", "paired": True, "resamples": resamples, "over_seeds": "mean"},
            "conditions": entries,
            "sentences": told,
            "runs": results_file.as_posix(),
        },
    )
    aligns = ("l", "r", "r", "r", "r", "r", "r")
    table_rows = context_study.table_rows(entries)
    msg.table(table_rows, header=context_study.HEADER, divider=True, aligns=aligns, max_col=60)
    print("\n".join(told))
    print(f"{output}: {base.task}, {base.encoder}, {base.metric}")
    return n_failed, n_cells


def describe(counts: list[int]) -> dict[str, Any]:
    """RETURNS (dict): how long documents are, in pieces: number, median, 90th percentile, most."""
    if not counts:
        return {"documents": 0}
    ordered = sorted(counts)
    tenth = ordered[min(len(ordered) - 1, (9 * len(ordered)) // 10)]
    return {
        "documents": len(ordered),
        "median": statistics.median(ordered),
        "p90": tenth,
        "most": ordered[-1],
    }
