"""The drawings of the report as SVG: intervals beside rows, learning curves, reliability. House style of `cli.svg`.

Nothing is told by colour alone: lines have different dashes, and every number stands in a table or a title too.
"""

import math
from collections.abc import Sequence
from html import escape

from spacy_bioclinical.cli.report.parts import Range
from spacy_bioclinical.cli.svg import LETTER, axis_steps, svg_element

WIDTH, HEIGHT = 340, 210
TITLE_SIZE, LEAST_SIZE, TITLE_LETTER = 14, 10, 0.6  # pixels; width of a bold letter, of its height
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 30, 38
RANGE_WIDTH, RANGE_HEIGHT, RANGE_EDGE = 170, 18, 10
DASHES = ("", "6 3", "2 3", "8 3 2 3", "12 4", "1 4")
MOST_LINES = 6
Points = Sequence[tuple[float, float]]


def range_axis(ranges: Sequence[Range]) -> tuple[float, float]:
    """Choose the axis that all ranges of a table share.

    RETURNS (tuple): from and to, in [0, 1], multiples of 0.05 (of 0.01 where all is close together).
    """
    numbers = [each for found in ranges for each in found.numbers]
    if not numbers:
        return 0.0, 1.0
    least, most = min(numbers), max(numbers)
    step = 0.01 if most - least < 0.04 else 0.05
    low = math.floor(least / step + 1e-9) * step
    high = math.ceil(most / step - 1e-9) * step
    return max(0.0, round(low, 4)), max(round(high, 4), round(low + step, 4))


def range_head(axis: tuple[float, float]) -> str:
    """RETURNS (str): SVG of the numbers of the axis, for the head of a column."""
    low, high = axis
    words = f"axis from {100 * low:g} to {100 * high:g}"
    parts = [
        f'<text class="faint" x="0" y="13">{100 * low:g}</text>',
        f'<text class="faint" x="{RANGE_WIDTH}" y="13" text-anchor="end">{100 * high:g}</text>',
    ]
    return svg_element(RANGE_WIDTH, RANGE_HEIGHT, words, parts, words)


def draw_range(found: Range, axis: tuple[float, float]) -> str:
    """RETURNS (str): SVG of a value (dot), its interval (line) and what it is compared with (diamond)."""
    low, high = axis
    span = RANGE_WIDTH - 2 * RANGE_EDGE
    middle = RANGE_HEIGHT / 2

    def x_of(value: float) -> float:
        return RANGE_EDGE + (min(max(value, low), high) - low) / (high - low) * span

    edges = (RANGE_EDGE, RANGE_WIDTH - RANGE_EDGE)
    parts = [f'<line class="grid" x1="{edges[0]}" y1="{middle}" x2="{edges[1]}" y2="{middle}"/>']
    words = []
    if found.low is not None and found.high is not None:
        ends = [x_of(found.low), x_of(found.high)]
        parts.append(
            f'<line class="range" x1="{ends[0]:.1f}" y1="{middle}" x2="{ends[1]:.1f}" y2="{middle}"/>'
        )
        parts += [
            f'<line class="range" x1="{x:.1f}" y1="{middle - 4}" x2="{x:.1f}" y2="{middle + 4}"/>'
            for x in ends
        ]
        words.append(f"from {100 * found.low:.1f} to {100 * found.high:.1f}")
    if found.mark is not None:
        x = x_of(found.mark)
        corners = f"{x:.1f},{middle - 6} {x + 5:.1f},{middle} {x:.1f},{middle + 6} {x - 5:.1f},{middle}"
        parts.append(f'<polygon class="mark" points="{corners}"/>')
        words.append(f"published {100 * found.mark:.1f}")
    if found.value is not None:
        parts.append(f'<circle class="dot" cx="{x_of(found.value):.1f}" cy="{middle}" r="4"/>')
        words.insert(0, f"{100 * found.value:.1f}")
    said = ", ".join(words) or "nothing measured"
    return svg_element(RANGE_WIDTH, RANGE_HEIGHT, said, parts, said)


def panel_title(title: str) -> str:
    """RETURNS (str): a title that stays within the chart: long ones are smaller, very long ones lose their middle."""
    size = max(LEAST_SIZE, min(TITLE_SIZE, WIDTH / (TITLE_LETTER * max(1, len(title)))))
    most = int(WIDTH / (TITLE_LETTER * size) + 1e-6)
    if len(title) > most:
        title = f"{title[: most // 2 - 1]}…{title[len(title) - most // 2 :]}"
    return f'<text class="panel" style="font-size: {size:.1f}px" x="0" y="16">{escape(title)}</text>'


