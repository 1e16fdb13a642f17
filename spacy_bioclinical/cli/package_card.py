"""The README.md of a packaged pipeline: spaCy's own, then where the pipeline comes from, how good it is, its limits.

A wheel travels further than the metrics of the project that built it, so what was measured goes into it. Numbers, names
of labels and SHA-256 only: no text of a note, and of paths the last part.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.package_facts import (
    PipelineFacts,
    differences,
    pipeline_facts,
    read_measured,
)
from spacy_bioclinical.cli.report.figures import speed_section
from spacy_bioclinical.cli.report.inputs import Found, Inputs
from spacy_bioclinical.cli.report.judged import calibration_section
from spacy_bioclinical.cli.report.markdown import markdown_table, model_card_section, plain, render_markdown
from spacy_bioclinical.cli.report.parts import DASH, Table, number
from spacy_bioclinical.errors import Errors

MARK = "<!-- spacy-bioclinical: what follows is written by `package` -->"
GENERATED = "| **Name** |"  # a line of what spaCy writes
SHORT = 12
SCORES = ("--metrics", "evaluate --output", {"signature", "classes", "entities", "documents"})
SPEED = ("--speed", "speed --output", {"words_per_second", "ci_95"})


@dataclass(frozen=True)
class Measured:
    """What the files hold that were given to `package`; None where none was given."""

    scores: dict[str, Any] | None = None
    speed: dict[str, Any] | None = None


def packaged_readme(
    model: Path,
    *,
    name: str,
    version: str,
    metrics: Path | None = None,
    speed: Path | None = None,
) -> str:
    """Write the README.md of a pipeline that is about to be packaged.

    A README.md that somebody has put into the pipeline's folder takes the place of spaCy's.

    model (Path): folder of the trained pipeline. name (str): without the language. version (str): of the package.
    metrics (Path | None): what `evaluate --output` wrote. speed (Path | None): what `speed --output` wrote.
    RETURNS (str): Markdown.
    RAISES (ValueError): BC476 if a file is something else, BC477 if the scores are of another pipeline.
    """
    meta = json.loads((model / "meta.json").read_text(encoding="utf8"))
    facts = pipeline_facts(model)
    measured = Measured(
        read_measured(metrics, *SCORES) if metrics else None, read_measured(speed, *SPEED) if speed else None
    )
    if metrics and measured.scores and (found := differences(measured.scores, meta, facts)):
        raise ValueError(Errors.BC477.format(path=metrics, model=model, what="; ".join(found)))
    packaged = f"{meta['lang']}_{name}"
    try:
        evaluation = evaluation_part(packaged, meta, measured)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if not metrics:
            raise
        why = f"it lacks what belongs there: {type(error).__name__}"
        raise ValueError(
            Errors.BC476.format(path=metrics, option=SCORES[0], command=SCORES[1], why=why)
        ) from None
    head = first_part(model, {**meta, "name": name, "version": version})
    parts = [head, MARK, training_part(facts), evaluation, limits_part(meta, facts, measured)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def first_part(model: Path, meta: dict[str, Any]) -> str:
    """RETURNS (str): the README.md that lies in the folder without what an earlier `package` has added, or spaCy's."""
    file = model / "README.md"
    own = file.read_text(encoding="utf8", errors="replace") if file.is_file() else ""
    head, mark, _ = own.partition(MARK)
    return head if head.strip() and not (mark and GENERATED in head) else spacy_readme(meta)


def spacy_readme(meta: dict[str, Any]) -> str:
    """Let spaCy write its README; names that would end its code spans or table rows are put in afterwards.

    meta (dict): of the pipeline, with the name and version of the package.
    RETURNS (str): Markdown.
    """
    from spacy.cli.package import generate_readme

    odd: dict[str, str] = {}

    def held(text: Any) -> str:
        text = str(text)
        if not re.search(r"[`\s]", text):
            return text
        return odd.setdefault(text, f"odd-name-{len(odd)}-of-this-pipeline")

    told = {key: value for key, value in meta.items() if key != "url" or value}
    told["labels"] = {
        held(pipe): [held(label) for label in found] for pipe, found in meta.get("labels", {}).items()
    }
    for key in ("pipeline", "components"):
        told[key] = [held(pipe) for pipe in meta.get(key, ())]
    text = generate_readme(told)
    for name, place in odd.items():
        text = text.replace(f"`{place}`", code_span(name))
    return text


