"""What each kind of component says about a development corpus, and the settings that follow from it.

See `calibration.py`, which runs the pipeline. Each class keeps plain arrays of scores and hits, never text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from spacy.tokens import Doc

from spacy_bioclinical.models.crf import Transitions
from spacy_bioclinical.models.crf_layer import transitions_of
from spacy_bioclinical.models.tag_sequence import TagSequence
from spacy_bioclinical.models.thresholds import tune_thresholds
from spacy_bioclinical.pipeline.bio_targets import visible_tokens
from spacy_bioclinical.pipeline.calibrated import logistic, logit, on_line
from spacy_bioclinical.pipeline.calibrated_textcat import CalibratedTextCat
from spacy_bioclinical.pipeline.ner import BioClinicalNER
from spacy_bioclinical.pipeline.recall import add_likely_runs, entity_probabilities
from spacy_bioclinical.pipeline.spans import BioClinicalSpans
from spacy_bioclinical.pipeline.textcat import BioClinicalMultiLabelTextCat
from spacy_bioclinical.training.conformal import RecallPromise, choose_threshold, lowered
from spacy_bioclinical.training.probability_scores import calibration_report
from spacy_bioclinical.training.recall_price import PriceCount
from spacy_bioclinical.training.recording import GOLD_SPANS, gold_key
from spacy_bioclinical.training.stretches import GoldRows, Stretch, joined_stretch, stretch_of
from spacy_bioclinical.training.temperature import (
    best_line,
    best_temperature,
    class_loss,
    log_loss,
    log_softmax,
    moved_threshold,
)


@dataclass(frozen=True)
class RecallWish:
    """What recall is asked for; see `choose_threshold`."""

    target: float = 0.99
    confidence: float = 0.95
    to_come: int | None = None


@dataclass(frozen=True)
class Calibrated:
    """What was found for a component, and is now in its settings.

    n (int): cases: entities, mentions, documents, or labels of documents. temperature (float): 1 left it as it was.
    before, after (dict): confidences, see `calibration_report`. line (list | None): see `best_line`. thresholds (float
    | dict | None): of mentions, or of each label; None: not chosen. promise (RecallPromise | None): about recall.
    price (dict | None): what the promise costs on these documents, see `PriceCount.to_dict`. mention_scores,
    mention_documents (np.ndarray): what it rests on, see `choose_threshold`; empty without.
    """

    component: str
    factory: str
    n: int
    temperature: float
    before: dict[str, Any]
    after: dict[str, Any]
    line: list[float] | None = None
    thresholds: float | dict[str, float] | None = None
    promise: RecallPromise | None = None
    price: dict[str, Any] | None = None
    mention_scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    mention_documents: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict): JSON-ready, without the recall promise and what it rests on."""
        kept = ("factory", "n", "temperature", "line", "thresholds", "before", "after")
        return {key: getattr(self, key) for key in kept}


