"""Evaluate a pipeline on a .spacy file, and sign the scores with what they were measured on.

The pipeline runs once, inside spaCy's own `nlp.evaluate`; entity and class scores are then read off the same
predictions. A number without its corpus, matching rule and versions cannot be compared, so all of it is kept
together (after sacrebleu's signatures).
"""

import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.scorer import Scorer
from spacy.training import Corpus, Example
from wasabi import msg

from spacy_bioclinical import __version__
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.class_scores import score_classes
from spacy_bioclinical.training.entity_scores import score_entities

LIBRARIES = ("spacy", "spacy-transformers", "torch", "transformers", "tokenizers", "numpy")


class _KeepingScorer(Scorer):
    """spaCy's scorer, which also keeps the examples it scores, with their predictions."""

    def score(self, examples: Iterable[Example], *, per_component: bool = False) -> dict[str, Any]:
        """Score as spaCy does."""
        self.examples = list(examples)
        return super().score(self.examples, per_component=per_component)


def evaluate_pipeline(nlp: Language, data: Path) -> dict[str, Any]:
    """Run a pipeline on a corpus and score it.

    nlp (Language): the pipeline.
    data (Path): a .spacy file.
    RETURNS (dict): "documents", "tokens", "words_per_second"; "entities" (see `score_entities`) or None;
        "classes":
        for each text classifier, by component name, see `score_classes`; "spacy": what `nlp.evaluate`
        returns; "signature". All of it can be written as JSON, and none of it quotes a document.
    RAISES: ValueError, BC409 if the corpus holds no documents, BC411 if there is nothing to score, BC410 if
        texts
        differ; ImportError, BC408 without seqeval.
    """
    examples = list(Corpus(data)(nlp))
    if not examples:
        raise ValueError(Errors.BC409.format(path=data))
    scorer = _KeepingScorer(nlp=nlp)
    spacy_scores = nlp.evaluate(examples, scorer=scorer)
    entities = score_entities(scorer.examples) if _sets_entities(nlp) else None
    classes = {}
    for name, pipe in nlp.pipeline:
        if isinstance(pipe, TextCategorizer):
            exclusive = not pipe.support_missing_values
            threshold = float(pipe.cfg["threshold"] or 0.0)
            scores = score_classes(scorer.examples, pipe.labels, exclusive=exclusive, threshold=threshold)
            if scores is not None:
                classes[name] = scores
    if entities is None and not classes:
        raise ValueError(Errors.BC411.format(path=data, components=", ".join(nlp.pipe_names)))
    return {
        "documents": len(examples),
        "tokens": sum(len(eg.x) for eg in scorer.examples),
        "words_per_second": spacy_scores["speed"],
        "entities": entities,
        "classes": classes,
        "spacy": spacy_scores,
        "signature": signature(nlp, data),
    }


def signature(nlp: Language, data: Path) -> dict[str, Any]:
    """Say what a score was measured on, with and how.

    nlp (Language): the pipeline.
    data (Path): the corpus file.
    RETURNS (dict): data (file name and sha256), model, seed of its training if known, versions, matching
        rule.
    """
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    versions = {"python": platform.python_version(), "spacy-bioclinical": __version__}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "data": {"file": data.name, "sha256": digest},
        "model": {
            "name": f"{nlp.lang}_{nlp.meta['name']}",
            "version": nlp.meta["version"],
            "pipeline": nlp.pipe_names,
        },
        "seed": nlp.config.get("training", {}).get("seed"),
        "entities": "strict: same type, same first and last token of the gold document; micro average",
        "versions": versions,
    }


def print_report(report: dict[str, Any]) -> None:
    """Print the main numbers of a report as a table.

    report (dict): as `evaluate_pipeline` returns it.
    """
    rows: list[tuple[str, ...]] = []
    entities = report["entities"]
    if entities:
        for key, name in (
            ("spacy", "Entities (spaCy)"),
            ("seqeval", "Entities (seqeval)"),
            ("exact", "Entities (exact)"),
        ):
            rows.append((name, *(f"{100 * entities[key][score]:.2f}" for score in "prf")))
        for label, scores in entities["per_type"].items():
            rows.append((f"  {label}", *(f"{100 * scores[score]:.2f}" for score in "prf")))
    for component, scores in report["classes"].items():
        for key in ("weighted_f", "micro_f", "macro_f"):
            rows.append((f"{component} ({key.partition('_')[0]})", "", "", f"{100 * scores[key]:.2f}"))
    msg.table(rows, header=("", "P", "R", "F1"), aligns=("l", "r", "r", "r"), divider=True)
    print(
        f"{report['documents']} documents, {report['tokens']} tokens, {report['words_per_second']:,.0f} words/s"
    )
    if entities and not entities["equal"]:
        msg.warn(
            "spaCy and seqeval differ",
            f"{entities['clashes']} predicted entities share a gold token with another one, "
            f"{entities['unannotated']} touch tokens without annotation",
        )


def _sets_entities(nlp: Language) -> bool:
    return any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names)


def main(model: str, data: str, output: str, gpu_id: str) -> None:
    """Evaluate in a process of its own; `python -m spacy bioclinical evaluate` starts it.

    model (str): name or folder of the pipeline.
    data (str): the .spacy file.
    output (str): the JSON file to write, "" for none.
    gpu_id (str): device for spaCy itself (needs cupy), "-1" for none.
    """
    from spacy_bioclinical.cli.files import write_json

    if int(gpu_id) >= 0:
        spacy.require_gpu(int(gpu_id))
    try:
        report = evaluate_pipeline(spacy.load(model), Path(data))
    except (ValueError, ImportError) as error:
        msg.fail("This pipeline could not be evaluated", str(error), exits=1)
    if output:
        write_json(Path(output), report)
    print_report(report)


if __name__ == "__main__":
    main(*sys.argv[1:])
