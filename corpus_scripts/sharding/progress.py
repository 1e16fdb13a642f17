"""The progress bar of a conversion: by bytes of the files read, so that it knows its end; else by documents."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from corpus_scripts.formats.files import bytes_read
from corpus_scripts.record import Record


class Progress:
    """Moves when a document has been converted, to where the file stood when it was read.

    name (str): Shown in front.
    inputs (Sequence[Path]): Files and folders that are read.
    """

    def __init__(self, name: str, inputs: Sequence[Path]) -> None:
        self._size = sum(_size(Path(path)) for path in inputs)
        self._start = bytes_read()
        self._positions: deque[int] = deque()
        self._documents = 0
        self._name = name
        self._bar: tqdm | None = None

    def reading(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records on and note where the file stands after each."""
        for record in records:
            self._positions.append(bytes_read() - self._start)
            if self._bar is None:
                self._bar = self._open()
            yield record

    def converted(self, documents: int) -> None:
        """So many documents more are done."""
        if self._bar is None:
            return
        position = 0
        for _ in range(documents):
            position = self._positions.popleft()
        self._documents += documents
        if not self._size:
            self._bar.update(documents)
        elif documents:
            self._bar.set_postfix_str(f"{self._documents:,} documents", refresh=False)
            self._bar.update(min(position, self._size) - self._bar.n)

    def _open(self) -> tqdm:
        """Made with the first document: only then is it known whether the reader counts bytes."""
        if not self._positions[-1]:
            self._size = 0
        unit = {"total": self._size, "unit": "B", "unit_scale": True} if self._size else {"unit": "doc"}
        return tqdm(desc=self._name, disable=None, leave=False, **unit)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
