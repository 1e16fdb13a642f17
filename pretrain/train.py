"""Continue (or begin) the pretraining of an encoder on raw text: `python -m pretrain.train --help`.

Example: python -m pretrain.train --recipe tiny --text assets/notes --encoder encoders/tokenizer
--from-scratch --output encoders/tiny. Run the same command again after an interruption and it goes on where
it stopped.
"""

import json
import os
import signal
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import typer

from pretrain.beginning import find_beginning
from pretrain.cleaning import Cleaning
from pretrain.clinicalbert.data import PairData
from pretrain.data import Data, TextOptions, texts_of
from pretrain.devices import Team, join_team, leave_team, whole_model
from pretrain.earlier_runs import delete_run, set_run_aside
from pretrain.export import export, signature
from pretrain.loop import Options, Progress, train
from pretrain.model_card import CardFacts
from pretrain.near_duplicates import THRESHOLD
from pretrain.plan import describe
from pretrain.prefetch import Ahead
from pretrain.recipes import RECIPES, Recipe, get_recipe
from pretrain.recovery import Patience
from pretrain.sources import Source
from pretrain.start import load_tokenizer
from spacy_bioclinical.errors import Errors

WORK_SUFFIX = ".work"


def pretrain(
    recipe: Recipe,
    texts: Sequence[Path | str | Source],
    encoder: Path,
    output: Path,
    *,
    work: Path | None = None,
    is_from_scratch: bool = False,
    text_key: str | None = None,
    device: str = "auto",
    stop_after: int | None = None,
    is_quiet: bool = False,
    team: Team | None = None,
    branch_from: str | None = None,
    keeps_time: bool = False,
    keeps_max_lr: bool = False,
    options: Options | None = None,
    text_options: TextOptions | None = None,
    card: CardFacts | None = None,
    sets_aside: bool = False,
) -> tuple[Progress, dict[str, Any]]:
    """Run a recipe from text to encoder folder; resume it if `work` holds its checkpoints.

    texts (Sequence): files, folders, NAME=PATH:WEIGHT strings or sources, see `pretrain.sources`.
    encoder (Path): folder with the tokenizer and, unless `is_from_scratch`, the starting weights: ModernBERT, BERT or
        RoBERTa. The latter two read documents cut to their positions (BC780); recipes of sentence pairs need a BERT.
    output (Path): encoder folder to write when the run has come to its end.
    work (Path | None): shards, checkpoints, logs; by default beside `output`, its name with ".work" behind.
    RETURNS (tuple): progress (its `interrupted` is set if the run has not come to its end), and counts of the
        data.
    team (Team | None): processes of this launch, each calling this with the same arguments; None to join them.
    branch_from (str | None): checkpoint of another run to begin from, see `find_branch`; `encoder` then gives the
        tokenizer alone. keeps_time, keeps_max_lr: see `Branch`.
    options (Options | None): logs, patience with bad steps, compilation. text_options (TextOptions | None): cleaning,
        duplicates, terms. card (CardFacts | None): what the model card says besides.
    sets_aside (bool): move another run's checkpoints in `work` out of the way instead of refusing (BC714).
    RAISES (ValueError): BC7xx, BC1xx, BC2xx. (ImportError): BC711.
    """
    if not is_from_scratch and output.resolve() == encoder.resolve():
        raise ValueError(Errors.BC722.format(folder=output))
    work = work or output.with_name(output.name + WORK_SUFFIX)
    team = team or join_team(device)
    tokenizer = load_tokenizer(encoder)
    begin = partial(
        find_beginning,
        *(recipe, encoder, tokenizer, work),
        is_from_scratch=is_from_scratch,
        branch_from=branch_from,
        keeps_time=keeps_time,
        keeps_max_lr=keeps_max_lr,
    )
    beginning = begin()
    if beginning.recipe.max_length < recipe.max_length and team.is_main:
        told = Errors.BC780.format(given=recipe.max_length, context=beginning.recipe.max_length)
        warnings.warn(told, stacklevel=2)
    recipe = beginning.recipe
    if not team.is_main:
        team.wait()  # the main process builds the shards, the others open them
    data = (Data if recipe.instances is None else PairData)(
        recipe,
        texts,
        tokenizer,
        work,
        text_key=text_key,
        options=text_options,
        is_quiet=is_quiet or not team.is_main,
    )
    if team.is_main:
        team.wait()
    model, start = beginning.model(tokenizer, work, is_main=team.is_main)
    model.model.set_compute(precision=recipe.precision)
    identity = {"recipe": recipe.fingerprint, "seed": recipe.seed, **data.identity(), "start": start}
    if sets_aside:
        moved = set_run_aside(work, identity) if team.is_main else None
        if team.largest(float(moved is not None))[
            0
        ]:  # whether this run had gone on from a branch was another's
            beginning = begin()
            model, identity["start"] = beginning.model(tokenizer, work, is_main=team.is_main)
            model.model.set_compute(precision=recipe.precision)
    counts = data.counts()
    sources, source_of = data.sources_of_sequences()
    options = replace(options or Options(), sources=sources, source_of=source_of)
    with Ahead(data.stream) as stream:
        progress = train(
            model.to(team.device),
            stream,
            recipe,
            work=work,
            identity=identity,
            held_out_rows=data.held_out_rows,
            stop_after=stop_after,
            is_quiet=is_quiet,
            team=team,
            branch=beginning.branch,
            options=options,
        )
    if progress.interrupted is None:
        model = whole_model(model, team)
    if progress.interrupted is None and team.is_main:
        export(
            *(model, tokenizer, output),
            recipe=recipe,
            identity=identity,
            data={**counts, **data.card_facts()},
            progress=progress,
            card=card or CardFacts(),
            work=work,
        )
    return progress, counts


