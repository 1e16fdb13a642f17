"""The distribution over tag sequences of one document, whichever model it comes from: constrained softmax or CRF.

Both know the most probable legal sequence and the exact marginals of spans and tags. The temperature divides all
scores of the marginals, so that they can be calibrated (Guo et al. 2017, "On Calibration of Modern Neural Networks",
ICML); the most probable sequence stays the same.
"""

from collections.abc import Sequence

import numpy as np

from spacy_bioclinical.models.crf import (
    Transitions,
    crf_decode,
    crf_span_log_probabilities,
    crf_tag_probabilities,
)
from spacy_bioclinical.models.viterbi import (
    TagSpan,
    decode,
    log_softmax,
    span_log_probabilities,
    spans_of,
    tag_probabilities,
)


class TagSequence:
    """A distribution over the legal BIO sequences of one document."""

    def __init__(
        self, logits: np.ndarray, transitions: Transitions | None = None, *, temperature: float = 1.0
    ) -> None:
        """Take the scores of one document.

        logits (np.ndarray): one row per token, shape (tokens, tags).
        transitions (Transitions | None): those of a CRF; None for a softmax per token.
        temperature (float): > 0; 1 leaves the probabilities as the model gives them.
        """
        self._logits = logits
        self._transitions = transitions
        self._temperature = temperature
        self._log_probs: dict[float, np.ndarray] = {}

    def spans(self) -> list[TagSpan]:
        """RETURNS (list[TagSpan]): the entities of the most probable sequence, in order."""
        if self._transitions is None:
            return spans_of(decode(self._softmax(1.0)))
        return spans_of(crf_decode(self._logits, self._transitions))

    def span_probabilities(self, spans: Sequence[TagSpan]) -> np.ndarray:
        """RETURNS (np.ndarray): the marginal probability of exactly these entities, float64 (spans,)."""
        if self._transitions is None:
            return np.exp(span_log_probabilities(self._softmax(self._temperature), spans))
        return np.exp(crf_span_log_probabilities(*self._scaled(self._transitions), spans))

    def tag_probabilities(self) -> np.ndarray:
        """RETURNS (np.ndarray): the marginal probability of each tag at each token, float64 (tokens, tags)."""
        if self._transitions is None:
            return tag_probabilities(self._softmax(self._temperature))
        return crf_tag_probabilities(*self._scaled(self._transitions))

    def _softmax(self, temperature: float) -> np.ndarray:
        if temperature not in self._log_probs:
            logits = (
                self._logits if temperature == 1.0 else np.asarray(self._logits, np.float64) / temperature
            )
            self._log_probs[temperature] = log_softmax(logits)
        return self._log_probs[temperature]

    def _scaled(self, transitions: Transitions) -> tuple[np.ndarray, Transitions]:
        if self._temperature == 1.0:
            return self._logits, transitions
        scores = np.asarray(self._logits, dtype=np.float64) / self._temperature
        return scores, transitions.scaled(1.0 / self._temperature)
