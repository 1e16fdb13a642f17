"""`python -m spacy bioclinical evaluate-suite`: train and score tasks × encoders × recipes × seeds, and their table."""

import signal
from pathlib import Path
from typing import Any

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.errors import Errors

FREE = {"allow_extra_args": True, "ignore_unknown_options": True}


@bioclinical.command("evaluate-suite", context_settings=FREE)
def evaluate_suite_cli(
    ctx: typer.Context,  # holds single settings such as --training.max_steps 100
    suite: Path | None = typer.Option(
        None, "--suite", "-s", help="Suite file, such as configs/suite/paper.yml", exists=True, dir_okay=False
    ),
    tasks: str | None = typer.Option(
        None, "--tasks", help="Comma between them: of the suite, of configs/task, or overlay files"
    ),
    encoders: str | None = typer.Option(
        None, "--encoders", help="Comma between them: of the suite, folders, or names of `encoders`"
    ),
    recipes: str | None = typer.Option(None, "--recipes", help="Comma between them: of the suite"),
    seeds: str | None = typer.Option(None, "--seeds", help="42-46 or 1,2,5"),
    overlays: str | None = typer.Option(
        None, "--overlays", help="Config overlays laid over every cell, comma between them"
    ),
    metric: str | None = typer.Option(
        None,
        "--metric",
        help="Headline: entity_f, spans_f, weighted_f, micro_f, macro_f or a path in the report",
    ),
    sweep: str | None = typer.Option(
        None, "--sweep", help="Choose this setting on dev first: learn_rate, or a dotted name; needs optuna"
    ),
    sweep_values: str | None = typer.Option(None, "--sweep-values", help="Values to try: 1e-5,2e-5,5e-5"),
    sweep_range: str | None = typer.Option(None, "--sweep-range", help="Range to search by TPE: 1e-5:2e-4"),
    trials: int | None = typer.Option(None, "--trials", min=1, help="Trials in a range (8)"),
    published: bool = typer.Option(
        False, "--published", help="Seeds as published: one data order and dropout, the head alone differs"
    ),
    beyond: str | None = typer.Option(
        None,
        "--beyond",
        help="Words beyond the encoder's context: read (in windows), miss (documents cut, what is lost counts as "
        "missed), leave-out (cut and not scored, as published)",
    ),
    calibrate: bool = typer.Option(
        False,
        "--calibrate",
        help="Calibrate each trained pipeline on dev (as `calibrate` does) and score the copy on test; trainings stay, "
        "but one whose model was not kept is trained again",
    ),
    jobs: int = typer.Option(0, "--jobs", "-j", min=0, help="Cells at once; 0: as many as the machine takes"),
    gpu_ids: str | None = typer.Option(None, "--gpu-ids", help="GPUs to deal out, 0,1; none: the CPU"),
    output: Path = typer.Option(
        Path("metrics/suite.json"), "--output", "-o", help="Result file", dir_okay=False
    ),
    folder: Path = typer.Option(
        Path("training/suite"), "--folder", help="Where trainings are kept", file_okay=False
    ),
    keep: str = typer.Option("best", "--keep", help="Models kept once scored: best, all or none"),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Show the cells and what would be trained, and stop"
    ),
) -> None:
    """Train and score tasks × encoders × recipes × seeds; what is done is skipped, what was interrupted goes on.

    Single settings can be set last, in spaCy's way: --training.max_steps 100
    """
    from spacy_bioclinical.cli.suite import plan, run_cell

    try:
        if keep not in run_cell.KEEP:
            raise ValueError(Errors.BC456.format(what="--keep", given=keep, wanted=f"one of {run_cell.KEEP}"))
        if beyond is not None and beyond not in plan.BEYOND:
            raise ValueError(
                Errors.BC456.format(what="--beyond", given=beyond, wanted=f"one of {plan.BEYOND}")
            )
        chosen = plan.choose(
            plan.read_suite(suite) if suite is not None else plan.Suite(),
            tasks=names(tasks),
            encoders=names(encoders),
            recipes=names(recipes),
            seeds=seeds,
            overlays=names(overlays),
            settings=parse_config_overrides(ctx.args),
            beyond=beyond,
            published_seed=published,
            metric=metric,
            calibrate=calibrate,
        )
        found = None
        if sweep is not None:
            from spacy_bioclinical.cli.suite.sweep import find_sweep, load_optuna

            found = find_sweep(chosen, sweep, sweep_values, sweep_range, trials)
            load_optuna()
        ids = [int(name) for name in names(gpu_ids) or []]
        n_failed, n_cells = go(
            chosen,
            output=output,
            folder=folder,
            sweep=found,
            jobs=jobs,
            gpu_ids=ids,
            keep=keep,
            dry_run=dry_run,
        )
    except (ValueError, ImportError, OSError) as error:
        msg.fail("The suite cannot be run", str(error), exits=1)
    except KeyboardInterrupt:
        msg.fail("Interrupted", "The same command goes on where this one stopped.")
        raise typer.Exit(130) from None
    if n_failed:
        msg.fail(Errors.BC458.format(n_failed=n_failed, n_cells=n_cells, path=output), exits=1)


