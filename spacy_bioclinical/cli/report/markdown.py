"""The main tables of a report as Markdown: for a README, and as the section of a pipeline's model card."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.report.figures import headline_section, slice_section, speed_section
from spacy_bioclinical.cli.report.inputs import Found, Inputs
from spacy_bioclinical.cli.report.judged import calibration_section
from spacy_bioclinical.cli.report.parts import Section, Table
from spacy_bioclinical.cli.report.signatures import signature_section
from spacy_bioclinical.errors import Errors

SPECIAL = re.compile(r"([\\`*\[\]<>|#~]|&(?=#?\w+;)|(?<!\w)_|_(?!\w))")


def render_markdown(title: str, sections: Sequence[Section], *, level: int = 1) -> str:
    """Write the main tables of the sections; sections without any are left out.

    title (str): the heading. level (int): of it.
    RETURNS (str): Markdown with pipe tables.
    """
    lines = [f"{'#' * level} {plain(title)}", ""]
    for section in sections:
        tables = [part for part in section.parts if isinstance(part, Table) and part.main]
        if not tables:
            continue
        lines += [f"{'#' * (level + 1)} {plain(section.title)}", ""]
        lines += [plain(section.intro), ""] if section.intro and section.key != "errors" else []
        for table in tables:
            lines += [f"**{plain(table.title)}**", "", *markdown_table(table), ""]
            lines += [plain(table.note), ""] if table.note else []
    return "\n".join(lines).rstrip() + "\n"


def markdown_table(table: Table) -> list[str]:
    """RETURNS (list[str]): the lines of a pipe table."""
    rule = [":---" if k < table.words else "---:" for k in range(len(table.header))]
    rows = [table.header, rule, *table.rows]
    return [
        "| " + " | ".join(cell if number == 1 else plain(cell) for cell in row) + " |"
        for number, row in enumerate(rows)
    ]


def plain(text: str) -> str:
    """RETURNS (str): text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def model_card_section(
    scores: dict[str, Any],
    *,
    speed: dict[str, Any] | None = None,
    calibration: dict[str, Any] | None = None,
    name: str = "test",
) -> str:
    """Write the section of a model card that says how good a pipeline is, how sure that is, and on what.

    scores (dict): what `evaluate --output` wrote. speed (dict | None): what `speed` wrote.
    calibration (dict | None): what `calibrate --report` wrote, or `meta.json`'s "bioclinical" part.
    name (str): of the corpus part, shown in the tables.
    RETURNS (str): Markdown that begins with "## Evaluation".
    """
    content = [("scores", scores), ("speed", speed), ("calibration", calibration)]
    files = [Found(kind, name, "", "", each) for kind, each in content if each]
    inputs = Inputs(files)
    sections = [
        headline_section(inputs),
        slice_section(inputs),
        calibration_section(inputs),
        speed_section(inputs),
    ]
    signed = signature_section(Inputs(inputs.of("scores"))).parts[0]
    assert isinstance(signed, Table)
    columns = [
        k for k, column in enumerate(signed.header) if column not in ("name", "kind", "file", "SHA-256")
    ]
    rows = [[row[k] for k in columns] for row in signed.rows]
    table = Table("Measured on", [signed.header[k] for k in columns], rows, main=True)
    return render_markdown("Evaluation", [*sections, Section("data", "Signature", parts=[table])], level=2)


def model_card_of(inputs: Inputs) -> str:
    """RETURNS (str): see `model_card_section`. RAISES (ValueError): BC473 unless there is one score file."""
    scores = inputs.of("scores")
    if len(scores) != 1:
        raise ValueError(Errors.BC473.format(n_files=len(scores)))
    (found,) = scores
    speed = inputs.named("speed", found.name)
    calibration = next((each.content for each in inputs.of("calibration")), None)
    return model_card_section(found.content, speed=speed, calibration=calibration, name=Path(found.name).name)
