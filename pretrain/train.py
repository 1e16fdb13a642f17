"""Continue (or begin) the pretraining of an encoder on raw text: `python -m pretrain.train --help`.

Example: python -m pretrain.train --recipe tiny --text assets/notes --encoder encoders/tokenizer
--from-scratch --output encoders/tiny. Run the same command again after an interruption and it goes on where
it stopped.
"""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from pretrain.batches import BatchStream, Row, evaluation_rows
from pretrain.export import export, signature
from pretrain.loop import Progress, train
from pretrain.masking import Vocabulary
from pretrain.plan import describe
from pretrain.recipes import RECIPES, Recipe, get_recipe
from pretrain.shards import Shards, shards_for
from pretrain.start import choose_device, load_tokenizer, starting_model
from spacy_bioclinical.errors import Errors

WORK_SUFFIX = ".work"


def pretrain(
    recipe: Recipe,
    texts: list[Path],
    encoder: Path,
    output: Path,
    *,
    work: Path | None = None,
    is_from_scratch: bool = False,
    text_key: str | None = None,
    device: str = "auto",
    stop_after: int | None = None,
    is_quiet: bool = False,
) -> tuple[Progress, dict[str, Any]]:
    """Run a recipe from text to encoder folder; resume it if `work` holds its checkpoints.

    texts (list[Path]): files or folders, see `pretrain.text`.
    encoder (Path): folder with the tokenizer and, unless `is_from_scratch`, the starting weights.
    output (Path): encoder folder to write when the run has come to its end.
    work (Path | None): shards, checkpoints, logs; by default beside `output`, its name with ".work" behind.
    RETURNS (tuple): progress (its `interrupted` is set if the run has not come to its end), and counts of the
        data.
    RAISES (ValueError): BC7xx, BC1xx, BC2xx. (ImportError): BC711.
    """
    if not is_from_scratch and output.resolve() == encoder.resolve():
        raise ValueError(Errors.BC722.format(folder=output))
    work = work or output.with_name(output.name + WORK_SUFFIX)
    tokenizer = load_tokenizer(encoder)
    shards = shards_for(
        texts, tokenizer, work, max_length=recipe.max_length, text_key=text_key, is_quiet=is_quiet
    )
    model, start = starting_model(recipe, encoder, tokenizer, is_from_scratch=is_from_scratch)
    model.model.set_compute(precision=recipe.precision)
    training, held_out = shards.split(recipe.held_out)
    assert tokenizer.mask_id is not None  # load_tokenizer has made sure
    vocabulary = Vocabulary.of(tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)
    stream = BatchStream(
        shards,
        training,
        vocabulary,
        row_pieces=recipe.row_pieces,
        rows_per_step=recipe.rows_per_step,
        mask_rate=recipe.mask_rate,
        seed=recipe.seed,
    )

    def held_out_rows() -> list[Row]:
        if not len(held_out):
            return []
        return list(
            evaluation_rows(
                shards,
                held_out,
                vocabulary,
                row_pieces=recipe.row_pieces,
                mask_rate=recipe.eval_mask_rate,
                most_pieces=recipe.eval_pieces,
            )
        )

    identity = {
        "recipe": recipe.fingerprint,
        "seed": recipe.seed,
        "data": shards.meta["data_hash"],
        "start": start,
    }
    data = _counts(shards, len(training), len(held_out), stream)
    progress = train(
        model.to(choose_device(device)),
        stream,
        recipe,
        work=work,
        identity=identity,
        held_out_rows=held_out_rows,
        stop_after=stop_after,
        is_quiet=is_quiet,
    )
    if progress.interrupted is None:
        export(model, tokenizer, output, recipe=recipe, identity=identity, data=data, progress=progress)
    return progress, data


def _counts(shards: Shards, n_training: int, n_held_out: int, stream: BatchStream) -> dict[str, Any]:
    names = ("documents", "empty", "cut", "sequences", "pieces")
    return {
        **{name: shards.meta[name] for name in names},
        "training_sequences": n_training,
        "held_out_sequences": n_held_out,
        "packing": round(stream.packing_efficiency, 4),
        "tokenizer": shards.meta["tokenizer"],
        "data_hash": shards.meta["data_hash"],
    }


def main(
    recipe: str = typer.Option("tiny", "--recipe", help=f"One of: {', '.join(RECIPES)}."),
    text: list[Path] = typer.Option(
        [], "--text", help="Text files or folders (.txt, .jsonl, .csv, also .gz, .xz); more may follow."
    ),
    more_text: list[Path] = typer.Argument(None, metavar="[FILE]...", help="Further text files or folders."),
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
    work: Path = typer.Option(None, "--work", help="Folder of shards, checkpoints, logs [OUTPUT.work]."),
    restart: bool = typer.Option(False, "--restart", help="Delete earlier checkpoints and begin anew."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what the recipe would do, and stop."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bars."),
) -> None:
    """Pretrain an encoder on raw text; the same command resumes an interrupted run."""
    try:
        chosen = get_recipe(recipe)
        if max_steps is not None:
            chosen = chosen.for_steps(max_steps)
        if seed is not None:
            chosen = replace(chosen, seed=seed)
        if precision is not None:
            chosen = replace(chosen, precision=precision)  # type: ignore[arg-type]
        if dry_run:
            typer.echo(describe(chosen))
            return
        texts = [*text, *(more_text or [])]
        needed = {"--text": texts, "--encoder": encoder, "--output": output}
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise ValueError(Errors.BC723.format(what=", ".join(missing)))
        work = work or output.with_name(output.name + WORK_SUFFIX)
        if restart:
            for old in ("checkpoints", "steps.csv", "evaluations.csv"):
                shutil.rmtree(work / old) if (work / old).is_dir() else (work / old).unlink(missing_ok=True)
        begun = time.perf_counter()
        progress, data = pretrain(
            chosen,
            texts,
            encoder,
            output,
            work=work,
            is_from_scratch=from_scratch,
            text_key=text_key,
            device=device,
            stop_after=stop_after,
            is_quiet=quiet,
        )
    except (ValueError, ImportError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
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
