"""`python -m spacy bioclinical fetch`: find an encoder by folder or name, download it if needed, record what it is.

The record names the encoder and hashes its files. A project step that depends on the record is run again when the
encoder changes, whether it is a folder of the project or a name that lies in the Hugging Face cache.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.errors import Errors


@bioclinical.command("fetch")
def fetch_cli(
    encoder: str = typer.Argument(..., help="A folder, a name of `encoders`, or a hub name"),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="JSON file for the record of name and file hashes"
    ),
) -> None:
    """Make sure that an encoder is here, and record exactly which one it is."""
    from spacy_bioclinical.encoder.catalogue import system_of_folder

    try:
        folder, record = fetch(encoder)
    except ValueError as error:
        msg.fail("The encoder is not to be had", str(error), exits=1)
    if output is not None and not _holds(output, record):  # an unchanged record keeps its time
        write_json(output, record)
    msg.good(f"{encoder}: {folder}")
    system = system_of_folder(encoder)
    if system is not None:
        msg.info(
            f"{system.name}: licence {system.licence}; python -m spacy bioclinical encoders {system.name}"
        )


def fetch(encoder: str) -> tuple[Path, dict[str, Any]]:
    """Find the folder of an encoder and hash its files.

    encoder (str): A folder, a name of the catalogue, or a hub name.
    RETURNS (tuple[Path, dict]): The folder; {"encoder": the name as given, "files": {file name: SHA-256}}.
    RAISES (ValueError): BC104, BC150, BC151 if it is not to be had, BC106 if the folder holds no safetensors.
    """
    from spacy_bioclinical.encoder.source import HUB_FILES, has_weights, resolve_folder

    folder = resolve_folder(encoder)
    if not has_weights(folder):
        raise ValueError(Errors.BC106.format(folder=folder))
    files = {path for pattern in HUB_FILES for path in folder.glob(pattern) if path.is_file()}
    return folder, {"encoder": encoder, "files": {path.name: _sha256(path) for path in sorted(files)}}


def _holds(path: Path, record: dict[str, Any]) -> bool:
    try:
        return json.loads(path.read_text(encoding="utf8")) == record
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
