"""Scorers that a component's config can name, so that `spacy train` and `spacy evaluate` show them: small keys only.

spaCy's own keys stay as they are; on top come scores by exact characters (spaCy carries a prediction over to the gold
tokens it touches, which is generous where tokens differ) and SemEval's partial and type scores.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from spacy.pipeline.spancat import spancat_score
from spacy.scorer import get_ner_prf
from spacy.tokens import Span
from spacy.training import Example

from spacy_bioclinical.pipeline.matching import (
    OUTCOMES,
    SCHEMES,
    Place,
    match_counts,
    precision_recall_f,
)

Score = Callable[..., dict[str, Any]]


def build_entity_scorer_v1() -> Score:
    """Build a scorer for components that set `doc.ents`.

    RETURNS (Callable): spaCy's "ents_p", "ents_r", "ents_f", "ents_per_type", and "ents_strict_f", "ents_exact_f"
        (any type), "ents_partial_f", "ents_type_f" in [0, 1], by characters; None without annotation.
    """
    return score_entities


def build_span_group_scorer_v1(*, spans_key: str) -> Score:
    """Build a scorer for components that set `doc.spans[spans_key]`.

    spans_key (str): group in prediction and gold.
    RETURNS (Callable): spaCy's "spans_KEY_p", "…_r", "…_f", "…_per_type", and "…_strict_f", "…_exact_f",
        "…_partial_f", "…_type_f" in [0, 1], by characters; overlapping and nested spans each count.
    """

    def score(examples: Iterable[Example], **settings: Any) -> dict[str, Any]:
        examples = list(examples)
        pairs = [
            (places(eg.y.spans[spans_key]), places(eg.x.spans.get(spans_key, [])))
            for eg in examples
            if spans_key in eg.y.spans
        ]
        return {
            **spancat_score(examples, spans_key=spans_key, allow_overlap=True),
            **_scheme_scores(f"spans_{spans_key}", pairs),
        }

    return score


def score_entities(examples: Iterable[Example], **settings: Any) -> dict[str, Any]:
    """Score entities; see `build_entity_scorer_v1`."""
    examples = list(examples)
    annotated = [eg for eg in examples if eg.y.has_annotation("ENT_IOB")]
    pairs = [(places(eg.y.ents), places(eg.x.ents)) for eg in annotated]
    return {**get_ner_prf(examples), **_scheme_scores("ents", pairs)}


def places(spans: Iterable[Span]) -> list[Place]:
    """RETURNS (list[tuple]): (first character, character after the last, label), in order."""
    return sorted((span.start_char, span.end_char, span.label_) for span in spans)


def _scheme_scores(
    name: str, pairs: Sequence[tuple[Sequence[Place], Sequence[Place]]]
) -> dict[str, float | None]:
    if not pairs:
        return {f"{name}_{scheme}_f": None for scheme in SCHEMES}
    totals = np.zeros((len(SCHEMES), len(OUTCOMES)), dtype=np.int64)
    for gold, predicted in pairs:
        totals += match_counts(gold, predicted)
    f = precision_recall_f(totals)[:, 2]
    return {f"{name}_{scheme}_f": float(f[row]) for row, scheme in enumerate(SCHEMES)}
