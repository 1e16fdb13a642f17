"""A polite end: signals are noted and answered after the step; and one process at a time trains into a folder."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from spacy_bioclinical.errors import Errors

LOCK = ".training.lock"


class Signals:
    """Notes SIGTERM and SIGINT while it is used as a context; the second SIGINT ends at once."""

    WATCHED = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self._noted = 0
        self._parent = os.getppid()

    @property
    def received(self) -> int:
        """The signal's number, 0 for none. The death of the parent process counts as SIGTERM."""
        return self._noted or (signal.SIGTERM if os.getppid() != self._parent else 0)

    def __enter__(self) -> "Signals":
        self._before = {number: signal.getsignal(number) for number in self.WATCHED}
        for number in self.WATCHED:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._noted = number


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the system lets go of it however the process ends.

    RAISES (ValueError): BC449 if another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(Errors.BC449.format(path=folder)) from None
        yield
    (folder / LOCK).unlink(missing_ok=True)
