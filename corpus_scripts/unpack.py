"""Unpack .zip and .tar.gz archives without trusting them: no path leaves the folder, no link, nothing overwritten."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from spacy_bioclinical.errors import Errors

ENDINGS = (".zip", ".tar.gz", ".tgz")
# Declared sizes together; no corpus of the table comes near it.
_LARGEST = 8 << 30
# What the libraries raise on bytes that are no archive, or one they cannot read.
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    NotImplementedError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip
_JUNK = ("__MACOSX", ".DS_Store")


class _Member(NamedTuple):
    """One file of an archive: its path, its declared size, and how to open it."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether the name of a file says that it is an archive."""
    return path.name.endswith(ENDINGS)


def unpack(archive: Path, folder: Path, *, name: str) -> tuple[int, int]:
    """Put the files of an archive into a folder; a folder that holds all others of the archive is left out.

    archive (Path): .zip, .tar.gz or .tgz.
    folder (Path): Files that are there already are kept as they are.
    name (str): Of the corpus, for messages.
    RETURNS (tuple[int, int]): How many files were written and how many were there already.
    RAISES (ValueError): BC653 if a path leaves the folder, a member is a link or a device, or the archive is damaged;
        then nothing was written, or (damaged) only whole files.
    """

    def refuse(why: str) -> ValueError:
        return ValueError(Errors.BC653.format(name=name, path=archive, why=why))

    try:
        if archive.name.endswith(".zip"):
            with zipfile.ZipFile(archive) as zipped:
                return _put(_of_zip(zipped), folder)
        with tarfile.open(archive, "r:gz") as tarred:
            return _put(_of_tar(tarred), folder)
    except _Unsafe as error:
        raise refuse(str(error)) from None
    except _DAMAGED as error:
        raise refuse(f"it is damaged or encrypted: {type(error).__name__}") from None


def _put(members: list[_Member], folder: Path) -> tuple[int, int]:
    """Write what is not there; every path is checked before the first file is written."""
    written = 0
    for member, target in zip(members, _targets(members, folder), strict=True):
        if not os.path.lexists(target):
            _write(member, target)
            written += 1
    return written, len(members) - written


class _Unsafe(Exception):
    """A member that must not be unpacked."""


def _of_zip(archive: zipfile.ZipFile) -> list[_Member]:
    members = []
    for info in archive.infolist():
        kind = (info.external_attr >> 16) & 0o170000
        if kind not in (0, 0o100000, 0o040000):
            raise _Unsafe("it holds a link or a device")
        if not info.is_dir():
            members.append(_Member(_path(info.filename), info.file_size, partial(archive.open, info)))
    return [member for member in members if not _is_junk(member.path)]


def _of_tar(archive: tarfile.TarFile) -> list[_Member]:
    members = []
    for info in archive:
        if not info.isdir() and not info.isreg():
            raise _Unsafe("it holds a link or a device")
        if info.isreg():
            members.append(_Member(_path(info.name), info.size, partial(_extract, archive, info)))
    return [member for member in members if not _is_junk(member.path)]


def _extract(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    assert file is not None  # it is a regular file
    return file


def _path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or ":" in name
        or "\0" in name
        or not path.parts
    ):
        raise _Unsafe("a path of it leads out of the folder")
    return path


def _is_junk(path: PurePosixPath) -> bool:
    return any(part in _JUNK or part.startswith("._") for part in path.parts)


def _targets(members: list[_Member], folder: Path) -> list[Path]:
    if not members:
        raise _Unsafe("it holds no file")
    if sum(member.size for member in members) > _LARGEST:
        raise _Unsafe("its files are too large together")
    paths = [member.path for member in members]
    while all(len(path.parts) > 1 for path in paths) and len({path.parts[0] for path in paths}) == 1:
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    if len(set(paths)) < len(paths):
        raise _Unsafe("two files of it have the same path")
    inside = folder.resolve()
    targets = [folder.joinpath(*path.parts) for path in paths]
    if not all(target.parent.resolve().is_relative_to(inside) for target in targets):
        raise _Unsafe("a link in the folder leads out of it")
    return targets


def _write(member: _Member, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with member.open() as source, aside.open("wb") as file:
            shutil.copyfileobj(source, file)
        if aside.stat().st_size != member.size:
            raise _Unsafe("a file of it is not as long as it says")
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
