"""Take up a Composer checkpoint of ModernBERT or BioClinical ModernBERT as an encoder folder.

Example: python -m pretrain.composer ep0-ba52988-rank0.pt --tokenizer TOKENIZER --output encoders/modernbert-stable

Such a file is a pickle of weights, optimizer, clocks and random states. It is read with torch's restricted reader,
and what is no tensor or plain value is replaced by an empty stand-in: no package named in the file is imported and
nothing of it runs. Names beyond the known harmless ones are refused until they are named with --trust.
"""

import os
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor

from pretrain.composer_config import Overrides, settings_of
from pretrain.start import load_tokenizer
from pretrain.whole_folder import whole_folder
from spacy_bioclinical.encoder.checkpoint import load_strictly, save_folder
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors

# Clocks, random states and versions: every Composer file holds some of them, and weights need none.
HARMLESS = frozenset(
    {
        *(
            f"numpy.{core}.multiarray.{name}"
            for core in ("core", "_core")
            for name in ("_reconstruct", "scalar")
        ),
        *("numpy.ndarray", "numpy.dtype", "datetime.timedelta", "datetime.datetime", "datetime.timezone"),
        *("_codecs.encode", "__builtin__.bytes", "builtins.bytes", "__builtin__.set", "builtins.set"),
        *(f"composer.core.time.{name}" for name in ("Time", "TimeUnit", "Timestamp")),
    }
)
_HARMLESS_PREFIX = "numpy.dtypes."
_WRAPPERS = ("module.", "_orig_mod.")  # of distributed and of compiled modules
_ENCODER, _LAYERS = "bert.", "bert.encoder.layers."


class StandIn:
    """Instead of an object that weights do not need: takes whatever a pickle gives it, and forgets it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "StandIn":  # noqa: D102
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_checkpoint(file: Path, trust: Iterable[str] = ()) -> dict[str, Any]:
    """Read the "state" of a Composer checkpoint; tensors stay in the file until they are used.

    file (Path): written by torch.save in its zip format (torch 1.6 and later), on one rank without sharding.
    trust (Iterable[str]): names ("package.module.Class") to replace by stand-ins, besides the harmless ones.
    RETURNS (dict): "model" (tensors by name) and whatever else is there; objects are stand-ins.
    RAISES (ValueError): BC770 if it is no such file, BC771 if it asks for objects that are not known.
    """
    if not file.is_file():
        raise ValueError(Errors.BC770.format(file=file, why="there is no such file"))
    known = HARMLESS | set(trust)
    try:
        asked = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception as error:  # damaged archives raise many kinds
        why = f"it is damaged or not written by torch.save ({type(error).__name__})"
        raise ValueError(Errors.BC770.format(file=file, why=why)) from None
    refused = [name for name in asked if name not in known and not name.startswith(_HARMLESS_PREFIX)]
    if refused:
        options = " ".join(f"--trust {name}" for name in refused)
        raise ValueError(Errors.BC771.format(file=file, names=", ".join(refused), options=options))
    stand_ins = [(type("StandIn", (StandIn,), {}), name) for name in asked]
    try:
        with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        # torch's own words name operations and classes, never contents; the first sentence is enough.
        why = f"torch's restricted reader refuses it ({_reason(error)})"
        raise ValueError(Errors.BC770.format(file=file, why=why)) from None
    except Exception as error:
        why = f"it is damaged ({type(error).__name__})"
        raise ValueError(Errors.BC770.format(file=file, why=why)) from None
    state = content.get("state") if isinstance(content, Mapping) else None
    tensors = state.get("model") if isinstance(state, Mapping) else None
    if not isinstance(tensors, Mapping) or not tensors:
        raise ValueError(Errors.BC770.format(file=file, why="it holds no state -> model"))
    odd = [str(name) for name, value in tensors.items() if not _is_plain_tensor(name, value)]
    if odd:
        why = f"{len(odd)} entries of its model are no plain tensors, the first: {odd[0]}"
        raise ValueError(Errors.BC770.format(file=file, why=why))
    return dict(state)  # type: ignore[arg-type]


def renamed(name: str) -> str:
    """Turn a Composer key into transformers' one.

    "model.bert.encoder.layers.3.attn.Wqkv.weight" becomes "model.layers.3.attn.Wqkv.weight", "model.head.dense.weight"
    becomes "head.dense.weight".
    """
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper) if wrapper == "module." else name.replace(wrapper, "")
    name = name.removeprefix("model.")
    if name.startswith(_LAYERS):
        return f"model.layers.{name.removeprefix(_LAYERS)}"
    if name.startswith(_ENCODER):
        return f"model.{name.removeprefix(_ENCODER)}"
    return name


def build_model(
    state: Mapping[str, Any], file: Path, overrides: Overrides | None = None
) -> tuple[ModernBertForMaskedLM, list[str]]:
    """Build the model of a checkpoint's state; every key must be accounted for.

    overrides (Overrides | None): settings that are not read from the checkpoint.
    RETURNS (tuple): the model, fp32, and remarks on settings that were assumed.
    RAISES (ValueError): BC772 for keys or shapes that do not fit, BC773 for settings that cannot be.
    """
    tensors: dict[str, Tensor] = {}
    doubled = []
    for key, tensor in state["model"].items():
        if renamed(key) in tensors:
            doubled.append(key)
        tensors[renamed(key)] = tensor
    settings, remarks = settings_of(tensors, _stored_config(state), file, overrides or Overrides())
    model = ModernBertForMaskedLM(settings)
    wanted = model.state_dict()
    tied = tensors.pop("decoder.weight", None)
    missing = sorted(set(wanted) - set(tensors) - {"decoder.weight"})
    unexpected = sorted(set(tensors) - set(wanted)) + doubled
    shapes = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(set(tensors) & set(wanted))
        if tensors[name].shape != wanted[name].shape
    ]
    embeddings = tensors.get("model.embeddings.tok_embeddings.weight")
    if tied is not None and embeddings is not None and not torch.equal(tied, embeddings):
        shapes.append("decoder.weight differs from the piece embeddings, it is not tied to them")
    if missing or unexpected or shapes:
        raise ValueError(
            Errors.BC772.format(
                file=file, missing=_listed(missing), unexpected=_listed(unexpected), shapes=_listed(shapes)
            )
        )
    load_strictly(model, tensors, file, optional=["decoder.weight"])
    return model, remarks


def convert(
    file: Path,
    tokenizer_folder: Path,
    output: Path,
    *,
    trust: Iterable[str] = (),
    overrides: Overrides | None = None,
) -> tuple[ModernBertSettings, list[str]]:
    """Write the encoder folder of a Composer checkpoint: config, weights, tokenizer; whole or not at all.

    tokenizer_folder (Path): folder or hub name of the tokenizer that the checkpoint was trained with; its special
        ids and its length go into the config.
    RAISES (ValueError): BC717, BC718, BC770 … BC773.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    model, remarks = build_model(read_checkpoint(file, trust), file, overrides)
    n_rows = model.settings.vocab_size
    if tokenizer.vocab_size > n_rows:
        raise ValueError(
            Errors.BC718.format(folder=tokenizer_folder, n_pieces=tokenizer.vocab_size, n_rows=n_rows)
        )
    first, last = tokenizer.prefix_ids[0], tokenizer.suffix_ids[-1]
    model.settings = replace(
        model.settings,
        pad_token_id=tokenizer.pad_id,
        bos_token_id=first,
        cls_token_id=first,
        eos_token_id=last,
        sep_token_id=last,
    )
    with whole_folder(output) as aside:
        tokenizer.save(aside)
        save_folder(model, aside)
    return model.settings, remarks


