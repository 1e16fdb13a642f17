"""Entity recognition with BIO tags: a linear layer over token vectors, decoded to legal sequences only.

Against spaCy's transition-based `ner` it trains in fewer lines, scores all tokens at once, and gives every
entity a probability, `ent._.confidence`: the exact marginal of that span and type under the decoder's model
(see `models/viterbi.py`). It expects a model of logits per token, `spacy-bioclinical.BioTagger.v1`, or of logits with
transition scores, `spacy-bioclinical.CrfTagger.v1`.

What is found after training on a development corpus is kept in `cfg` (`pipeline/calibrated.py`, `pipeline/recall.py`):
"temperature" and "confidence_line" calibrate probabilities, "recall_target", a dict with a "threshold", finds more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.crf import Transitions
from spacy_bioclinical.models.crf_layer import CrfScores, transitions_of
from spacy_bioclinical.models.tag_sequence import TagSequence
from spacy_bioclinical.models.viterbi import n_tags
from spacy_bioclinical.pipeline.batches import minibatch_by_tokens
from spacy_bioclinical.pipeline.bio_targets import (
    MISSING,
    crf_loss,
    cross_entropy,
    gold_tags,
    visible_tokens,
)
from spacy_bioclinical.pipeline.calibrated import on_line, tell_recall_target
from spacy_bioclinical.pipeline.confidence import CONFIDENCE, PredictedEntity
from spacy_bioclinical.pipeline.confidence import install_confidence as _install_confidence
from spacy_bioclinical.pipeline.recall import add_likely_runs, over_white_space
from spacy_bioclinical.pipeline.tag_weights import (
    WeightRule,
    check_loss_settings,
    weights_by_name,
    weights_by_rule,
)


@Language.factory(
    "bioclinical_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.confidence"],
    default_config={
        "model": {
            "@architectures": "spacy-bioclinical.BioTagger.v1",
            "dropout": 0.0,
            "nO": None,
            "tok2vec": {
                "@architectures": "spacy-transformers.TransformerListener.v1",
                "grad_factor": 1.0,
                "pooling": {"@layers": "reduce_mean.v1"},
                "upstream": "*",
            },
        },
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
        "class_weights": None,
        "label_smoothing": 0.0,
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bioclinical_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    scorer: Callable | None,
    class_weights: dict[str, float] | WeightRule | None,
    label_smoothing: float,
) -> "BioClinicalNER":
    """Create the component, as `nlp.add_pipe("bioclinical_ner")` does.

    nlp (Language): the pipeline.
    name (str): the component's name.
    model (Model[List[Doc], List[Floats2d]]): logits per token.
    scorer (Callable | None): scoring method.
    class_weights (Dict[str, float] | str | None): weights in the loss, by entity type ("NAME") or tag ("B-NAME", "O"),
        or a rule: "balanced", "inverse_sqrt" (`pipeline/tag_weights.py`).
    label_smoothing (float): the share of a token's target that is spread over all tags.
    RETURNS (BioClinicalNER): the component.
    """
    return BioClinicalNER(
        nlp.vocab, model, name, scorer=scorer, class_weights=class_weights, label_smoothing=label_smoothing
    )


class BioClinicalNER(TrainablePipe):
    """Pipeline component that sets `doc.ents` and `ent._.confidence`, and replaces entities set before it."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "bioclinical_ner",
        *,
        scorer: Callable | None = get_ner_prf,
        class_weights: dict[str, float] | WeightRule | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        """Create the component without labels.

        vocab (Vocab): the shared vocabulary.
        model (Model[List[Doc], List[Floats2d]]): logits per token, columns O, B-0, I-0, B-1, I-1, …
        name (str): the component's name, also the key of its loss.
        scorer (Callable | None): scoring method, spaCy's `get_ner_prf` by default.
        class_weights (Dict[str, float] | str | None): see the factory; what a rule finds is stored with the weights.
        label_smoothing (float): see the factory.
        RAISES: ValueError, BC428 if the model is a CRF and its loss knows no such thing, BC429 and BC430 for settings
            that make no sense, BC407 if `span._.confidence` belongs to someone else.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        has_transitions = bool(model.has_ref("transitions"))
        check_loss_settings(class_weights, label_smoothing, is_crf=has_transitions, name=name)
        self.cfg: dict[str, Any] = {"labels": []}
        _install_confidence()

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): the entity types; the position of each is that of its tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """RETURNS (List[str]): what `spacy init labels` writes and `initialize` reads: the entity types."""
        return list(self.cfg["labels"])

    @property
    def tag_names(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): the columns of the model's output: "O", "B-…", "I-…", …"""
        return ("O", *(f"{action}-{label}" for label in self.labels for action in "BI"))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the component to a stream of documents.

        It takes at most `batch_size` documents and a few thousand tokens at a time: the rows of a token weigh more
        than the document, and spaCy's own way would hold those of all `batch_size` documents.

        stream (Iterable[Doc]): the documents.
        batch_size (int): most documents to collect.
        YIELDS (Doc): the same documents, in order.
        """
        for docs in minibatch_by_tokens(stream, batch_size):
            yield from super().pipe(docs, batch_size=batch_size)

    def predict(self, docs: Iterable[Doc]) -> list[list[PredictedEntity]]:
        """Find the entities of a batch of documents, without modifying them.

        docs (Iterable[Doc]): the documents.
        RETURNS (List[List[PredictedEntity]]): for each document, in order of position; never overlapping.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [[] for _ in docs]
        scores = self.model.predict(docs)
        transitions = transitions_of(scores)
        return [self._find_entities(doc, logits, transitions) for doc, logits in zip(docs, scores)]

    def token_probabilities(self, doc: Doc) -> np.ndarray:
        """Compute the marginal probability of each token to be part of any entity, exactly.

        White space is part of an entity that goes on behind it. The temperature counts, the recall target does not.

        doc (Doc): as `predict` takes it: behind a transformer it still holds its rows (`nlp(text)` keeps them,
            `nlp.pipe` only with `keep_hidden`).
        RETURNS (np.ndarray): float64 (tokens,), in [0, 1].
        """
        visible = visible_tokens(doc)
        if not len(visible):
            return np.zeros(len(doc))
        scores = self.model.predict([doc])
        sequence = self._sequence(scores[0], visible, transitions_of(scores))
        return over_white_space(sequence.tag_probabilities(), visible, len(doc))

    def _sequence(
        self, logits: Floats2d, visible: np.ndarray, transitions: Transitions | None
    ) -> TagSequence:
        temperature = self.cfg.get("temperature", 1.0)
        if not (isinstance(temperature, int | float) and 0 < temperature < float("inf")):
            raise ValueError(Errors.BC431.format(name=self.name, value=temperature))
        rows = self.model.ops.to_numpy(logits)[visible]
        return TagSequence(rows, transitions, temperature=float(temperature))

    def _find_entities(
        self, doc: Doc, logits: Floats2d, transitions: Transitions | None = None
    ) -> list[PredictedEntity]:
        visible = visible_tokens(doc)
        if not len(visible):
            return []
        sequence = self._sequence(logits, visible, transitions)
        spans = sequence.spans()
        target = self.cfg.get("recall_target")
        if target:
            threshold = target.get("threshold")
            if not (isinstance(threshold, int | float) and 0 < threshold <= 1):
                raise ValueError(Errors.BC432.format(name=self.name))
            spans = add_likely_runs(spans, sequence.tag_probabilities(), threshold)
        confidences = on_line(sequence.span_probabilities(spans), self.cfg.get("confidence_line")).tolist()
        tokens = visible.tolist()
        return [
            PredictedEntity(tokens[start], tokens[end - 1] + 1, self.labels[type_index], confidence)
            for (start, end, type_index), confidence in zip(spans, confidences)
        ]

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Sequence[PredictedEntity]]) -> None:
        """Write predicted entities into the documents.

        docs (Iterable[Doc]): the documents, changed in place.
        scores (Sequence[Sequence[PredictedEntity]]): as `predict` returns them.
        """
        for doc, entities in zip(docs, scores):
            stored: dict[Any, Any] = doc.user_data
            for ent in doc.ents:  # those set before go, and their confidences with them
                stored.pop(("._.", CONFIDENCE, ent.start_char, ent.end_char), None)
            spans = [Span(doc, entity.start, entity.end, label=entity.label) for entity in entities]
            doc.set_ents(spans)
            for span, entity in zip(spans, entities):
                span._.set(CONFIDENCE, entity.confidence)

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Compute the mean loss of a batch and its gradient; see `cross_entropy` and `crf_loss`.

        examples (Iterable[Example]): the batch.
        scores (List[Floats2d]): the model's logits for `eg.predicted` of each; `CrfScores` of a CRF.
        RETURNS (Tuple[float, List[Floats2d]]): the loss, and the gradient for each document.
        RAISES: ValueError, BC403 for an unknown entity type, BC405 if the loss is not a number.
        """
        examples = list(examples)
        type_indices = {label: i for i, label in enumerate(self.labels)}
        tags = [gold_tags(eg, type_indices, name=self.name) for eg in examples]
        gradient: list[Floats2d]
        if isinstance(scores, CrfScores):
            loss, gradient = crf_loss(scores, tags, [visible_tokens(eg.predicted) for eg in examples])
        else:
            stored = self.cfg.get("tag_weights")
            weights = np.array([stored.get(tag, 1.0) for tag in self.tag_names]) if stored else None
            loss, gradient = cross_entropy(scores, tags, weights=weights, smoothing=self.label_smoothing)
        if not np.isfinite(loss):
            raise ValueError(Errors.BC405.format(name=self.name, loss=loss))
        return loss, gradient

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Set the labels and the shapes of the model, give it fresh weights, and find the weights of classes.

        get_examples (Callable[[], Iterable[Example]]): a representative sample of the training corpus.
        nlp (Language | None): the pipeline.
        labels (Iterable[str] | None): the entity types, e.g. from `spacy init labels`; otherwise those of the
            examples, sorted.
        RAISES: ValueError, BC401 if there is no entity type, BC429 if class_weights names another.
        """
        validate_get_examples(get_examples, "BioClinicalNER.initialize")
        if labels is None:
            labels = sorted({ent.label_ for eg in get_examples() for ent in eg.reference.ents if ent.label_})
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise ValueError(Errors.BC401.format(name=self.name))
        if self.class_weights is not None:
            self.cfg["tag_weights"] = self._tag_weights(self.class_weights, get_examples)
        sample = list(islice((eg.predicted for eg in get_examples() if len(eg.predicted)), 10))
        shapes = [self.model.ops.alloc2f(len(doc), n_tags(len(self.labels))) for doc in sample]
        self.model.initialize(X=sample or None, Y=shapes or None)

    def _tag_weights(
        self, weights: dict[str, float] | WeightRule, get_examples: Callable[[], Iterable[Example]]
    ) -> dict[str, float]:
        if not isinstance(weights, str):
            return weights_by_name(weights, self.tag_names, self.labels, name=self.name)
        type_indices = {label: i for i, label in enumerate(self.labels)}
        counts = np.zeros(len(self.tag_names))
        for eg in get_examples():
            tags = gold_tags(eg, type_indices, name=self.name)
            counts += np.bincount(tags[tags != MISSING], minlength=len(counts))
        return weights_by_rule(weights, counts, self.tag_names)

    def from_disk(self, path: Any, *, exclude: Iterable[str] = ()) -> "BioClinicalNER":
        """Load as `TrainablePipe` does, and log a promise of recall."""
        super().from_disk(path, exclude=exclude)
        tell_recall_target(self.name, self.cfg)
        return self

    def add_label(self, label: str) -> int:
        """Add an entity type. In a trained component the known types keep their weights.

        label (str): the type.
        RETURNS (int): 0 if it was there already, otherwise 1.
        RAISES: ValueError, BC402 if it is not a string or empty, BC406 if a trained model cannot grow.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(Errors.BC402.format(name=self.name, type=type(label).__name__))
        if label in self.labels:
            return 0
        n_wanted = n_tags(len(self.labels) + 1)
        nO = self.model.maybe_get_dim("nO")
        if nO is not None and nO < n_wanted:
            if not self.is_resizable:
                raise ValueError(Errors.BC406.format(name=self.name, label=label, nO=nO))
            self.set_output(n_wanted)
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1
