"""Score document classes by the decisions a component takes: each label at its own threshold.

spaCy's `Scorer.score_cats` knows one threshold for all labels. The keys and definitions are spaCy's; the areas under
the curve need no threshold and stay as they are; `cats_weighted_f` comes on top (the mean of the labels' F1, weighted
by how often each is true), so that training can choose its best step by it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bioclinical.models.thresholds import DECIMALS, DEFAULT_THRESHOLD

Score = Callable[..., dict[str, Any]]


def build_textcat_scorer_v1(*, exclusive_classes: bool) -> Score:
    """Build the scoring method of `bioclinical_textcat` and `bioclinical_textcat_multilabel`.

    exclusive_classes (bool): exactly one class is true: the largest score is the prediction, and documents without
        exactly one true class are left out (spaCy counts those without annotation as mistakes).
    RETURNS (Callable): takes examples and the component's `cfg`; returns spaCy's `cats_…` scores in [0, 1] and
        "cats_weighted_f".
    """
    return score_exclusive if exclusive_classes else score_independent


def score_exclusive(
    examples: Iterable[Example], *, labels: Sequence[str] = (), positive_label: str | None = None, **cfg: Any
) -> dict[str, Any]:
    """Score the classes with the largest probability; see `build_textcat_scorer_v1`."""
    known = [eg for eg in examples if sum(eg.reference.cats.get(label, 0.0) > 0 for label in labels) == 1]
    scores = Scorer.score_cats(known, "cats", labels=labels, multi_label=False, positive_label=positive_label)
    return _with_weighted_f(scores, known, labels)


def score_independent(
    examples: Iterable[Example],
    *,
    labels: Sequence[str] = (),
    threshold: float | None = DEFAULT_THRESHOLD,
    thresholds: Mapping[str, float] | None = None,
    **cfg: Any,
) -> dict[str, Any]:
    """Score the labels at or above their thresholds; see `build_textcat_scorer_v1`."""
    examples = list(examples)
    default = DEFAULT_THRESHOLD if threshold is None else threshold
    scores = Scorer.score_cats(examples, "cats", labels=labels, multi_label=True, threshold=default)
    if thresholds:
        predicted = {id(eg.predicted) for eg in examples}
        own = {label: round(thresholds.get(label, default), DECIMALS) for label in labels}

        def decisions(doc: Doc, attr: str) -> dict[str, float]:
            cats = getattr(doc, attr)
            if id(doc) not in predicted:
                return cats
            return {label: float(cats.get(label, 0.0) >= own[label]) for label in labels}

        decided = Scorer.score_cats(
            examples, "cats", getter=decisions, labels=labels, multi_label=True, threshold=0.5
        )
        kept = {"cats_score", "cats_score_desc", "cats_macro_auc", "cats_auc_per_type"}
        scores.update({key: value for key, value in decided.items() if key not in kept})
    return _with_weighted_f(scores, examples, labels)


def _with_weighted_f(
    scores: dict[str, Any], examples: Sequence[Example], labels: Sequence[str]
) -> dict[str, Any]:
    support = {label: sum(eg.reference.cats.get(label, 0.0) > 0 for eg in examples) for label in labels}
    total = sum(support[label] * scores["cats_f_per_type"][label]["f"] for label in labels)
    scores["cats_weighted_f"] = total / max(sum(support.values()), 1)
    return scores
