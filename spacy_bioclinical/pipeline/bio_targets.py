"""Turn gold entities into the tag each token should get, and logits and tags into a loss.

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
from spacy_bioclinical.models.viterbi import tag_begin, tag_inside

MISSING = -1


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


def cross_entropy(scores: Sequence[Floats2d], tags: Sequence[np.ndarray]) -> tuple[float, list[Floats2d]]:
    """Compute the softmax cross-entropy over all tokens of a batch that have a target, and its gradient.

    Both are divided by the number of these tokens, as transformers' token classification does, so that a
    learn rate found there (5e-5 for an encoder, up to 1e-3 for the head) means the same here. spaCy's
    `accumulate_gradient` adds up the gradients of its sub-batches.

    scores (Sequence[Floats2d]): logits per document, (tokens, tags).
    tags (Sequence[np.ndarray]): target per token, MISSING where there is none: zero gradient.
    RETURNS (Tuple[float, List[Floats2d]]): the mean loss in nats and the gradients by document.
    """
    xp = get_array_module(scores[0])
    logits = xp.concatenate(list(scores))
    targets = np.concatenate(list(tags))
    known = np.flatnonzero(targets != MISSING)
    rows, columns = xp.asarray(known), xp.asarray(targets[known])
    n_targets = max(len(rows), 1)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probs = logits - xp.log(xp.exp(logits).sum(axis=1, keepdims=True))
    loss = -float(log_probs[rows, columns].sum()) / n_targets
    gradient = xp.zeros_like(log_probs)
    gradient[rows] = xp.exp(log_probs[rows])
    gradient[rows, columns] -= 1.0
    gradient /= n_targets
    return loss, xp.split(gradient, np.cumsum([len(row) for row in scores])[:-1].tolist())
