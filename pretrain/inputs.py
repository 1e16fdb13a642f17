"""Record by hash what a pretraining would read, text and starting encoder, so that a workflow knows when it changed.

Takes both as `pretrain.train` does; the record holds counts and hashes, no names and no text. Example: python -m
pretrain.inputs --text ward=assets/notes --encoder encoders/base --output encoders/ward.inputs/phase1.json
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import typer

from pretrain.evaluation_command import write_report
from pretrain.sources import Source, parse_source, read_data_file, sources_of
from pretrain.text import file_hash
from spacy_bioclinical.errors import Errors

ENCODER_FILES = (".json", ".model", ".safetensors", ".txt")


def inputs_record(sources: list[Source], encoder: Path | None = None) -> dict[str, Any]:
    """Return what decides the text that the sources give, how often, and where training begins.

    RETURNS (dict): files, bytes and sha256 of the text; sha256 of the encoder folder, or None.
    RAISES (ValueError): BC701 for text, BC789 for an encoder folder that is not there.
    """
    files = [(source, file) for source in sources for file in source.files()]
    settings = [{**source.identity, "weight": source.weight} for source in sources]
    text = [settings, [(source.name, file.name, file_hash(file)) for source, file in files]]
    start = None
    if encoder is not None:
        parts = sorted(path for path in encoder.glob("*") if path.suffix in ENCODER_FILES)
        if not parts:
            raise ValueError(Errors.BC789.format(folder=encoder))
        start = _digest([(path.name, file_hash(path)) for path in parts])
    n_bytes = sum(file.stat().st_size for _, file in files)
    counts = {"sources": len(sources), "files": len(files), "bytes": n_bytes}
    return {"text": {**counts, "sha256": _digest(text)}, "encoder": start}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf8")).hexdigest()


def main(
    text: list[str] = typer.Option([], "--text", help="As pretrain.train takes it; more may follow."),
    more_text: list[str] = typer.Argument(None, metavar="[FILE]...", help="Further text files or folders."),
    data_file: Path = typer.Option(None, "--data", help="YAML, JSON or TOML file of sources."),
    text_key: str = typer.Option(None, "--text-key", help="JSON key or CSV column that holds the text."),
    encoder: Path = typer.Option(None, "--encoder", help="Folder with tokenizer and starting weights."),
    from_scratch: bool = typer.Option(
        False, "--from-scratch", help="Random weights: the folder is not recorded."
    ),
    output: Path = typer.Option(..., "--output", help="JSON file to write."),
) -> None:
    """Record by hash what a pretraining would read (a second a gigabyte)."""
    try:
        named = [parse_source(one, text_key) for one in (*text, *(more_text or []))]
        sources = sources_of([*named, *(read_data_file(data_file) if data_file else ())])
        if not sources:
            raise ValueError(Errors.BC788)
        record = inputs_record(sources, None if from_scratch else encoder)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    write_report(record, output)
    found = record["text"]
    typer.echo(f"written    {os.fspath(output)}  text: {found['files']:,} files, {found['sha256'][:16]}")


if __name__ == "__main__":
    typer.run(main)
