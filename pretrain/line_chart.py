"""Line charts as SVG, written by hand: no plotting library, no script, readable on light and on dark pages.

A series is a line, dots, or both; raw figures are drawn pale, what is to be read from them strong. Series differ in
colour and in dashes, so that neither alone carries the meaning.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 56, 56
LETTER = 6.8  # mean width at 12 px, generous
LEGEND_ROW = 20
COLOURS = 8
STYLE = """
text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
.page { fill: #ffffff; } .title { font-size: 16px; font-weight: 600; } .faint { fill: #59636e; }
.axis { stroke: #8b949e; } .grid { stroke: #d8dee4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.raw { fill: none; stroke-width: 1; stroke-opacity: 0.3; }
.c0 { stroke: #0969da; color: #0969da; } .c1 { stroke: #bc4c00; color: #bc4c00; }
.c2 { stroke: #1a7f37; color: #1a7f37; }
.c3 { stroke: #8250df; color: #8250df; } .c4 { stroke: #1b7c83; color: #1b7c83; }
.c5 { stroke: #bf3989; color: #bf3989; }
.c6 { stroke: #9a6700; color: #9a6700; } .c7 { stroke: #57606a; color: #57606a; }
.dot { fill: currentColor; stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .page { fill: #0d1117; } .faint { fill: #9198a1; }
  .axis { stroke: #6e7681; } .grid { stroke: #262c36; }
  .c0 { stroke: #4493f8; color: #4493f8; } .c1 { stroke: #db6d28; color: #db6d28; }
  .c2 { stroke: #3fb950; color: #3fb950; }
  .c3 { stroke: #ab7df8; color: #ab7df8; } .c4 { stroke: #39c5cf; color: #39c5cf; }
  .c5 { stroke: #e275ad; color: #e275ad; }
  .c6 { stroke: #d29922; color: #d29922; } .c7 { stroke: #9198a1; color: #9198a1; }
}
"""
DASHES = ("", "7 3", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Series:
    """Points of one kind.

    name (str): in the legend. x, y (Sequence[float]): equally many, finite ones are drawn; x ascending.
    style (str): "line" (with dots if they are few), "raw" (thin and pale, not in the legend), "dots".
    colour (int): number of the colour; raw and smoothed series of one thing share it.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: Literal["line", "raw", "dots"] = "line"
    colour: int = 0


def line_chart(title: str, x_title: str, y_title: str, series: Sequence[Series], note: str = "") -> str:
    """Draw series over common axes.

    title, x_title, y_title, note (str): above, at the axes, below. series (Sequence[Series]): drawn in order.
    RETURNS (str): an SVG document.
    """
    drawn = [(one, _finite(one)) for one in series]
    shown = [one for one, _ in drawn if one.style != "raw"]
    legend, legend_height = _legend(shown)
    top = TOP + legend_height
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points]
    x_ticks, y_ticks = ticks(min(xs, default=0.0), max(xs, default=1.0)), ticks(*_range(drawn, ys))
    box = (LEFT, top, WIDTH - RIGHT, HEIGHT - BOTTOM + legend_height)
    height = HEIGHT + legend_height
    quote = {'"': "&quot;"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(title, quote)}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="24" y="32">{escape(title)}</text>',
        legend,
        _axes(box, x_ticks, y_ticks, x_title, y_title),
        *(_series(one, points, box, x_ticks, y_ticks) for one, points in drawn),
        f'<text class="faint" x="{WIDTH - RIGHT}" y="{height - 10}" text-anchor="end">{escape(note)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`.

    most (int): steps between them at most, plus one.
    """
    if high <= low:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _finite(series: Series) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(series.x, series.y) if math.isfinite(x) and math.isfinite(y)]


def _range(drawn: list[tuple[Series, list[tuple[float, float]]]], ys: list[float]) -> tuple[float, float]:
    """Lowest and highest value to show; single raw outliers may leave the picture, what is read may not."""
    if not ys:
        return 0.0, 1.0
    must = [y for one, points in drawn if one.style != "raw" for _, y in points] or ys
    ordered = sorted(ys)
    cut = len(ordered) // 200
    return min(ordered[cut], *must), max(ordered[-1 - cut], *must)


def _legend(series: Sequence[Series]) -> tuple[str, int]:
    """Legend below the title, in as many rows as it needs, and the height it takes."""
    if len(series) < 2:
        return "", 0
    parts, x, y = [], 24.0, TOP - 2
    for one in series:
        width = 46 + LETTER * len(one.name)
        if x + width > WIDTH - RIGHT and x > 24:
            x, y = 24.0, y + LEGEND_ROW
        if one.style == "dots":
            parts.append(
                f'<circle class="c{one.colour % COLOURS} dot" cx="{x + 12:.1f}" cy="{y - 4}" r="3.5"/>'
            )
        else:
            parts.append(
                f'<line class="c{one.colour % COLOURS} line" x1="{x:.1f}" y1="{y - 4}" x2="{x + 24:.1f}" '
                f'y2="{y - 4}"{_dashes(one)}/>'
            )
        parts.append(f'<text x="{x + 30:.1f}" y="{y}">{escape(one.name)}</text>')
        x += width
    return "".join(parts), y - TOP + LEGEND_ROW


def _axes(box: tuple[int, int, int, int], x_ticks: list[float], y_ticks: list[float], x: str, y: str) -> str:
    left, top, right, bottom = box
    parts = []
    for value in y_ticks:
        at = _place(value, y_ticks, bottom, top)
        kind = "axis" if value == y_ticks[0] else "grid"
        parts.append(f'<line class="{kind}" x1="{left}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        label = tick_label(value, y_ticks)
        parts.append(f'<text class="faint" x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    for value in x_ticks:
        at = _place(value, x_ticks, left, right)
        label = tick_label(value, x_ticks)
        parts.append(f'<line class="axis" x1="{at:.1f}" y1="{bottom}" x2="{at:.1f}" y2="{bottom + 5}"/>')
        parts.append(
            f'<text class="faint" x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{label}</text>'
        )
    middle = (top + bottom) / 2
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 38}" text-anchor="middle">{escape(x)}</text>')
    parts.append(
        f'<text x="20" y="{middle}" transform="rotate(-90 20 {middle})" text-anchor="middle">{escape(y)}</text>'
    )
    return "\n".join(parts)


def tick_label(value: float, among: Sequence[float]) -> str:
    """Write a tick: thousands as k, M, G, T where all are that large, small ones with powers of ten."""
    largest = max(map(abs, among))
    step = among[1] - among[0]
    if value == 0:
        return "0"
    for limit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if largest >= limit:
            size = 1e3 if letter == "k" else limit
            return f"{round(value / size, 6):g}{letter}"
    if largest < 1e-2:
        return f"{value:.3g}"
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def _series(
    series: Series,
    points: list[tuple[float, float]],
    box: tuple[int, int, int, int],
    x_ticks: list[float],
    y_ticks: list[float],
) -> str:
    left, top, right, bottom = box
    low, high = y_ticks[0], y_ticks[-1]
    places = [
        (_place(x, x_ticks, left, right), _place(min(max(y, low), high), y_ticks, bottom, top))
        for x, y in points
    ]
    colour = f"c{series.colour % COLOURS}"
    parts = []
    if series.style != "dots" and places:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        kind = "raw" if series.style == "raw" else "line"
        dashes = "" if kind == "raw" else _dashes(series)
        parts.append(f'<polyline class="{colour} {kind}" points="{path}"{dashes}/>')
    if series.style == "dots" or (series.style == "line" and len(places) <= 40):
        parts.extend(f'<circle class="{colour} dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
    return "\n".join(parts)


def _dashes(series: Series) -> str:
    dashes = DASHES[series.colour % len(DASHES)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _place(value: float, among: Sequence[float], low: float, high: float) -> float:
    return low + (value - among[0]) / (among[-1] - among[0]) * (high - low)
