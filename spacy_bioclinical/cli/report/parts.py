"""The parts of a report as plain data, so that the page, the Markdown and the model card say the same.

A section holds tables, charts and folded details. Numbers become words here, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

DASH = "–"


@dataclass(frozen=True)
class Range:
    """A value with its interval, drawn beside its row.

    value, low, high (float | None): in [0, 1]. mark (float | None): a figure to compare with, such as a published one.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    mark: float | None = None

    @property
    def numbers(self) -> list[float]:
        """RETURNS (list[float]): those that are there."""
        return [each for each in (self.value, self.low, self.high, self.mark) if each is not None]


@dataclass(frozen=True)
class Table:
    """A table.

    title (str): its caption.
    header (Sequence[str]): of the columns; the first one names the rows.
    rows (Sequence[Sequence[str]]): cells.
    words (int): the first so many columns hold words, the others numbers.
    ranges (Sequence[Range] | None): one for each row, drawn in a column of their own.
    shades (Sequence[Sequence[float]] | None): for each row and column, how dark the cell is, in [0, 1].
    note (str): below. drawn (str): what the drawn column shows; on the page only.
    main (bool): whether the Markdown has it too.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    ranges: Sequence[Range] | None = None
    shades: Sequence[Sequence[float]] | None = None
    note: str = ""
    drawn: str = ""
    main: bool = False


@dataclass(frozen=True)
class Charts:
    """Drawings that stand beside each other where there is room: SVG elements, made by `charts`."""

    drawings: Sequence[str]
    note: str = ""


@dataclass(frozen=True)
class Fold:
    """What is shown when its line is chosen, and always on paper.

    summary (str): the line. parts (Sequence[Table | Marked]): what it holds.
    """

    summary: str
    parts: Sequence[Any]


@dataclass(frozen=True)
class Marked:
    """A document's text with gold and predicted mentions; HTML of `marked_text`."""

    gold: str
    predicted: str
    note: str = ""


Part = Table | Charts | Fold | Marked


@dataclass(frozen=True)
class Section:
    """A section.

    key (str): its anchor. title (str): its heading. intro (str): what to read out of it.
    parts (Sequence[Part]): none if there is nothing to show. todo (str): what to run then.
    """

    key: str
    title: str
    intro: str = ""
    parts: Sequence[Part] = field(default_factory=tuple)
    todo: str = ""


def percent(value: float | None, digits: int = 2) -> str:
    """RETURNS (str): a share in percent; a dash for None."""
    return DASH if value is None else f"{100 * value:.{digits}f}"


def interval(bounds: Sequence[float | None] | None, digits: int = 2) -> str:
    """RETURNS (str): an interval in percent; a dash where there is none."""
    if not bounds or bounds[0] is None or bounds[1] is None:
        return DASH
    return f"{percent(bounds[0], digits)}–{percent(bounds[1], digits)}"


def ranged(value: float | None, bounds: Sequence[float | None] | None, mark: float | None = None) -> Range:
    """RETURNS (Range): for the drawing beside a row."""
    low, high = bounds if bounds else (None, None)
    return Range(value, low, high, mark)


def number(value: float | int | None) -> str:
    """RETURNS (str): a count or a speed, with commas; a dash for None."""
    return DASH if value is None else f"{value:,.0f}"
