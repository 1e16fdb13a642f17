"""Find more than the most probable sequence does: every token that is likely enough to be part of an entity.

For de-identification a missed name costs more than a word too many. Above a threshold (chosen on a development corpus
so that recall reaches a target), each token's marginal probability of being part of any entity decides: what the
decoder left out becomes an entity too. The decoder's entities all stay covered, so a lower threshold only ever covers
more (of the tokens that are not white space: white space is covered where an entity runs over it).
"""

from collections.abc import Sequence

import numpy as np

from spacy_bioclinical.models.viterbi import TagSpan

# An entity and a run beside it become one if the run, being part of an entity at all, more likely goes on with it.
_JOINS = 0.5
# A threshold is often the probability of one token, and both lose digits in files (JSON on disk keeps 10 decimals,
# prediction files 7): a token this little below it counts as likely.
_PRECISION = 1e-7


def add_likely_runs(
    spans: Sequence[TagSpan], tag_probabilities: np.ndarray, threshold: float
) -> list[TagSpan]:
    """Add entities for the runs of likely tokens that are in no entity yet.

    A run gets the type with the most probability over its tokens. It joins an entity of the same type beside it if the
    text more likely goes on with the entity than begins a new one; so two entities with one run between them may become
    one.

    spans (Sequence[TagSpan]): entities, in order, not overlapping.
    tag_probabilities (np.ndarray): marginals, shape (tokens, tags).
    threshold (float): a token is likely from this probability on.
    RETURNS (list[TagSpan]): in order, not overlapping; they cover the given entities and the likely tokens, and nothing
        else.
    """
    is_covered = np.zeros(len(tag_probabilities), dtype=bool)
    for start, end, _ in spans:
        is_covered[start:end] = True
    in_entity = entity_probabilities(tag_probabilities)
    threshold -= min(_PRECISION, threshold / 2)
    by_type = tag_probabilities[:, 1::2] + tag_probabilities[:, 2::2]
    edges = np.flatnonzero(np.diff(np.r_[0, (in_entity >= threshold) & ~is_covered, 0]))
    runs = [
        TagSpan(start, end, int(by_type[start:end].sum(axis=0).argmax()))
        for start, end in edges.reshape(-1, 2).tolist()
    ]
    joined: list[TagSpan] = []
    for span in sorted([*spans, *runs]):
        before = joined[-1] if joined else None
        if before is not None and before.end == span.start and before.type_index == span.type_index:
            # Of two neighbours at least one is a run, unless the decoder itself has parted them.
            outer = [at for at in (span.start - 1, span.start) if not is_covered[at]]
            goes_on = tag_probabilities[span.start, 2 + 2 * span.type_index]
            if outer and goes_on > _JOINS * in_entity[outer].max():
                joined[-1] = TagSpan(before.start, span.end, span.type_index)
                continue
        joined.append(span)
    return joined


def entity_probabilities(tag_probabilities: np.ndarray) -> np.ndarray:
    """RETURNS (np.ndarray): the probability that each token is part of any entity, in [0, 1], float64 (tokens,)."""
    return np.minimum(tag_probabilities[:, 1:].sum(axis=1), 1.0)


def over_white_space(tag_probabilities: np.ndarray, visible: np.ndarray, n_tokens: int) -> np.ndarray:
    """Compute the probability of every token to be part of any entity, white space included.

    White space belongs to an entity if the entity goes on behind it, that is if the next token has an I- tag.

    tag_probabilities (np.ndarray): marginals of the visible tokens, shape (visible tokens, tags).
    visible (np.ndarray): the indices of the tokens that are not white space, ascending.
    n_tokens (int): the number of all tokens.
    RETURNS (np.ndarray): float64 (tokens,).
    """
    goes_on = np.append(np.minimum(tag_probabilities[:, 2::2].sum(axis=1), 1.0), 0.0)
    probabilities = goes_on[np.searchsorted(visible, np.arange(n_tokens))]
    probabilities[visible] = entity_probabilities(tag_probabilities)
    return probabilities
