"""`python -m spacy bioclinical report`: all that was measured as one HTML page, and its main tables as Markdown.

Runs no pipeline. Without --with-text nothing is read that holds the text of a document.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_aside

if TYPE_CHECKING:
    from spacy_bioclinical.cli.report.inputs import Inputs
    from spacy_bioclinical.cli.report.parts import Section


@bioclinical.command("report")
def report_cli(
    inputs: list[Path] = typer.Argument(
        ...,
        help="What evaluate, evaluate-suite, context-value, speed, train and calibrate wrote, a training's log.csv, "
        "or folders of them",
        exists=True,
    ),
    output: Path = typer.Option(Path("report.html"), "--output", "-o", help="HTML page", dir_okay=False),
    markdown: Path | None = typer.Option(None, "--markdown", help="Main tables for a README", dir_okay=False),
    model_card: Path | None = typer.Option(
        None, "--model-card", help="Evaluation section of a model card; takes one score file", dir_okay=False
    ),
    with_text: list[Path] = typer.Option(
        [], "--with-text", help="Corpus of a prediction file; the page then quotes its text!", exists=True
    ),
    published: list[Path] = typer.Option(
        [],
        "--published",
        help="Published figures, as configs/suite/paper_table2.yml",
        exists=True,
        dir_okay=False,
    ),
    documents: int = typer.Option(
        100, "--documents", min=0, help="Documents of each file in the error browser"
    ),
    title: str = typer.Option("Report", "--title", help="Heading"),
) -> None:
    """Write one self-contained HTML page: figures and intervals, curves, confusion, calibration, speed, errors."""
    from spacy_bioclinical.cli.report.inputs import read_inputs
    from spacy_bioclinical.cli.report.markdown import model_card_of, render_markdown
    from spacy_bioclinical.cli.report.page import render_page

    try:
        found = read_inputs(inputs)
        sections = make_sections(found, published=published, corpora=with_text, documents=documents)
        card = model_card_of(found) if model_card else ""
    except (ValueError, OSError) as error:
        msg.fail("No report was written", str(error), exits=1)
    write_aside(output, render_page(title, sections, quotes=bool(with_text)))
    msg.good(f"Wrote {output}" + (", which quotes documents" if with_text else ""))
    if markdown:
        write_aside(markdown, render_markdown(title, sections))
        msg.good(f"Wrote {markdown}")
    if model_card:
        write_aside(model_card, card)
        msg.good(f"Wrote {model_card}")
    missing = [section.title for section in sections if not section.parts]
    if missing:
        msg.info("Nothing given for: " + "; ".join(missing))


def make_sections(
    inputs: "Inputs",
    *,
    published: Sequence[Path] = (),
    corpora: Sequence[Path] = (),
    documents: int = 100,
) -> "list[Section]":
    """Make all sections, in their order.

    inputs (Inputs): from `read_inputs`. published (Sequence[Path]): further published figures.
    corpora (Sequence[Path]): whose text is shown. documents (int): of each file in the error browser.
    RETURNS (list[Section]): also those without anything to show.
    RAISES (ValueError): BC471 or BC472 for a corpus that does not fit, BC456 for a damaged file of figures.
    """
    from spacy_bioclinical.cli.report.browser import browser_section
    from spacy_bioclinical.cli.report.figures import headline_section, slice_section, speed_section
    from spacy_bioclinical.cli.report.judged import calibration_section, confusion_section, curve_section
    from spacy_bioclinical.cli.report.signatures import signature_section
    from spacy_bioclinical.cli.report.suites import study_section, suite_section

    return [
        suite_section(inputs, published),
        headline_section(inputs),
        slice_section(inputs),
        study_section(inputs),
        curve_section(inputs),
        confusion_section(inputs),
        calibration_section(inputs),
        speed_section(inputs),
        browser_section(inputs, corpora, documents),
        signature_section(inputs),
    ]
