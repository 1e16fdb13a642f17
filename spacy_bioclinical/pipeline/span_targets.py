"""What a span head should say: gold boundaries and pairs of a batch, the pairs it is trained on, and the loss.

Training pairs: every gold mention; the candidates that the model would score now, with the gold boundaries among them;
and near misses of each gold mention (one token more or less at an end, the same tokens under the labels that the model
finds likeliest). Nothing is drawn at random.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Alignment, Example

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.span_candidates import Candidates, candidates_of
from spacy_bioclinical.models.span_scorer import SpanGradient, SpanScores

# How many other labels are tried on the tokens of each gold mention.
OTHER_LABELS = 8


@dataclass
class SpanTargets:
    """The gold side of a batch, in rows (visible tokens of all documents) as in SpanScores.

    gold (Candidates): the gold mentions, each once.
    starts, ends (np.ndarray): bool, (rows, labels), where a gold mention starts or ends.
    known (np.ndarray): bool, (rows,), False in documents without annotation: nothing to learn there.
    n_widened (int): gold mentions that begin or end within a predicted token.
    """

    gold: Candidates
    starts: np.ndarray
    ends: np.ndarray
    known: np.ndarray
    n_widened: int


def span_targets(
    examples: Sequence[Example],
    scores: SpanScores,
    key: str,
    label_indices: Mapping[str, int],
    *,
    name: str,
) -> SpanTargets:
    """Find the gold mentions of a batch.

    A mention annotated from or to a white-space token begins and ends at its first and last other token. One that
    begins or ends within a predicted token ("siste" of "sister", "alcoholic" of "nonalcoholic") is learned as all the
    tokens that it touches, so that none is lost; scores compare characters and still count it as missed.

    examples (Sequence[Example]): gold mentions are those of `eg.reference.spans[key]`. A document without the key is
        not annotated; one with an empty group has no mentions.
    scores (SpanScores): those of the predicted documents, for their rows.
    label_indices (Mapping[str, int]): index of every label.
    name (str): the component's name, for errors.
    RETURNS (SpanTargets): the targets.
    RAISES (ValueError): BC422 for a label not in `label_indices`, BC423 if texts cannot be aligned.
    """
    n_rows = len(scores.starts)
    known = np.zeros(n_rows, dtype=bool)
    found: list[tuple[int, int, int]] = []
    n_widened = 0
    for eg, visible, offset in zip(examples, scores.visible, scores.offsets):
        if key not in eg.reference.spans:
            continue
        known[offset : offset + len(visible)] = True
        try:
            alignment = eg.alignment  # compares all tokens each time it is asked for
        except ValueError:  # spaCy's own message (E949) quotes the text
            message = Errors.BC423.format(name=name, n_predicted=len(eg.x), n_gold=len(eg.y))
            raise ValueError(message) from None
        for span in eg.reference.spans[key]:
            if span.label_ not in label_indices:
                labels = ", ".join(label_indices)
                raise ValueError(Errors.BC422.format(name=name, label=span.label_, labels=labels))
            label = label_indices[span.label_]
            tokens, is_aligned = _predicted_tokens(eg.x, span, alignment)
            begin, end = (offset + np.searchsorted(visible, (tokens.start, tokens.stop))).tolist()
            if begin < end:  # otherwise nothing but white space
                found.append((begin, end - 1, label))
                n_widened += not is_aligned
    rows = np.array(found, dtype=np.int64).reshape(-1, 3)
    gold = candidates_of(rows[:, 0], rows[:, 1], rows[:, 2], n_rows)
    starts, ends = np.zeros(scores.starts.shape, dtype=bool), np.zeros(scores.starts.shape, dtype=bool)
    starts[gold.starts, gold.labels] = True
    ends[gold.ends, gold.labels] = True
    return SpanTargets(gold, starts, ends, known, n_widened)


def _predicted_tokens(predicted: Doc, span: Span, alignment: Alignment) -> tuple[range, bool]:
    """RETURNS (Tuple[range, bool]): the predicted tokens that a gold span touches, and whether they are its text."""
    touched = alignment.y2x[span.start : span.end]
    if not len(touched):
        return range(0), False
    tokens = range(int(touched[0]), int(touched[-1]) + 1)
    return tokens, _bare(predicted[tokens.start : tokens.stop]) == _bare(span)


def _bare(span: Span) -> str:
    """The text without case and spaces, which two tokenisations of a document may differ in, as in spaCy's Example."""
    return span.text.lower().strip().replace(" ", "")


