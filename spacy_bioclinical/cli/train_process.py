"""`python -m spacy_bioclinical.cli.train_process CONFIG`: one training; `spacy bioclinical train` starts this process.

A process of its own, because devices and threads are chosen by the environment before torch is loaded.
"""

from pathlib import Path

import typer
from wasabi import msg


def run(
    ctx: typer.Context,
    config: Path = typer.Argument(..., help="A complete config", exists=True),
    output: Path = typer.Option(..., "--output", "-o", help="Folder for model-best and model-last"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="As for `spacy train`"),
    checkpoint_minutes: float = typer.Option(10.0, "--checkpoint-minutes", min=0.0),
    checkpoint_steps: int = typer.Option(0, "--checkpoint-steps", min=0),
    restart: bool = typer.Option(False, "--restart"),
    code: Path | None = typer.Option(None, "--code", "-c", help="Python file with registered functions"),
) -> None:
    """Train, or go on; the exit code of an interrupted training is 128 + the signal's number."""
    from spacy import util
    from spacy.cli._util import import_code, parse_config_overrides, setup_gpu, show_validation_error
    from spacy.training.initialize import init_nlp

    from spacy_bioclinical.training.interruption import Signals, only_one
    from spacy_bioclinical.training.loop import train

    util.logger.setLevel("INFO")
    overrides = parse_config_overrides(ctx.args)
    import_code(code)
    try:
        with only_one(output), Signals() as signals:
            setup_gpu(gpu_id)
            with show_validation_error(config):
                filled = util.load_config(config, overrides=overrides, interpolate=False)
                nlp = init_nlp(filled, use_gpu=gpu_id)
            outcome = train(
                nlp,
                output,
                use_gpu=gpu_id,
                checkpoint_minutes=checkpoint_minutes,
                checkpoint_steps=checkpoint_steps,
                restart=restart,
                signals=signals,
            )
    except (ValueError, ImportError, OSError) as error:
        msg.fail("Training did not finish", str(error))
        raise typer.Exit(1) from error
    if outcome.finished:
        msg.good(f"Trained {outcome.progress.step} steps: {output}")
        return
    msg.warn(f"Interrupted after step {outcome.progress.step}; the same command goes on from there")
    raise typer.Exit(128 + signals.received)


def main() -> None:
    """Parse the command line."""
    app = typer.Typer(add_completion=False)
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(context_settings=settings)(run)
    app()


if __name__ == "__main__":
    main()
