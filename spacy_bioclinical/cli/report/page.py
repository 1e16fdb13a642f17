"""The report as one HTML page: tables, inline SVG, no script, nothing from outside; light, dark, phone and paper."""

from collections.abc import Sequence
from html import escape

from spacy_bioclinical.cli.html_page import STYLE, html_page
from spacy_bioclinical.cli.report.charts import draw_range, range_axis, range_head
from spacy_bioclinical.cli.report.parts import Charts, Fold, Marked, Part, Section, Table

OWN_STYLE = """
body { max-width: 76rem; } table { font-size: 0.92rem; } th, td { padding-right: 0.7rem; }
nav ul { columns: 2; padding-left: 1.2rem; }
a { color: var(--blue); } p { max-width: 46rem; } .note, .todo { color: var(--faint); font-size: 0.9rem; }
.todo code { color: var(--ink); overflow-wrap: anywhere; }
.caption { font-size: 0.92rem; font-weight: 600; margin: 1.2rem 0 0.3rem; max-width: none; }
.box { margin: 1.2rem 0; } .scroll { max-width: 100%; }
.scroll:focus-visible { outline: 2px solid var(--blue); }
th { font-weight: 600; } tbody th { font-weight: 400; }
thead th { vertical-align: bottom; color: var(--faint); }
th.word, td.word { text-align: left; } td { white-space: nowrap; } td.word, td.long { white-space: normal; }
td.drawn, th.drawn { padding-right: 0; } td svg, th svg { margin: 0; max-width: none; width: 170px; }
td svg, th svg { display: inline-block; vertical-align: middle; }
tr:last-child > td, tr:last-child > th { border-bottom: 1px solid var(--line); }
.range { stroke: var(--ink); stroke-width: 1.5; } .dot { fill: var(--blue); }
.mark { fill: var(--page); stroke: var(--orange); stroke-width: 1.5; }
.charts { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; } .charts svg { flex: 0 1 340px; min-width: 0; }
.curve { fill: none; stroke-width: 1.8; } .ideal { stroke: var(--faint); stroke-dasharray: 5 4; fill: none; }
.bubble { fill: var(--blue); fill-opacity: 0.55; stroke: var(--blue); }
.line-0 { stroke: var(--blue); } .line-1 { stroke: var(--orange); } .line-2 { stroke: var(--green); }
.line-3 { stroke: var(--violet); } .line-4 { stroke: var(--teal); } .line-5 { stroke: var(--red); }
.shaded { padding-left: 0.5rem; padding-right: 0.5rem; min-width: 2.6rem; }
details { border-bottom: 1px solid var(--line); padding: 0.25rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; } details .box { margin: 0.6rem 0; }
.beside { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem; margin: 0.6rem 0; }
.beside figure { margin: 0; } .sample { overflow-wrap: anywhere; } .sample mark { box-decoration-break: clone; }
@media (max-width: 700px) {
  body { margin: 1rem auto; } nav ul { columns: 1; } tbody .word { min-width: 7rem; }
  .beside { grid-template-columns: minmax(0, 1fr); }
}
@page { margin: 14mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; } nav { display: none; }
  h2, h2 + p, h3, .caption, summary { break-after: avoid; } h2 { margin-top: 1.2rem; } figure { break-inside: auto; }
  .charts { display: block; } .charts svg { display: inline-block; width: 48%; }
  .scroll, .sample { overflow: visible; } thead { display: table-header-group; }
  table { font-size: 8pt; width: 100%; } th, td { padding: 0.1rem 0.4rem 0.1rem 0; }
  tbody .word, td.long { overflow-wrap: anywhere; } tbody .word { min-width: 5em; }
  .confusion thead th { overflow-wrap: anywhere; } .confusion tbody .word { overflow-wrap: normal; }
  .note, .todo, .caption { font-size: 8.5pt; }
  td svg, th svg { width: 110px; } details::details-content { content-visibility: visible; block-size: auto; }
  .shaded, .sample mark, .sample span { print-color-adjust: exact; } a { color: inherit; text-decoration: none; }
}
"""
LONG = 24  # letters of a cell that may break
TEXTLESS = "Numbers, labels, ids and offsets only: no document is quoted."