def training_candidates(scores: SpanScores, targets: SpanTargets) -> Candidates:
    """Choose the pairs that a batch is trained on; see the head of this file.

    RETURNS (Candidates): all gold mentions, and others, within one document each, none in one without annotation.
    """
    n_rows, gold = len(targets.known), targets.gold
    chosen = scores.candidates(targets.starts, targets.ends)
    groups = [(chosen.starts, chosen.ends, chosen.labels), (gold.starts, gold.ends, gold.labels)]
    for at_start, at_end in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        groups.append((gold.starts + at_start, gold.ends + at_end, gold.labels))
    if len(gold):
        xp = scores.ops.xp
        likely = scores.ops.to_numpy(
            scores.starts[xp.asarray(gold.starts)] + scores.ends[xp.asarray(gold.ends)]
        )
        others = np.argsort(-likely, axis=1, kind="stable")[:, :OTHER_LABELS]
        n_others = others.shape[1]
        groups.append((np.repeat(gold.starts, n_others), np.repeat(gold.ends, n_others), others.ravel()))
    starts, ends, labels = (np.concatenate(arrays) for arrays in zip(*groups))
    document = np.repeat(np.arange(len(scores.visible)), scores.lengths)
    fits = (starts >= 0) & (starts <= ends) & (ends < n_rows)
    starts, ends, labels = starts[fits], ends[fits], labels[fits]
    fits = document[starts] == document[ends]
    fits &= targets.known[starts]
    return candidates_of(starts[fits], ends[fits], labels[fits], n_rows)


def span_loss(
    scores: SpanScores,
    targets: SpanTargets,
    candidates: Candidates,
    class_weights: np.ndarray | None = None,
) -> tuple[float, SpanGradient]:
    """Compute the loss of a batch and its gradient.

    Binary cross-entropy of each start, each end and each candidate, summed over labels and candidates and divided by
    the number of annotated tokens. So it is a mean per token, as the entity head's loss, and learn rates found there
    mean the same here; a further easy candidate adds its own small term, and takes no weight from a gold mention.

    class_weights (np.ndarray | None): (labels,): weight of the terms of gold boundaries and mentions of each label.
    RETURNS (Tuple[float, SpanGradient]): nats per token, and the gradient of all logits.
    """
    xp = scores.ops.xp
    n_rows, n_labels = targets.starts.shape
    weights = np.ones(n_labels, dtype="f") if class_weights is None else class_weights
    n_tokens = max(int(targets.known.sum()), 1)
    known = targets.known[:, None]
    is_gold = np.isin(candidates.keys(n_rows), targets.gold.keys(n_rows))
    total, gradients = 0.0, []
    for logits, gold, weight in (
        (scores.starts, targets.starts, known * np.where(targets.starts, weights, 1)),
        (scores.ends, targets.ends, known * np.where(targets.ends, weights, 1)),
        (scores.score(candidates), is_gold, np.where(is_gold, weights[candidates.labels], 1)),
    ):
        loss, gradient = _binary_cross_entropy(
            xp, logits, xp.asarray(gold, dtype="f"), xp.asarray(weight, dtype="f")
        )
        total += loss / n_tokens
        gradients.append(gradient / n_tokens)
    return total, SpanGradient(gradients[0], gradients[1], candidates, gradients[2])


def _binary_cross_entropy(xp: Any, logits: Any, gold: Any, weights: Any) -> tuple[float, Any]:
    """RETURNS (Tuple[float, FloatsXd]): Σ weights · (log(1 + e^z) − z · gold), and its gradient."""
    tail = xp.exp(-xp.abs(logits))  # at most 1: cannot overflow
    losses = xp.maximum(logits, 0) - logits * gold + xp.log1p(tail)
    probabilities = xp.where(logits >= 0, 1, tail) / (1 + tail)
    return float((weights * losses).sum()), weights * (probabilities - gold)
