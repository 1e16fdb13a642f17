"""Weights of tags in the loss: given by name, or found from how often each tag occurs in the training corpus.

Entities are rare, some types rarer: a weight lets them count for more, at the price of probabilities that are too high
for what weighs more. Two rules: "balanced" gives every tag the same share of the loss (as scikit-learn's `class_weight`
does), "inverse_sqrt" lies half-way, by the square root. Both leave the mean weight of a token of the corpus at 1.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from spacy_bioclinical.errors import Errors

WeightRule = Literal["balanced", "inverse_sqrt"]
POWERS: dict[str, float] = {"balanced": 1.0, "inverse_sqrt": 0.5}


def check_loss_settings(
    weights: Mapping[str, float] | str | None, smoothing: float, *, is_crf: bool, name: str
) -> None:
    """Refuse settings of the loss that make no sense.

    weights (Mapping | str | None): the setting class_weights.
    smoothing (float): the setting label_smoothing.
    is_crf (bool): whether the loss is that of whole sequences.
    name (str): the component's name, for errors.
    RAISES: ValueError, BC428 if a CRF has either, BC429 for weights that are neither a rule nor names with numbers,
        BC430 for a share that is none.
    """
    if is_crf and (weights is not None or smoothing):
        setting = "class_weights" if weights is not None else "label_smoothing"
        raise ValueError(Errors.BC428.format(name=name, setting=setting))
    if not 0 <= smoothing < 1:
        raise ValueError(Errors.BC430.format(name=name, value=smoothing))
    if isinstance(weights, str):
        if weights not in POWERS:
            raise ValueError(Errors.BC429.format(name=name, why=f"there is no rule '{weights}'"))
        return
    for key, value in (weights or {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            why = f"the weight of '{key}' is no number from 0 on"
            raise ValueError(Errors.BC429.format(name=name, why=why))


def weights_by_name(
    weights: Mapping[str, float], tag_names: Sequence[str], labels: Sequence[str], *, name: str
) -> dict[str, float]:
    """Give each tag its weight from a table of names: of the tag ("O", "B-NAME"), else of its type ("NAME"), else 1.

    weights (Mapping[str, float]): as in the config.
    tag_names (Sequence[str]): all tags.
    labels (Sequence[str]): all entity types.
    name (str): the component's name, for errors.
    RETURNS (Dict[str, float]): weight by tag name.
    RAISES: ValueError, BC429 for a name that is neither a tag nor a type.
    """
    for key in weights:
        if key not in tag_names and key not in labels:
            why = f"'{key}' is none of its entity types ({', '.join(labels)}) or tags"
            raise ValueError(Errors.BC429.format(name=name, why=why))
    return {tag: float(weights.get(tag, weights.get(tag[2:], 1.0))) for tag in tag_names}


def weights_by_rule(rule: str, counts: np.ndarray, tag_names: Sequence[str]) -> dict[str, float]:
    """Compute weights in proportion to 1 / count ("balanced") or 1 / √count ("inverse_sqrt").

    rule (str): a key of `POWERS`.
    counts (np.ndarray): tokens of the training corpus with each tag, shape (tags,).
    tag_names (Sequence[str]): all tags.
    RETURNS (Dict[str, float]): weight by tag name; 1 for tags that do not occur.
    """
    occurs = counts > 0
    weights = np.ones(len(counts))
    weights[occurs] = counts[occurs] ** -POWERS[rule]
    weights[occurs] *= counts[occurs].sum() / max((weights * counts)[occurs].sum(), np.finfo(float).tiny)
    return dict(zip(tag_names, weights.tolist()))
