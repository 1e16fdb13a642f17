"""An entity with its confidence, and `span._.confidence`, where the document keeps it.

The confidence is an ordinary extension attribute, kept in `doc.user_data` under the entity's character
offsets: it comes through `nlp.pipe(n_process=2)`, `doc.to_bytes` and `DocBin(store_user_data=True)`. A
program that reads such documents without loading a pipeline first runs `Span.set_extension("confidence",
default=None)`.
"""

from typing import NamedTuple

from spacy.tokens import Span

from spacy_bioclinical.errors import Errors

CONFIDENCE = "confidence"


class PredictedEntity(NamedTuple):
    """An entity found: tokens [start, end) of its document, type, probability in [0, 1]."""

    start: int
    end: int
    label: str
    confidence: float


def install_confidence() -> None:
    """Make `span._.confidence` exist (None where nothing has set it), unless it is someone else's."""
    if not Span.has_extension(CONFIDENCE):
        Span.set_extension(CONFIDENCE, default=None)
        return
    _, method, getter, _ = Span.get_extension(CONFIDENCE)
    if method is not None or getter is not None:
        raise ValueError(Errors.BC407)
