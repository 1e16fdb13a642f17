"""Callbacks that say in the config how a protocol runs: evaluation by epochs, and seeds that only heads follow."""

import logging
from collections.abc import Callable
from typing import Any

from spacy.language import Language
from spacy.util import fix_random_seed

from spacy_bioclinical.errors import Errors

logger = logging.getLogger(__name__)

BeforeUpdate = Callable[[Language, dict[str, Any]], None]


def build_each_epoch_v1(*, patience: int = 0) -> BeforeUpdate:
    """For `[training.before_update]`: evaluate after the last step of each epoch, and nowhere else.

    `python -m spacy bioclinical train` does it; the best epoch is the first of those with the best score, as in
    transformers' Trainer. spaCy's own loop cannot (it evaluates after the steps 1, eval_frequency + 1, …) and goes on
    by `eval_frequency`; it is told so in the log.

    patience (int): end after so many epochs without a better score; 0: never.
    RETURNS (Callable): the callback.
    RAISES (ValueError): BC444 if the patience is negative.
    """
    return EachEpoch(patience)


class EachEpoch:
    """See `build_each_epoch_v1`. The loop of this package looks for it and reads `patience`; spaCy's calls it."""

    def __init__(self, patience: int = 0):
        if patience < 0:
            raise ValueError(
                Errors.BC444.format(what="before_update.patience", given=patience, want="0 or more")
            )
        self.patience = patience

    def __call__(self, nlp: Language, info: dict[str, Any]) -> None:
        """Say once that epochs are not what spaCy's loop evaluates by."""
        if not info["step"]:
            logger.warning(
                "spaCy's own loop evaluates by eval_frequency. For an evaluation after each epoch: "
                "python -m spacy bioclinical train CONFIG --output FOLDER"
            )


def build_head_seed_v1(*, seed: int) -> Callable[[Language], Language]:
    """For `[initialize.before_init]`: draw the heads' first weights by a seed of their own.

    Training then starts from `training.seed`, which decides the order of the data and the dropout. With a fixed one,
    runs differ in their heads only, as the five seeds of the published protocol did.

    seed (int): of the heads.
    RETURNS (Callable): the callback.
    """

    def set_seed(nlp: Language) -> Language:
        fix_random_seed(seed)
        return nlp

    return set_seed
