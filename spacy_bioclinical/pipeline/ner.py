"""Entity recognition with BIO tags: a linear layer over token vectors, decoded to legal sequences only.

Against spaCy's transition-based `ner` it trains in fewer lines, scores all tokens at once, and gives every
entity a probability, `ent._.confidence`: the exact marginal of that span and type under the decoder's model
(see `models/viterbi.py`). It expects a model of logits per token, `spacy-bioclinical.BioTagger.v1`.

The confidence is an ordinary extension attribute, kept in `doc.user_data` under the entity's character
offsets: it comes through `nlp.pipe(n_process=2)`, `doc.to_bytes` and `DocBin(store_user_data=True)`. A
program that reads such documents without loading a pipeline first runs `Span.set_extension("confidence",
default=None)`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

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
from spacy_bioclinical.models.viterbi import decode, log_softmax, n_tags, span_log_probabilities, spans_of
from spacy_bioclinical.pipeline.batches import minibatch_by_tokens
from spacy_bioclinical.pipeline.bio_targets import cross_entropy, gold_tags, visible_tokens

CONFIDENCE = "confidence"


class PredictedEntity(NamedTuple):
    """An entity found: tokens [start, end) of its document, type, probability in [0, 1]."""

    start: int
    end: int
    label: str
    confidence: float


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
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bioclinical_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    scorer: Callable | None,
) -> "BioClinicalNER":
    """Create the component, as `nlp.add_pipe("bioclinical_ner")` does.

    nlp (Language): the pipeline.
    name (str): the component's name.
    model (Model[List[Doc], List[Floats2d]]): logits per token.
    scorer (Callable | None): scoring method.
    RETURNS (BioClinicalNER): the component.
    """
    return BioClinicalNER(nlp.vocab, model, name, scorer=scorer)


class BioClinicalNER(TrainablePipe):
    """Pipeline component that sets `doc.ents` and `ent._.confidence`, and replaces entities set before it."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "bioclinical_ner",
        *,
        scorer: Callable | None = get_ner_prf,
    ) -> None:
        """Create the component without labels.

        vocab (Vocab): the shared vocabulary.
        model (Model[List[Doc], List[Floats2d]]): logits per token, columns O, B-0, I-0, B-1, I-1, …
        name (str): the component's name, also the key of its loss.
        scorer (Callable | None): scoring method, spaCy's `get_ner_prf` by default.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
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
        return [self._find_entities(doc, logits) for doc, logits in zip(docs, scores)]

    def _find_entities(self, doc: Doc, logits: Floats2d) -> list[PredictedEntity]:
        visible = visible_tokens(doc)
        if not len(visible):
            return []
        log_probs = log_softmax(self.model.ops.to_numpy(logits)[visible])
        spans = spans_of(decode(log_probs))
        confidences = np.exp(span_log_probabilities(log_probs, spans)).tolist()
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
        """Compute the mean cross-entropy of a batch and its gradient; see `cross_entropy`.

        examples (Iterable[Example]): the batch.
        scores (List[Floats2d]): the model's logits for `eg.predicted` of each.
        RETURNS (Tuple[float, List[Floats2d]]): the loss, and the gradient for each document.
        RAISES: ValueError, BC403 for an unknown entity type, BC405 if the loss is not a number.
        """
        type_indices = {label: i for i, label in enumerate(self.labels)}
        tags = [gold_tags(eg, type_indices, name=self.name) for eg in examples]
        loss, gradient = cross_entropy(scores, tags)
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
        """Set the labels and the shapes of the model, and give it fresh weights.

        get_examples (Callable[[], Iterable[Example]]): a representative sample of the training corpus.
        nlp (Language | None): the pipeline.
        labels (Iterable[str] | None): the entity types, e.g. from `spacy init labels`; otherwise those of the
            examples, sorted.
        RAISES: ValueError, BC401 if there is no entity type.
        """
        validate_get_examples(get_examples, "BioClinicalNER.initialize")
        if labels is None:
            labels = sorted({ent.label_ for eg in get_examples() for ent in eg.reference.ents if ent.label_})
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise ValueError(Errors.BC401.format(name=self.name))
        sample = list(islice((eg.predicted for eg in get_examples() if len(eg.predicted)), 10))
        shapes = [self.model.ops.alloc2f(len(doc), n_tags(len(self.labels))) for doc in sample]
        self.model.initialize(X=sample or None, Y=shapes or None)

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


def _install_confidence() -> None:
    """Make `span._.confidence` exist (None where nothing has set it), unless it is someone else's."""
    if not Span.has_extension(CONFIDENCE):
        Span.set_extension(CONFIDENCE, default=None)
        return
    _, method, getter, _ = Span.get_extension(CONFIDENCE)
    if method is not None or getter is not None:
        raise ValueError(Errors.BC407)
