"""Turn gold entities into the tag each token should get, and logits and tags into a loss: softmax or CRF.

White-space tokens (line breaks, runs of spaces) are no part of the tag sequence: they get no target, and
the decoder never sees them. So an entity may run over a line break, and none starts or ends on one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import get_array_module
from thinc.types import Floats2d

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.crf import MISSING, negative_log_likelihood
from spacy_bioclinical.models.crf_layer import CrfScores
from spacy_bioclinical.models.viterbi import tag_begin, tag_inside


def visible_tokens(doc: Doc) -> np.ndarray:
    """RETURNS (np.ndarray): the indices of the tokens that are not white space, int64, ascending."""
    return np.flatnonzero(doc.to_array(["IS_SPACE"]) == 0)


def gold_tags(example: Example, type_indices: Mapping[str, int], *, name: str) -> np.ndarray:
    """Find the BIO tag of every predicted token.

    A token has no target where the gold document does not annotate it, where the two tokenisations disagree
    about an entity's boundary, and where it is white space.

    example (Example): the gold entities are those of `example.reference`.
    type_indices (Mapping[str, int]): index of every entity type.
    name (str): the component's name, for errors.
    RETURNS (np.ndarray): int64, (predicted tokens,); MISSING where there is no target.
    RAISES: ValueError, BC403 for a type that is not in `type_indices`, BC404 if the texts cannot be aligned.
    """
    try:
        biluo = example.get_aligned_ner()
    except ValueError:  # spaCy's own message (E949) quotes the text
        message = Errors.BC404.format(name=name, n_predicted=len(example.x), n_gold=len(example.y))
        raise ValueError(message) from None
    tags = np.full(len(biluo), MISSING, dtype=np.int64)
    open_type = None  # the type of the entity that the previous visible token belongs to
    for i in visible_tokens(example.x):
        action, _, label = (biluo[i] or "-").partition("-")
        if action == "O":
            tags[i] = 0
        elif label:
            if label not in type_indices:
                raise ValueError(Errors.BC403.format(name=name, label=label, labels=", ".join(type_indices)))
            # An entity annotated from a white-space token on begins at its first visible token.
            continues = action in "IL" and open_type == label
            tags[i] = (tag_inside if continues else tag_begin)(type_indices[label])
        open_type = label or None
    return tags


def cross_entropy(
    scores: Sequence[Floats2d],
    tags: Sequence[np.ndarray],
    *,
    weights: np.ndarray | None = None,
    smoothing: float = 0.0,
) -> tuple[float, list[Floats2d]]:
    """Compute the softmax cross-entropy over all tokens of a batch that have a target, and its gradient.

    Both are divided by the number of these tokens (by the sum of their weights), as transformers' token classification
    does, so that a learn rate found there (5e-5 for an encoder, up to 1e-3 for the head) means the same here. spaCy's
    `accumulate_gradient` adds up the gradients of its sub-batches.

    scores (Sequence[Floats2d]): logits per document, (tokens, tags).
    tags (Sequence[np.ndarray]): target per token, MISSING where there is none: zero gradient.
    weights (np.ndarray | None): the weight of tokens by their target, shape (tags,).
    smoothing (float): this share of a token's target is spread evenly over all tags (Szegedy et al. 2016,
        "Rethinking the Inception Architecture", section 7).
    RETURNS (Tuple[float, List[Floats2d]]): the mean loss in nats and the gradients by document.
    """
    xp = get_array_module(scores[0])
    logits = xp.concatenate(list(scores))
    targets = np.concatenate(list(tags))
    known = np.flatnonzero(targets != MISSING)
    rows, columns = xp.asarray(known), xp.asarray(targets[known])
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probs = logits - xp.log(xp.exp(logits).sum(axis=1, keepdims=True))
    gradient = xp.zeros_like(log_probs)
    gradient[rows] = xp.exp(log_probs[rows])
    if weights is None and not smoothing:
        n_targets = max(len(rows), 1)
        loss = -float(log_probs[rows, columns].sum()) / n_targets
        gradient[rows, columns] -= 1.0
        gradient /= n_targets
    else:
        wanted = xp.full((len(rows), logits.shape[1]), smoothing / logits.shape[1], dtype=logits.dtype)
        wanted[xp.arange(len(rows)), columns] += 1.0 - smoothing
        weight = np.ones(len(known)) if weights is None else weights[targets[known]]
        share = weight / max(weight.sum(), np.finfo(np.float32).tiny)
        share = xp.asarray(share.astype(logits.dtype))[:, None]
        loss = -float((share * wanted * log_probs[rows]).sum())
        gradient[rows] = (gradient[rows] - wanted) * share
    return loss, xp.split(gradient, np.cumsum([len(row) for row in scores])[:-1].tolist())


def crf_loss(
    scores: CrfScores, tags: Sequence[np.ndarray], visible: Sequence[np.ndarray]
) -> tuple[float, CrfScores]:
    """Compute the negative log-likelihood of a batch's tag sequences under a CRF, and its gradient.

    Both are divided by the number of tokens that have a target, as in `cross_entropy`. Where a token has none, all its
    tags count (the likelihood of a partly annotated sequence; Tsuboi et al. 2008, COLING).

    scores (CrfScores): logits per document, (tokens, tags), and transitions.
    tags (Sequence[np.ndarray]): target per token, MISSING where there is none.
    visible (Sequence[np.ndarray]): the tokens of each document that are part of its tag sequence.
    RETURNS (Tuple[float, CrfScores]): the loss in nats per token, and the gradients.
    """
    xp = get_array_module(scores[0])
    host: list[np.ndarray] = [
        xp.asnumpy(row) if hasattr(xp, "asnumpy") else np.asarray(row) for row in scores
    ]
    own = np.concatenate([row[tokens] for row, tokens in zip(host, visible)])
    targets = np.concatenate([row[tokens] for row, tokens in zip(tags, visible)])
    loss, d_own, d_transitions = negative_log_likelihood(
        own, [len(tokens) for tokens in visible], scores.transitions, targets
    )
    scale = 1.0 / max(int((targets != MISSING).sum()), 1)
    gradients = [np.zeros_like(row) for row in host]
    ends = np.cumsum([len(tokens) for tokens in visible])
    for gradient, tokens, part in zip(gradients, visible, np.split(d_own * scale, ends[:-1])):
        gradient[tokens] = part
    return float(loss) * scale, CrfScores(map(xp.asarray, gradients), d_transitions.scaled(scale))
