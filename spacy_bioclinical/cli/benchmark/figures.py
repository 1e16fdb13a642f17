"""From raw measurements to figures: medians with their range, and ratios taken round by round.

The interval of a figure is the range from its worst to its best round, nothing more: a handful of rounds carries
no confidence interval. A ratio is the median of the ratios within each round, with their range.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

INTERVAL = "median of the rounds [least, most]"


@dataclass(frozen=True)
class Figure:
    """A median with the range of what it is the median of."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Values (Sequence[float]): one a round, at least one."""
        return cls(median(values), min(values), max(values))

    def as_dict(self) -> dict[str, float]:
        """For the result file, to four significant digits."""
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


def seconds(runs: Sequence[dict[str, Any]]) -> list[float]:
    """Seconds of each round."""
    return [run["seconds"] for run in runs]


def rate(amount: float, runs: Sequence[dict[str, Any]]) -> Figure:
    """How much was processed in a second.

    amount (float): processed in each round.
    runs (Sequence[dict]): measurements, one a round.
    """
    return Figure.of([amount / value for value in seconds(runs)])


def ratio(ours: Sequence[dict[str, Any]], peers: Sequence[dict[str, Any]]) -> Figure | None:
    """How many times faster the first is, each round compared with the same round of the other.

    RETURNS (Figure | None): None if they share no round.
    """
    pairs = [peer / own for own, peer in zip(seconds(ours), seconds(peers))]
    return Figure.of(pairs) if pairs else None


def shown(figure: Figure | None, digits: int = 2, unit: str = "") -> str:
    """For a table: "1.87 [1.80-1.93]", or a dash."""
    if figure is None:
        return "–"
    low, high = f"{figure.low:.{digits}f}", f"{figure.high:.{digits}f}"
    middle = f"{figure.median:.{digits}f}{unit}"
    return middle if low == high else f"{middle} [{low}–{high}]"
