"""A run's figures as CSV: one line a step, flushed at once, cut back to the checkpoint when a run is resumed.

Floats are written in full, so that two logs can be compared bit for bit; only the column of speed differs
between runs.
"""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

STEP_COLUMNS = (
    *("step", "epoch", "pieces", "predicted", "loss", "learning_rate", "grad_norm", "packing"),
    *("pieces_per_second", "mask_rate", "rows", "skipped", "mfu"),
)
EVALUATION_COLUMNS = ("step", "pieces", "loss", "accuracy", "predicted", "top5", "top10", "top25")
FIGURES = ("loss", "accuracy", "top5", "top10", "top25")


def evaluation_columns(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of an evaluation log; with two sources or more, the figures of each follow."""
    names = sources if len(sources) > 1 else ()
    return (*EVALUATION_COLUMNS, *(f"{figure}:{name}" for name in names for figure in FIGURES))


class CsvLog:
    """An append-only CSV file whose first column is the step.

    path (Path): the file. columns (Sequence[str]): its header. after (int): keep earlier lines up to this
        step.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, after: int = 0):
        kept = self._kept(path, columns, after) if path.is_file() else []
        aside = path.with_name(f".{path.name}.writing")
        with aside.open("w", encoding="utf8", newline="") as file:
            csv.writer(file).writerows([columns, *kept])
        os.replace(aside, path)
        self._file = path.open("a", encoding="utf8", newline="")
        self._writer = csv.writer(self._file)

    @staticmethod
    def _kept(path: Path, columns: Sequence[str], after: int) -> list[list[str]]:
        """Whole lines of steps up to `after`; a kill may have cut the last line short."""
        with path.open(encoding="utf8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        whole = [row for row in rows if len(row) == len(columns) and row[0].isdigit()]
        return [row for row in whole if int(row[0]) <= after]

    def write(self, *values: object) -> None:
        """Append one line."""
        self._writer.writerow([repr(value) if isinstance(value, float) else value for value in values])
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
