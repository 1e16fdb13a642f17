"""Score entities three ways: spaCy's scorer, seqeval's strict IOB2, and exact characters. They should agree.

spaCy and seqeval count entities in the tokens of the gold document, whose tokens need not be those of the
prediction (converters split a gold token where an annotation cuts through it). A predicted entity is
carried over by characters to all the gold tokens it touches, as spaCy's own scorer does. Where its ends fall inside a
gold token, this is generous, so such entities are counted (`off_boundary`), and the exact scores, in characters, are
not.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.scorer import PRFScore, get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.tag_scores import score_tags

TOLERANCE = 1e-9


class Projection(NamedTuple):
    """The predicted entities of one document as tags on the gold tokens, and what did not carry over."""

    tags: list[str]
    exact: set[tuple[int, int, str]]  # (start, end, type) in characters
    off_boundary: int  # ends inside a gold token
    clashes: int  # touches a gold token that another entity holds; left out of the tags
    unannotated: int  # touches a gold token without annotation; left out altogether, as spaCy does


def score_entities(examples: Sequence[Example]) -> dict[str, Any] | None:
    """Score `doc.ents` of all examples whose gold document is annotated with entities.

    examples (Sequence[Example]): predictions with their gold documents.
    RETURNS (dict | None): "spacy", "seqeval", "lenient" (seqeval's default mode) and "exact", each with p, r and f
        in [0, 1] (micro average over entities); "equal", whether the first two are; counts; "per_type". None if
        there is nothing to score: no gold annotation, or no entity in gold or prediction.
    RAISES: ImportError, BC408 without seqeval; ValueError, BC410 if gold and predicted texts differ.
    """
    annotated = [eg for eg in examples if len(eg.y) and eg.y.has_annotation("ENT_IOB")]
    projections = []
    for i, eg in enumerate(annotated):
        if eg.x.text != eg.y.text:
            raise ValueError(Errors.BC410.format(index=i, n_predicted=len(eg.x.text), n_gold=len(eg.y.text)))
        projections.append(project_entities(eg.x, eg.y))
    n_gold = sum(len(eg.y.ents) for eg in annotated)
    n_predicted = sum(len(projection.exact) for projection in projections)
    if not n_gold and not n_predicted:
        return None
    spacy_scores = get_ner_prf(annotated)
    gold_tags, predicted_tags = [iob2_tags(eg.y) for eg in annotated], [each.tags for each in projections]
    result: dict[str, Any] = {
        "spacy": {name: float(spacy_scores[f"ents_{name}"]) for name in "prf"},
        "seqeval": _seqeval(gold_tags, predicted_tags),
        "lenient": score_tags(gold_tags, predicted_tags, lenient=True),
        "exact": _exact(annotated, projections),
    }
    result["equal"] = all(abs(result["spacy"][name] - result["seqeval"][name]) < TOLERANCE for name in "prf")
    result.update(documents=len(annotated), gold=n_gold, predicted=n_predicted)
    for name in ("off_boundary", "clashes", "unannotated"):
        result[name] = sum(getattr(each, name) for each in projections)
    result["per_type"] = dict(sorted(spacy_scores["ents_per_type"].items()))
    return result


def iob2_tags(doc: Doc) -> list[str]:
    """RETURNS (list[str]): the document's entities as one IOB2 tag for each of its tokens."""
    tags = ["O"] * len(doc)
    for ent in doc.ents:
        tags[ent.start : ent.end] = [f"B-{ent.label_}"] + [f"I-{ent.label_}"] * (len(ent) - 1)
    return tags


def project_entities(predicted: Doc, gold: Doc) -> Projection:
    """Carry predicted entities over to the tokens of the gold document, by character offsets.

    predicted (Doc): holds the entities.
    gold (Doc): holds the tokens; same text.
    RETURNS (Projection): tags and counts.
    """
    starts = np.array([token.idx for token in gold])
    ends = np.array([token.idx + len(token) for token in gold])
    has_annotation = gold.to_array(["ENT_IOB"]) != 0
    tags = ["O"] * len(gold)
    exact: set[tuple[int, int, str]] = set()
    off_boundary = clashes = unannotated = 0
    for ent in predicted.ents:
        first = int(np.searchsorted(ends, ent.start_char, side="right"))
        last = int(np.searchsorted(starts, ent.end_char, side="left"))
        if not has_annotation[first:last].all():
            unannotated += 1
            continue
        exact.add((ent.start_char, ent.end_char, ent.label_))
        off_boundary += bool(starts[first] != ent.start_char or ends[last - 1] != ent.end_char)
        if any(tag != "O" for tag in tags[first:last]):
            clashes += 1
            continue
        tags[first:last] = [f"B-{ent.label_}"] + [f"I-{ent.label_}"] * (last - first - 1)
    return Projection(tags, exact, off_boundary, clashes, unannotated)


def _exact(examples: Iterable[Example], projections: Iterable[Projection]) -> dict[str, float]:
    score = PRFScore()
    for eg, projection in zip(examples, projections):
        gold = {(ent.start_char, ent.end_char, ent.label_) for ent in eg.y.ents}
        score.score_set(projection.exact, gold)
    return {"p": score.precision, "r": score.recall, "f": score.fscore}


def _seqeval(gold: list[list[str]], predicted: list[list[str]]) -> dict[str, float]:
    try:
        from seqeval.metrics.v1 import precision_recall_fscore_support
        from seqeval.scheme import IOB2
    except ImportError:
        raise ImportError(Errors.BC408) from None
    with warnings.catch_warnings():  # seqeval warns where nothing is predicted; the zeros say so
        warnings.simplefilter("ignore")
        p, r, f, _ = precision_recall_fscore_support(gold, predicted, average="micro", scheme=IOB2)
    return {"p": float(p), "r": float(r), "f": float(f)}