def go(
    suite: Any,
    *,
    output: Path,
    folder: Path,
    sweep: Any = None,
    jobs: int = 0,
    gpu_ids: list[int] | None = None,
    keep: str = "best",
    dry_run: bool = False,
    runner: Any = None,
    planner: Any = None,
    progress: bool = True,
) -> tuple[int, int]:
    """Run a whole suite and print its table.

    suite (Suite): see `plan.choose`. output (Path): suite.json. folder (Path): of the trainings.
    sweep (Sweep | None): a setting to be chosen on dev first. jobs (int): 0 for as many as the machine takes.
    gpu_ids (list[int]): dealt out to the cells. keep (str): models kept. dry_run (bool): show only.
    runner (Runner), planner (Planner): what runs children and makes cells; the real ones if not given.
    RETURNS (tuple[int, int]): how many cells failed, how many there are.
    """
    from spacy_bioclinical.cli.suite import machine, table
    from spacy_bioclinical.cli.suite.cells import Planner, groups
    from spacy_bioclinical.cli.suite.children import Children
    from spacy_bioclinical.cli.suite.results import Results
    from spacy_bioclinical.cli.suite.run_cell import Workplace, cell_folder, clean_up
    from spacy_bioclinical.cli.suite.run_suite import group_signature, plan_cells, run_cells

    planner = planner or Planner()
    results = Results(output)
    published = table.read_published(suite.published)
    planned = plan_cells(planner, suite)
    if dry_run:
        show_plan(suite, planner, planned, results, folder, sweep)
        return 0, len(planned.cells)
    ids = gpu_ids or []
    weights = max((machine.weight_bytes(Path(cell.source)) for cell in planned.cells), default=0)
    n_cells = max(1, len(planned.cells))
    jobs = jobs or machine.default_jobs(n_cells, weights, ids, machine.cores(), machine.free_bytes())
    threads = max(1, machine.cores() // min(jobs, n_cells))
    place = Workplace(
        folder=folder,
        runner=runner or Children(),
        threads=threads,
        keep=keep,
        machine=machine.describe_machine(threads, ids[0] if ids else -1),
        versions=machine.versions(),
    )

    def run(cells: list[Any]) -> Any:
        return run_cells(cells, place, results, jobs=jobs, gpu_ids=ids, progress=progress, tell=print)

    n_failed = 0
    with ended_by_signals():
        if sweep is not None:
            from spacy_bioclinical.cli.suite.sweep import search_all

            storage = output.with_name(f"{output.stem}.optuna.log")
            chosen, tried, failures = search_all(planner, suite, sweep, storage, results, run, jobs)
            planned = plan_cells(planner, suite, chosen, only=chosen)
            planned.failures += failures
        for group in groups(suite):
            results.forget(group_signature(group))
        for failure in planned.failures:
            print(f"✘ {failure['task']} · {failure['encoder']['name']}: {failure['error']}")
            results.add_failure(failure)
        n_failed = len(planned.failures) + run(planned.cells).failed
        if sweep is not None and keep != "all":
            kept = {cell.training for cell in planned.cells}
            for cell in tried:
                if cell.training not in kept:
                    clean_up(cell_folder(folder, cell), "none")
    lines = table.summarise(planned.cells, results, published)
    results.add_summary(lines)
    msg.table(table.summary_rows(lines), header=table.HEADER, divider=True, aligns=table.ALIGNS, max_col=60)
    for source in sorted({source for line in lines for source in line["sources"]}):
        print(f"published: {source}")
    print(f"{output}: {len(results.rows())} rows; {jobs} cells at once, {threads} threads each")
    return n_failed, len(planned.cells) + len(planned.failures)


def show_plan(suite: Any, planner: Any, planned: Any, results: Any, folder: Path, sweep: Any) -> None:
    """Print the cells: what is done, what goes on, what would be trained; and the trials of a sweep."""
    from spacy_bioclinical.cli.suite import table
    from spacy_bioclinical.cli.suite.cells import group_names, groups
    from spacy_bioclinical.cli.suite.run_cell import cell_folder, report_file

    cells = list(planned.cells)
    if sweep is not None:
        good = {(cell.task, cell.encoder, cell.recipe) for cell in cells}
        for group in groups(suite):
            if group_names(group) in good:
                cells += [
                    planner.cell(suite, *group, suite.seeds[0], sweep=sweep, value=value, kind="sweep")
                    for value in sweep.values
                ]
    state: dict[str, str] = {}
    shared: set[str] = set()  # trainings whose model will be there by then, for a cell above
    for cell in cells:
        place = cell_folder(folder, cell)
        if results.row(cell.signature) is not None:
            state[cell.signature] = "done"
        elif report_file(place, cell).is_file():
            state[cell.signature] = "to be written down"
        elif cell.training in shared:
            state.setdefault(cell.signature, "to be scored")
        elif (place / "train.json").is_file():
            is_kept = (place / "model-best").is_dir()
            state[cell.signature] = "to be scored" if is_kept else "to be trained again"
        else:
            state[cell.signature] = "goes on" if place.is_dir() else "to be trained"
        if state[cell.signature] not in ("done", "to be written down"):
            shared.add(cell.training)
    msg.table(table.cell_rows(cells, state), header=table.CELL_HEADER, divider=True, max_col=60)
    counts = {word: sum(each == word for each in state.values()) for word in dict.fromkeys(state.values())}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    if sweep is not None:
        how = "" if sweep.values else f" {sweep.trials} trials between {sweep.low:g} and {sweep.high:g},"
        print(
            f"{sweep.name}: chosen on dev with seed {suite.seeds[0]},{how} then all seeds with the best value"
        )
    for failure in planned.failures:
        msg.fail(f"{failure['task']} · {failure['encoder']['name']} cannot be run", failure["error"])


def names(value: str | None) -> list[str] | None:
    """RETURNS (list[str] | None): names with commas between them, told apart."""
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


class ended_by_signals:
    """While this context lasts, being told to end (SIGTERM, SIGHUP) is like Ctrl-C: children are ended first."""

    SIGNALS = ("SIGTERM", "SIGHUP")

    def __enter__(self) -> None:
        self._before: dict[Any, Any] = {}
        for name in self.SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                try:
                    self._before[number] = signal.signal(number, _interrupt)
                except ValueError:  # not in the main thread
                    continue

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