def code_span(text: str) -> str:
    """RETURNS (str): a code span in a pipe table that shows the text, whatever it holds; white space as one space."""
    text = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def training_part(facts: PipelineFacts) -> str:
    """RETURNS (str): where the pipeline comes from, as a table."""
    rows = [("encoder", facts.encoder or DASH, short(facts.encoder_sha256))]
    rows += [
        (part, file, short(sha256) if sha256 else "not there when packaged")
        for part, file, sha256 in facts.data
    ]
    rows.append(("config", "config.cfg", short(facts.config_sha256)))
    rows.append(("seed", DASH if facts.seed is None else str(facts.seed), DASH))
    rows += [("training", facts.steps, DASH)] if facts.steps else []
    rows.append(("packaged with", ", ".join(f"{key} {value}" for key, value in facts.versions.items()), DASH))
    table = Table("", ("", "", f"SHA-256, first {SHORT} digits"), rows, 3)
    note = (
        "The encoder's is that of its weights before training, as recorded beside the pipeline; those of the data are "
        "of the files as they lay there when this was packaged; config.cfg lies in the package."
    )
    return "\n".join(["## Training", "", *markdown_table(table), "", plain(note)])


def evaluation_part(name: str, meta: dict[str, Any], measured: Measured) -> str:
    """RETURNS (str): scores with intervals, by type, calibration, thresholds, speed."""
    calibration = calibrated(meta)
    if measured.scores:
        text = model_card_section(measured.scores, speed=measured.speed, calibration=calibration, name=name)
        text = text.replace("\n", f"\n\nScores on {number(measured.scores['documents'])} documents.\n", 1)
    else:
        given = [("speed", measured.speed), ("calibration", calibration)]
        inputs = Inputs([Found(kind, name, "", "", content) for kind, content in given if content])
        text = render_markdown("Evaluation", [calibration_section(inputs), speed_section(inputs)], level=2)
        text = text.replace(
            "\n", "\n\nNo scores were given when this was packaged; what it finds is not known.\n", 1
        )
    rows = threshold_rows(calibration)
    if rows:
        table = Table("Thresholds", ("component", "label", "from a probability of"), rows, 2)
        text += "\n".join(["", "**Thresholds**", "", *markdown_table(table)])
    return text


