"""Write a folder that is either whole or not there: made aside, flushed to disk, then moved into place.

A new folder appears by one rename. An older one of that name is set aside, replaced, and deleted only then: a
failure puts it back, and a kill between the two renames leaves both beside the place, one of them under
`.NAME.old-…`. Files in the older folder that the new one does not bring are carried over.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder: Path, *, replaced: Iterable[str] = ()) -> Iterator[Path]:
    """Yield an empty folder to write into; it becomes `folder` when the block ends without an error.

    folder (Path): the place. Links are followed.
    replaced (Iterable[str]): names that are never carried over from an older folder, files or folders.
    RAISES (OSError): where the disk refuses; the place is then as it was before.
    """
    place = folder.expanduser().resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    for left_over in place.parent.glob(f".{place.name}.writing-*"):  # a kill in the midst of writing
        shutil.rmtree(left_over, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.writing-"))
    try:
        yield aside
        _carry_over(place, aside, set(replaced))
        for file in sorted(aside.rglob("*")):
            _flush(file)
        aside.chmod(0o755)
        _move(aside, place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _carry_over(place: Path, aside: Path, replaced: set[str]) -> None:
    if not place.is_dir():
        return
    for item in place.iterdir():
        if item.name in replaced or item.name.startswith(".writing-") or (aside / item.name).exists():
            continue
        if item.is_dir() and not item.is_symlink():
            shutil.copytree(item, aside / item.name, symlinks=True)
        else:
            shutil.copy2(item, aside / item.name, follow_symlinks=False)


def _move(aside: Path, place: Path) -> None:
    old = aside.with_name(aside.name.replace(".writing-", ".old-"))
    had_one = place.is_dir()
    if had_one:
        os.rename(place, old)
    try:
        os.rename(aside, place)
    except OSError:
        if had_one:
            os.rename(old, place)
        raise
    _flush(place.parent)
    for outdated in place.parent.glob(f".{place.name}.old-*"):
        shutil.rmtree(outdated, ignore_errors=True)


def _flush(path: Path) -> None:
    if path.is_symlink():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
