"""Decode BIO tags so that no illegal sequence comes out, and say how sure the model is of each entity.

The model of a document is p(y) ∝ ∏ₜ pₜ(yₜ) · [y is legal], with pₜ the softmax of the tagger's row t and y
legal if every I-x follows B-x or I-x (so none stands first). `decode` returns the most probable legal
sequence, `span_log_probabilities` the exact marginal of a span: the share of that distribution's mass on
sequences that hold exactly this entity, with these two ends and this type. That is the constrained
forward–backward confidence of Culotta and McCallum (2004, "Confidence Estimation for Information
Extraction", HLT-NAACL), for hard transitions.

Cost: BIO has only two kinds of predecessor (anything; the same type), so a token costs O(types), not
O(types²). The passes run over all tokens at once and again over those whose predecessor has changed, until
nothing changes (`models/settling.py`): in a clinical note most tokens are surely outside, and forget what came
before them at once. 10,000 tokens × 51 tags take about 10 ms to decode on one CPU core, and about 25 ms for the
marginals (a loop over tokens: 25 and 42). Tags are interleaved, O B-0 I-0 B-1 I-1 …,
so that a new type only adds columns at the end.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spacy_bioclinical.models.settling import Steps, settle

# Log-probabilities below this are raised to it in the marginals (not in `decode`), which keeps every scaled
# sum inside float64: the marginals are exact for a model that gives every tag a probability of at least
# e⁻³⁰⁰.
_FLOOR = -300.0
# Relative change of a state that no longer counts: far below what float64 sums over a long document lose anyway.
_TOLERANCE = 1e-13


class TagSpan(NamedTuple):
    """An entity in a tag sequence: rows [start, end) and the index of its type."""

    start: int
    end: int
    type_index: int


def n_tags(n_types: int) -> int:
    """RETURNS (int): the number of BIO tags for this many entity types: O, and B and I of each."""
    return 1 + 2 * n_types


def tag_begin(type_index: int) -> int:
    """RETURNS (int): the tag (column) B of a type."""
    return 1 + 2 * type_index


def tag_inside(type_index: int) -> int:
    """RETURNS (int): the tag (column) I of a type."""
    return 2 + 2 * type_index


def is_legal(tags: Sequence[int] | np.ndarray) -> bool:
    """RETURNS (bool): whether every I- tag follows a B- or I- tag of its own type."""
    previous = 0
    for tag in tags:
        if tag > 0 and tag % 2 == 0 and previous not in (tag, tag - 1):
            return False
        previous = tag
    return True


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Turn rows of logits into rows of log-probabilities, in float64 and without overflow.

    logits (np.ndarray): shape (tokens, tags), any float type.
    RETURNS (np.ndarray): float64, same shape.
    """
    scores = np.asarray(logits, dtype=np.float64)
    if scores.size == 0:
        return scores
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def decode(scores: np.ndarray) -> np.ndarray:
    """Find the legal tag sequence with the highest sum of scores (Viterbi over the BIO automaton; exact).

    With e(k) the best score of a prefix that ends inside type k, less the best of any prefix:
    n(k) = max(B(k), I(k) + e(k)) and e'(k) = n(k) − max(O, maxₖ n(k)), all relative to the score of O.

    scores (np.ndarray): log-probabilities (or logits: a constant per row changes nothing), shape (tokens,
        tags).
    RETURNS (np.ndarray): int64 tags, shape (tokens,).
    """
    scores = np.asarray(scores, dtype=np.float64)
    n_tokens = len(scores)
    tags = np.zeros(n_tokens, dtype=np.int64)
    if n_tokens == 0 or scores.shape[1] == 1:
        return tags
    relative = (scores - scores[:, :1]).T
    begin, inside = np.ascontiguousarray(relative[1::2]), np.ascontiguousarray(relative[2::2])
    entity = np.full((len(begin), n_tokens + 1), -np.inf)

    def advance(tokens: Steps) -> np.ndarray:
        reached = np.maximum(begin[:, tokens], inside[:, tokens] + entity[:, tokens])
        return reached - np.maximum(reached.max(axis=0), 0.0)

    settle(entity, advance)
    continued = inside + entity[:, :-1]
    reached = np.maximum(begin, continued)
    best_type = reached.argmax(axis=0)
    is_opened = begin >= continued
    # Walk back from one entity to the one before. A token is where an entity may end if that beats O.
    before = n_tokens
    for end in np.flatnonzero(reached.max(axis=0) > 0.0)[::-1].tolist():
        if end >= before:
            continue  # inside the entity just read
        type_index = int(best_type[end])
        before = end
        while not is_opened[type_index, before]:
            tags[before] = tag_inside(type_index)
            before -= 1
        tags[before] = tag_begin(type_index)
    return tags


def spans_of(tags: Sequence[int] | np.ndarray) -> list[TagSpan]:
    """Read the entities off a legal tag sequence.

    tags (Sequence[int] | np.ndarray): as `decode` returns them.
    RETURNS (list[TagSpan]): in order, not overlapping.
    """
    tags = np.asarray(tags, dtype=np.int64)
    spans: list[TagSpan] = []
    start, end, type_index = -1, -1, -1
    tagged = np.flatnonzero(tags)
    for t, tag in zip(tagged.tolist(), tags[tagged].tolist()):
        if start >= 0 and not (t == end and tag == tag_inside(type_index)):
            spans.append(TagSpan(start, end, type_index))
            start = -1
        if tag % 2 == 1:
            start, type_index = t, (tag - 1) // 2
        end = t + 1
    if start >= 0:
        spans.append(TagSpan(start, end, type_index))
    return spans


