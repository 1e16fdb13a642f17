"""What the HTML pages of our commands share: style for light, dark and paper, and a frame that fetches nothing.

A page is one file. Its content security policy lets no browser load or run anything, whatever a label or an id
holds.
"""

from collections.abc import Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --faint: #59636e; --line: #d8dee4;
  --blue: #0969da; --orange: #bc4c00; --green: #1a7f37; --violet: #8250df; --teal: #1b7c83; --red: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #30363d;
  --blue: #4493f8; --orange: #db6d28; --green: #3fb950; --violet: #ab7df8; --teal: #39c5cf; --red: #f85149; } }
@media print { :root { color-scheme: light; --page: #ffffff; --ink: #000000; --faint: #444444; --line: #bbbbbb;
  --blue: #0969da; --orange: #bc4c00; --green: #1a7f37; --violet: #8250df; --teal: #1b7c83; --red: #cf222e; }
  svg, tr, li, figure { break-inside: avoid; } rect, mark { print-color-adjust: exact; } }
body { background: var(--page); color: var(--ink); max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15rem 0.8rem 0.15rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } .scroll { overflow-x: auto; }
.good { color: var(--green); } .warn { color: var(--orange); } .fail { color: var(--red); }
.notice { border: 2px solid var(--red); padding: 0.5rem 1rem; font-weight: 600; }
svg { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
svg text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
svg text.panel { font-size: 14px; font-weight: 600; } svg text.faint { fill: var(--faint); }
.grid { stroke: var(--line); }
.file-0 { fill: var(--blue); } .file-1 { fill: var(--orange); } .file-2 { fill: var(--green); }
.file-3 { fill: var(--violet); } .file-4 { fill: var(--teal); } .file-5 { fill: var(--red); }
figure { margin: 1.5rem 0; } figcaption { color: var(--faint); }
.sample { background: #ffffff; color: #1f2328; padding: 0.5rem 1rem; overflow-x: auto; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_page(title: str, style: str, body: Sequence[str]) -> str:
    """Put a page together.

    title (str): of the window and the first heading; escaped here.
    style (str): CSS; nothing of a corpus may be in it.
    body (Sequence[str]): HTML that follows the heading, escaped by whoever made it.
    RETURNS (str): an HTML document.
    """
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>",
        f"<h1>{escape(title)}</h1>",
    ]
    return "\n".join([*parts, *body, "</body>\n</html>\n"])
