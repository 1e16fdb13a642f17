"""Checkpoints that are either whole or not there: weights, optimizer and progress of one step in one folder.

A folder is written aside, flushed to disk and renamed, so a kill at any moment leaves the previous one
intact. There is no random state in it: every random number is a function of seed and step, and so are the
schedule and the place in the data. Weights are safetensors; the optimizer's state is read back with torch's
restricted unpickler (tensors and plain values only). Each file is checked by its SHA-256. Files are the same
for any number of processes, so a run may be resumed with another.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pretrain.devices import like, whole
from pretrain.text import file_hash
from spacy_bioclinical.encoder.checkpoint import load_strictly, shared_names
from spacy_bioclinical.errors import Errors

WEIGHTS, OPTIMIZER, STATE = "model.safetensors", "optimizer.pt", "state.json"
LATEST = "latest"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    folder (Path): where it lies. state (dict): what state.json says (step, pieces, identity of the run, scores).
    passed_over (list[str]): newer checkpoints that are damaged, and what is wrong with them.
    """

    folder: Path
    state: dict[str, Any]
    passed_over: list[str] = field(default_factory=list)


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    *,
    keep: int = 0,
    is_writer: bool = True,
) -> Path:
    """Write the checkpoint of state["step"] below `folder`; then keep only the newest `keep` (0: all).

    is_writer (bool): False for all processes but one; they only hand over their shards.
    RAISES (OSError): if it cannot be written, for want of space or otherwise; earlier ones are left intact.
    """
    place = folder / f"step-{state['step']:010}"
    tied = shared_names(model)  # the embedding matrix again, as decoder
    kept = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    if not is_writer:
        for tensor in kept.values():
            whole(tensor)
        _each_tensor(optimizer.state_dict(), whole)
        return place
    folder.mkdir(parents=True, exist_ok=True)
    # All processes take part in gathering, even if the disk then fails this one.
    weights = {name: whole(tensor.detach()).cpu().contiguous() for name, tensor in kept.items()}
    moments = _each_tensor(optimizer.state_dict(), whole)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    try:
        save_file(weights, aside / WEIGHTS, metadata={"format": "pt"})
        torch.save(moments, aside / OPTIMIZER)
        hashes = {name: file_hash(aside / name) for name in (WEIGHTS, OPTIMIZER)}
        hashes[STATE] = _state_hash(state)
        (aside / STATE).write_text(json.dumps({**state, "sha256": hashes}, indent=2) + "\n", encoding="utf8")
        for name in (WEIGHTS, OPTIMIZER, STATE):
            _flush(aside / name)
        aside.chmod(0o755)
        if place.exists():  # the same step of the same run, or a damaged one that was passed over
            shutil.rmtree(place)
        os.replace(aside, place)
        _flush(folder)
    except (SafetensorError, RuntimeError) as error:  # how safetensors and torch tell of a full disk
        raise OSError(f"{type(error).__name__} while writing {place.name}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if keep:
        for old in _folders(folder)[:-keep]:
            shutil.rmtree(old)
    return place


def point_to_latest(link: Path, place: Path) -> None:
    """Make `link` a symbolic link to a checkpoint, or where there are none, a file that holds its relative path."""
    target = os.path.relpath(place, link.parent)
    aside = link.with_name(f".{link.name}.writing")
    aside.unlink(missing_ok=True)
    try:
        aside.symlink_to(target, target_is_directory=True)
    except OSError:
        aside.write_text(target + "\n", encoding="utf8")
    os.replace(aside, link)


def read_checkpoint(place: Path) -> tuple[Checkpoint | None, str]:
    """Check one checkpoint folder. RETURNS (tuple): it, and ""; or None, and what is wrong."""
    try:
        state = json.loads((place / STATE).read_text(encoding="utf8"))
        known = dict(state["sha256"])
        wanted = known.pop(STATE, None)
        damaged = [name for name, sha in known.items() if file_hash(place / name) != sha]
        if wanted is not None and _state_hash(state) != wanted:
            damaged.append(STATE)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"{place.name}: {type(error).__name__}"
    if damaged:
        return None, f"{place.name}: {', '.join(damaged)} changed since it was written"
    return Checkpoint(place, state), ""


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Find the newest whole checkpoint; None if there is none at all.

    RAISES (ValueError): BC715 if there are checkpoints, but all of them are damaged.
    """
    passed_over: list[str] = []
    for place in reversed(_folders(folder)):
        checkpoint, why = read_checkpoint(place)
        if checkpoint is not None:
            return Checkpoint(place, checkpoint.state, passed_over)
        passed_over.append(why)
    if passed_over:
        raise ValueError(Errors.BC715.format(folder=folder, why=passed_over[-1]))
    return None


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a checkpoint's weights and optimizer state in place. RAISES (ValueError): BC107, BC721."""
    tensors = load_file(checkpoint.folder / WEIGHTS)
    if any(hasattr(parameter, "full_tensor") for parameter in model.parameters()):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(like(tensors[name], parameter))
    else:
        load_strictly(model, tensors, checkpoint.folder, optional=shared_names(model))
    saved = torch.load(checkpoint.folder / OPTIMIZER, map_location="cpu", weights_only=True)
    try:
        kinds = [
            set(groups[0]) - {"params", "setup", "step"}
            for groups in (saved["param_groups"], optimizer.param_groups)
        ]
        if kinds[0] != kinds[1]:
            raise ValueError("another optimizer")
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for index, moments in saved["state"].items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == held[index].shape:
                    moments[name] = like(value, held[index])
        optimizer.load_state_dict(saved)
    except (ValueError, KeyError, IndexError) as error:
        why = type(error).__name__
        raise ValueError(Errors.BC721.format(folder=checkpoint.folder, why=why)) from error


def check_same_run(checkpoint: Checkpoint, identity: dict[str, Any]) -> None:
    """Refuse a checkpoint of another run. RAISES (ValueError): BC714 naming what differs."""
    saved = checkpoint.state.get("run", {})
    different = [key for key in identity if saved.get(key) != identity[key]]
    if different:
        folder = checkpoint.folder.parent
        raise ValueError(Errors.BC714.format(folder=folder, different=", ".join(different)))


def _state_hash(state: dict[str, Any]) -> str:
    values = json.loads(json.dumps({key: value for key, value in state.items() if key != "sha256"}))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest()


def _each_tensor(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change every tensor in nested dictionaries and lists, in their order."""
    if isinstance(values, Tensor):
        return change(values)
    if isinstance(values, dict):
        return {key: _each_tensor(value, change) for key, value in values.items()}
    if isinstance(values, list):
        return [_each_tensor(value, change) for value in values]
    return values


def _folders(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
