"""Keep the state of a build of shards, so that an interrupted one goes on and ends in the same bytes.

The state is one file in the folder being built, `STATE`: a zip of arrays (numpy's npz, never pickle), one of
them a JSON text. It is written aside and moved into place, now and then, between two batches of documents; never
so often that it takes more than a fiftieth of the time. It holds counts, hashes, fingerprints and the piece ids
of the shard begun, as the shards do, but no text. Documents dealt with before are read again, not prepared.
"""

import contextlib
import json
import os
import shutil
import time
import warnings
import zipfile
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.near_duplicates import NearDuplicates
from pretrain.shard_files import ShardWriter
from spacy_bioclinical.errors import Errors

STATE = "unfinished.npz"
STATE_FORMAT = 1
EVERY = 30.0  # seconds between two states, at least
SHARE = 0.02  # of the time may go into writing states
_FIGURES = "figures"


@dataclass
class Work:
    """All that a build has come to, between two batches.

    writer (ShardWriter): shards written and begun. duplicates (NearDuplicates | None): fingerprints seen.
    source, documents (int): number of the source being read, and its documents dealt with, left-out ones too.
    n_bytes (int): of its files read so far, for the progress bar.
    reports (list[Counter[str]]): counts of each source; those of the one being read lack what reading counts,
    as its documents are read again. hashes, source_of (array): "Q" and "i", of each document kept.
    """

    writer: ShardWriter
    duplicates: NearDuplicates | None
    source: int = 0
    documents: int = 0
    n_bytes: int = 0
    reports: list[Counter[str]] = field(default_factory=list)
    hashes: array = field(default_factory=lambda: array("Q"))
    source_of: array = field(default_factory=lambda: array("i"))


class Keeper:
    """Writes and reads the state of a build.

    folder (Path): where the shards are built. identity (Mapping): what decides their bytes, JSON-ready; a state
    of another identity is not taken up.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        self.folder = folder
        self.identity = json.loads(json.dumps({"format": STATE_FORMAT, **identity}))
        self._due = time.monotonic() + EVERY

    def take_up(self, work: Work) -> Work:
        """Return the state that lies in the folder, or else `work`, new; delete all files that are not of it.

        A state that is damaged, of another identity, or whose shards have changed is thrown away, with a
        warning (BC790).
        """
        new_writer = work.writer
        if (self.folder / STATE).exists():
            try:
                work = self._read(new_writer, work.duplicates)
            except Exception as error:  # each kind of damage has an error of its own
                why = str(error) if isinstance(error, _OtherIdentity) else f"damaged: {type(error).__name__}"
                warnings.warn(Errors.BC790.format(folder=self.folder, why=why), stacklevel=2)
                (self.folder / STATE).unlink()
        kept = {STATE, *work.writer.files}
        for left_over in self.folder.iterdir():
            if left_over.name not in kept:
                left_over.unlink()
        return work

    def save_if_due(self, work: Work) -> None:
        """Write the state if it is time to; on a disk that refuses, warn (BC791) and go on without."""
        begun = time.monotonic()
        if begun < self._due:
            return
        try:
            self._write(work)
        except OSError as error:
            why = type(error).__name__ if error.strerror is None else error.strerror
            warnings.warn(Errors.BC791.format(folder=self.folder, why=why), stacklevel=2)
        now = time.monotonic()
        self._due = now + max(EVERY, (now - begun) / SHARE)

    def _write(self, work: Work) -> None:
        figures = {
            "identity": self.identity,
            "source": work.source,
            "documents": work.documents,
            "n_bytes": work.n_bytes,
            "counts": work.reports,
            "files": work.writer.files,
        }
        arrays = {
            _FIGURES: np.frombuffer(json.dumps(figures).encode("utf8"), dtype=np.uint8),
            "hashes": np.array(work.hashes, dtype=np.uint64),
            "source_of": np.array(work.source_of, dtype=np.int32),
            **work.writer.to_arrays(),
        }
        if work.duplicates is not None:
            arrays.update(work.duplicates.to_arrays())
        aside = self.folder / f".{STATE}.writing"
        try:
            with aside.open("wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type]
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, self.folder / STATE)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)

    def _read(self, writer: ShardWriter, duplicates: NearDuplicates | None) -> Work:
        with zipfile.ZipFile(self.folder / STATE) as archive:
            if archive.testzip() is not None:  # checks every byte: what follows needs not
                raise ValueError(STATE)
        with np.load(self.folder / STATE, allow_pickle=False) as arrays:
            figures = json.loads(arrays[_FIGURES].tobytes())
            if figures["identity"] != self.identity:
                raise _OtherIdentity("of other settings or another version")
            if duplicates is not None:
                duplicates = duplicates.going_on(arrays)
            hashes = array("Q", arrays["hashes"].tobytes())
            source_of = array("i", arrays["source_of"].tobytes())
            reports = [Counter(report) for report in figures["counts"]]
            places = (figures["source"], figures["documents"], figures["n_bytes"])
            # Last, as it changes what it is given.
            writer.go_on(figures["files"], arrays)
        return Work(writer, duplicates, *places, reports, hashes, source_of)


def has_state(folder: Path) -> bool:
    """Whether a build in this folder can go on where it stopped."""
    return (folder / STATE).is_file()


def forget_state(folder: Path) -> None:
    """Delete the state of a build that has ended, if it is still there."""
    if has_state(folder):
        with contextlib.suppress(OSError):  # on a disk that is only read it does no harm
            (folder / STATE).unlink()


def delete_unfinished(folder: Path) -> None:
    """Delete all unfinished builds below a folder in which no other process builds."""
    for unfinished in folder.glob(".shards-*.part"):
        shutil.rmtree(unfinished, ignore_errors=True)


class _OtherIdentity(ValueError):
    """The state is whole, but of another build."""
