"""What calibration leaves in `bioclinical_ner` beside the temperature: a line for confidences, a promise of recall.

One temperature changes all tokens alike, but an entity of several tokens is surer or less sure than it should be by
another amount. So the confidence of an entity is moved once more, by a line on the scale of logits (Platt 1999,
"Probabilistic Outputs for Support Vector Machines"): `cfg["confidence_line"]` = [slope, intercept]. Order stays.
"""

import logging
from typing import Any

import numpy as np

LOGGER = logging.getLogger("spacy_bioclinical")
_EDGE = 1e-15  # certainty counts as this far from 0 and 1


def logistic(logits: np.ndarray) -> np.ndarray:
    """RETURNS (np.ndarray): 1 / (1 + e⁻ˣ), float64, same shape."""
    return 1 / (1 + np.exp(np.clip(-np.asarray(logits, dtype=np.float64), -700, 700)))


def logit(probabilities: np.ndarray) -> np.ndarray:
    """RETURNS (np.ndarray): what `logistic` makes these of, float64, same shape; finite."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.log(p) - np.log1p(-p)


def on_line(probabilities: np.ndarray, line: Any) -> np.ndarray:
    """Move probabilities on the scale of logits.

    probabilities (np.ndarray): float, in [0, 1].
    line (Sequence[float] | None): slope, above 0, and intercept; None leaves all as it is.
    RETURNS (np.ndarray): same shape.
    """
    if not line:
        return probabilities
    slope, intercept = line
    return logistic(slope * logit(probabilities) + intercept)


def tell_recall_target(name: str, cfg: dict[str, Any]) -> None:
    """Log what a loaded component promises, on level "info"; nothing if it promises nothing.

    name (str): the component's name.
    cfg (Dict[str, Any]): its settings.
    """
    target = cfg.get("recall_target")
    if target:
        LOGGER.info(
            "%s: tokens count as part of an entity from a probability of %s on: recall >= %s with confidence %s, "
            "by %s mentions of a development corpus",
            name,
            *(target.get(key, "?") for key in ("threshold", "target", "confidence", "n")),
        )
