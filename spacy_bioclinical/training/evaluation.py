"""Evaluate a pipeline on a corpus, and sign the scores with what they were measured on.

The pipeline runs once, inside spaCy's own `nlp.evaluate`; entity and class scores are then read off the same
predictions. A number without its corpus, matching rule and versions cannot be compared, so all of it is kept
together (after sacrebleu's signatures).
"""

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Corpus, Example

from spacy_bioclinical import __version__
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.class_scores import score_classes
from spacy_bioclinical.training.details import DEFAULT_RESAMPLES, describe_records
from spacy_bioclinical.training.entity_scores import score_entities
from spacy_bioclinical.training.model_hash import model_hash
from spacy_bioclinical.training.predictions import DocumentPrediction
from spacy_bioclinical.training.published import leave_out_unseen
from spacy_bioclinical.training.recording import (
    classifiers,
    encoder_tokenizer,
    record_examples,
    record_token_scores,
    seen_mentions,
    sets_entities,
)
from spacy_bioclinical.training.shards import shards_of

LIBRARIES = ("spacy", "spacy-transformers", "torch", "transformers", "tokenizers", "numpy")


class _KeepingScorer(Scorer):
    """spaCy's scorer, which also keeps the examples it scores, with their predictions."""

    only_seen_pieces: int | None = None

    def score(self, examples: Iterable[Example], *, per_component: bool = False) -> dict[str, Any]:
        """Score as spaCy does, where asked for without the mentions that an encoder cut short would not see."""
        self.examples = list(examples)
        if self.only_seen_pieces is not None:
            tokenizer = encoder_tokenizer(self.nlp)
            for eg in self.examples:
                leave_out_unseen(eg, tokenizer, self.only_seen_pieces)
        return super().score(self.examples, per_component=per_component)


@dataclass(frozen=True)
class Evaluation:
    """report (dict): all scores. records (list[DocumentPrediction]): what they were computed from."""

    report: dict[str, Any]
    records: list[DocumentPrediction]


def evaluate_pipeline(nlp: Language, data: Path, **settings: Any) -> dict[str, Any]:
    """Run a pipeline on a corpus and score it: the report of `evaluate_with_records`, which takes the settings."""
    return evaluate_with_records(nlp, data, **settings).report


def evaluate_with_records(
    nlp: Language,
    data: Path,
    *,
    train: Path | None = None,
    token_scores: bool = False,
    only_seen_pieces: int | None = None,
    n_resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Run a pipeline on a corpus, once, and score it.

    nlp (Language): the pipeline.
    data (Path): a .spacy file or a folder of shards.
    train (Path | None): the training corpus, to tell seen mentions from unseen ones.
    token_scores (bool): also record for each token the probability to be part of an entity.
    only_seen_pieces (int | None): leave out gold and predicted mentions whose first piece is this one or a later
        one, counted from 0 without special pieces: an encoder that reads 512 pieces with two special ones sees 510.
        The published protocol counted so. None: all mentions count.
    n_resamples (int): resamples of the bootstrap for the confidence intervals; 0 for none.
    seed (int): of the resamples.
    RETURNS (Evaluation): the report holds "documents", "tokens", "words_per_second"; "entities" (see
        `score_entities`) or None; "classes": for each text classifier, by component name, see `score_classes`;
        "spacy": what `nlp.evaluate` returns; "details": see `describe_records`; "signature". All of it can be
        written as JSON, and none of it quotes a document.
    RAISES: ValueError, BC409 if the corpus holds no documents, BC411 if there is nothing to score, BC410 if texts
        differ; ImportError, BC408 without seqeval.
    """
    examples = list(Corpus(data)(nlp))
    if not examples:
        raise ValueError(Errors.BC409.format(path=data))
    seen = None if train is None else seen_mentions(train, nlp.vocab)
    scorer = _KeepingScorer(nlp=nlp)
    scorer.only_seen_pieces = only_seen_pieces
    with record_token_scores(nlp) if token_scores else nullcontext() as collected:
        spacy_scores = nlp.evaluate(examples, scorer=scorer)
    entities = score_entities(scorer.examples) if sets_entities(nlp) else None
    classes = {}
    for name, pipe, exclusive, threshold in classifiers(nlp):
        scores = score_classes(scorer.examples, pipe.labels, exclusive=exclusive, threshold=threshold)
        if scores is not None:
            classes[name] = scores
    records = record_examples(nlp, scorer.examples, seen=seen, token_scores=collected)
    has_spans = any(mentions.gold or mentions.predicted for rec in records for mentions in rec.spans.values())
    if entities is None and not classes and not has_spans:
        raise ValueError(Errors.BC411.format(path=data, components=", ".join(nlp.pipe_names)))
    signed = signature(nlp, data)
    if only_seen_pieces is not None:
        signed["only_seen_pieces"] = only_seen_pieces
    report = {
        "documents": len(examples),
        "tokens": sum(len(eg.x) for eg in scorer.examples),
        "words_per_second": spacy_scores["speed"],
        "entities": entities,
        "classes": classes,
        "spacy": spacy_scores,
        "details": describe_records(records, n_resamples=n_resamples, seed=seed),
        "signature": signed,
    }
    return Evaluation(report, records)


def signature(nlp: Language, data: Path) -> dict[str, Any]:
    """Say what a score was measured on, with and how.

    nlp (Language): the pipeline.
    data (Path): the corpus: a file or a folder of shards.
    RETURNS (dict): data (file name and sha256; for shards that of the lines "sha256  name"), model (with sha256, see
        `model_hash`, if it was loaded from a folder), seed of its training if known, versions, matching rule.
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
            **({"sha256": model_hash(nlp.path)} if nlp.path is not None and nlp.path.is_dir() else {}),
        },
        "seed": nlp.config.interpolate().get("training", {}).get("seed"),
        "entities": "strict: same type, same first and last token of the gold document; micro average",
        "versions": versions,
    }
