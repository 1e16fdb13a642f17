"""Text classification that says how sure it is and what it decides: calibrated `doc.cats`, thresholds, class weights.

Both components are spaCy's `textcat` and `textcat_multilabel`, with what a clinical corpus asks for on top: rare labels
(class weights, label smoothing, a threshold for each label), probabilities that mean something (a temperature found on
a development set, Guo et al. 2017, "On Calibration of Modern Neural Networks", ICML), and the decision itself,
`doc._.cats_assigned`: the labels at or above their thresholds, in the component's order; the most probable one if
classes are exclusive. With several classifiers in a pipeline it holds the labels of all.

Temperature and thresholds live in the component's `cfg`, so `to_disk` and `to_bytes` keep them. Set the temperature
first: it moves probabilities, and thresholds are chosen on them. The attribute is an ordinary extension kept in
`doc.user_data`: it comes through `nlp.pipe(n_process=2)`, `doc.to_bytes` and `DocBin(store_user_data=True)`. A program
that reads such documents without loading a pipeline first runs `Doc.set_extension("cats_assigned", default=None)`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from spacy.language import Language
from spacy.pipeline import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.thresholds import DECIMALS, DEFAULT_THRESHOLD, tune_thresholds
from spacy_bioclinical.pipeline.calibrated_textcat import ASSIGNED, CalibratedTextCat, ClassWeights
from spacy_bioclinical.pipeline.textcat_scorer import score_exclusive, score_independent

_SCORES = ("score", "score_desc", "micro_p", "micro_r", "micro_f", "macro_p", "macro_r", "macro_f")
_SCORE_WEIGHTS: dict[str, float | None] = {
    **{f"cats_{name}": None for name in (*_SCORES, "weighted_f", "macro_auc", "f_per_type")},
    "cats_score": 1.0,
}


def _default_config(*, exclusive: bool) -> dict[str, Any]:
    return {
        "class_weights": None,
        "label_smoothing": 0.0,
        "model": {
            "@architectures": "spacy-bioclinical.TextCatPooling.v2",
            "exclusive_classes": exclusive,
            "pooling": "attention",
            "dropout": 0.0,
            "nO": None,
            "tok2vec": {
                "@architectures": "spacy-transformers.TransformerListener.v1",
                "grad_factor": 1.0,
                "pooling": {"@layers": "reduce_mean.v1"},
                "upstream": "*",
            },
        },
        "scorer": {"@scorers": "spacy-bioclinical.TextCatScorer.v1", "exclusive_classes": exclusive},
    }


@Language.factory(
    "bioclinical_textcat",
    assigns=["doc.cats", f"doc._.{ASSIGNED}"],
    default_config=_default_config(exclusive=True),
    default_score_weights=_SCORE_WEIGHTS,
)
def make_bioclinical_textcat(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Floats2d],
    scorer: Callable | None,
    class_weights: Literal["balanced"] | dict[str, float] | None,
    label_smoothing: float,
) -> "BioClinicalTextCat":
    """Create the classifier of exclusive classes, as `nlp.add_pipe("bioclinical_textcat")` does.

    nlp (Language): the pipeline.
    name (str): the component's name.
    model (Model[List[Doc], Floats2d]): probabilities per document.
    scorer (Callable | None): scoring method.
    class_weights ("balanced" | Dict[str, float] | None): what a document of each class counts in the loss;
        "balanced" weighs rare classes up, see `balanced_weights`; classes that a dict leaves out count 1.
    label_smoothing (float): in [0, 1): the share of the target that is spread evenly.
    RETURNS (BioClinicalTextCat): the component.
    """
    settings: dict[str, Any] = {"class_weights": class_weights, "label_smoothing": label_smoothing}
    return BioClinicalTextCat(nlp.vocab, model, name, scorer=scorer, **settings)


@Language.factory(
    "bioclinical_textcat_multilabel",
    assigns=["doc.cats", f"doc._.{ASSIGNED}"],
    default_config={"threshold": DEFAULT_THRESHOLD, **_default_config(exclusive=False)},
    default_score_weights=_SCORE_WEIGHTS,
)
def make_bioclinical_textcat_multilabel(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Floats2d],
    scorer: Callable | None,
    threshold: float,
    class_weights: Literal["balanced"] | dict[str, float] | None,
    label_smoothing: float,
) -> "BioClinicalMultiLabelTextCat":
    """Create the classifier of any number of labels, as `nlp.add_pipe("bioclinical_textcat_multilabel")` does.

    threshold (float): from which probability on a label is assigned that has no threshold of its own.
    class_weights ("balanced" | Dict[str, float] | None): a dict gives what a document counts for a label that is
        true in it (1 where it is false); "balanced" weighs both sides of each label, see `balanced_weights`.
    Other arguments: see `make_bioclinical_textcat`.
    RETURNS (BioClinicalMultiLabelTextCat): the component.
    """
    settings: dict[str, Any] = {"class_weights": class_weights, "label_smoothing": label_smoothing}
    return BioClinicalMultiLabelTextCat(
        nlp.vocab, model, name, scorer=scorer, threshold=threshold, **settings
    )


class BioClinicalTextCat(CalibratedTextCat):
    """Pipeline component that finds the one class of a document; see the head of this file."""

    exclusive = True

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Floats2d],
        name: str = "bioclinical_textcat",
        *,
        scorer: Callable | None = score_exclusive,
        class_weights: ClassWeights = None,
        label_smoothing: float = 0.0,
    ) -> None:
        """Create the component without labels; arguments as of `make_bioclinical_textcat`."""
        super().__init__(vocab, model, name, threshold=0.0, scorer=scorer)
        self._set_up(class_weights, label_smoothing)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
        positive_label: str | None = None,
    ) -> None:
        """Set the labels, the shapes of the model and the class weights; as spaCy's `TextCategorizer.initialize`.

        RAISES: ValueError, BC436 if `class_weights` has other labels or weights that are not above 0.
        """
        super().initialize(get_examples, nlp=nlp, labels=labels, positive_label=positive_label)
        self._find_weights(get_examples)


class BioClinicalMultiLabelTextCat(CalibratedTextCat, MultiLabel_TextCategorizer):
    """Pipeline component that finds any number of labels of a document; see the head of this file."""

    exclusive = False

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Floats2d],
        name: str = "bioclinical_textcat_multilabel",
        *,
        threshold: float = DEFAULT_THRESHOLD,
        scorer: Callable | None = score_independent,
        class_weights: ClassWeights = None,
        label_smoothing: float = 0.0,
    ) -> None:
        """Create the component without labels; arguments as of `make_bioclinical_textcat_multilabel`."""
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer)
        self._set_up(class_weights, label_smoothing)

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Set the labels, the shapes of the model and the class weights; as spaCy's component does.

        RAISES: ValueError, BC436 if `class_weights` has other labels or weights that are not above 0.
        """
        super().initialize(get_examples, nlp=nlp, labels=labels)
        self._find_weights(get_examples)

    @property
    def thresholds(self) -> dict[str, float]:
        """Dict[str, float]: the threshold of each label; setting some (BC439 if faulty) resets the others."""
        own: Any = self.cfg.get("thresholds") or {}
        default: Any = self.cfg["threshold"]
        return {label: round(float(own.get(label, default)), DECIMALS) for label in self.labels}

    @thresholds.setter
    def thresholds(self, values: Mapping[str, float]) -> None:
        if not set(values) <= set(self.labels) or not all(0.0 <= value <= 1.0 for value in values.values()):
            known = ", ".join(self.labels)
            raise ValueError(Errors.BC439.format(name=self.name, given=dict(values), labels=known))
        self.cfg["thresholds"] = {label: round(float(value), DECIMALS) for label, value in values.items()}

    def tune_thresholds(self, examples: Iterable[Example]) -> dict[str, float]:
        """Choose a threshold of large F1 for each label and keep it; see `models/thresholds.py`.

        examples (Iterable[Example]): a development set with predictions in `eg.predicted.cats`, made with the
            temperature that the component will keep.
        RETURNS (Dict[str, float]): the threshold of each label; the factory's `threshold` for one that is never true.
        RAISES: ValueError, BC440 if there are no examples or one has no prediction.
        """
        truths, scores = [], []
        for i, eg in enumerate(examples):
            if not set(self.labels) <= eg.predicted.cats.keys():
                raise ValueError(Errors.BC440.format(name=self.name, what=f"document {i} has no scores"))
            truths.append([eg.reference.cats.get(label, np.nan) for label in self.labels])
            scores.append([eg.predicted.cats[label] for label in self.labels])
        if not truths:
            raise ValueError(Errors.BC440.format(name=self.name, what="there are no documents"))
        default: Any = self.cfg["threshold"]
        tuned = tune_thresholds(np.array(truths), np.array(scores), default=default)
        self.thresholds = {label: found.threshold for label, found in zip(self.labels, tuned)}
        return self.thresholds

    def assign(self, cats: Mapping[str, float]) -> list[str]:
        """Decide which labels hold: those at or above their thresholds, possibly none."""
        return [label for label, threshold in self.thresholds.items() if cats[label] >= threshold]
