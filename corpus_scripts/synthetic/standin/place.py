"""Put the files of a stand-in into a folder: whole or not at all, and never in the place of somebody's own.

A stand-in bears the file names of a corpus under an agreement; a folder that holds the real one must be safe.
So the names of what was written are kept in ``.stand-in.json``, and only those are ever replaced or removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from spacy_bioclinical.errors import Errors

MANIFEST = ".stand-in.json"


def place(folder: Path, files: Mapping[str, Iterable[str]], about: Mapping[str, object]) -> None:
    """Write files, and remove those of an earlier run that are no longer among them.

    folder (Path): Made if missing.
    files (Mapping): Name → its text in pieces, made as they are written.
    about (Mapping): How they were made; kept beside their names.
    RAISES (ValueError): BC671 if a file of such a name is there and is not ours; nothing is written then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ours = _written_before(folder)
    for name in files:
        if name not in ours and (folder / name).exists():
            raise ValueError(Errors.BC671.format(path=folder / name))
    _write(folder / MANIFEST, [_manifest(sorted({*ours, *files}), about)])
    for name, pieces in files.items():
        _write(folder / name, pieces)
    for name in ours - set(files):
        (folder / name).unlink(missing_ok=True)
    _write(folder / MANIFEST, [_manifest(sorted(files), about)])


def _written_before(folder: Path) -> set[str]:
    path = folder / MANIFEST
    if not path.exists():
        return set()
    try:
        names = json.loads(path.read_bytes())["files"]
    except (ValueError, KeyError, TypeError):
        return set()
    # Names only: a path in it could point anywhere.
    return {name for name in names if isinstance(name, str) and Path(name).name == name}


def _manifest(names: list[str], about: Mapping[str, object]) -> str:
    return json.dumps({**about, "files": names}, indent=1, sort_keys=True) + "\n"


def _write(path: Path, pieces: Iterable[str]) -> None:
    aside = path.with_name(f".{path.name.lstrip('.')}.{os.getpid()}.part")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
