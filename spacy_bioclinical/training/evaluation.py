"""Evaluate a pipeline on a corpus, and sign the scores with what they were measured on.

The pipeline runs once, inside spaCy's own `nlp.evaluate`; entity and class scores are then read off the same
predictions. A number without its corpus, matching rule and versions cannot be compared, so all of it is kept
together (after sacrebleu's signatures).
"""

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.scorer import Scorer
from spacy.training import Corpus, Example

from spacy_bioclinical import __version__
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.class_scores import score_classes
from spacy_bioclinical.training.entity_scores import score_entities
from spacy_bioclinical.training.shards import shards_of

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
    data (Path): a .spacy file or a folder of shards.
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
    data (Path): the corpus: a file or a folder of shards.
    RETURNS (dict): data (file name and sha256; for shards that of the lines "sha256  name"), model, seed of its
        training if known, versions, matching rule.
    """
    shards = {shard: hashlib.sha256(shard.read_bytes()).hexdigest() for shard in shards_of(data)}
    if data.is_dir():
        lines = "".join(
            f"{sha256}  {shard.relative_to(data).as_posix()}\n" for shard, sha256 in shards.items()
        )
        digest = hashlib.sha256(lines.encode("utf8")).hexdigest()
    else:
        digest = shards[data]
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
        "seed": nlp.config.interpolate().get("training", {}).get("seed"),
        "entities": "strict: same type, same first and last token of the gold document; micro average",
        "versions": versions,
    }


def _sets_entities(nlp: Language) -> bool:
    return any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names)
