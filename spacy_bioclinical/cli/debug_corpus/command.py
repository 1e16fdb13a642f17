"""`python -m spacy bioclinical debug-corpus`: what is in a corpus, and what is wrong with it, before training on it.

Prints and writes numbers, labels and ids; only `--html` with `--samples` quotes documents.
"""

from pathlib import Path

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_aside, write_json
from spacy_bioclinical.errors import Errors


@bioclinical.command("debug-corpus")
def debug_corpus_cli(
    files: list[Path] = typer.Argument(
        ..., help=".spacy files or folders of shards: train first, then dev and test", exists=True
    ),
    encoder: str | None = typer.Option(
        None, "--encoder", help="Also count in pieces of this encoder: folder or name; needs no weights"
    ),
    lang: str = typer.Option("en", "--lang", help="Language whose tokenizer the pipeline will use"),
    group: str | None = typer.Option(
        None,
        "--group",
        help="Regular expression on document ids: what it matches (a patient) must be in one file only",
    ),
    least: int = typer.Option(50, "--least", min=1, help="Examples that a label should have in train"),
    similarity: float = typer.Option(
        0.8, "--similarity", min=0.5, max=1.0, help="Near duplicates: least similarity of word 5-grams"
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="JSON file for all numbers, and the ids of duplicates", dir_okay=False
    ),
    html: Path | None = typer.Option(
        None, "--html", help="HTML page with charts, in one file", dir_okay=False
    ),
    samples: int = typer.Option(
        0, "--samples", min=0, help="Show so many documents on the page: quotes text!"
    ),
    strict: bool = typer.Option(False, "--strict", help="Exit with 1 if a finding is marked as failing"),
) -> None:
    """Survey a corpus: labels, lengths, duplicates between files, contradictions, mentions off the tokens."""
    # The counting imports spaCy, numpy and the tokenizers: only when it is asked for.
    from spacy_bioclinical.cli.cut import tokenizer_folder
    from spacy_bioclinical.cli.debug_corpus.findings import FAIL, judge
    from spacy_bioclinical.cli.debug_corpus.page import render_page
    from spacy_bioclinical.cli.debug_corpus.show import print_survey
    from spacy_bioclinical.cli.debug_corpus.survey import Options, survey_files

    try:
        if samples and not html:
            wanted = "given together with --html, which shows them"
            raise ValueError(Errors.BC540.format(option="--samples", given=samples, wanted=wanted))
        folder = tokenizer_folder(encoder) if encoder else None
        options = Options(lang=lang, encoder=folder, group=group, threshold=similarity, samples=samples)
        survey = survey_files(files, options)
    except (ValueError, ImportError, OSError) as error:
        msg.fail("This corpus could not be examined", str(error), exits=1)
    findings = judge(survey, least)
    survey.report["findings"] = [vars(finding) for finding in findings]
    print_survey(survey, findings)
    if output:
        write_json(output, survey.report)
        msg.good(f"Wrote all numbers to {output}")
    if html:
        write_aside(html, render_page(survey, findings))
        msg.good(f"Wrote the page to {html}" + (", which quotes documents" if samples else ""))
    failing = sum(finding.severity == FAIL for finding in findings)
    if strict and failing:
        msg.fail(Errors.BC543.format(n_findings=failing), exits=1)
