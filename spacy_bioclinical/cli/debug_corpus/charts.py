"""Charts of the page as inline SVG, written by hand: lengths, labels, duplicates. No script, no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from spacy_bioclinical.cli.svg import LETTER, svg_element

ROW, BAR = 22, 14
WIDTH, HEIGHT, LEFT = 720, 150, 56
BINS_PER_DOUBLING = 2


def histogram(
    title: str, lengths: Sequence[int], edges: Sequence[float], unit: str, limits: Sequence[int] = ()
) -> str:
    """Draw how many documents have which length, on a logarithmic axis.

    title (str): the file.
    lengths (Sequence[int]): one number for each document.
    edges (Sequence[float]): of the bins, from `bin_edges`, the same for all files.
    unit (str): "pieces" or "tokens".
    limits (Sequence[int]): lengths marked by a line.
    RETURNS (str): an SVG element, one `rect.bar` for each bin.
    """
    counts, _ = np.histogram(np.asarray(lengths), bins=np.asarray(edges))
    top, base = 40, 40 + HEIGHT
    low, high = math.log2(edges[0]), math.log2(edges[-1])

    def x_of(length: float) -> float:
        return LEFT + (math.log2(max(length, edges[0])) - low) / (high - low) * (WIDTH - LEFT - 20)

    most = max(int(counts.max(initial=0)), 1)
    parts = [f'<text class="panel" x="{LEFT}" y="16">{escape(title)}</text>']
    for value in (0, most):
        y = base - value / most * HEIGHT
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 20}" y2="{y:.1f}"/>')
        parts.append(f'<text class="faint" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>')
    for count, left, right in zip(counts.tolist(), edges[:-1], edges[1:]):
        height = count / most * HEIGHT
        said = f"{left:,.0f} to {right:,.0f} {unit}: {count:,} documents"
        parts.append(
            f'<rect class="bar" x="{x_of(left) + 1:.1f}" y="{base - height:.1f}" '
            f'width="{x_of(right) - x_of(left) - 2:.1f}" height="{height:.1f}"><title>{escape(said)}</title></rect>'
        )
    for power in range(math.ceil(low), math.floor(high) + 1):
        if (high - low) < 9 or power % 2 == 0:
            parts.append(
                f'<text class="faint" x="{x_of(2**power):.1f}" y="{base + 16}" text-anchor="middle">{2**power:,}</text>'
            )
    parts.append(
        f'<text class="faint" x="{(LEFT + WIDTH) / 2:.0f}" y="{base + 34}" text-anchor="middle">{escape(unit)}</text>'
    )
    for limit in limits:
        if edges[0] <= limit <= edges[-1]:
            x = x_of(limit)
            parts.append(f'<line class="limit" x1="{x:.1f}" y1="{top - 8}" x2="{x:.1f}" y2="{base}"/>')
            parts.append(
                f'<text class="limit-name" x="{x:.1f}" y="{top - 12}" text-anchor="middle">{limit:,}</text>'
            )
    return svg_element(WIDTH, base + 44, f"{title}: documents by length", parts)


def bin_edges(longest: int, shortest: int = 1) -> list[float]:
    """Edges of bins of equal width on a logarithmic axis that hold all lengths, and at least 16 to 1,024."""
    low = max(0, min(4, int(math.log2(max(shortest, 1)))))
    high = max(10, math.ceil(math.log2(longest + 1)))
    steps = (high - low) * BINS_PER_DOUBLING
    return [2 ** (low + step / BINS_PER_DOUBLING) for step in range(steps + 1)]


def bars(title: str, rows: Sequence[tuple[str, Sequence[int]]], names: Sequence[str]) -> str:
    """Draw the counts of labels, one bar for each label and file.

    title (str): above.
    rows (Sequence[tuple]): label, and a count for each file.
    names (Sequence[str]): of the files, for the legend.
    RETURNS (str): an SVG element, one `rect.bar` for each count.
    """
    left = 20 + round(LETTER * max((len(label) for label, _ in rows), default=0))
    width = max(WIDTH, left + 400)
    most = max((count for _, counts in rows for count in counts), default=0) or 1
    parts = [f'<text class="panel" x="0" y="16">{escape(title)}</text>']
    x = 0.0
    for number, name in enumerate(names):
        parts.append(f'<rect class="key file-{number % 6}" x="{x:.0f}" y="26" width="12" height="12"/>')
        parts.append(f'<text x="{x + 18:.0f}" y="37">{escape(name)}</text>')
        x += 40 + LETTER * len(name)
    y = 50
    for label, counts in rows:
        middle = y + len(counts) * BAR / 2 + 4
        parts.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{escape(label)}</text>')
        for number, count in enumerate(counts):
            length = count / most * (width - left - 90)
            parts.append(
                f'<rect class="bar file-{number % 6}" x="{left}" y="{y}" width="{length:.1f}" height="{BAR - 2}"/>'
            )
            parts.append(f'<text class="faint" x="{left + length + 6:.1f}" y="{y + 10}">{count:,}</text>')
            y += BAR
        y += ROW - BAR
    return svg_element(width, y + 8, title, parts)


def matrix(title: str, names: Sequence[str], cells: Sequence[Sequence[tuple[int, float]]]) -> str:
    """Draw which share of each file's documents is found in each other file.

    title (str): above.
    names (Sequence[str]): of the files.
    cells (Sequence): cells[row][column] = documents of file `row` that are found in file `column`, and their share.
    RETURNS (str): an SVG element, one `rect.cell` for each two files.
    """
    left = 20 + round(LETTER * max(len(name) for name in names))
    size = max(96, *(20 + round(LETTER * len(name)) for name in names))
    parts = [f'<text class="panel" x="0" y="16">{escape(title)}</text>']
    for column, name in enumerate(names):
        x = left + (column + 0.5) * size
        parts.append(f'<text x="{x:.0f}" y="44" text-anchor="middle">{escape(name)}</text>')
    for row, name in enumerate(names):
        y = 54 + row * 44
        parts.append(f'<text x="{left - 8}" y="{y + 26}" text-anchor="end">{escape(name)}</text>')
        for column, (count, part) in enumerate(cells[row]):
            depth = 0.0 if not count else 0.15 + 0.6 * math.sqrt(min(part, 1.0))
            x = left + column * size
            parts.append(
                f'<rect class="cell" style="fill-opacity:{depth:.2f}" x="{x}" y="{y}" width="{size - 4}" height="40"/>'
            )
            said = f"{count:,} ({part:.1%})" if count else "0"
            parts.append(f'<text x="{x + size / 2 - 2:.0f}" y="{y + 25}" text-anchor="middle">{said}</text>')
    width = max(left + len(names) * size, round(1.3 * LETTER * len(title)))
    return svg_element(width, 60 + len(names) * 44, title, parts)