def span_log_probabilities(log_probs: np.ndarray, spans: Sequence[TagSpan]) -> np.ndarray:
    """Compute the marginal probability of each span: this entity, exactly, in a legal sequence.

    P(span) = A(start) · B · ∏ I · R(end) / Z, where A(i) is the mass of all legal prefixes before token i
    and R(j) that of all legal suffixes from token j on which do not continue an entity. Both come from one
    scaled pass each.

    log_probs (np.ndarray): log-probabilities, shape (tokens, tags).
    spans (Sequence[TagSpan]): any spans, decoded or not.
    RETURNS (np.ndarray): float64 natural logarithms, ≤ 0, shape (spans,).
    """
    if len(spans) == 0:
        return np.zeros(0)
    floored = np.maximum(np.asarray(log_probs, dtype=np.float64), _FLOOR)
    probs = np.exp(floored.T)
    before = np.concatenate([[0.0], np.cumsum(_prefixes(probs)[0])])
    after = np.concatenate([np.cumsum(_suffixes(probs)[0][::-1])[::-1], [0.0]])
    total = after[0]
    # Sums of I- scores along each type, so that a span of any length is one subtraction.
    inside = np.concatenate([np.zeros((1, (floored.shape[1] - 1) // 2)), np.cumsum(floored[:, 2::2], axis=0)])
    start, end, type_index = np.asarray(spans, dtype=np.int64).T
    own = floored[start, 1 + 2 * type_index] + inside[end, type_index] - inside[start + 1, type_index]
    return np.minimum(before[start] + own + after[end] - total, 0.0)


def tag_probabilities(log_probs: np.ndarray) -> np.ndarray:
    """Compute the marginal probability of every tag at every token, over legal sequences.

    With the masses A and R of `span_log_probabilities`, e(k) the share of the prefixes that end inside type k, and
    s(k) ≥ 1 the mass of the suffixes after an entity of type k relative to R: P(B-k) ∝ A · B(k) · s(k) · R,
    P(I-k) ∝ A · e(k) · I(k) · s(k) · R and P(O) ∝ A · O · R.

    log_probs (np.ndarray): log-probabilities, shape (tokens, tags).
    RETURNS (np.ndarray): float64 (tokens, tags); rows sum to 1. About 25 ms for 10,000 tokens × 51 tags on one core.
    """
    if not len(log_probs):
        return np.zeros(np.shape(log_probs))
    probs = np.exp(np.maximum(np.asarray(log_probs, dtype=np.float64), _FLOOR).T)
    _, entity_before = _prefixes(probs)
    _, entity_after = _suffixes(probs)
    mass = np.empty_like(probs)
    mass[0] = probs[0]
    mass[1::2] = probs[1::2] * entity_after
    mass[2::2] = probs[2::2] * entity_before * entity_after
    return np.ascontiguousarray((mass / mass.sum(axis=0)).T)


def _prefixes(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Run over the prefixes, from probabilities (tags, tokens).

    RETURNS: log(A(t+1) / A(t)) for each token t, (tokens,); the share of the mass before it that ends inside each
        type, (types, tokens).
    """
    begin, inside = np.ascontiguousarray(probs[1::2]), np.ascontiguousarray(probs[2::2])
    free = probs[0] + begin.sum(axis=0)  # O and every B: open to any predecessor
    # Share of the prefix mass that ends inside each type, before each token.
    entity = np.zeros((len(begin), len(free) + 1))

    def advance(tokens: Steps) -> np.ndarray:
        carried = inside[:, tokens] * entity[:, tokens]
        return (carried + begin[:, tokens]) / (free[tokens] + carried.sum(axis=0))

    settle(entity, advance, _TOLERANCE)
    return np.log(free + (inside * entity[:, :-1]).sum(axis=0)), entity[:, :-1]


def _suffixes(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Run over the suffixes, from probabilities (tags, tokens).

    RETURNS: log(R(t) / R(t+1)) for each token t, (tokens,); the mass of the suffix after it if it belongs to an entity
        of each type, relative to R(t+1), (types, tokens).
    """
    probs = probs[:, ::-1]  # from the last token to the first
    outside, begin, inside = (
        np.ascontiguousarray(probs[i]) for i in (0, slice(1, None, 2), slice(2, None, 2))
    )
    # Mass of the suffix after an entity of each type, which may go on or not, relative to R: at least 1 by
    # definition.
    entity = np.ones((len(begin), len(outside) + 1))

    def advance(tokens: Steps) -> np.ndarray:
        before = entity[:, tokens]
        ratio = outside[tokens] + (begin[:, tokens] * before).sum(axis=0)
        return inside[:, tokens] * before / ratio + 1.0

    settle(entity, advance, _TOLERANCE)
    growth = np.log(outside + (begin * entity[:, :-1]).sum(axis=0))[::-1]
    return growth, entity[:, :-1][:, ::-1]