def line_chart(
    title: str, unit: str, lines: Sequence[tuple[str, Points]], *, top: float | None = None
) -> str:
    """Draw lines over steps.

    title (str): above. unit (str): below the axis.
    lines (Sequence[tuple]): name and (x, y) points, x ascending; the first `MOST_LINES` are told apart.
    top (float | None): end of the vertical axis; None: what the points need.
    RETURNS (str): an SVG element with one `path` for each line.
    """
    lines = [(name, [(x, y) for x, y in line if math.isfinite(y)]) for name, line in lines]
    points = [each for _, line in lines for each in line]
    last = max((x for x, _ in points), default=1.0) or 1.0
    most = top or max((y for _, y in points), default=1.0)
    step, n_steps = axis_steps(max(most, 1e-9))
    end = top or step * n_steps
    x_step, n_x = axis_steps(last)
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> str:
        return f"{LEFT + x / last * across:.1f},{TOP + up - min(max(y / end, 0), 1) * up:.1f}"

    parts = [panel_title(title)]
    for k in range(n_steps + 1):
        value = k * step
        if value > end * 1.0001:
            break
        y = TOP + up - value / end * up
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text class="faint" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for k in range(n_x + 1):
        if k * x_step <= last * 1.0001:
            x = LEFT + k * x_step / last * across
            anchor = "end" if x > WIDTH - 30 else "middle"
            said = f"{k * x_step:,.0f}" if last >= 10 else f"{k * x_step:g}"
            parts.append(
                f'<text class="faint" x="{x:.1f}" y="{TOP + up + 16}" text-anchor="{anchor}">{said}</text>'
            )
    parts.append(
        f'<text class="faint" x="{LEFT + across / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(unit)}</text>'
    )
    for number, (name, line) in enumerate(lines):
        drawn = [place(x, y) for x, y in line]
        kind = min(number, MOST_LINES - 1)
        dash = f' stroke-dasharray="{DASHES[kind]}"' if DASHES[kind] else ""
        head = f"<title>{escape(name)}</title>"
        if len(drawn) == 1:
            at_x, at_y = drawn[0].split(",")
            parts.append(f'<circle class="file-{kind}" cx="{at_x}" cy="{at_y}" r="3">{head}</circle>')
        elif drawn:
            parts.append(f'<path class="curve line-{kind}"{dash} d="M{" L".join(drawn)}">{head}</path>')
    names = [name for name, _ in lines]
    legend = _legend(names) if len(names) > 1 else []
    ends = "; ".join(
        f"{name}: last {line[-1][1]:.4g}, highest {max(y for _, y in line):.4g}"
        for name, line in lines
        if line
    )
    height = HEIGHT + 18 * len({key for key, _ in legend})
    return svg_element(WIDTH, height, title, [*parts, *(each for _, each in legend)], f"{unit}. {ends}")


def _legend(names: Sequence[str]) -> list[tuple[int, str]]:
    """Keys of the lines, wrapped into rows: (row, SVG)."""
    shown = [*names[: MOST_LINES - 1], *names[MOST_LINES - 1 : MOST_LINES]]
    if len(names) > MOST_LINES:
        shown[-1] = f"{len(names) - MOST_LINES + 1} others"
    found, x, row = [], 0.0, 0
    for kind, name in enumerate(shown):
        width = 44 + LETTER * len(name)
        if x and x + width > WIDTH:
            x, row = 0.0, row + 1
        y = HEIGHT + 8 + 18 * row
        dash = f' stroke-dasharray="{DASHES[kind]}"' if DASHES[kind] else ""
        key = f'<path class="curve line-{kind}"{dash} d="M{x:.0f},{y} L{x + 28:.0f},{y}"/>'
        found.append((row, f'{key}<text x="{x + 34:.0f}" y="{y + 4}">{escape(name)}</text>'))
        x += width
    return found


def reliability_chart(title: str, bins: Sequence[dict[str, float]]) -> str:
    """Draw how often what was claimed came true, bin by bin.

    title (str): above. bins (Sequence[dict]): "low", "high", "n", "confidence", "accuracy".
    RETURNS (str): an SVG element with one `circle` for each bin, its area by the number of cases.
    """
    side = HEIGHT - TOP - BOTTOM + 60
    height = TOP + side + BOTTOM
    left = LEFT + 10
    most = max((each["n"] for each in bins), default=1)
    parts = [panel_title(title)]
    for k in range(6):
        x, y = left + k / 5 * side, TOP + side - k / 5 * side
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + side}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="faint" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{20 * k}</text>'
            f'<text class="faint" x="{x:.1f}" y="{TOP + side + 16}" text-anchor="middle">{20 * k}</text>'
        )
    parts.append(f'<path class="ideal" d="M{left},{TOP + side} L{left + side},{TOP}"/>')
    parts.append(
        f'<text class="faint" x="{left + side / 2:.0f}" y="{height - 6}" text-anchor="middle">confidence, %</text>'
        f'<text class="faint" transform="rotate(-90)" x="{-(TOP + side / 2):.0f}" y="12" text-anchor="middle">'
        "came true, %</text>"
    )
    for each in bins:
        x, y = left + each["confidence"] * side, TOP + side - each["accuracy"] * side
        radius = 3 + 9 * math.sqrt(each["n"] / most)
        said = (
            f"{each['n']:,} cases with {100 * each['confidence']:.1f} % confidence: "
            f"{100 * each['accuracy']:.1f} % came true"
        )
        parts.append(
            f'<circle class="bubble" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{said}</title></circle>'
        )
    gaps = [abs(each["confidence"] - each["accuracy"]) for each in bins]
    words = f"{len(bins)} bins; the largest gap between claim and truth is {100 * max(gaps, default=0):.1f} points"
    return svg_element(WIDTH, height, title, parts, words)