def threshold_rows(calibration: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """RETURNS (list): component, label, threshold; one row for a component with one threshold for all."""
    rows = []
    for component, found in (calibration or {"calibration": {"components": {}}})["calibration"][
        "components"
    ].items():
        limits = found.get("thresholds")
        if isinstance(limits, dict):
            rows += [(component, label, f"{value:.4f}") for label, value in limits.items()]
        elif limits is not None:
            rows.append((component, "all", f"{limits:.4f}"))
    return rows


def calibrated(meta: dict[str, Any]) -> dict[str, Any] | None:
    """RETURNS (dict | None): what `calibrate` has left in a pipeline's meta.json; None for one not calibrated."""
    told = meta.get("bioclinical") or {}
    return told if (told.get("calibration") or {}).get("components") else None


def limits_part(meta: dict[str, Any], facts: PipelineFacts, measured: Measured) -> str:
    """RETURNS (str): what the pipeline does not read, and what the numbers are not, as a list."""
    lines = [*_reading(facts, measured), *_scores(meta, facts, measured), *_confidences(meta, measured)]
    if measured.speed:
        lines.append(
            "The speed file names no pipeline: that it is this one's is the word of who packaged it."
        )
    lines.append(
        "No figure here shows that documents are free of what identifies a person, or that a decision about a patient "
        "may rest on what the pipeline finds. Measure on documents of your own before use."
    )
    return "\n".join(["## Limits", "", *(f"- {plain(line)}" for line in lines)])


def _reading(facts: PipelineFacts, measured: Measured) -> list[str]:
    lines = []
    if facts.context:
        line = f"The encoder reads at most {number(facts.context)} pieces at once, special ones included. "
        if facts.on_overflow == "error":
            line += "Longer documents are refused."
        else:
            line += (
                f"Longer documents are read in windows that share {number(facts.overlap)} pieces: nothing is left out, "
                "but no window knows what stands in the others."
            )
        lines.append(line)
    coverage = ((measured.scores or {}).get("details") or {}).get("coverage")
    if coverage and coverage["pieces"]:
        lines.append(
            f"Of {number(coverage['pieces'])} pieces in the scored documents the encoder read "
            f"{number(coverage['seen_pieces'])}."
        )
    return lines


def _scores(meta: dict[str, Any], facts: PipelineFacts, measured: Measured) -> list[str]:
    lines = []
    if meta.get("performance"):
        lines.append(
            "The table Accuracy comes from training: it was measured on the development part, by which the best step "
            "was chosen, and is therefore too good."
        )
    if not measured.scores:
        return lines
    signature = measured.scores["signature"]
    sha256, file = signature["data"]["sha256"], signature["data"]["file"]
    lines.append(
        f"The scores are of one corpus, {file} with the SHA-256 {sha256}. They tell of documents drawn as those were; "
        "other hospitals, kinds of notes, years and ways to annotate are other questions."
    )
    for part, _, own in facts.data:
        if own == sha256 and part == "training data":
            lines.append(
                "That is the corpus it was trained on: these scores say nothing about new documents."
            )
        elif own == sha256:
            lines.append(
                "That is the development part, by which the best step was chosen: the scores are too good."
            )
    if signature.get("only_seen_pieces") is not None:
        first = number(signature["only_seen_pieces"])
        lines.append(f"Mentions from piece {first} of a document on are left out of the scores.")
    if ((measured.scores.get("details") or {}).get("bootstrap") or {}).get("n_resamples"):
        lines.append(
            "Intervals tell of the choice of documents alone. One training was scored; another seed gives other ones."
        )
    else:
        lines.append("The scores come without intervals, so nothing says how sure they are.")
    model = signature["model"]
    seed = signature["seed"] if isinstance(signature.get("seed"), int) else "not recorded"
    lines.append(
        f"The report is of a pipeline {model['name']} {model['version']} ({', '.join(model['pipeline'])}), seed "
        f"{seed}, "
        + (
            f"with these very weights and settings: SHA-256 {short(model['sha256'])} of the files."
            if "sha256" in model
            else "without a checksum of its files: that the scores are of these very weights is the word of who "
            "packaged it."
        )
    )
    return lines


def _confidences(meta: dict[str, Any], measured: Measured) -> list[str]:
    found = calibrated(meta)
    if found is None:
        return ["Confidences are not calibrated: 0.9 need not come true in 90 of 100 cases."]
    signed = (found["calibration"].get("signature") or {}).get("data") or {}
    line = "Temperatures and thresholds"
    line += ", and the promise of recall," if found.get("recall_target") else ""
    lines = [
        f"{line} hold for documents like those they were found on: {signed.get('file')}, {short(signed.get('sha256'))}."
    ]
    if measured.scores:
        if "sha256" not in measured.scores["signature"]["model"]:
            lines.append(
                "The report does not tell whether it was made before or after the calibration, which changes scores."
            )
        if signed.get("sha256") == measured.scores["signature"]["data"]["sha256"]:
            lines.append(
                "It was calibrated on the very corpus that was scored: both look better than they are."
            )
    return lines


def short(sha256: Any) -> str:
    """RETURNS (str): the first digits; a dash for None."""
    return str(sha256)[:SHORT] if sha256 else DASH
