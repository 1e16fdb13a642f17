"""What our charts share: an SVG element with its words for those who cannot see it, and round steps of an axis."""

from collections.abc import Sequence
from html import escape

LETTER = 6.7  # mean width at 12 px, generous


def svg_element(
    width: int, height: int, label: str, parts: Sequence[str], description: str | None = None
) -> str:
    """Put a drawing together.

    width, height (int): of the view box, and the natural width.
    label (str): its name, read out; parts (Sequence[str]): SVG.
    description (str | None): what it shows, in words; with one the drawing gets a title and a description element.
    RETURNS (str): the element.
    """
    head = f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{escape(label)}">'
    said = []
    if description is not None:
        said = [f"<title>{escape(label)}</title><desc>{escape(description)}</desc>"]
    return "\n".join([head, *said, *parts, "</svg>"])


def axis_steps(most: float) -> tuple[float, int]:
    """Round steps for an axis from 0: their size (1, 2 or 5 times a power of ten) and how many reach `most`.

    most (float): the largest value, above 0.
    """
    exponent = -9
    while True:
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            if most <= 5 * step:
                return step, max(1, int(-(-most // step)))
        exponent += 1
