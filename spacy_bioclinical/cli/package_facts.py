"""What a trained pipeline's folder tells of itself, and whether a report can be of it; for the card in its package."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from spacy_bioclinical import __version__
from spacy_bioclinical.errors import Errors

FACTORY = "bioclinical_transformer"
BEGINNING = 1 << 20  # bytes of a serialised encoder that hold its settings and config; the weights come last
PARTS = {"train": "training data", "dev": "development data"}
VERSIONS = ("spacy", "spacy-transformers", "torch", "transformers")


@dataclass(frozen=True)
class PipelineFacts:
    """Of a pipeline's folder, None where nothing tells.

    encoder (str): its name and shape. encoder_sha256 (str): of the weights it began with. context (int): most pieces
    of a window, special ones included. overlap (int): pieces that windows share. on_overflow (str): "window" or
    "error". config_sha256 (str): of config.cfg in the package. sha256 (str): of all files, see
    `training/model_hash.py`. data (list): part, file name, SHA-256 or None. seed (int). steps (str): how long the
    config trains at most. versions (dict): of the libraries that are here now.
    """

    encoder: str | None
    encoder_sha256: str | None
    context: int | None
    overlap: int | None
    on_overflow: str | None
    config_sha256: str
    sha256: str
    data: list[tuple[str, str, str | None]]
    seed: int | None
    steps: str
    versions: dict[str, str]


def pipeline_facts(model: Path) -> PipelineFacts:
    """Gather what a pipeline's folder tells, without loading it.

    model (Path): the folder; beside it `fetch` has perhaps left encoder.json.
    RETURNS (PipelineFacts): see there.
    """
    from spacy.util import load_config

    from spacy_bioclinical.cli.package_config import packaged_config
    from spacy_bioclinical.cli.suite.config_text import steps_of
    from spacy_bioclinical.training.model_hash import model_hash

    config = load_config(model / "config.cfg", interpolate=True)
    training = config.get("training") or {}
    seed = training.get("seed")
    return PipelineFacts(
        **_encoder_facts(model, config),
        config_sha256=hashlib.sha256(packaged_config(model)).hexdigest(),
        sha256=model_hash(model),
        data=[(part, last_part(path), _data_hash(path)) for part, path in _corpora(config)],
        seed=seed if isinstance(seed, int) else None,
        steps=f"at most {steps_of(training)}"
        if training.get("max_steps") or training.get("max_epochs")
        else "",
        versions={"spacy-bioclinical": __version__, **dict(_versions())},
    )


def read_measured(path: Path, option: str, command: str, needed: set[str]) -> dict[str, Any]:
    """Read a report.

    path (Path): JSON file. option (str): which named it. command (str): what writes such files. needed (set): keys.
    RETURNS (dict): its content.
    RAISES (ValueError): BC476 if it is none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        why = f"it cannot be read, {type(error).__name__}"
        raise ValueError(Errors.BC476.format(path=path, option=option, command=command, why=why)) from None
    missing = sorted(needed - data.keys()) if isinstance(data, dict) else sorted(needed)
    if missing:
        why = f"it holds no {missing[0]}"
        raise ValueError(Errors.BC476.format(path=path, option=option, command=command, why=why))
    return data


def differences(report: dict[str, Any], meta: dict[str, Any], facts: PipelineFacts) -> list[str]:
    """Say in what a report of `evaluate` is of another pipeline, as far as it tells.

    It records name, version, components, seed, the labels that were predicted (equal ones are no proof), and a SHA-256
    of the pipeline's files if it was loaded from a folder.

    report (dict): of `evaluate`. meta (dict): of the trained pipeline. facts (PipelineFacts): of the same.
    RETURNS (list[str]): what differs.
    """
    signature = report.get("signature") or {}
    signed = signature.get("model") or {}
    own: dict[str, Any] = {
        "name": f"{meta['lang']}_{meta['name']}",
        "version": meta["version"],
        "pipeline": list(meta["pipeline"]),
    }
    found = [
        f"{key} {_shown(signed[key])}, not {_shown(value)}"
        for key, value in own.items()
        if key in signed and signed[key] != value
    ]
    if "sha256" in signed and signed["sha256"] != facts.sha256:
        found.append(f"SHA-256 {signed['sha256'][:12]}, not {facts.sha256[:12]}")
    seed = signature.get("seed")
    if isinstance(seed, int) and facts.seed is not None and seed != facts.seed:
        found.append(f"seed {seed}, not {facts.seed}")
    labels = meta.get("labels") or {}
    if set(meta["pipeline"]) <= set(labels):  # else a component may set labels that it does not list
        others = sorted(_predicted(report) - label_names(meta))
        if others:
            found.append(f"{len(others)} labels that this one does not have, such as {others[0]!r}")
    return found


