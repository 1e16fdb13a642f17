"""A run's figures to TensorBoard or Weights & Biases, by option; numbers and the recipe only, never text.

Both libraries are imported only when asked for. W&B's own settings hold (WANDB_MODE=offline writes to the
working folder and sends nothing); console output, code and git state are not collected.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pretrain.recipes.recipe import Recipe
from spacy_bioclinical.errors import Errors

LOGGERS = ("tensorboard", "wandb")


class MetricLog(Protocol):
    """Takes figures by step."""

    def write(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Log figures of a step under a group's name ("train", "eval")."""

    def close(self) -> None:
        """Write out what is left."""


class TensorBoardLog:
    """Event files in `work`/tensorboard; figures behind the step that a run is resumed at are hidden."""

    def __init__(self, work: Path, after: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            command = "python -m pip install tensorboard"
            why = "it is not installed"
            raise ImportError(Errors.BC760.format(name="TensorBoard", why=why, command=command)) from error
        self._writer: Any = SummaryWriter(str(work / "tensorboard"), purge_step=after + 1 if after else None)

    def write(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """See `MetricLog`."""
        for name, value in figures.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        """See `MetricLog`."""
        self._writer.close()


class WandbLog:
    """A W&B run whose id follows from the run's identity, so that a resumed run goes on in it."""

    def __init__(self, work: Path, recipe: Recipe, identity: Mapping[str, Any]):
        try:
            import wandb
        except ImportError as error:
            command = "python -m pip install wandb"
            why = "it is not installed"
            raise ImportError(
                Errors.BC760.format(name="Weights & Biases", why=why, command=command)
            ) from error
        key = json.dumps([dict(identity), str(work.resolve())], sort_keys=True)
        self._run: Any = wandb.init(
            project="spacy-bioclinical-pretraining",
            name=recipe.name,
            id=hashlib.sha256(key.encode("utf8")).hexdigest()[:16],
            resume="allow",
            dir=str(work),
            config=recipe.to_dict(),
            save_code=False,
            settings=wandb.Settings(console="off", disable_git=True, disable_code=True),
        )

    def write(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """See `MetricLog`; the step is a figure of its own, as W&B's counter cannot go back."""
        self._run.log({f"{group}/{name}": value for name, value in figures.items()} | {"step": step})

    def close(self) -> None:
        """See `MetricLog`."""
        self._run.finish()


def open_loggers(
    names: Sequence[str], *, work: Path, recipe: Recipe, identity: Mapping[str, Any], after: int
) -> list[MetricLog]:
    """Open the logs asked for.

    RAISES (ValueError): BC760 for a name that is not known. (ImportError): BC760 naming what to install.
    """
    logs: list[MetricLog] = []
    for name in dict.fromkeys(names):
        if name == "tensorboard":
            logs.append(TensorBoardLog(work, after))
        elif name == "wandb":
            logs.append(WandbLog(work, recipe, identity))
        else:
            command = " or ".join(f"--log {known}" for known in LOGGERS)
            raise ValueError(
                Errors.BC760.format(name=f"'{name}'", why="there is no such logger", command=command)
            )
    return logs


def numbers(names: Sequence[str], values: Sequence[object]) -> dict[str, float]:
    """Return the finite numbers among a log line's values, by name."""
    pairs = zip(names, values)
    return {
        name: float(value)
        for name, value in pairs
        if isinstance(value, (int, float)) and math.isfinite(value) and name != "step"
    }
