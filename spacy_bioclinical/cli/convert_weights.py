"""`python -m spacy bioclinical convert-weights`: pytorch_model.bin in, model.safetensors out, no code run.

Several older encoders are published with pickled weights only. A pickle can hold code; torch's restricted reader
(`weights_only=True`) builds tensors and refuses everything else. It is called here alone, by a person's command, and
never while a pipeline loads. Keep torch up to date: holes in that reader were found and closed in the past.
"""

import json
import os
import pickle
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.errors import Errors

PICKLED = "pytorch_model.bin"
PICKLED_INDEX = "pytorch_model.bin.index.json"
_FORBIDDEN_NAME = re.compile(r"GLOBAL ([\w.]+)")


@bioclinical.command("convert-weights")
def convert_weights_cli(
    folder: str = typer.Argument(..., help="Encoder folder with pytorch_model.bin (whole or in shards)"),
    force: bool = typer.Option(False, "--force", help="Write model.safetensors anew if it is there"),
) -> None:
    """Write model.safetensors from pickled weights, reading tensors only; the pickled file stays as it is."""
    try:
        target, n_tensors = convert_folder(folder, force=force)
    except ValueError as error:
        msg.fail("Weights were not converted", str(error), exits=1)
    msg.good(f"{target}: {n_tensors} tensors, equal to those read. The pickled file is no longer needed.")


def convert_folder(given: str | Path, *, force: bool = False) -> tuple[Path, int]:
    """Convert the pickled weights of a folder, written aside, read back, compared and moved into place.

    given (str | Path): A local folder.
    force (bool): Replace a model.safetensors that is there.
    RETURNS (tuple[Path, int]): The file written, tensors in it.
    RAISES (ValueError): BC104 no such folder, BC152 a name instead of a folder, BC153 nothing to convert, BC154
        there already, BC155 a file that asks for code or is damaged, BC156 something else than tensors.
    """
    from safetensors.torch import load_file, save_file

    from spacy_bioclinical.encoder.source import INDEX, WEIGHTS

    folder = _local_folder(given)
    for name in (WEIGHTS, INDEX):
        if (folder / name).exists() and not force:
            raise ValueError(Errors.BC154.format(folder=folder, file=name))
    # A copy each: tied weights share their memory, which the format forbids. Dropping one of two names instead would
    # be smaller, but which of them a reader wants is not written in the file.
    tensors = {
        key: tensor.detach().contiguous().clone()
        for file in _pickled_files(folder)
        for key, tensor in read_tensors(file).items()
    }
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as aside:
        written = Path(aside) / WEIGHTS
        save_file(tensors, written, metadata={"format": "pt"})
        again = load_file(written)
        if set(again) != set(tensors) or not all(_equal_bytes(again[key], tensors[key]) for key in tensors):
            raise ValueError(
                Errors.BC105.format(file=written, why="it differs from what was written into it")
            )
        written.chmod(0o644)
        os.replace(written, folder / WEIGHTS)
    if (folder / INDEX).exists():  # with --force: shards of before would contradict the whole file
        (folder / INDEX).unlink()
    return folder / WEIGHTS, len(tensors)


def read_tensors(file: Path) -> "dict[str, Any]":
    """Read a pickled table of tensors without running anything that the file asks for.

    file (Path): Written by torch.save, in the zip format or the one before.
    RETURNS (dict[str, Tensor]): Name to tensor, on the CPU.
    RAISES (ValueError): BC155, BC156.
    """
    import torch

    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = _FORBIDDEN_NAME.search(str(error))
        why = f"it asks for {named.group(1)}, which is no tensor" if named else "it is no table of tensors"
        raise ValueError(Errors.BC155.format(file=file, why=why)) from None
    except Exception as error:  # damaged archives raise many kinds
        why = f"it is damaged or no file of torch.save ({type(error).__name__})"
        raise ValueError(Errors.BC155.format(file=file, why=why)) from error
    if not isinstance(content, Mapping):
        raise ValueError(Errors.BC156.format(file=file, key="(the whole)", kind=_kind(content)))
    for key, value in content.items():
        is_plain = (
            isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized
        )
        if not isinstance(key, str) or not is_plain:
            raise ValueError(Errors.BC156.format(file=file, key=key, kind=_kind(value)))
    return dict(content)


def _local_folder(given: str | Path) -> Path:
    from spacy_bioclinical.encoder.catalogue import find_system
    from spacy_bioclinical.encoder.source import download_command, looks_like_path, resolve_folder

    folder = Path(given).expanduser()
    if folder.is_dir():
        return folder
    if isinstance(given, Path) or looks_like_path(given):
        return resolve_folder(folder)  # raises: no such folder
    system = find_system(given)
    hub = system.hub if system is not None and system.hub is not None else given
    download = download_command(hub, is_pickled=True)
    raise ValueError(Errors.BC152.format(given=given, download=download, folder=download.rpartition(" ")[2]))


def _pickled_files(folder: Path) -> list[Path]:
    if (folder / PICKLED).is_file():
        return [folder / PICKLED]
    index = folder / PICKLED_INDEX
    if not index.is_file():
        raise ValueError(Errors.BC153.format(folder=folder))
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(Errors.BC105.format(file=index, why="not an index of shards")) from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
            raise ValueError(Errors.BC105.format(file=index, why=f"'{name}' is no file of this folder"))
    return [folder / name for name in names]


def _equal_bytes(one: Any, other: Any) -> bool:
    import torch

    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(one.flatten().view(torch.uint8), other.flatten().view(torch.uint8))


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
