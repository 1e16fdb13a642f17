"""`python -m spacy bioclinical outputs`: what a pipeline says about some documents, for comparing installs.

Only offsets, labels, scores and counts are kept, never text, so the file may travel with the wheel.
"""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.errors import Errors

TOLERANCE = 1e-4
"""Largest difference between two runs' scores: fp32 sums in another order, never another model."""


@bioclinical.command("outputs")
def outputs_cli(
    model: str = typer.Argument(..., help="Folder or installed name of a pipeline"),
    corpus: Path = typer.Argument(
        ..., help="A .spacy file or folder of shards; its texts are read, not its annotation", exists=True
    ),
    output: Path = typer.Option(..., "--output", "-o", help="JSON file to write"),
    limit: int = typer.Option(8, "--limit", "-n", min=1, help="How many documents"),
) -> None:
    """Write what a pipeline finds in the first documents of a corpus: offsets, labels, scores."""
    write_json(
        output, {"corpus": corpus.as_posix(), "limit": limit, "documents": describe(model, corpus, limit)}
    )
    msg.good(f"Wrote the output of {model} to {output}")


def describe(model: str, corpus: Path, limit: int) -> list[dict[str, Any]]:
    """Run a pipeline over the first texts of a corpus.

    model (str): Folder or installed name.
    corpus (Path): A .spacy file or a folder of shards.
    limit (int): How many documents.
    RETURNS (list[dict]): For each document ents [start, end, label, confidence], cats and coverage.
    """
    import spacy
    from spacy.tokens import Doc, Span

    from spacy_bioclinical.training.shards import iter_docs

    nlp = spacy.load(model)
    texts = [doc.text for doc in islice(iter_docs(corpus, nlp.vocab), limit)]
    has_confidence = Span.has_extension("confidence")
    has_coverage = Doc.has_extension("coverage")
    documents = []
    for doc in nlp.pipe(texts):
        ents = [
            [ent.start_char, ent.end_char, ent.label_, ent._.confidence if has_confidence else None]
            for ent in doc.ents
        ]
        coverage = doc._.coverage if has_coverage else None
        documents.append({"ents": ents, "cats": dict(doc.cats), "coverage": coverage})
    return documents


def compare(expected: Path, found: Path, name: str) -> float:
    """Compare two files of outputs: spans and labels exactly, scores within TOLERANCE.

    expected (Path): Written before packaging.
    found (Path): Written by the installed pipeline.
    name (str): Of the pipeline, for the error message.
    RETURNS (float): The largest difference between two scores.
    RAISES (ValueError): BC514 with the number of the document and what differs.
    """
    before = json.loads(expected.read_text(encoding="utf8"))["documents"]
    after = json.loads(found.read_text(encoding="utf8"))["documents"]
    largest = 0.0
    if len(before) != len(after):
        what = f"{len(after)} documents instead of {len(before)}"
        raise ValueError(Errors.BC514.format(name=name, doc_id="-", what=what))
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        if [ent[:3] for ent in one["ents"]] != [ent[:3] for ent in other["ents"]]:
            what = (
                f"{len(other['ents'])} entities, {len(one['ents'])} before, not the same offsets and labels"
            )
        elif one["cats"].keys() != other["cats"].keys():
            what = "other labels"
        elif one["coverage"] != other["coverage"]:
            what = f"coverage {other['coverage']} instead of {one['coverage']}"
        else:
            pairs = [(a[3], b[3]) for a, b in zip(one["ents"], other["ents"], strict=True)]
            pairs += [(score, other["cats"][label]) for label, score in one["cats"].items()]
            gap = max((abs((a or 0.0) - (b or 0.0)) for a, b in pairs), default=0.0)
            largest = max(largest, gap)
            if gap <= TOLERANCE:
                continue
            what = f"scores differ by up to {gap:.2g}"
        raise ValueError(Errors.BC514.format(name=name, doc_id=number, what=what))
    return largest
