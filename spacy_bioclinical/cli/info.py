"""`python -m spacy bioclinical info`: versions and devices; what an encoder or a pipeline is made of."""

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.errors import Errors

if TYPE_CHECKING:
    import torch

BASE_WIDTH = 768
PACKAGES = (
    "spacy-bioclinical",
    "spacy",
    "spacy-transformers",
    "thinc",
    "torch",
    "transformers",
    "tokenizers",
    "flash-attn",
    "cupy",
)
ENCODER_KEYS = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "local_attention",
    "global_attn_every_n_layers",
    "vocab_size",
)


@bioclinical.command("info")
def info_cli(
    path: str | None = typer.Argument(
        None, help="An encoder (folder or name), or a pipeline's folder; none: the machine"
    ),
) -> None:
    """Show versions and devices, or what a folder holds."""
    try:
        rows = describe_environment() if path is None else describe_folder(_folder(path))
    except ValueError as error:
        msg.fail("Nothing to show", str(error), exits=1)
    msg.table([(key, str(value)) for key, value in rows.items()], header=("", ""))


def _folder(path: str) -> Path:
    if Path(path).is_dir():
        return Path(path)
    from spacy_bioclinical.encoder.source import resolve_folder

    return resolve_folder(path, needs_weights=False)


def describe_environment() -> dict[str, Any]:
    """Versions of what matters and the devices that torch sees.

    RETURNS (dict): Name to version or device name.
    """
    import torch

    rows: dict[str, Any] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            rows[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            rows[name] = "not installed"
    rows["threads"] = torch.get_num_threads()
    devices = [torch.device("cpu")]
    for number in range(torch.cuda.device_count()):
        rows[f"cuda:{number}"] = torch.cuda.get_device_name(number)
        devices.append(torch.device("cuda", number))
    for device in devices:
        rows.update(describe_choices(device))
    return rows


def describe_choices(device: "torch.device", width: int = BASE_WIDTH) -> dict[str, str]:
    """What "auto" means for precision and attention kernel on a device, each with its reason.

    device (torch.device): Where an encoder would compute; on a CPU the choice is measured now.
    width (int): Width of the encoder.
    RETURNS (dict): Name to choice.
    """
    from spacy_bioclinical.encoder.base import PRECISIONS
    from spacy_bioclinical.encoder.kernels import KERNELS, kernel_report
    from spacy_bioclinical.encoder.precision import best_precision

    precision, why = best_precision(device, width)
    rows = {f"precision on {device}": f"{precision} ({why})"}
    for name, dtype in PRECISIONS.items():
        kernel, why = kernel_report(device, dtype)
        rows[f"kernel on {device} in {name}"] = f"{kernel} ({why})"
    for name, known in KERNELS.items():
        why_not = known.unusable(device, PRECISIONS["bf16"])
        if why_not is not None:
            rows[f"kernel {name} on {device}"] = f"not usable: {why_not}"
    return rows


def describe_folder(path: Path) -> dict[str, Any]:
    """What an encoder folder (config.json) or a pipeline (meta.json) says about itself; weights are not read.

    path (Path): The folder.
    RETURNS (dict): Facts by name.
    RAISES (ValueError): BC513 if it is neither.
    """
    if (path / "meta.json").is_file():
        meta = json.loads((path / "meta.json").read_text(encoding="utf8"))
        labels = {name: len(found) for name, found in meta.get("labels", {}).items() if found}
        facts = {key: meta.get(key) for key in ("lang", "name", "version", "pipeline", "requirements")}
        return {**facts, "labels": labels, **describe_calibration(meta.get("bioclinical") or {})}
    if (path / "config.json").is_file():
        config = json.loads((path / "config.json").read_text(encoding="utf8"))
        return {key: config[key] for key in ENCODER_KEYS if key in config}
    raise ValueError(Errors.BC513.format(path=path, what="meta.json or config.json", step="encoder"))


def describe_calibration(told: dict[str, Any]) -> dict[str, str]:
    """What training and `calibrate` have left in a pipeline's meta.json.

    told (dict): Its part "bioclinical", possibly empty.
    RETURNS (dict): A line for each calibrated component, for each promise of recall and two for what it costs, and one
        for a tokenizer that has words of its training corpus.
    """
    from spacy_bioclinical.training.recall_price import price_lines

    rows = {}
    if (learned := told.get("tokenizer") or {}).get("words"):
        n_docs = f"each in {learned['split_words']} or more documents"
        rows["tokenizer"] = f"splits {learned['words']} words of its training corpus, {n_docs}"
    for name, found in (told.get("calibration") or {}).get("components", {}).items():
        before, after = (100 * found[key]["ece"] for key in ("before", "after"))
        error = f"calibration error {before:.2f} %, after {after:.2f} % ({found['n']} cases)"
        rows[f"calibration of {name}"] = f"temperature {found['temperature']:g}; {error}"
    promised = told.get("recall_target") or {}
    for name, target in promised.get("components", {}).items():
        rows[f"recall target of {name}"] = (
            f">= {target['target']:g} with confidence {target['confidence']:g}, tokens from {target['threshold']:g} on "
            f"({target['n']} mentions in {target['n_documents']} documents)"
        )
        price = (promised.get("price") or {}).get(name)
        if price:
            entities, words = price_lines(price)
            rows[f"price of that in {name}"] = entities
            rows[f"words that go in {name}"] = words
    return rows