class EntityCases:
    """Logits, decoded entities and gold mentions of a `bioclinical_ner`."""

    def __init__(self, name: str, factory: str, pipe: BioClinicalNER) -> None:
        """Start without any."""
        self.name, self.factory, self.pipe = name, factory, pipe
        self.stretches: list[Stretch] = []
        self.transitions: Transitions | None = None
        self.n_documents = 0

    def reset(self) -> None:
        """Forget an earlier calibration."""
        self.pipe.cfg.update({"temperature": 1.0, "confidence_line": None, "recall_target": None})

    def add(self, docs: Sequence[Doc], golds: Sequence[Doc]) -> None:
        """Take in a batch: documents as the component gets them, and the gold ones."""
        scores = self.pipe.model.predict(list(docs))
        self.transitions = transitions_of(scores)
        found = []
        for doc, gold, logits in zip(docs, golds, scores):
            if len(visible_tokens(doc)) and gold.has_annotation("ENT_IOB"):
                found.append(self._stretch(doc, gold, self.pipe.model.ops.to_numpy(logits)))
            self.n_documents += 1
        self.stretches += [joined_stretch(found)] if found and self.transitions is None else found

    def _stretch(self, doc: Doc, gold: Doc, logits: np.ndarray) -> Stretch:
        visible = visible_tokens(doc)
        rows = logits[visible]
        entities = TagSequence(rows, self.transitions).spans()
        known = GoldRows.of(doc, gold, visible)
        return stretch_of(known, rows, entities, self.pipe.labels, self.n_documents)

    def solve(self, thresholds: bool, wish: RecallWish | None) -> Calibrated | None:
        """Choose the settings and set them. RETURNS (Calibrated | None): None if no case could be judged."""
        hits = _joined([each.hits[each.judged] for each in self.stretches]).astype(bool)
        if not len(hits):
            return None
        temperature = best_temperature(lambda value: log_loss(self._confidences(value), hits))
        moved = self._confidences(temperature)
        line = best_line(moved, hits)
        self.pipe.cfg.update({"temperature": temperature, "confidence_line": line})
        before, after = _report(self._confidences(1.0), hits), _report(on_line(moved, line), hits)
        found = Calibrated(self.name, self.factory, len(hits), temperature, before, after, line=line)
        if wish is None:
            return found
        scores, documents = self._mention_scores(temperature)
        promise = lowered(
            choose_threshold(
                scores, documents, target=wish.target, confidence=wish.confidence, to_come=wish.to_come
            )
        )
        self.pipe.cfg["recall_target"] = promise.to_dict()
        price = self._price(temperature, promise.threshold)
        return replace(
            found, promise=promise, price=price, mention_scores=scores, mention_documents=documents
        )

    def _confidences(self, temperature: float) -> np.ndarray:
        return _joined(
            [
                self._sequence(each, temperature).span_probabilities(each.entities)[each.judged]
                for each in self.stretches
                if each.entities
            ]
        )

    def _mention_scores(self, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        """RETURNS: for each gold mention the largest threshold that covers it, and its document."""
        scores, documents = [], []
        for each in self.stretches:
            in_entity = entity_probabilities(self._sequence(each, temperature).tag_probabilities())
            in_entity = np.where(each.covered, 1.0, in_entity)
            scores += [float(in_entity[start:end].min()) for start, end, _ in each.mentions]
            documents += [document for *_, document in each.mentions]
        return np.array(scores), np.array(documents, dtype=np.int64)

    def _price(self, temperature: float, threshold: float) -> dict[str, Any]:
        count = PriceCount()
        for each in self.stretches:
            probabilities = self._sequence(each, temperature).tag_probabilities()
            after = add_likely_runs(each.entities, probabilities, threshold)
            count.add_rows(each.golds, each.entities, after, self.pipe.labels)
        return count.to_dict()

    def _sequence(self, stretch: Stretch, temperature: float) -> TagSequence:
        return TagSequence(stretch.rows, self.transitions, temperature=temperature)


class SpanCases:
    """Candidates of a `bioclinical_spans`, and how many gold mentions there are."""

    def __init__(self, name: str, factory: str, pipe: BioClinicalSpans) -> None:
        self.name, self.factory, self.pipe = name, factory, pipe
        self.probabilities: list[float] = []
        self.hits: list[bool] = []
        self.n_gold = 0

    def reset(self) -> None:
        """Forget an earlier calibration."""
        cfg = self.pipe.cfg
        back = moved_threshold(float(cfg["threshold"]), 1 / float(cfg["temperature"]))
        cfg.update({"threshold": back, "temperature": 1.0})

    def add(self, docs: Sequence[Doc], golds: Sequence[Doc]) -> None:
        """Take in a batch: documents as the component gets them, and the gold ones."""
        names = (gold_key(self.pipe), self.pipe.key, GOLD_SPANS)
        for doc, gold, spans in zip(docs, golds, self.pipe.scored_spans(docs, 0.0)):
            key = next((name for name in names if name in gold.spans), None)
            if key is None:
                continue
            true = {(span.start_char, span.end_char, span.label_) for span in gold.spans[key]}
            self.n_gold += len(true)
            for span in spans:
                place = (doc[span.start].idx, doc[span.end - 1].idx + len(doc[span.end - 1]), span.label)
                self.hits.append(place in true)
                self.probabilities.append(span.confidence)

    def solve(self, thresholds: bool, wish: RecallWish | None) -> Calibrated | None:
        """Choose the settings and set them. RETURNS (Calibrated | None): None if no case could be judged."""
        p, hits = np.array(self.probabilities), np.array(self.hits, dtype=bool)
        threshold = float(self.pipe.cfg["threshold"])
        if thresholds and len(p):
            threshold = best_span_threshold(p, hits, self.n_gold, threshold)
        logits, hits = logit(p[p >= threshold]), hits[p >= threshold]
        if not len(hits):
            return None
        temperature = best_temperature(lambda value: log_loss(logistic(logits / value), hits))
        moved = moved_threshold(threshold, temperature)
        self.pipe.cfg.update({"threshold": moved, "temperature": temperature})
        before, after = (_report(logistic(logits / value), hits) for value in (1.0, temperature))
        chosen = moved if thresholds else None
        return Calibrated(self.name, self.factory, len(hits), temperature, before, after, thresholds=chosen)


class ClassCases:
    """Logits and gold classes of a text classifier."""

    def __init__(self, name: str, factory: str, pipe: CalibratedTextCat) -> None:
        self.name, self.factory, self.pipe = name, factory, pipe
        self.logits: list[np.ndarray] = []
        self.truths: list[list[float]] = []

    def reset(self) -> None:
        """Forget an earlier calibration."""
        self.pipe.temperature = 1.0
        self.pipe.cfg["thresholds"] = {}

    def add(self, docs: Sequence[Doc], golds: Sequence[Doc]) -> None:
        """Take in a batch: documents as the component gets them, and the gold ones."""
        self.logits += list(self.pipe.model.ops.to_numpy(self.pipe.predict_logits(docs)))
        self.truths += [[gold.cats.get(label, np.nan) for label in self.pipe.labels] for gold in golds]

    def solve(self, thresholds: bool, wish: RecallWish | None) -> Calibrated | None:
        """Choose the settings and set them. RETURNS (Calibrated | None): None if no case could be judged."""
        truths = np.array(self.truths, dtype=np.float64)
        known = (truths > 0.5).sum(axis=1) == 1 if self.pipe.exclusive else ~np.isnan(truths).all(axis=1)
        if not known.any():
            return None
        logits, truths = np.array(self.logits, dtype=np.float64)[known], truths[known]
        chosen = None
        if self.pipe.exclusive:
            truth = (truths > 0.5).argmax(axis=1)
            self.pipe.temperature = best_temperature(lambda value: class_loss(logits / value, truth))
            best = logits.argmax(axis=1)
            hits = best == truth
            before, after = (
                _report(np.exp(log_softmax(logits / value))[np.arange(len(best)), best], hits)
                for value in (1.0, self.pipe.temperature)
            )
        else:
            cells = ~np.isnan(truths)
            flat, hits = logits[cells], truths[cells] > 0.5
            self.pipe.temperature = best_temperature(lambda value: log_loss(logistic(flat / value), hits))
            before, after = (_report(logistic(flat / value), hits) for value in (1.0, self.pipe.temperature))
        if thresholds and isinstance(self.pipe, BioClinicalMultiLabelTextCat):
            probabilities = logistic(logits / self.pipe.temperature)
            default: Any = self.pipe.cfg["threshold"]
            tuned = tune_thresholds(truths, probabilities, default=default)
            self.pipe.thresholds = {label: each.threshold for label, each in zip(self.pipe.labels, tuned)}
            chosen = dict(self.pipe.thresholds)
        n, value = len(hits), self.pipe.temperature
        return Calibrated(self.name, self.factory, n, value, before, after, thresholds=chosen)


def best_span_threshold(probabilities: np.ndarray, hits: np.ndarray, n_gold: int, default: float) -> float:
    """Find the threshold of largest F1 of mentions: the middle of a gap between two candidates.

    probabilities (np.ndarray): float (n,), of candidates. hits (np.ndarray): bool (n,), whether they are right.
    n_gold (int): gold mentions, those that are no candidates too.
    default (float): what it shall be near to, where F1 is equal; and what it is if no candidate is right.
    RETURNS (float): a mention is found from it on.
    """
    if not hits.any():
        return default
    values, index = np.unique(probabilities, return_inverse=True)
    n_from = np.cumsum(np.bincount(index)[::-1])[::-1]
    n_right_from = np.cumsum(np.bincount(index, weights=hits)[::-1])[::-1]
    f = 2 * n_right_from / (n_from + n_gold)
    below = np.concatenate(([0.0], values[:-1]))
    middle = np.where((below < default) & (default <= values), default, (below + values) / 2)
    best = np.flatnonzero(f == f.max())
    return float(middle[best[np.abs(middle[best] - default).argmin()]])


def _report(probabilities: np.ndarray, hits: np.ndarray) -> dict[str, Any]:
    return calibration_report(probabilities, hits) or {}


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0)
