"""The training loop: one update a step, with log, evaluation, checkpoints and a clean way out.

All that is random is a function of (seed, step); so a run that is killed and resumed computes the same
numbers as one that was not, bit for bit on one CPU with the same number of threads. Losses of a step's rows
are weighted by their predicted pieces, so that accumulating over rows, or dealing them out to processes, equals
one large row. (Dropout alone differs between numbers of processes: each draws its own.)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pretrain.batches import Row
from pretrain.branching import CHECKPOINTS, Branch
from pretrain.devices import Team
from pretrain.interruption import Interruption
from pretrain.progress import Progress
from pretrain.recipes.recipe import Recipe
from pretrain.run import EVALUATION_LOG, STEP_LOG, Options, Run
from pretrain.start import Model
from pretrain.step import Stream

__all__ = ["CHECKPOINTS", "EVALUATION_LOG", "STEP_LOG", "Options", "Progress", "train"]


def train(
    model: Model,
    stream: Stream,
    recipe: Recipe,
    *,
    work: Path,
    identity: dict[str, Any],
    held_out_rows: Callable[[], list[Row]],
    stop_after: int | None = None,
    is_quiet: bool = False,
    team: Team | None = None,
    branch: Branch | None = None,
    options: Options = Options(),
) -> Progress:
    """Train to the recipe's end, from the latest checkpoint in `work` if there is one.

    model (Model): the starting weights, on the device to use. Holds the trained ones
        afterwards (with FSDP: this process's shards).
    work (Path): folder of checkpoints and logs; with several processes one that all of them see.
    identity (dict): what makes this run the one it is (recipe, seed, data, start, by hash).
    held_out_rows (Callable): returns the rows to evaluate on; empty for no evaluation.
    stop_after (int | None): pause after so many steps of this call, with a checkpoint, as a signal would.
    team (Team | None): the processes of this launch; None for one alone.
    branch (Branch | None): another run's checkpoint to begin from, unless `work` holds one of this run.
    RAISES (ValueError): BC714 (checkpoint of another run), BC715 (damaged), BC716 (loss or gradient not
        finite), BC755 (disk), BC758, BC760. (ImportError): BC711, BC760.
    """
    team = team or Team(next(model.parameters()).device)
    run = Run(model, stream, recipe, work, identity, held_out_rows, team, branch, options)
    progress = run.progress
    if progress.step == 0 and progress.before is None:
        progress.before = run.scores()
    begun_at = progress.step
    bar = tqdm(
        total=recipe.duration,
        initial=run.elapsed,
        unit=recipe.unit[:-1],
        disable=is_quiet or not team.is_main,
        mininterval=1.0,
    )
    with Interruption() as interruption, bar:
        while run.elapsed < recipe.duration:
            figures = run.step()
            if figures is None:  # it went back to a checkpoint
                progress = run.progress
                bar.update(run.elapsed - bar.n)
                continue
            bar.update(run.elapsed - bar.n)
            speed = f"{figures.n_pieces / figures.seconds / 1000:.1f}k"
            bar.set_postfix(
                {"loss": f"{figures.loss:.3f}", "lr": f"{figures.lr:.2e}", "pieces/s": speed}, refresh=False
            )
            is_over = run.elapsed >= recipe.duration
            if is_over or progress.step % recipe.eval_every == 0:
                progress.after = run.scores()
            received = interruption.received
            if team.world > 1:  # all stop behind the same step
                received = int(team.largest(float(received or 0))[0]) or None
            if received is not None:
                progress.interrupted = received
            elif stop_after is not None and progress.step - begun_at >= stop_after:
                progress.interrupted = 0
            must_stop = progress.interrupted is not None and not is_over
            if is_over or must_stop or progress.step % recipe.save_every == 0:
                run.save(must_succeed=is_over or must_stop)
            if must_stop:
                break
            progress.interrupted = None
    run.close()
    return progress
