"""A linear-chain CRF over BIO tags: scores of whole sequences, with learned scores from one tag to the next.

p(y) ∝ exp(start(y₁) + Σₜ score(t, yₜ) + Σₜ pair(yₜ, yₜ₊₁) + end(yₙ)) · [y is legal] (Lafferty, McCallum and Pereira
2001, "Conditional Random Fields", ICML). Illegal sequences (an I-x that follows neither B-x nor I-x) have no mass.
`negative_log_likelihood` sums over all completions where a tag is unknown, and gives the gradient as the difference of
two forward–backward expectations; `crf_decode` is Viterbi, `crf_span_log_probabilities` and `crf_tag_probabilities` are
exact marginals.

Cost: a step takes O(types²). All documents of a batch stand in one row of tokens, and the passes run over many
stretches of it side by side (`models/scanning.py`), as small matrix products. 10,000 tokens × 51 tags on one CPU
core: decoding about 20 ms, marginals of tags 20 ms, of spans 25 ms, loss with gradient 50 ms.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spacy_bioclinical.models.scanning import MOST_ROWS, scan
from spacy_bioclinical.models.viterbi import TagSpan

MISSING = -1  # a tag that is not known
# Scores of a token (and pairs) further than this below the best are raised to it in the sums (not in `crf_decode`), so
# that no scaled sum leaves float64.
_FLOOR = -300.0
_TOLERANCE = 1e-13


class Transitions(NamedTuple):
    """Learned scores: of the first tag (tags,), from row to column (tags, tags), of the last tag (tags,). float64.

    What stands at an illegal place has no meaning, and its gradient is 0.
    """

    start: np.ndarray
    pairs: np.ndarray
    end: np.ndarray

    def scaled(self, factor: float) -> "Transitions":
        """RETURNS (Transitions): all scores times a factor."""
        return Transitions(*(array * factor for array in self))


def legal_pairs(n_tags: int) -> np.ndarray:
    """RETURNS (np.ndarray): whether the tag of the column may follow that of the row, bool (tags, tags)."""
    tags = np.arange(n_tags)
    is_inside = (tags > 0) & (tags % 2 == 0)
    follows_own = (tags[:, None] == tags) | (tags[:, None] == tags - 1)
    return ~is_inside | follows_own


def negative_log_likelihood(
    scores: np.ndarray, lengths: Sequence[int], transitions: Transitions, tags: np.ndarray
) -> tuple[float, np.ndarray, Transitions]:
    """Compute −log p(known tags), summed over documents, and its gradient.

    scores (np.ndarray): one row per token, all documents one after the other, shape (tokens, tags).
    lengths (Sequence[int]): the number of tokens of each document.
    transitions (Transitions): learned scores.
    tags (np.ndarray): the gold tags, shape (tokens,), MISSING where unknown; what is known must be legal.
    RETURNS (Tuple[float, np.ndarray, Transitions]): nats; gradient of the scores, float64 (tokens, tags); gradient of
        the transitions. All are sums, not means.
    """
    allowed = (tags[:, None] == MISSING) | (tags[:, None] == np.arange(scores.shape[1]))
    every = _Chain(scores, lengths, transitions).expectations()
    gold = _Chain(scores, lengths, transitions, allowed).expectations()
    d_transitions = Transitions(*(a - b for a, b in zip(every.transitions, gold.transitions)))
    return every.log_mass - gold.log_mass, every.tags - gold.tags, d_transitions


def crf_tag_probabilities(scores: np.ndarray, transitions: Transitions) -> np.ndarray:
    """Compute the marginal probability of every tag at every token of one document.

    scores (np.ndarray): shape (tokens, tags).
    transitions (Transitions): learned scores.
    RETURNS (np.ndarray): float64 (tokens, tags); rows sum to 1.
    """
    if not len(scores):
        return np.zeros(scores.shape)
    return _Chain(scores, [len(scores)], transitions).tag_probabilities()


def crf_span_log_probabilities(
    scores: np.ndarray, transitions: Transitions, spans: Sequence[TagSpan]
) -> np.ndarray:
    """Compute the marginal probability of each span: exactly this entity, in a legal sequence.

    scores (np.ndarray): one document, shape (tokens, tags).
    transitions (Transitions): learned scores.
    spans (Sequence[TagSpan]): any spans, decoded or not.
    RETURNS (np.ndarray): float64 natural logarithms, ≤ 0, shape (spans,).
    """
    if len(spans) == 0:
        return np.zeros(0)
    return _Chain(scores, [len(scores)], transitions).span_log_probabilities(spans)


def crf_decode(scores: np.ndarray, transitions: Transitions) -> np.ndarray:
    """Find the legal tag sequence with the highest score (Viterbi, exact).

    scores (np.ndarray): one document, shape (tokens, tags).
    transitions (Transitions): learned scores.
    RETURNS (np.ndarray): int64 tags, shape (tokens,).
    """
    n_tokens, n_tags = scores.shape
    tags = np.zeros(n_tokens, dtype=np.int64)
    if n_tokens == 0 or n_tags == 1:
        return tags
    own = np.array(scores, dtype=np.float64)
    own[0] += transitions.start
    own[0, 2::2] = -np.inf
    own[-1] += transitions.end
    pairs = np.where(legal_pairs(n_tags), transitions.pairs, -np.inf)
    first = own[0] - own[0].max()
    free = np.r_[0, 1:n_tags:2]  # O and every B may follow any tag
    inside = np.arange(2, n_tags, 2)
    after_begin, after_inside = pairs[inside - 1, inside], pairs[inside, inside]
    # What leaving each tag is at most worth more than leaving O: tags further below O than this are no one's best
    # predecessor, and most are.
    margin = (pairs[:, free] - pairs[0, free]).max(axis=1)

    def advance(before: np.ndarray, steps: np.ndarray) -> np.ndarray:
        reached = np.empty_like(before)
        is_source = (before + margin > before[:, :1]).any(axis=0)
        is_source[0] = True
        sources = np.flatnonzero(is_source)
        reached[:, free] = (before[:, sources, None] + pairs[sources[:, None], free]).max(axis=1)
        reached[:, inside] = np.maximum(before[:, inside - 1] + after_begin, before[:, inside] + after_inside)
        reached += own[steps + 1]
        return reached - reached.max(axis=1, keepdims=True)

    # The best score of a prefix that ends in each tag, less the best of any.
    best = np.concatenate([first[None], scan(n_tokens - 1, first, advance)])
    # Walk back, from one entity to the one before: stretches of O are skipped.
    before_outside = (best + pairs[:, 0]).argmax(axis=1)
    entity_ends = np.flatnonzero(before_outside)
    at, tag = n_tokens - 1, int(best[-1].argmax())
    while at >= 0:
        tags[at] = tag
        if tag == 0:
            earlier = int(np.searchsorted(entity_ends, at))
            at = int(entity_ends[earlier - 1]) if earlier else -1
            tag = int(before_outside[at])
        else:
            at -= 1
            tag = int((best[at] + pairs[:, tag]).argmax())
    return tags


class _Expectations(NamedTuple):
    """Log of the mass of all sequences; expected counts of tags (tokens, tags) and of transitions."""

    log_mass: float
    tags: np.ndarray
    transitions: Transitions


class _Chain:
    """The potentials of some documents, and sums over their tag sequences. Rows are tokens.

    allowed (np.ndarray | None): bool (tokens, tags); sequences with other tags have no mass.
    """

    def __init__(
        self,
        scores: np.ndarray,
        lengths: Sequence[int],
        transitions: Transitions,
        allowed: np.ndarray | None = None,
    ) -> None:
        n_tokens, n_tags = scores.shape
        sizes = np.array([length for length in lengths if length], dtype=np.int64)
        self.lasts = np.cumsum(sizes) - 1
        self.firsts = self.lasts + 1 - sizes
        self.is_first, self.is_last = np.zeros((2, n_tokens), dtype=bool)
        self.is_first[self.firsts] = True
        self.is_last[self.lasts] = True
        own = np.array(scores, dtype=np.float64)
        own[self.firsts] += transitions.start
        own[self.lasts] += transitions.end
        is_possible = np.ones(own.shape, dtype=bool) if allowed is None else allowed.copy()
        is_possible[self.firsts, 2::2] = False
        peaks = np.where(is_possible, own, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
        self.own_log = np.clip(own - peaks, _FLOOR, 0.0)
        self.own = np.where(is_possible, np.exp(self.own_log), 0.0)
        is_legal = legal_pairs(n_tags)
        highest = transitions.pairs[is_legal].max()
        self.pairs_log = np.maximum(transitions.pairs - highest, _FLOOR)
        self.pairs = np.where(is_legal, np.exp(self.pairs_log), 0.0)
        self.log_scale = float(peaks.sum()) + highest * (n_tokens - len(sizes))
        self.ones = np.ones(n_tags)

    def forward(self) -> tuple[np.ndarray, np.ndarray]:
        """RETURNS: share of the prefix mass in each tag, (tokens, tags); log of its growth by each token, (tokens,)."""
        growth = np.empty(len(self.own))

        def advance(before: np.ndarray, tokens: np.ndarray) -> np.ndarray:
            reached = before @ self.pairs
            reached[self.is_first[tokens]] = 1.0
            reached *= self.own[tokens]
            growth[tokens] = totals = reached @ self.ones
            reached /= totals[:, None]
            return reached

        return scan(len(self.own), self.ones, advance, _TOLERANCE), np.log(growth)

    def backward(self) -> tuple[np.ndarray, np.ndarray]:
        """RETURNS: relative mass of the suffixes after each tag, (tokens, tags); log of its growth, (tokens,)."""
        last = len(self.own) - 1
        growth = np.empty(last + 1)
        backwards = np.ascontiguousarray(self.pairs.T)

        def advance(after: np.ndarray, steps: np.ndarray) -> np.ndarray:
            tokens = last - steps
            reached = (after * self.own[np.minimum(tokens + 1, last)]) @ backwards
            reached[self.is_last[tokens]] = 1.0
            growth[tokens] = totals = reached @ self.ones
            reached /= totals[:, None]
            return reached

        return scan(last + 1, self.ones, advance, _TOLERANCE)[::-1], np.log(growth)

    def tag_probabilities(self) -> np.ndarray:
        """RETURNS: marginals, (tokens, tags)."""
        return _normalised(self.forward()[0] * self.backward()[0])

    def expectations(self) -> _Expectations:
        """RETURNS: log of the mass and the expected counts, which are its derivatives."""
        before, growth = self.forward()
        after, _ = self.backward()
        tags = _normalised(before * after)
        here = np.flatnonzero(~self.is_last)
        right = (self.own * after)[here + 1]
        pairs = np.zeros_like(self.pairs)
        for start in range(0, len(here), MOST_ROWS):
            rows = slice(start, start + MOST_ROWS)
            left = before[here[rows]]
            weight = ((left @ self.pairs) * right[rows]).sum(axis=1, keepdims=True)
            pairs += left.T @ (right[rows] / weight)
        expected = Transitions(
            tags[self.firsts].sum(axis=0), pairs * self.pairs, tags[self.lasts].sum(axis=0)
        )
        return _Expectations(float(growth.sum()) + self.log_scale, tags, expected)

    def span_log_probabilities(self, spans: Sequence[TagSpan]) -> np.ndarray:
        """RETURNS: log-marginals of spans of the only document, (spans,)."""
        before, growth = self.forward()
        after, shrinking = self.backward()
        n_tokens = len(growth)
        prefix = np.concatenate([[0.0], np.cumsum(growth)])  # log mass of all prefixes of t tokens
        suffix = np.cumsum(shrinking[::-1])[::-1]  # log scale of `after`
        # Sums of own and pair scores along I- of each type, so that a span of any length is one subtraction.
        inside_log = self.own_log[:, 2::2] + np.diagonal(self.pairs_log)[2::2]
        along = np.concatenate([np.zeros((1, inside_log.shape[1])), np.cumsum(inside_log, axis=0)])
        start, end, type_index = np.asarray(spans, dtype=np.int64).T
        begin, inside = 1 + 2 * type_index, 2 + 2 * type_index
        entry = (before[start - 1] * self.pairs[:, begin].T).sum(axis=1)  # of start 0: not used
        is_long = end - start > 1
        log_p = prefix[start] + np.where(start > 0, np.log(entry), 0.0) + self.own_log[start, begin]
        log_p += along[end, type_index] - along[start + 1, type_index]
        log_p += np.where(is_long, self.pairs_log[begin, inside] - self.pairs_log[inside, inside], 0.0)
        following = np.minimum(end, n_tokens - 1)
        exits = self.pairs[np.where(is_long, inside, begin)] * (self.own * after)[following]
        exits[np.arange(len(inside)), inside] = 0.0  # the entity would go on
        log_p += np.where(end < n_tokens, np.log(exits.sum(axis=1)) + suffix[following], 0.0)
        return np.minimum(log_p - prefix[-1], 0.0)


def _normalised(mass: np.ndarray) -> np.ndarray:
    return mass / mass.sum(axis=1, keepdims=True)