def main(
    recipe: str = typer.Option("tiny", "--recipe", help=f"One of: {', '.join(RECIPES)}."),
    text: list[str] = typer.Option(
        [],
        "--text",
        help="Text files or folders (.txt, .jsonl, .csv, .parquet, PubMed or JATS .xml …, also .gz, .xz), or "
        "NAME=PATH:WEIGHT; more may follow.",
    ),
    more_text: list[str] = typer.Argument(None, metavar="[FILE]...", help="Further text files or folders."),
    data_file: Path = typer.Option(
        None, "--data", help="YAML, JSON or TOML file of sources and their weights."
    ),
    encoder: Path = typer.Option(None, "--encoder", help="Folder with tokenizer and starting weights."),
    output: Path = typer.Option(None, "--output", help="Encoder folder to write."),
    from_scratch: bool = typer.Option(False, "--from-scratch", help="Random weights in the recipe's shape."),
    max_steps: int = typer.Option(
        None, "--max-steps", min=1, help="Cut or stretch the recipe to this length."
    ),
    stop_after: int = typer.Option(
        None, "--stop-after", min=1, help="Pause after so many steps of this call; the same command goes on."
    ),
    seed: int = typer.Option(None, "--seed", min=0, help="Instead of the recipe's seed."),
    precision: str = typer.Option(None, "--precision", help="fp32 or bf16, instead of the recipe's."),
    device: str = typer.Option("auto", "--device", help="cpu, cuda, cuda:N or auto."),
    text_key: str = typer.Option(None, "--text-key", help="JSON key or CSV column that holds the text."),
    placeholders: str = typer.Option(
        "keep", "--placeholders", help="De-identification marks ([**…**], ___): keep, surrogate or drop."
    ),
    collapse_space: bool = typer.Option(
        False, "--collapse-space", help="Runs of white space become one space."
    ),
    min_characters: int = typer.Option(0, "--min-characters", min=0, help="Leave out shorter documents."),
    min_pieces: int = typer.Option(0, "--min-pieces", min=0, help="Leave out documents with fewer pieces."),
    near_duplicates: str = typer.Option(
        "group", "--near-duplicates", help="group (on one side of the split), drop, or keep."
    ),
    threshold: float = typer.Option(THRESHOLD, "--threshold", help="Least similarity of near duplicates."),
    workers: int = typer.Option(1, "--workers", min=1, help="Processes that tokenise."),
    terms: list[Path] = typer.Option(
        [], "--terms", help="Lists or tables of medical terms to mask more often."
    ),
    terms_column: str = typer.Option(None, "--terms-column", help="Column of the terms in a table."),
    card_license: str = typer.Option("", "--license", help="Licence that the model card states."),
    base_model: str = typer.Option(
        "", "--base-model", help="Hub name of the weights it continues, for the card."
    ),
    memorisation: Path = typer.Option(
        None, "--memorisation", help="Report of pretrain.memorisation, for the card."
    ),
    data_pieces: int = typer.Option(
        None, "--data-pieces", min=1, help="--dry-run: pieces of the data, for epochs."
    ),
    mean_length: float = typer.Option(None, "--mean-length", help="--dry-run: mean pieces of a document."),
    flops: float = typer.Option(None, "--flops", help="--dry-run: operations a second that are reached."),
    work: Path = typer.Option(None, "--work", help="Folder of shards, checkpoints, logs [OUTPUT.work]."),
    branch_from: str = typer.Option(
        None,
        "--branch-from",
        help="Begin from another run's checkpoint, moments included: its folder, WORK, or WORK@STEP.",
    ),
    keep_time: bool = typer.Option(
        False, "--keep-time", help="With --branch-from: go on at its step instead of at 0."
    ),
    keep_max_lr: bool = typer.Option(
        False, "--keep-max-lr", help="With --branch-from: decay relative to its highest rate, as published."
    ),
    log: list[str] = typer.Option([], "--log", help="tensorboard or wandb, besides CSV; may be repeated."),
    compile_blocks: bool = typer.Option(False, "--compile", help="torch.compile the feed-forward blocks."),
    max_skips: int = typer.Option(
        3, "--max-skips", min=1, help="Steps in a row with a loss that is not finite that are too many."
    ),
    back_off: float = typer.Option(
        None,
        "--back-off",
        help="Then go back to the last checkpoint with the rate times this (0.5), up to 3 times.",
    ),
    restart: bool = typer.Option(False, "--restart", help="Delete earlier checkpoints and begin anew."),
    set_aside: bool = typer.Option(
        False, "--set-aside", help="Move another run's checkpoints in WORK to WORK/earlier-… and begin anew."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what the recipe would do, and stop."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bars."),
) -> None:
    """Pretrain an encoder on raw text; the same command resumes an interrupted run."""
    try:
        chosen = get_recipe(recipe)
        if max_steps is not None:
            chosen = chosen.for_steps(max_steps)
        if seed is not None:
            instances = chosen.instances and replace(chosen.instances, seed=seed)
            chosen = replace(chosen, seed=seed, instances=instances)
        if precision is not None:
            chosen = replace(chosen, precision=precision)  # type: ignore[arg-type]
        if dry_run:
            told = describe(chosen, data_pieces=data_pieces, mean_length=mean_length, flops_per_second=flops)
            typer.echo(told)
            return
        texts = [*text, *(more_text or [])]
        needed = {"--text": texts or data_file, "--encoder": encoder, "--output": output}
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise ValueError(Errors.BC723.format(what=", ".join(missing)))
        work = work or output.with_name(output.name + WORK_SUFFIX)
        team = join_team(device)
        if restart and team.is_main:
            delete_run(work)
        team.wait()
        begun = time.perf_counter()
        cleaning = Cleaning(placeholders, collapse_space, min_characters, min_pieces)
        progress, data = pretrain(
            chosen,
            texts_of(texts, data_file, text_key),
            encoder,
            output,
            work=work,
            is_from_scratch=from_scratch,
            text_options=TextOptions(
                cleaning, near_duplicates, threshold, workers, tuple(terms), terms_column
            ),
            card=CardFacts(
                license=card_license,
                base_model=base_model,
                memorisation=json.loads(memorisation.read_text(encoding="utf8")) if memorisation else None,
            ),
            device=device,
            stop_after=stop_after,
            is_quiet=quiet,
            team=team,
            branch_from=branch_from,
            keeps_time=keep_time,
            keeps_max_lr=keep_max_lr,
            sets_aside=set_aside,
            options=Options(Patience(max_skips, back_off), tuple(log), compile_blocks),
        )
        leave_team(team)
    except (ValueError, ImportError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if team.is_main:
        _report(chosen, output, work, progress, data, time.perf_counter() - begun)


def _report(
    recipe: Recipe, output: Path, work: Path, progress: Progress, data: dict[str, Any], seconds: float
) -> None:
    counts = f"{data['documents']:,} documents, {data['pieces']:,} pieces"
    typer.echo(
        f"text       {counts} ({data['cut']} documents cut, {data['empty']} empty), "
        f"rows {data['packing']:.1%} full"
    )
    typer.echo(f"trained    {progress.step:,} steps, {progress.pieces:,} pieces; this call {seconds:.0f} s")
    for when, scores in (("before", progress.before), ("after", progress.after)):
        if scores:
            typer.echo(f"{when:<10} held-out loss {scores['loss']:.4f}, accuracy {scores['accuracy']:.4f}")
    if progress.interrupted is not None:
        reason = signal.Signals(progress.interrupted).name if progress.interrupted else "--stop-after"
        typer.echo(
            f"stopped    by {reason} after step {progress.step}; checkpoint in {work}. "
            "Run the same command to go on."
        )
        raise typer.Exit(128 + progress.interrupted if progress.interrupted else 0)
    typer.echo(f"written    {os.fspath(output)}  {signature(recipe, data['data_hash'], progress)}")


if __name__ == "__main__":
    typer.run(main)
