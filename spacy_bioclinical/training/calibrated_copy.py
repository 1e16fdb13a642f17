"""Write a calibrated copy of a pipeline: its files as they are, but for the settings of components and `meta.json`.

The pipeline is not saved anew: weights stay the same to the byte, and no word of the development corpus, which the
vocabulary has met by now, gets into `vocab/strings.json`.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.calibration_cases import Calibrated
from spacy_bioclinical.training.evaluation import signature
from spacy_bioclinical.training.shards import shards_of

META_KEY = "bioclinical"


def check_not_trained_on(nlp: Language, data: Path) -> None:
    """Refuse the corpus that the pipeline was trained on, where its config names it and it is still there.

    nlp (Language): with the config of its training.
    data (Path): a .spacy file or a folder of shards.
    RAISES (ValueError): BC462 if both have a shard of the same content.
    """
    reader = nlp.config.interpolate().get("corpora", {}).get("train") or {}
    paths = reader.get("path") if isinstance(reader, dict) else None
    named = (
        [paths]
        if isinstance(paths, str)
        else list(paths.values() if isinstance(paths, dict) else paths or ())
    )
    wanted = {_sha256(shard) for shard in shards_of(data)}
    for train in (Path(path) for path in named if isinstance(path, str) and Path(path).exists()):
        if any(_sha256(shard) in wanted for shard in shards_of(train)):
            raise ValueError(Errors.BC462.format(data=data, train=train))


def check_output(model: Path, output: Path) -> None:
    """Refuse a folder that cannot be replaced. RAISES (ValueError): BC463."""
    why = None
    if output.resolve() == model.resolve() or model.resolve() in output.resolve().parents:
        why = "is the pipeline itself, or lies in it"
    elif output.resolve() in model.resolve().parents:
        why = "holds the pipeline"
    elif (
        output.exists()
        and not (output / "meta.json").is_file()
        and (output.is_file() or any(output.iterdir()))
    ):
        why = "exists and is no pipeline, so it is not replaced"
    if why:
        raise ValueError(Errors.BC463.format(path=output, why=why))


def describe_calibration(
    nlp: Language, data: Path, found: Sequence[Calibrated], check: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Say what was found, and on what.

    nlp (Language): the pipeline. data (Path): the development corpus. found (Sequence[Calibrated]): see `calibrate`.
    check (dict | None): see `check_splits`.
    RETURNS (dict): for `meta.json`: "calibration": "signature", "components"; with a recall target "recall_target": by
        component the promise ("components") and what it costs ("price", see `PriceCount.to_dict`), and "check".
    """
    told: dict[str, Any] = {
        "calibration": {
            "signature": signature(nlp, data),
            "components": {each.component: each.to_dict() for each in found},
        }
    }
    promises = {each.component: each.promise.to_dict() for each in found if each.promise}
    if promises:
        prices = {each.component: each.price for each in found if each.promise}
        told["recall_target"] = {"components": promises, "price": prices, "check": check}
    return told


def write_calibrated(nlp: Language, output: Path, found: Sequence[Calibrated], told: dict[str, Any]) -> None:
    """Write the copy, aside first; a pipeline in its place is replaced when the new one is whole.

    nlp (Language): the calibrated pipeline, loaded from a folder.
    output (Path): the new folder.
    found (Sequence[Calibrated]): see `calibrate`.
    told (dict): see `describe_calibration`.
    """
    model = nlp.path
    check_output(model, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    aside, old = (output.with_name(f".{output.name}.{ending}") for ending in ("part", "old"))
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(model, aside)
    for each in found:
        srsly.write_json(aside / each.component / "cfg", nlp.get_pipe(each.component).cfg)  # type: ignore[attr-defined]
    meta = json.loads((aside / "meta.json").read_text(encoding="utf8"))
    meta[META_KEY] = {**meta.get(META_KEY, {}), "recall_target": None, **told}
    (aside / "meta.json").write_text(json.dumps(meta, indent=2, ensure_ascii=False), encoding="utf8")
    if output.exists():
        os.replace(output, old)
    os.replace(aside, output)
    shutil.rmtree(old, ignore_errors=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
