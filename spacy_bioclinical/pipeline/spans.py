"""Mentions that may overlap, nest, cross, and share their tokens under several labels: `doc.spans[key]` with scores.

For corpora whose annotation does not fit into `doc.ents`, where one token has one label. The model looks for starts and
ends of each label and then scores pairs of them (see `models/span_scorer.py`); every pair from `threshold` on is a
mention. Nothing resolves conflicts: what the corpus overlaps may overlap in the output.

Probabilities: `doc.spans[key].attrs["scores"]`, a float64 array parallel to the group. For convenience also
`span._.confidence`, as `bioclinical_ner` sets it; but spaCy keeps such attributes by character offsets only, so two
labels on the same tokens share it (the larger one is kept), and that of an entity in `doc.ents` stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.pipeline.spancat import spancat_score
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.span_scorer import SpanGradient, SpanScores
from spacy_bioclinical.pipeline.batches import minibatch_by_tokens
from spacy_bioclinical.pipeline.confidence import CONFIDENCE, install_confidence
from spacy_bioclinical.pipeline.span_targets import span_loss, span_targets, training_candidates


class PredictedSpan(NamedTuple):
    """A mention found: tokens [start, end) of its document, label, probability in [0, 1]."""

    start: int
    end: int
    label: str
    confidence: float


@Language.factory(
    "bioclinical_spans",
    assigns=["doc.spans", "span._.confidence"],
    default_config={
        "spans_key": "gold",
        "threshold": 0.5,
        "class_weights": None,
        "model": {
            "@architectures": "spacy-bioclinical.SpanScorer.v1",
            "hidden": 64,
            "boundary_threshold": 0.05,
            "nearest": 64,
            "dropout": 0.0,
            "nO": None,
            "tok2vec": {
                "@architectures": "spacy-transformers.TransformerListener.v1",
                "grad_factor": 1.0,
                "pooling": {"@layers": "reduce_mean.v1"},
                "upstream": "*",
            },
        },
        "scorer": {"@scorers": "spacy.spancat_scorer.v1"},
    },
    default_score_weights={
        "spans_gold_f": 1.0,
        "spans_gold_p": 0.0,
        "spans_gold_r": 0.0,
        "spans_gold_per_type": None,
    },
)
def make_bioclinical_spans(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Any],
    spans_key: str,
    threshold: float,
    class_weights: dict[str, float] | None,
    scorer: Callable | None,
) -> "BioClinicalSpans":
    """Create the component, as `nlp.add_pipe("bioclinical_spans")` does.

    nlp (Language): the pipeline.
    name (str): the component's name.
    model (Model[List[Doc], SpanScores]): scores of boundaries and pairs.
    spans_key (str): the group of `doc.spans` that it is trained on, and writes. Scores are named after it
        ("spans_gold_f"): with another key change [training.score_weights] too.
    threshold (float): least probability of a mention that is written.
    class_weights (Dict[str, float] | None): how much more the gold mentions of a label weigh in the loss; 1 if not
        named.
    scorer (Callable | None): scoring method.
    RETURNS (BioClinicalSpans): the component.
    """
    return BioClinicalSpans(
        nlp.vocab,
        model,
        name,
        spans_key=spans_key,
        threshold=threshold,
        class_weights=class_weights,
        scorer=scorer,
    )


class BioClinicalSpans(TrainablePipe):
    """Pipeline component that sets `doc.spans[key]`, in place of a group of that name set before it."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Any],
        name: str = "bioclinical_spans",
        *,
        spans_key: str = "gold",
        threshold: float = 0.5,
        class_weights: dict[str, float] | None = None,
        scorer: Callable | None = spancat_score,
    ) -> None:
        """Create the component without labels; for the arguments see `make_bioclinical_spans`.

        `cfg` holds what may be changed later: "threshold", and "temperature", by which the logits of mentions are
        divided before they become probabilities.
        RAISES (ValueError): BC425 if a setting is out of range, BC407 if `span._.confidence` is someone else's.
        """
        _require(0 <= threshold <= 1, "threshold", threshold, "from 0 to 1")
        for label, weight in (class_weights or {}).items():
            _require(weight > 0, f"class weight of '{label}'", weight, "above 0")
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: dict[str, Any] = {
            "labels": [],
            "spans_key": spans_key,
            "threshold": threshold,
            "temperature": 1.0,
            "class_weights": class_weights,
        }
        install_confidence()

    @property
    def key(self) -> str:
        """RETURNS (str): the name of the group in `doc.spans`."""
        return str(self.cfg["spans_key"])

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): the labels; the position of each is that of its outputs."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """RETURNS (List[str]): what `spacy init labels` writes and `initialize` reads: the labels."""
        return list(self.cfg["labels"])

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the component to a stream, at most `batch_size` documents and a few thousand tokens at a time.

        stream (Iterable[Doc]): the documents.
        batch_size (int): most documents to collect.
        YIELDS (Doc): the same documents, in order.
        """
        for docs in minibatch_by_tokens(stream, batch_size):
            yield from super().pipe(docs, batch_size=batch_size)

    def predict(self, docs: Iterable[Doc]) -> list[list[PredictedSpan]]:
        """Find the mentions of a batch of documents, without modifying them.

        docs (Iterable[Doc]): the documents.
        RETURNS (List[List[PredictedSpan]]): for each document, by start, end and label; no triple of them twice.
        """
        return self.scored_spans(docs, float(self.cfg["threshold"]))

    def scored_spans(self, docs: Iterable[Doc], threshold: float) -> list[list[PredictedSpan]]:
        """Find the candidates whose probability reaches a threshold; at 0 all that the model scored (calibration).

        docs (Iterable[Doc]): the documents.
        threshold (float): in [0, 1], in place of `cfg["threshold"]`.
        RETURNS (List[List[PredictedSpan]]): as `predict` does.
        RAISES (ValueError): BC425 if `cfg["temperature"]` is not above 0.
        """
        docs = list(docs)
        found: list[list[PredictedSpan]] = [[] for _ in docs]
        temperature = float(self.cfg["temperature"])
        _require(temperature > 0, "temperature", temperature, "above 0")
        if not self.labels or not any(len(doc) for doc in docs):
            return found
        scores: SpanScores = self.model.predict(docs)
        candidates = scores.candidates()
        logits = self.model.ops.to_numpy(scores.score(candidates)).astype("float64")
        probabilities = 1 / (1 + np.exp(np.clip(-logits / temperature, -700, 700)))
        kept = np.flatnonzero(probabilities >= threshold)
        starts, ends, labels = (
            array[kept].tolist() for array in (candidates.starts, candidates.ends, candidates.labels)
        )
        tokens = np.concatenate(scores.visible).tolist()
        document = np.repeat(np.arange(len(docs)), scores.lengths).tolist()
        for first, last, label, confidence in zip(starts, ends, labels, probabilities[kept].tolist()):
            span = PredictedSpan(tokens[first], tokens[last] + 1, self.labels[label], confidence)
            found[document[first]].append(span)
        return [sorted(spans) for spans in found]

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Sequence[PredictedSpan]]) -> None:
        """Write predicted mentions into the documents, in place of those of the same key.

        docs (Iterable[Doc]): the documents, changed in place.
        scores (Sequence[Sequence[PredictedSpan]]): as `predict` returns them.
        """
        for doc, found in zip(docs, scores):
            taken = {(ent.start_char, ent.end_char) for ent in doc.ents}
            stored: dict[Any, Any] = doc.user_data
            for old in doc.spans.get(self.key, []):
                if (old.start_char, old.end_char) not in taken:
                    stored.pop(("._.", CONFIDENCE, old.start_char, old.end_char), None)
            spans = [Span(doc, span.start, span.end, label=span.label) for span in found]
            confidences = [span.confidence for span in found]
            group = SpanGroup(doc, name=self.key, spans=spans)
            group.attrs["scores"] = np.array(confidences, dtype="float64")
            doc.spans[self.key] = group
            # Where labels share their tokens the last one written stays: the surest.
            for span, confidence in sorted(zip(spans, confidences), key=lambda pair: pair[1]):
                if (span.start_char, span.end_char) not in taken:
                    span._.set(CONFIDENCE, confidence)

    def get_loss(self, examples: Iterable[Example], scores: SpanScores) -> tuple[float, SpanGradient]:
        """Compute the loss of a batch and its gradient; see `span_loss`.

        examples (Iterable[Example]): the batch.
        scores (SpanScores): the model's for `eg.predicted` of each.
        RETURNS (Tuple[float, SpanGradient]): nats per token, and the gradient of the logits.
        RAISES (ValueError): BC422 for an unknown label, BC423 if texts cannot be aligned, BC424 if the loss is not a
            number, BC427 for class weights of unknown labels.
        """
        indices = {label: i for i, label in enumerate(self.labels)}
        targets = span_targets(list(examples), scores, self.key, indices, name=self.name)
        candidates = training_candidates(scores, targets)
        loss, gradient = span_loss(scores, targets, candidates, self._class_weights())
        if not np.isfinite(loss):
            raise ValueError(Errors.BC424.format(name=self.name, loss=loss))
        return loss, gradient

    def _class_weights(self) -> np.ndarray | None:
        weights: dict[str, float] = self.cfg["class_weights"] or {}
        unknown = sorted(set(weights) - set(self.labels))
        if unknown:
            labels = ", ".join(self.labels)
            raise ValueError(Errors.BC427.format(name=self.name, unknown=", ".join(unknown), labels=labels))
        if not weights:
            return None
        return np.array([weights.get(label, 1.0) for label in self.labels], dtype="f")

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Set the labels and the shapes of the model, and give it fresh weights.

        get_examples (Callable[[], Iterable[Example]]): a representative sample of the training corpus.
        nlp (Language | None): the pipeline.
        labels (Iterable[str] | None): the labels, e.g. from `spacy init labels`; otherwise those of the examples,
            sorted.
        RAISES (ValueError): BC420 if there is no label, BC427 for class weights of other labels.
        """
        validate_get_examples(get_examples, "BioClinicalSpans.initialize")
        if labels is None:
            groups = (eg.reference.spans.get(self.key, []) for eg in get_examples())
            labels = sorted({span.label_ for group in groups for span in group if span.label_})
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise ValueError(Errors.BC420.format(name=self.name, key=self.key))
        self._class_weights()
        self.set_output(len(self.labels))
        sample = list(islice((eg.predicted for eg in get_examples() if len(eg.predicted)), 10))
        self.model.initialize(X=sample or None)

    def add_label(self, label: str) -> int:
        """Add a label. In a trained component the known labels keep their weights.

        label (str): the label.
        RETURNS (int): 0 if it was there already, otherwise 1.
        RAISES (ValueError): BC421 if it is not a string or empty, BC426 if a trained model cannot grow.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(Errors.BC421.format(name=self.name, type=type(label).__name__))
        if label in self.labels:
            return 0
        nO = self.model.maybe_get_dim("nO")
        if nO is not None and nO < len(self.labels) + 1:
            if not self.is_resizable:
                raise ValueError(Errors.BC426.format(name=self.name, label=label, nO=nO))
            self.set_output(len(self.labels) + 1)
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1


def _require(fits: bool, what: str, value: float, want: str) -> None:
    if not fits:
        raise ValueError(Errors.BC425.format(what=what, value=value, want=want))