def render_page(title: str, sections: Sequence[Section], *, quotes: bool = False) -> str:
    """Render the page.

    title (str): its heading.
    sections (Sequence[Section]): those without parts tell in one line what to run.
    quotes (bool): whether documents are quoted, which the page then says first.
    RETURNS (str): an HTML document; the same for the same sections.
    """
    body = [f"<p>{TEXTLESS}</p>"]
    if quotes:
        body = ['<p class="notice">This page quotes documents (--with-text). Handle it like the corpus.</p>']
    links = "".join(f'<li><a href="#{each.key}">{escape(each.title)}</a></li>' for each in sections)
    body.append(f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>')
    for section in sections:
        body.append(
            f'<section aria-labelledby="{section.key}"><h2 id="{section.key}">{escape(section.title)}</h2>'
        )
        if section.parts:
            body += [f"<p>{escape(section.intro)}</p>"] if section.intro else []
            body += [render_part(part) for part in section.parts]
        else:
            body.append(f'<p class="todo">Nothing given. It takes: <code>{escape(section.todo)}</code></p>')
        body.append("</section>")
    return html_page(title, STYLE + OWN_STYLE, [*body, "</main>"])


def render_part(part: Part, *, inside: bool = False) -> str:
    """RETURNS (str): HTML of a table, charts, a fold or marked text; inside (bool): of a fold."""
    if isinstance(part, Table):
        return render_table(part, inside=inside)
    if isinstance(part, Charts):
        note = f'<p class="note">{escape(part.note)}</p>' if part.note else ""
        return "\n".join(['<div class="charts">', *part.drawings, f"</div>{note}"])
    if isinstance(part, Fold):
        held = "\n".join(render_part(each, inside=True) for each in part.parts)
        return f"<details><summary>{escape(part.summary)}</summary>\n{held}\n</details>"
    return _marked(part)


def render_table(table: Table, *, inside: bool = False) -> str:
    """Write a table in a box that scrolls by itself, reachable by the keyboard.

    table (Table): the table. inside (bool): of a fold, where its name is no heading.
    RETURNS (str): HTML. The name stands above the box, which may be narrower than it.
    """
    axis = range_axis(table.ranges) if table.ranges is not None else (0.0, 1.0)
    head = "".join(
        f'<th scope="col"{_word(k, table)}>{escape(name)}</th>' for k, name in enumerate(table.header)
    )
    if table.ranges is not None:
        head += f'<th scope="col" class="drawn">{range_head(axis)}</th>'
    lines = []
    for number, row in enumerate(table.rows):
        cells = [f'<th scope="row" class="word">{escape(row[0])}</th>']
        for k, cell in enumerate(row[1:], start=1):
            cells.append(f"<td{_look(table, number, k, cell)}>{escape(cell)}</td>")
        if table.ranges is not None:
            cells.append(f'<td class="drawn">{draw_range(table.ranges[number], axis)}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    name = escape(table.title)
    box = f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">'
    kind = ' class="confusion"' if table.shades is not None else ""
    tag = "p" if inside else "h3"
    heading = f'<{tag} class="caption">{name}</{tag}>'
    said = " ".join(each for each in (table.note, table.drawn) if each)
    note = f'<p class="note">{escape(said)}</p>' if said else ""
    return "\n".join(
        [
            f'<div class="box">{heading}{box}<table aria-label="{name}"{kind}>',
            f"<thead><tr>{head}</tr></thead>\n<tbody>",
            *lines,
            f"</tbody></table></div>{note}</div>",
        ]
    )


def _word(column: int, table: Table) -> str:
    return ' class="word"' if column < table.words else ""


def _look(table: Table, row: int, column: int, cell: str) -> str:
    """Attributes of a cell: words to the left, long ones may break, counts of a confusion are shaded."""
    if table.shades is None:
        return _word(column, table) or (' class="long"' if len(cell) > LONG else "")
    share = table.shades[row][column]
    if not share:
        return ' class="shaded"'
    depth = round(100 * (0.08 + 0.42 * share))
    return f' class="shaded" style="background: color-mix(in srgb, var(--blue) {depth}%, transparent)"'


def _marked(part: Marked) -> str:
    sides = [
        f'<figure><figcaption>{name}</figcaption><div class="sample">{markup}</div></figure>'
        for name, markup in (("gold", part.gold), ("predicted", part.predicted))
    ]
    note = f'<p class="note">{escape(part.note)}</p>' if part.note else ""
    return f'{note}<div class="beside">{"".join(sides)}</div>'
