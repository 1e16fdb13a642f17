"""What both text classifiers share: temperature, weighted loss, and the decision written beside the probabilities.

`doc._.cats_assigned` is an ordinary extension, kept in `doc.user_data`; see `pipeline/textcat.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

import numpy as np
from spacy.pipeline import TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from thinc.types import Floats2d

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.class_loss import balanced_weights, class_loss
from spacy_bioclinical.models.thresholds import DECIMALS

ASSIGNED = "cats_assigned"
ClassWeights = Literal["balanced"] | dict[str, float] | None


class CalibratedTextCat(TextCategorizer):
    """What both components share: temperature, weighted loss, decisions."""

    exclusive: bool

    def _set_up(self, class_weights: ClassWeights, label_smoothing: float) -> None:
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(Errors.BC437.format(name=self.name, given=label_smoothing))
        # Settings of the training follow the config at load time. What was found in training is stored.
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.cfg.update({"temperature": 1.0, "thresholds": {}, "label_weights": None})
        _install_assigned()

    @property
    def temperature(self) -> float:
        """float: what logits are divided by before they become probabilities; setting it checks it (BC438)."""
        value: Any = self.cfg.get("temperature") or 1.0
        return round(float(value), DECIMALS)  # spaCy stores so many, and reads them back with a tiny error

    @temperature.setter
    def temperature(self, value: float) -> None:
        rounded = round(float(value), DECIMALS)  # as it will be stored
        if not (np.isfinite(rounded) and rounded > 0):
            raise ValueError(Errors.BC438.format(name=self.name, given=value))
        self.cfg["temperature"] = rounded

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Compute the calibrated probabilities of documents, without modifying them.

        docs (Iterable[Doc]): the documents.
        RETURNS (Floats2d): (documents, labels): softmax or logistic function of logits / temperature. A document
            without tokens gets those of the bias alone, in whatever company it comes.
        """
        docs = list(docs)
        if self.temperature == 1.0:
            return self._raw(docs)
        logits = self.predict_logits(docs) / self.temperature
        ops = self.model.ops
        return ops.softmax(logits) if self.exclusive else ops.sigmoid(logits)

    def predict_logits(self, docs: Iterable[Doc]) -> Floats2d:
        """Compute what the temperature divides: the scores before softmax or logistic function.

        docs (Iterable[Doc]): the documents.
        RETURNS (Floats2d): (documents, labels). Of architectures without a reference "logits" they are recovered
            from the probabilities (if exclusive up to a constant), which are cut to [1e-7, 1 − 1e-7].
        """
        docs = list(docs)
        if "logits" in self.model.ref_names:
            return self.model.get_ref("logits").predict(docs)
        xp = self.model.ops.xp
        p = xp.clip(self._raw(docs), 1e-7, 1 - 1e-7)
        return xp.log(p) if self.exclusive else xp.log(p / (1 - p))

    def _raw(self, docs: list[Doc]) -> Floats2d:
        if docs and "logits" in self.model.ref_names:
            return self.model.predict(docs)
        return super().predict(docs)  # spares other architectures a batch without tokens

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Write `doc.cats` and `doc._.cats_assigned`; labels of other components stay.

        docs (Iterable[Doc]): the documents, changed in place.
        scores (Floats2d): as `predict` returns them.
        """
        docs = list(docs)
        super().set_annotations(docs, scores)
        own = set(self.labels)
        for doc in docs:
            others = [label for label in doc._.get(ASSIGNED) or [] if label not in own]
            doc._.set(ASSIGNED, others + self.assign(doc.cats))

    def assign(self, cats: Mapping[str, float]) -> list[str]:
        """Decide which labels hold.

        cats (Mapping[str, float]): probability by label, such as `doc.cats`.
        RETURNS (List[str]): labels of this component, in its order.
        """
        return [max(self.labels, key=lambda label: cats[label])] if self.labels else []

    def get_loss(  # type: ignore[override]
        self, examples: Iterable[Example], scores: Floats2d
    ) -> tuple[float, Floats2d]:
        """Compute the weighted, smoothed cross-entropy of a batch; see `class_loss`.

        A document without annotation (if exclusive: without exactly one true label) costs nothing, so that corpora
        annotated for one head can train beside those of another.

        examples (Iterable[Example]): the batch.
        scores (Floats2d): the model's probabilities.
        RETURNS (Tuple[float, Floats2d]): the loss in nats, a mean over documents, and the gradient of its sum over
            them with respect to the logits: the model divides by the number of documents itself.
        RAISES: ValueError, BC435 if the loss is not a number.
        """
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.get_loss")
        self._validate_categories(examples)
        ops = self.model.ops
        truths, known = cast(tuple[Floats2d, Any], self._examples_to_truth(examples))
        if self.exclusive:
            known = known * (ops.to_numpy(truths).sum(axis=1, keepdims=True) == 1)
        loss, gradient = class_loss(
            scores,
            truths,
            ops.asarray2f(known),
            exclusive=self.exclusive,
            weights=self._weight_table(),
            smoothing=self.label_smoothing,
        )
        if not np.isfinite(loss):
            raise ValueError(Errors.BC435.format(name=self.name, loss=loss))
        return loss, gradient * len(scores)

    def _weight_table(self) -> Floats2d | None:
        weights: Any = self.cfg.get("label_weights")
        if not weights:
            return None
        return self.model.ops.asarray2f([weights.get(label, [1.0, 1.0]) for label in self.labels])

    def _find_weights(self, get_examples: Callable[[], Iterable[Example]]) -> None:
        weights = self.class_weights
        if isinstance(weights, dict):
            if not set(weights) <= set(self.labels) or not all(weight > 0 for weight in weights.values()):
                known = ", ".join(self.labels)
                raise ValueError(Errors.BC436.format(name=self.name, given=weights, labels=known))
            self.cfg["label_weights"] = {label: [1.0, float(weight)] for label, weight in weights.items()}
        elif weights == "balanced":
            cats = (eg.reference.cats for eg in get_examples())
            self.cfg["label_weights"] = balanced_weights(cats, self.labels, exclusive=self.exclusive)
        else:
            self.cfg["label_weights"] = None


def _install_assigned() -> None:
    """Make `doc._.cats_assigned` exist (None where nothing has set it), unless it is someone else's."""
    if not Doc.has_extension(ASSIGNED):
        Doc.set_extension(ASSIGNED, default=None)
        return
    _, method, getter, _ = Doc.get_extension(ASSIGNED)
    if method is not None or getter is not None:
        raise ValueError(Errors.BC441)
