"""Bar charts as SVG, written by hand: no plotting library, no script, readable on light and on dark pages.

One panel a set; one bar a contestant, with its range over the rounds as a line, its value and a remark beside it.
Colour tells the implementation, a paler fill fp32: both are said in the legend and written beside each bar too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from spacy_bioclinical.cli.svg import LETTER, axis_steps

COLUMNS, GAP = 2, 28
ROW, BAR = 24, 15
SPAN, VALUE_WIDTH = 230, 170
TITLE, AXIS = 30, 44
LEGEND = 30
STYLE = """
svg { background: #ffffff; }
text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
.page { fill: #ffffff; } .title { font-size: 17px; font-weight: 600; } .panel { font-size: 14px; font-weight: 600; }
.faint { fill: #59636e; } .axis { stroke: #8b949e; } .grid { stroke: #d8dee4; }
.range { stroke: #1f2328; stroke-width: 1.5; }
.packed { fill: #0969da; } .transformers { fill: #bc4c00; } .spacy-transformers { fill: #1a7f37; }
.edsnlp { fill: #8250df; } .component { fill: #1b7c83; } .pipeline { fill: #0969da; }
.fp32 { fill-opacity: 0.55; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; } text { fill: #e6edf3; } .page { fill: #0d1117; } .faint { fill: #9198a1; }
  .axis { stroke: #6e7681; } .grid { stroke: #262c36; } .range { stroke: #e6edf3; }
  .packed { fill: #4493f8; } .transformers { fill: #db6d28; } .spacy-transformers { fill: #3fb950; }
  .edsnlp { fill: #ab7df8; } .component { fill: #39c5cf; } .pipeline { fill: #4493f8; }
}
"""


@dataclass(frozen=True)
class Bar:
    """One contestant's bar.

    label (str): written at its left.
    kind (str): class of its colour.
    precision (str): "fp32" is filled paler.
    value, low, high (float): its length, and the range over the rounds.
    remark (str): written behind its value, such as a ratio.
    """

    label: str
    kind: str
    precision: str
    value: float
    low: float
    high: float
    remark: str = ""


@dataclass(frozen=True)
class Panel:
    """Bars that share an axis."""

    title: str
    bars: Sequence[Bar]


def bar_chart(
    title: str, unit: str, panels: Sequence[Panel], kinds: dict[str, str], note: str, columns: int = COLUMNS
) -> str:
    """Draw panels of bars.

    title (str): above all.
    unit (str): of the axis.
    panels (Sequence[Panel]): row by row, `columns` beside each other.
    kinds (dict[str, str]): legend: class of a colour to what it stands for.
    note (str): below all.
    RETURNS (str): an SVG document.
    """
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    longest = max((len(bar.label) for panel in panels for bar in panel.bars), default=0)
    label_width = 12 + round(LETTER * longest)
    panel_width = label_width + SPAN + VALUE_WIDTH
    width = max(columns * panel_width + (columns + 1) * GAP, 2 * GAP + round(LETTER * len(note)))
    parts, top = [], GAP + TITLE + LEGEND
    for row in rows:
        for column, panel in enumerate(row):
            parts.append(_panel(panel, unit, GAP + column * (panel_width + GAP), top, label_width))
        top += max(_panel_height(panel) for panel in row) + GAP
    height = top + GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="title" x="{GAP}" y="{GAP + 10}">{escape(title)}</text>',
        _legend(kinds, GAP + TITLE + 6),
    ]
    foot = [f'<text class="faint" x="{GAP}" y="{height - GAP / 2:.0f}">{escape(note)}</text>', "</svg>"]
    return "\n".join([*head, *parts, *foot]) + "\n"


def _panel_height(panel: Panel) -> int:
    return TITLE + ROW * len(panel.bars) + AXIS


def _legend(kinds: dict[str, str], y: int) -> str:
    parts, x = [], GAP
    for kind, text in {**kinds, "fp32": "paler: fp32"}.items():
        swatch = f"{next(iter(kinds), '')} fp32" if kind == "fp32" else kind
        parts.append(f'<rect class="{swatch}" x="{x}" y="{y - 10}" width="12" height="12"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{escape(text)}</text>')
        x += 40 + 7 * len(text)
    return "".join(parts)


def _panel(panel: Panel, unit: str, left: int, top: int, label_width: int) -> str:
    x0 = left + label_width
    step, n_steps = axis_steps(max((bar.high for bar in panel.bars), default=1.0))
    scale = SPAN / (step * n_steps)
    base = top + TITLE + ROW * len(panel.bars)
    parts = [f'<text class="panel" x="{left}" y="{top + 14}">{escape(panel.title)}</text>']
    for i in range(n_steps + 1):
        x = x0 + i * step * scale
        style = "grid" if i else "axis"
        parts.append(
            f'<line class="{style}" x1="{x:.1f}" y1="{top + TITLE - 6}" x2="{x:.1f}" y2="{base + 4}"/>'
        )
        parts.append(
            f'<text class="faint" x="{x:.1f}" y="{base + 18}" text-anchor="middle">{i * step:g}</text>'
        )
    middle = x0 + SPAN / 2
    parts.append(
        f'<text class="faint" x="{middle:.1f}" y="{base + 34}" text-anchor="middle">{escape(unit)}</text>'
    )
    for i, bar in enumerate(panel.bars):
        parts.append(_bar(bar, x0, scale, top + TITLE + ROW * i))
    return "\n".join(parts)


def _bar(bar: Bar, x0: float, scale: float, top: float) -> str:
    y, end = top + BAR / 2, x0 + bar.high * scale
    said = f"{bar.value:,.0f}" if bar.value >= 100 else f"{bar.value:#.3g}"
    return "".join(
        (
            f'<text x="{x0 - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="{bar.kind} {bar.precision}" x="{x0}" y="{top}" width="{bar.value * scale:.1f}" '
            f'height="{BAR}"/>',
            f'<line class="range" x1="{x0 + bar.low * scale:.1f}" y1="{y}" x2="{end:.1f}" y2="{y}"/>',
            f'<text x="{end + 6:.1f}" y="{y + 4:.1f}">{said}'
            f'<tspan class="faint"> {escape(bar.remark)}</tspan></text>',
        )
    )
