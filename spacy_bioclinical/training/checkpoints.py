"""Checkpoints of a training: one file, whole or not there, from which it goes on as if it had never stopped.

A file holds weights, the optimizer's moments, every generator's state and the place in the data: fp32 and plain
numbers, so that what follows on a CPU is the same bit for bit. Identities of layers differ from process to process;
here parameters are called by component, number of the layer and name. Safetensors and JSON, never pickle, no text.
"""

import contextlib
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from spacy.language import Language
from thinc.api import Optimizer, torch2xp, xp2torch
from torch import Tensor

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.layers import layers_of
from spacy_bioclinical.training.optimizer import AdamW
from spacy_bioclinical.training.stream import generator_state

FILE = "checkpoint.safetensors"
FORMAT = "spacy-bioclinical.training 1"
MOMENTS = ("mom1", "mom2", "averages")


@dataclass
class Parameter:
    """One parameter: its key for the optimizer, and a tensor that shares its memory."""

    key: tuple[int, str]
    tensor: Tensor


def parameters_of(nlp: Language) -> dict[str, Parameter]:
    """Find all parameters of a pipeline under names that are the same in every process.

    nlp (Language): an initialized pipeline.
    RETURNS (dict[str, Parameter]): by "component/number of the layer/name".
    """
    found: dict[str, Parameter] = {}
    for component, number, node in layers_of(nlp):
        for name in node.param_names:
            if node.has_param(name):
                array = xp2torch(node.get_param(name)).detach()
                found[f"{component}/{number}/{name}"] = Parameter((node.id, name), array)
        for place, shim in enumerate(node.shims):
            module = getattr(shim, "_model", None)
            for name, weights in module.named_parameters() if isinstance(module, torch.nn.Module) else ():
                found[f"{component}/{number}.{place}/{name}"] = Parameter((shim.id, name), weights.detach())
    return found


def save_checkpoint(path: Path, nlp: Language, optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Write weights, optimizer, generators and `state`; the file before stays until the new one is whole.

    path (Path): the file.
    state (dict): plain data: identity of the training, place in the data, results so far.
    RAISES (OSError): if it cannot be written; the file before is left.
    """
    parameters = parameters_of(nlp)
    tensors: dict[str, Tensor] = {"generators/torch": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for number, generator in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"generators/cuda{number}"] = generator
    updates: dict[str, int] = {}
    for name, parameter in parameters.items():
        tensors[f"weights/{name}"] = _copy(parameter.tensor)
        for kind in MOMENTS:
            moments = getattr(optimizer, kind) or {}
            if parameter.key in moments:
                tensors[f"{kind}/{name}"] = _copy(moments[parameter.key])
        if parameter.key in optimizer.nr_update:
            updates[name] = optimizer.nr_update[parameter.key]
    numpy_state: Any = np.random.get_state()  # noqa: NPY002  (the generator that Thinc draws from)
    whole = {
        **state,
        "updates": updates,
        "n_steps": getattr(optimizer, "n_steps", None),
        "random": random.getstate(),
        "numpy": [numpy_state[0], numpy_state[1].tolist(), *numpy_state[2:]],
    }
    aside = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, aside, metadata={"format": FORMAT, "state": json.dumps(whole)})
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except SafetensorError as error:  # how safetensors tells of a full disk
        raise OSError(f"{type(error).__name__} while writing {path.name}") from error
    finally:
        aside.unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` was given as `state`, and the optimizer's and generators' part of it.

    RAISES (ValueError): BC447 if it is no checkpoint or damaged.
    """
    with _opened(path) as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(Errors.BC447.format(path=path, why="it is no checkpoint of this version"))
        return json.loads(metadata["state"])


def restore_checkpoint(path: Path, nlp: Language, optimizer: Optimizer) -> None:
    """Put weights, moments and generators back, in place.

    path (Path): the file.
    nlp (Language): initialized from the same config and corpus.
    optimizer (Optimizer): fresh; its schedules are moved on by the caller.
    RAISES (ValueError): BC447 if the file is damaged, or its parameters are not those of the pipeline.
    """
    parameters = parameters_of(nlp)
    state = read_state(path)
    with _opened(path) as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    shapes = {name: tuple(parameter.tensor.shape) for name, parameter in parameters.items()}
    weights = _below("weights/", kept)
    if {name: tuple(tensor.shape) for name, tensor in weights.items()} != shapes:
        raise ValueError(
            Errors.BC447.format(path=path, why="the pipeline's layers have other names or shapes")
        )
    for name, parameter in parameters.items():
        parameter.tensor.copy_(weights[name])
        for kind in MOMENTS:
            if f"{kind}/{name}" in kept:
                moments = kept[f"{kind}/{name}"].to(parameter.tensor.device)
                getattr(optimizer, kind)[parameter.key] = _as_held(moments, optimizer)
        if name in state["updates"]:
            optimizer.nr_update[parameter.key] = state["updates"][name]
    if isinstance(optimizer, AdamW):
        optimizer.n_steps = state["n_steps"]
    torch.set_rng_state(kept["generators/torch"])
    cuda = [kept[name] for name in sorted(kept) if name.startswith("generators/cuda")]
    if cuda and torch.cuda.device_count() == len(cuda):
        torch.cuda.set_rng_state_all(cuda)
    random.setstate(generator_state(state["random"]))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        why = f"it is damaged ({type(error).__name__})"
        raise ValueError(Errors.BC447.format(path=path, why=why)) from None


def _copy(array: Any) -> Tensor:
    tensor = array if isinstance(array, Tensor) else xp2torch(array)
    return tensor.detach().to("cpu", copy=True).contiguous()


def _as_held(moments: Tensor, optimizer: Optimizer) -> Any:
    """Our optimizer keeps tensors, Thinc's keep arrays."""
    return moments if isinstance(optimizer, AdamW) else torch2xp(moments)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