def label_names(meta: dict[str, Any]) -> set[str]:
    """RETURNS (set[str]): the labels of all components."""
    return {str(label) for labels in (meta.get("labels") or {}).values() for label in labels}


def last_part(path: str) -> str:
    """RETURNS (str): the last part of a path of any system."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]


def shown_source(name: str) -> str:
    """RETURNS (str): an encoder's name on the hub as it is, of a path the last part."""
    return name if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) else last_part(name)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _predicted(report: dict[str, Any]) -> set[str]:
    """Labels that a pipeline has predicted: of mentions those with a count or a hit, of classes all."""
    details = report.get("details") or {}
    by_type = ((report.get("entities") or {}).get("per_type") or {}).items()
    judged = [each for each in (details.get("entities"), *(details.get("spans") or {}).values()) if each]
    by_label = [((each.get("slices") or {}).get("label") or {}).items() for each in judged]
    found = {label for rows in by_label for label, row in rows if row.get("predicted")}
    found |= {label for label, row in by_type if row.get("p")}
    return found | {
        label for each in (details.get("classes") or {}).values() for label in each.get("per_label") or ()
    }


def _corpora(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, part in PARTS.items():
        reader = (config.get("corpora") or {}).get(key)
        paths = reader.get("path") if isinstance(reader, dict) else None
        for path in (
            [paths]
            if isinstance(paths, str)
            else list(paths.values() if isinstance(paths, dict) else paths or ())
        ):
            if isinstance(path, str):
                yield part, path


def _data_hash(path: str) -> str | None:
    from spacy_bioclinical.cli.suite.cells import data_hash

    try:
        return data_hash(Path(path))
    except (OSError, ValueError):
        return None


def _versions() -> Iterator[tuple[str, str]]:
    for name in VERSIONS:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _encoder_facts(model: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Name, shape and settings of the shared encoder; all None without one."""
    none = dict.fromkeys(("encoder", "encoder_sha256", "context", "overlap", "on_overflow"))
    component = next(
        (key for key, block in config["components"].items() if block.get("factory") == FACTORY), None
    )
    stored = _stored(model / component / "model") if component else {}
    if component is None or "config" not in stored:
        return none
    import torch

    from spacy_bioclinical.encoder import encoder_from_config

    with torch.device("meta"):  # the shape alone, no weights
        encoder = encoder_from_config(stored["config"])
    chosen = {
        key: value for key, value in config["components"][component]["model"].items() if value is not None
    }
    settings = {**stored["settings"], **chosen}
    loader = (config["initialize"].get("components") or {}).get(component, {}).get("encoder_loader") or {}
    source = loader.get("name") if isinstance(loader, dict) else None
    n_parameters = sum(parameter.numel() for parameter in encoder.parameters())
    shape = f"{stored['config'].get('model_type')}, {encoder.width} wide, {n_parameters:,} parameters"
    return {
        "encoder": f"{shown_source(source)} ({shape})" if isinstance(source, str) else shape,
        "encoder_sha256": _recorded_weights(model, source),
        "context": settings.get("context") or encoder.context,
        "overlap": settings.get("overlap"),
        "on_overflow": settings.get("on_overflow"),
    }


def _stored(file: Path) -> dict[str, Any]:
    """Settings and config of a serialised packed transformer; of its weights nothing is unpacked."""
    import srsly
    from srsly.msgpack import Unpacker

    if not file.is_file():
        return {}
    shims = srsly.msgpack_loads(file.read_bytes())["shims"]
    data = next((each for node in shims for each in node if each), None)
    if data is None:
        return {}
    unpacker = Unpacker(raw=False)
    unpacker.feed(data[:BEGINNING])
    found = {}
    for _ in range(unpacker.read_map_header()):
        key = unpacker.unpack()
        if key not in ("settings", "config"):
            break
        found[key] = unpacker.unpack()
    return found


def _recorded_weights(model: Path, source: str | None) -> str | None:
    """SHA-256 of the weights that `fetch` has recorded beside the pipeline, if its record is of this encoder."""
    try:
        record = json.loads((model.parent / "encoder.json").read_text(encoding="utf8"))
        files = record["files"] if record["encoder"] == source else {}
        return files.get("model.safetensors")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
