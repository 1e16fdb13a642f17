"""Calibrate the components of a trained pipeline on a development corpus, in place; their settings keep the result.

Every component is run once, uncalibrated, and its scores are kept; all else is arithmetic on them:

- `bioclinical_ner`: the temperature at which the confidences of its entities (those of the most probable sequence,
  which no temperature changes) come true as often as they say, and a line for what is still wrong with them; then,
  where asked for, the threshold that promises a recall.
- `bioclinical_spans`: the threshold of largest F1, then the temperature for the mentions from it on; the threshold is
  moved along, so that the same mentions are found.
- `bioclinical_textcat(_multilabel)`: the temperature for the probabilities, then the threshold of each label.

Memory: the logits of all tokens, 4 bytes for each tag. Time: about 30 passes over them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from spacy.language import Language
from spacy.tokens import Doc

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pipeline.calibrated_textcat import CalibratedTextCat
from spacy_bioclinical.pipeline.ner import BioClinicalNER
from spacy_bioclinical.pipeline.spans import BioClinicalSpans
from spacy_bioclinical.training.calibration_cases import (
    Calibrated,
    ClassCases,
    EntityCases,
    RecallWish,
    SpanCases,
)

BATCH = 32


class _Cases(Protocol):
    """What one component said about the development corpus."""

    def reset(self) -> None: ...
    def add(self, docs: Sequence[Doc], golds: Sequence[Doc]) -> None: ...
    def solve(self, thresholds: bool, wish: RecallWish | None) -> Calibrated | None: ...


def calibrate(
    nlp: Language, golds: Iterable[Doc], *, thresholds: bool = True, wish: RecallWish | None = None
) -> list[Calibrated]:
    """Calibrate the components of a pipeline, in place. What an earlier calibration has set is forgotten.

    nlp (Language): the pipeline.
    golds (Iterable[Doc]): the development corpus, of the pipeline's vocabulary; not what it was trained on.
    thresholds (bool): choose also thresholds of large F1.
    wish (RecallWish | None): a recall to be promised by every `bioclinical_ner`.
    RETURNS (list[Calibrated]): of each component that could be, in the order of the pipeline.
    RAISES (ValueError): BC464 if nothing can be, BC466 if a recall is wished but no entities can be judged, BC460 if it
        cannot be promised.
    """
    cases = {name: _cases_of(nlp, name, pipe) for name, pipe in nlp.pipeline}
    known = {name: each for name, each in cases.items() if each is not None}
    for each in known.values():
        each.reset()
    n_documents = 0
    for batch in _batches(gold for gold in golds if len(gold)):
        n_documents += len(batch)
        docs = [nlp.make_doc(gold.text) for gold in batch]
        for name, pipe in nlp.pipeline:
            if name in known:
                known[name].add(docs, batch)
            if hasattr(pipe, "predict") and hasattr(pipe, "set_annotations"):
                pipe.set_annotations(docs, pipe.predict(docs))
            else:
                docs = [pipe(doc) for doc in docs]
    solved = [each.solve(thresholds, wish) for each in known.values()]
    found = [each for each in solved if each is not None]
    if not found:
        raise ValueError(Errors.BC464.format(n=n_documents, components=", ".join(nlp.pipe_names)))
    if wish and not any(each.promise for each in found):
        raise ValueError(Errors.BC466.format(components=", ".join(nlp.pipe_names)))
    return found


def _batches(golds: Iterable[Doc]) -> Iterator[list[Doc]]:
    batch: list[Doc] = []
    for gold in golds:
        batch.append(gold)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _cases_of(nlp: Language, name: str, pipe: Any) -> _Cases | None:
    factory = nlp.get_pipe_meta(name).factory
    if isinstance(pipe, BioClinicalNER):
        return EntityCases(name, factory, pipe)
    if isinstance(pipe, BioClinicalSpans):
        return SpanCases(name, factory, pipe)
    if isinstance(pipe, CalibratedTextCat):
        return ClassCases(name, factory, pipe)
    return None