def _stored_config(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow state -> integrations -> huggingface -> model -> config -> content; empty if it is not there."""
    found: Any = state
    for key in ("integrations", "huggingface", "model", "config", "content"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _is_plain_tensor(name: Any, value: Any) -> bool:
    is_tensor = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized
    return isinstance(name, str) and is_tensor and value.is_floating_point()


def _reason(error: Exception) -> str:
    words = str(error).split("WeightsUnpickler error:")[-1].strip().splitlines()
    return words[0][:120].rstrip(".") if words else type(error).__name__


def _listed(names: list[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "none"


def main(
    checkpoint: Path = typer.Argument(..., help="ep…-ba…-rank0.pt or latest-rank0.pt"),
    tokenizer: Path = typer.Option(..., "--tokenizer", help="Folder of the tokenizer that belongs to it."),
    output: Path = typer.Option(..., "--output", help="Encoder folder to write."),
    trust: list[str] = typer.Option(
        [], "--trust", help="Name of a class in the file to replace by an empty stand-in; may be repeated."
    ),
    context: int = typer.Option(None, "--context", min=1, help="max_position_embeddings [8192]"),
    global_theta: float = typer.Option(None, "--global-theta", help="RoPE base of global layers [stored]"),
    local_theta: float = typer.Option(None, "--local-theta", help="RoPE base of local layers [stored]"),
) -> None:
    """Import a Composer checkpoint as an encoder folder."""
    overrides = Overrides(context, global_theta, local_theta)
    try:
        settings, remarks = convert(checkpoint, tokenizer, output, trust=trust, overrides=overrides)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for remark in remarks:
        typer.echo(f"note       {remark}")
    shape = (
        f"{settings.num_hidden_layers} layers, width {settings.hidden_size}, {settings.vocab_size:,} pieces"
    )
    bases = f"RoPE bases {settings.global_rope_theta:g} and {settings.local_rope_theta:g}"
    typer.echo(
        f"written    {os.fspath(output)}: {shape}, {bases}, context {settings.max_position_embeddings:,}"
    )


if __name__ == "__main__":
    typer.run(main)
