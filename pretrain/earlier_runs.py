"""What an earlier run has left in a working folder: delete it, or set it aside if it was another run than this one.

The shards stay: they are found again by text and tokenizer.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from pretrain.branching import CHECKPOINTS, NOTE
from pretrain.checkpoints import LATEST, latest_checkpoint

PARTS = (CHECKPOINTS, LATEST, NOTE, "tensorboard", "wandb", "steps.csv", "evaluations.csv")


def delete_run(work: Path) -> None:
    """Delete checkpoints and logs."""
    for name in PARTS:
        place = work / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def set_run_aside(work: Path, identity: dict[str, Any]) -> Path | None:
    """Move checkpoints and logs of another run into a folder of their own, `earlier-1`, `earlier-2` … of `work`.

    identity (dict): of the run that is to begin or go on, as its checkpoints hold it.
    RETURNS (Path | None): the new folder; None if nothing was in the way.
    RAISES (ValueError): BC715 if the checkpoints are all damaged.
    """
    checkpoint = latest_checkpoint(work / CHECKPOINTS)
    if checkpoint is None or all(
        checkpoint.state.get("run", {}).get(key) == identity[key] for key in identity
    ):
        return None
    number = 1
    while (work / f"earlier-{number}").exists():
        number += 1
    aside = work / f"earlier-{number}"
    aside.mkdir()
    # The checkpoints last: a kill before that leaves them where they are found again.
    for name in (*PARTS[1:], CHECKPOINTS):
        if (work / name).is_symlink() or (work / name).exists():
            os.replace(work / name, aside / name)
    return aside
