"""From seconds to figures: pieces per second, ratios within rounds, where a ratio comes from; the table.

The interval of a figure is the range from its worst to its best round, nothing more: a handful of rounds carries
no confidence interval. A ratio is the median of the ratios within each round, with their range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from pretrain.benchmarking.contestants import (
    ALL_GLOBAL,
    ALL_LOGITS,
    OURS,
    RANDOM,
    SORTED,
    SPARSE,
    Contestant,
)
from pretrain.benchmarking.race import Outcome

INTERVAL = "median of the rounds [least, most]"
CLOCKS = ("wall", "processor")
ATTRIBUTION = (
    "factors of ours against transformers' random batches: padding = padded / real pieces of those batches; local "
    "attention = ours with every layer global / ours; predicted pieces only = ours with the head at every piece / "
    "ours; rest = ratio / their product (attention over padding grows with its square; masks; kernels). Each factor "
    "is measured alone; together they need not multiply exactly"
)


@dataclass(frozen=True)
class Figure:
    """A median with the range of what it is the median of."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure | None":
        """Values (Sequence[float]): one a round; None for none."""
        return cls(median(values), min(values), max(values)) if values else None

    def to_dict(self) -> dict[str, float]:
        """For the result file, to four significant digits."""
        names = ("median", "low", "high")
        return {name: float(f"{getattr(self, name):.4g}") for name in names}


def seconds(outcome: Outcome, key: str, clock: str) -> list[float]:
    """Seconds of each round by a clock of `CLOCKS`."""
    return [getattr(run, f"{clock}_seconds") for run in outcome.runs.get(key, [])]


def ratio(outcome: Outcome, fast: str, slow: str, clock: str) -> Figure | None:
    """How many times faster `fast` is than `slow`, within rounds; None if one of them did not run."""
    pairs = zip(seconds(outcome, fast, clock), seconds(outcome, slow, clock))
    return Figure.of([b / a for a, b in pairs])


def summary(
    contestants: Sequence[Contestant],
    outcome: Outcome,
    *,
    pieces: int,
    clock: str,
    flops_per_piece: float,
    peak_flops: float,
) -> dict[str, dict[str, Any]]:
    """Figures of each contestant that ran.

    pieces (int): real pieces of all documents. flops_per_piece (float): the work of a piece, forward and backward.
    peak_flops (float): what the device does at most, a second of the same clock.
    RETURNS (dict): by key; "times_slower_than_ours" is ours / contestant in pieces per second.
    """
    rows = {}
    for contestant in contestants:
        runs = outcome.runs[contestant.key]
        speed = Figure.of([pieces / value for value in seconds(outcome, contestant.key, clock)])
        if speed is None:
            continue
        slower = ratio(outcome, OURS, contestant.key, clock)
        utilisation = {
            name: float(f"{value * flops_per_piece / peak_flops:.4g}")
            for name, value in (("median", speed.median), ("low", speed.low), ("high", speed.high))
        }
        rows[contestant.key] = {
            "label": contestant.label,
            "is_same_model": contestant.is_same_model,
            "pieces_per_second": speed.to_dict(),
            "times_slower_than_ours": None if slower is None else slower.to_dict(),
            "padding_share": round(mean(run.padding for run in runs), 4),
            "optimizer_steps": round(mean(run.steps for run in runs), 1),
            "peak_mb": round(outcome.peaks[contestant.key] / 2**20, 1),
            # more work than counted is done by "ours, no local attention"
            "utilisation": utilisation if contestant.is_same_model else None,
        }
    return rows


def attribution(outcome: Outcome, clock: str) -> dict[str, Any]:
    """Where the ratio to transformers' random batches comes from; factors that were not measured are left out."""
    total = ratio(outcome, OURS, RANDOM, clock)
    if total is None:
        return {}
    padding = Figure.of([1.0 / (1.0 - run.padding) for run in outcome.runs[RANDOM]])
    factors = {
        "padding": padding,
        "local attention": ratio(outcome, OURS, ALL_GLOBAL, clock),
        "predicted pieces only": ratio(outcome, OURS, ALL_LOGITS, clock),
    }
    found: dict[str, Any] = {"meaning": ATTRIBUTION, "ratio": total.to_dict()}
    found["factors"] = {name: figure.to_dict() for name, figure in factors.items() if figure is not None}
    rest = total.median
    for figure in factors.values():
        rest /= figure.median if figure is not None else 1.0
    found["rest"] = float(f"{rest:.4g}")
    steps = {
        "sorting by length": ratio(outcome, SORTED, RANDOM, clock),
        "sparse_prediction after sorting": ratio(outcome, SPARSE, SORTED, clock),
        "ours after both": ratio(outcome, OURS, SPARSE, clock),
    }
    found["what the peer can win back"] = {
        name: figure.to_dict() for name, figure in steps.items() if figure is not None
    }
    return found


def table(result: dict[str, Any]) -> str:
    """The result as text: one line a contestant, then the attribution."""
    header = ("who", "pieces/s", "ours is x times", "padding", "steps", "peak MB", "utilisation")
    lines = [header]
    for row in result["contestants"].values():
        use = row["utilisation"]
        lines.append(
            (
                row["label"],
                _shown(row["pieces_per_second"], "{:,.0f}"),
                _shown(row["times_slower_than_ours"], "{:.2f}"),
                f"{100 * row['padding_share']:.1f} %",
                f"{row['optimizer_steps']:g}",
                f"{row['peak_mb']:,.0f}",
                "–" if use is None else f"{100 * use['median']:.0f} %",
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        )
        for line in lines
    ]
    text += [f"{key} left the race: {why}" for key, why in result["race"]["failed"].items()]
    found = result["attribution"]
    if found:
        parts = [f"{name} {_shown(figure, '{:.2f}')}" for name, figure in found["factors"].items()]
        text.append(f"\nratio to random batches {_shown(found['ratio'], '{:.2f}')}")
        text.append(f"  = {' x '.join(parts)} x rest {found['rest']:.2f}")
        won = [
            f"{name} {_shown(figure, '{:.2f}')}"
            for name, figure in found["what the peer can win back"].items()
        ]
        text += [f"  = {' x '.join(won)}"] if len(won) == 3 else []  # only all three multiply to it
    return "\n".join(text)


def _shown(figure: dict[str, float] | None, form: str) -> str:
    if figure is None:
        return "–"
    return f"{form.format(figure['median'])} [{form.format(figure['low'])}–{form.format(figure['high'])}]"
