"""Checkpoints that are either whole or not there: weights, optimizer and progress of one step in one folder.

A folder is written aside, flushed to disk and renamed, so a kill at any moment leaves the previous one
intact. There is no random state in it: every random number is a function of seed and step. Weights are
safetensors; the optimizer's state is read back with torch's restricted unpickler (tensors and plain values
only). Each file is checked by its SHA-256.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pretrain.text import file_hash
from spacy_bioclinical.encoder.checkpoint import load_strictly
from spacy_bioclinical.errors import Errors

WEIGHTS, OPTIMIZER, STATE = "model.safetensors", "optimizer.pt", "state.json"
_TIED = ("decoder.weight",)  # the embedding matrix again


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: its folder and what state.json says (step, pieces, identity of the run, scores)."""

    folder: Path
    state: dict[str, Any]


def save_checkpoint(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any], *, keep: int = 0
) -> Path:
    """Write the checkpoint of state["step"] below `folder`; then keep only the newest `keep` (0: all)."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"step-{state['step']:010}"
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    try:
        weights = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in model.state_dict().items()
            if name not in _TIED
        }
        save_file(weights, aside / WEIGHTS, metadata={"format": "pt"})
        torch.save(optimizer.state_dict(), aside / OPTIMIZER)
        hashes = {name: file_hash(aside / name) for name in (WEIGHTS, OPTIMIZER)}
        (aside / STATE).write_text(json.dumps({**state, "sha256": hashes}, indent=2) + "\n", encoding="utf8")
        for name in (WEIGHTS, OPTIMIZER, STATE):
            _flush(aside / name)
        aside.chmod(0o755)
        if place.exists():  # the same step of the same run, or a damaged one that was passed over
            shutil.rmtree(place)
        os.replace(aside, place)
        _flush(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if keep:
        for old in _folders(folder)[:-keep]:
            shutil.rmtree(old)
    return place


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Find the newest whole checkpoint; None if there is none at all.

    RAISES (ValueError): BC715 if there are checkpoints, but all of them are damaged.
    """
    why = ""
    for place in reversed(_folders(folder)):
        try:
            state = json.loads((place / STATE).read_text(encoding="utf8"))
            damaged = [name for name, known in state["sha256"].items() if file_hash(place / name) != known]
        except (OSError, ValueError, KeyError) as error:
            why = f"{place.name}: {type(error).__name__}"
            continue
        if not damaged:
            return Checkpoint(place, state)
        why = f"{place.name}: {', '.join(damaged)} changed since it was written"
    if why:
        raise ValueError(Errors.BC715.format(folder=folder, why=why))
    return None


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a checkpoint's weights and optimizer state in place. RAISES (ValueError): BC107, BC721."""
    load_strictly(model, load_file(checkpoint.folder / WEIGHTS), checkpoint.folder, optional=_TIED)
    saved = torch.load(checkpoint.folder / OPTIMIZER, map_location="cpu", weights_only=True)
    try:
        optimizer.load_state_dict(saved)
    except (ValueError, KeyError) as error:
        why = type(error).__name__
        raise ValueError(Errors.BC721.format(folder=checkpoint.folder, why=why)) from error


def check_same_run(checkpoint: Checkpoint, identity: dict[str, Any]) -> None:
    """Refuse a checkpoint of another run. RAISES (ValueError): BC714 naming what differs."""
    saved = checkpoint.state.get("run", {})
    different = [key for key in identity if saved.get(key) != identity[key]]
    if different:
        folder = checkpoint.folder.parent
        raise ValueError(Errors.BC714.format(folder=folder, different=", ".join(different)))


def _folders(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
