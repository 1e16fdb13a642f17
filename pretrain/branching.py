"""Begin a run from another run's checkpoint, moments included: one trunk, many specialisations.

A stable (not yet decayed) checkpoint needs no warm-up. What becomes of its learning rate and weight decay
follows Composer's `restart_override` as BioClinical ModernBERT used it; see `restarted_rate`.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pretrain.checkpoints import LATEST, Checkpoint, latest_checkpoint, read_checkpoint, restore
from pretrain.progress import Progress
from pretrain.recipes.recipe import Recipe
from spacy_bioclinical.errors import Errors

CHECKPOINTS, NOTE = "checkpoints", "branch.json"
SET_OUTRIGHT = ("constant_with_warmup", "warmup_stable_decay")  # schedules whose rate an override simply sets
_MOST_DECAYED = 0.5  # a checkpoint whose rate has fallen below this share of its highest is no stable one


@dataclass(frozen=True)
class Branch:
    """Where a run begins.

    checkpoint (Checkpoint): weights and moments. resets_time (bool): begin schedule and data at 0, as published;
    else go on at the checkpoint's step and pieces. keeps_max_lr (bool): weight decay stays relative to the
    highest rate of the trunk's first stage, as in the published runs (there the optimizer's state was loaded with
    it), so that decay is weight_decay * lr / that rate; else it is relative to this recipe's.
    """

    checkpoint: Checkpoint
    resets_time: bool = True
    keeps_max_lr: bool = False

    @property
    def identity(self) -> str:
        """A word for the identity of the run that begins here."""
        hashes = self.checkpoint.state["sha256"]
        flags = f"{'' if self.resets_time else ':keeps-time'}{':keeps-max-lr' if self.keeps_max_lr else ''}"
        return "branch:" + ":".join(hashes[name] for name in sorted(hashes)) + flags


def find_branch(place: str) -> Checkpoint:
    """Find a checkpoint by its folder, by a run's working folder (the newest), or as WORK@STEP.

    RAISES (ValueError): BC758 if it is not there or damaged.
    """
    name, at, step = place.rpartition("@")
    folder = Path(name) if at and step.isdigit() else Path(place)
    if at and step.isdigit():
        folder = folder / CHECKPOINTS / f"step-{int(step):010}"
    elif folder.is_file() and folder.name == LATEST:  # a pointer where there are no symbolic links
        folder = folder.parent / folder.read_text(encoding="utf8").strip()
    elif (folder / CHECKPOINTS).is_dir():
        newest = latest_checkpoint(folder / CHECKPOINTS)
        if newest is not None:
            return newest
    if not folder.is_dir():
        raise ValueError(Errors.BC758.format(place=place, why="there is no such checkpoint"))
    checkpoint, why = read_checkpoint(folder)
    if checkpoint is None:
        raise ValueError(Errors.BC758.format(place=place, why=why))
    return checkpoint


def restarted_rate(
    kind: str, lr: float, *, saved_base: float, saved_lr: float, is_override: bool = True
) -> float:
    """Return the highest learning rate of a run that takes up a checkpoint.

    kind (str): the recipe's schedule. lr (float): the recipe's rate. saved_base, saved_lr (float): the
        checkpoint's highest and actual rate.
    RETURNS (float): without override the checkpoint's; with it the recipe's for constant and
        warm-up–stable–decay schedules, and for all others the checkpoint's times (recipe's / checkpoint's
        actual), as published. After a constant phase all of this is the recipe's rate.
    RAISES (ValueError): BC758 if the checkpoint's rate had fallen, where that quotient would overshoot.
    """
    if not is_override:
        return saved_base
    if kind in SET_OUTRIGHT or saved_lr == saved_base:
        return lr
    if saved_lr < _MOST_DECAYED * saved_base:
        why = f"its learning rate had fallen from {saved_base:.3g} to {saved_lr:.3g}, so it is no stable one"
        raise ValueError(Errors.BC758.format(place="this checkpoint", why=why))
    return saved_base * lr / saved_lr


def begin(branch: Branch, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe) -> Progress:
    """Put a branch's weights and moments in place, adapt rate and decay. RAISES (ValueError): BC107, BC721, BC758."""
    state = branch.checkpoint.state
    restore(branch.checkpoint, model, optimizer)
    first = optimizer.param_groups[0]
    saved_base = float(state.get("base_lr", first.get("max_lr") or first["lr"]))
    saved_lr = float(state.get("lr", first["lr"]))
    is_override = recipe.restart_override
    base = restarted_rate(
        recipe.schedule.kind,
        recipe.lr,
        saved_base=saved_base,
        saved_lr=saved_lr,
        is_override=is_override,
    )
    for group in optimizer.param_groups:
        if is_override and group["weight_decay"] > 0:
            group["weight_decay"] = recipe.weight_decay
        if "max_lr" in group and not branch.keeps_max_lr:
            group["max_lr"] = base
    scale = 1.0 if base == recipe.lr else base / recipe.lr
    if branch.resets_time:
        return Progress(lr_scale=scale)
    return Progress(step=state["step"], pieces=state["pieces"], lr_scale=scale)


def note_branch(work: Path, place: str, branch: Branch) -> None:
    """Write down where a run branched off, so that it can go on after the trunk's checkpoint is gone."""
    work.mkdir(parents=True, exist_ok=True)
    aside = work / ".branch.json.writing"
    noted = {"place": place, "identity": branch.identity, "run": branch.checkpoint.state.get("run")}
    aside.write_text(json.dumps(noted) + "\n", encoding="utf8")
    os.replace(aside, work / NOTE)


def noted_branch(work: Path, place: str) -> str | None:
    """Return the identity noted for a place, if this run has a checkpoint of its own to go on from.

    None also if another run has taken the trunk's place: what branched off from the old one is not its branch. (That
    the trunk itself went on does not matter.)
    """
    try:
        noted: dict[str, Any] = json.loads((work / NOTE).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None
    has_own = any((work / CHECKPOINTS).glob("step-*")) if (work / CHECKPOINTS).is_dir() else False
    if not has_own or noted.get("place") != place:
        return None
    try:
        trunk = find_branch(place).state.get("run")
    except ValueError:  # it is gone
        trunk = None
    if None not in (trunk, noted.get("run")) and trunk != noted["run"]:
        return None
    return noted.get("identity")
