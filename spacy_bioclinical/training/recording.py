"""Make prediction records of scored examples: mentions by characters, their pieces and sections, seen or not.

Gold mentions are those of the gold document, also where the pipeline's tokens cannot express them. Each text is
tokenised once more, by the encoder's own tokenizer, to count pieces: about 1 % of the time of the pipeline itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.models.shim import EncoderShim
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from spacy_bioclinical.training.predictions import Classes, DocumentPrediction, Mention, Mentions
from spacy_bioclinical.training.sections import Sections, find_sections
from spacy_bioclinical.training.shards import iter_docs

GOLD_SPANS = "gold"  # where converted corpora keep all mentions
LEAST_TOKEN_SCORE = 1e-4
BATCH = 64
Seen = frozenset[tuple[str, str]]


def record_examples(
    nlp: Language,
    examples: Sequence[Example],
    *,
    seen: Seen | None = None,
    token_scores: Sequence[Any] | None = None,
) -> list[DocumentPrediction]:
    """Make a record of each example.

    nlp (Language): the pipeline that predicted.
    examples (Sequence[Example]): predictions with their gold documents, as `nlp.evaluate` left them.
    seen (frozenset | None): the mentions of the training corpus; see `seen_mentions`.
    token_scores (Sequence | None): for each example, as `record_token_scores` collects them.
    RETURNS (list[DocumentPrediction]): in the order of the examples.
    RAISES (ValueError): BC410 if a predicted text is another than the gold one.
    """
    tokenizer = encoder_tokenizer(nlp)
    records = []
    for first in range(0, len(examples), BATCH):
        batch = examples[first : first + BATCH]
        ends = _piece_ends([eg.x for eg in batch], tokenizer)
        for i, (eg, piece_ends) in enumerate(zip(batch, ends), start=first):
            if eg.x.text != eg.y.text:
                sizes = {"n_predicted": len(eg.x.text), "n_gold": len(eg.y.text)}
                raise ValueError(Errors.BC410.format(index=i, **sizes))
            scores = None if token_scores is None else token_scores[i]
            records.append(_record(nlp, eg, i, piece_ends, seen, scores))
    return records


def describe_components(nlp: Language) -> dict[str, dict[str, Any]]:
    """RETURNS (dict): for each component its factory, its labels and the settings it stores, by name."""
    described = {}
    for name, pipe in nlp.pipeline:
        settings = getattr(pipe, "cfg", None) or {}
        described[name] = {
            "factory": nlp.get_pipe_meta(name).factory,
            "labels": [label for label in getattr(pipe, "labels", ()) if isinstance(label, str)],
            "settings": {
                key: value for key, value in settings.items() if _is_plain(value) and key != "labels"
            },
        }
        if name in dict(span_groups(nlp).values()):
            described[name]["gold_key"] = gold_key(pipe)
    return described


def seen_mentions(train: Path, vocab: Vocab) -> Seen:
    """Gather the mentions of a training corpus.

    train (Path): a .spacy file or a folder of shards.
    vocab (Vocab): for reading.
    RETURNS (frozenset): (text in lower case with single spaces, label) of all entities and gold spans.
    """
    found = set()
    for doc in iter_docs(train, vocab):
        for span in (*doc.ents, *doc.spans.get(GOLD_SPANS, ())):
            found.add((_normal(span.text), span.label_))
    return frozenset(found)


def sets_entities(nlp: Language) -> bool:
    """RETURNS (bool): whether a component of the pipeline says that it sets `doc.ents`."""
    return any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names)


def span_groups(nlp: Language) -> dict[str, tuple[str, Any]]:
    """RETURNS (dict): key of `doc.spans` → (name, component) of the component that sets it."""
    found = {}
    for name, pipe in nlp.pipeline:
        if "doc.spans" in nlp.get_pipe_meta(name).assigns:
            key = getattr(pipe, "key", None) or (getattr(pipe, "cfg", None) or {}).get("spans_key")
            if key:
                found[key] = (name, pipe)
    return found


def gold_key(pipe: Any) -> str:
    """RETURNS (str): the key of the gold document that the component learns from; its own key if it names none."""
    settings = getattr(pipe, "cfg", None) or {}
    named = getattr(pipe, "gold_key", None) or settings.get("gold_key")
    return str(named or getattr(pipe, "key", None) or GOLD_SPANS)


def classifiers(nlp: Language) -> Iterator[tuple[str, Any, bool, float | dict[str, float]]]:
    """Yield (name, component, whether its classes exclude each other, threshold of all or of each label)."""
    for name, pipe in nlp.pipeline:
        if isinstance(pipe, TextCategorizer):
            exclusive = bool(getattr(pipe, "exclusive", not pipe.support_missing_values))
            common = float(pipe.cfg.get("threshold") or 0.0)
            # The component's own property, not its settings: what it decides by, for every label.
            own = pipe.thresholds if pipe.cfg.get("thresholds") and hasattr(pipe, "thresholds") else None
            yield name, pipe, exclusive, dict(own) if own else common


def encoder_tokenizer(nlp: Language) -> PieceTokenizer | None:
    """RETURNS (PieceTokenizer | None): that of the first packed encoder of the pipeline, if there is one."""
    for _, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            for shim in node.shims:
                if isinstance(shim, EncoderShim):
                    return shim.tokenizer
    return None


@contextmanager
def record_token_scores(nlp: Language) -> Iterator[list[Any]]:
    """While it lasts, `nlp.pipe` also collects the probability of each token to be part of an entity.

    nlp (Language): has a component with a method `token_probabilities`, else nothing is collected (None for each).
    YIELDS (list): grows by one entry for each document, in order: ((start, end, probability), …) or None.
    """
    taggers = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, "token_probabilities")]
    keepers = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, "keep_hidden")]
    before = [pipe.keep_hidden for pipe in keepers]
    collected: list[Any] = []
    original: Callable[..., Iterator[Doc]] = nlp.pipe

    def pipe(docs: Iterable[Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        for doc in original(docs, *args, **kwargs):
            collected.append(_token_scores(taggers[-1], doc) if taggers else None)
            if keepers:
                doc._.trf_data = TransformerData.empty()
            yield doc

    try:
        for each in keepers:
            each.keep_hidden = True
        setattr(nlp, "pipe", pipe)  # noqa: B010 (an attribute of this one object hides the method)
        yield collected
    finally:
        delattr(nlp, "pipe")
        for each, value in zip(keepers, before):
            each.keep_hidden = value


def _token_scores(tagger: Any, doc: Doc) -> tuple[tuple[int, int, float], ...]:
    probabilities = np.asarray(tagger.token_probabilities(doc), dtype=np.float64)
    return tuple(
        (doc[i].idx, doc[i].idx + len(doc[i]), round(float(probabilities[i]), 7))
        for i in np.flatnonzero(probabilities >= LEAST_TOKEN_SCORE).tolist()
    )


def _record(
    nlp: Language, eg: Example, index: int, piece_ends: np.ndarray, seen: Seen | None, scores: Any
) -> DocumentPrediction:
    predicted, gold = eg.x, eg.y
    place = _Place(find_sections(gold.text), piece_ends, seen)
    entities = None
    if sets_entities(nlp) and len(gold) and gold.has_annotation("ENT_IOB"):
        entities = Mentions(place.mentions(gold.ents), place.mentions(_judged(predicted, gold), _confidence))
    spans = {}
    for key, (_, pipe) in span_groups(nlp).items():
        wanted = next((name for name in (gold_key(pipe), key, GOLD_SPANS) if name in gold.spans), None)
        if wanted is not None:
            group = predicted.spans.get(key, [])
            spans[key] = Mentions(
                place.mentions(list(gold.spans[wanted])), place.mentions(list(group), _group_scores(group))
            )
    cats = {}
    for name, pipe, exclusive, threshold in classifiers(nlp):
        known = {label: float(gold.cats[label]) for label in pipe.labels if label in gold.cats}
        found = {label: float(predicted.cats.get(label, 0.0)) for label in pipe.labels}
        cats[name] = Classes(exclusive, threshold, known, found)
    coverage = predicted._.coverage if Doc.has_extension("coverage") else None
    return DocumentPrediction(
        id=str(gold.user_data.get("id") or f"#{index}"),
        characters=len(gold.text),
        tokens=len(predicted),
        pieces=len(piece_ends),
        seen_pieces=int(coverage["pieces_seen"]) if coverage else len(piece_ends),
        entities=entities,
        spans=spans,
        cats=cats,
        token_scores=scores,
    )


class _Place:
    """Turns spans of one document into mentions."""

    def __init__(self, sections: Sections, piece_ends: np.ndarray, seen: Seen | None) -> None:
        self.sections, self.piece_ends, self.seen = sections, piece_ends, seen

    def mentions(
        self, spans: Iterable[Span], confidence: Callable[[int, Span], float | None] | None = None
    ) -> tuple[Mention, ...]:
        found = [self._mention(i, span, confidence) for i, span in enumerate(spans)]
        return tuple(sorted(found, key=lambda each: (each.start, each.end, each.label)))

    def _mention(self, index: int, span: Span, confidence: Callable | None) -> Mention:
        piece = int(np.searchsorted(self.piece_ends, span.start_char, side="right"))
        return Mention(
            start=span.start_char,
            end=span.end_char,
            label=span.label_,
            piece=min(piece, max(len(self.piece_ends) - 1, 0)),
            section=self.sections.at(span.start_char),
            seen=None if self.seen is None else (_normal(span.text), span.label_) in self.seen,
            confidence=confidence(index, span) if confidence else None,
        )


def _judged(predicted: Doc, gold: Doc) -> list[Span]:
    """Entities that touch no gold token without annotation; spaCy's scorer leaves out the others too."""
    unknown = [(token.idx, token.idx + len(token)) for token in gold if not token.ent_iob]
    return [
        ent
        for ent in predicted.ents
        if not any(start < ent.end_char and ent.start_char < end for start, end in unknown)
    ]


def _confidence(index: int, span: Span) -> float | None:
    value = span._.confidence if Span.has_extension("confidence") else None
    return None if value is None else float(value)


def _group_scores(group: Any) -> Callable[[int, Span], float | None]:
    scores = getattr(group, "attrs", {}).get("scores")
    if scores is None or len(scores) != len(group):
        return _confidence
    return lambda index, span: float(scores[index])


def _piece_ends(docs: list[Doc], tokenizer: PieceTokenizer | None) -> list[np.ndarray]:
    if tokenizer is None:
        return [np.array([token.idx + len(token) for token in doc], dtype=np.int64) for doc in docs]
    return [np.maximum.accumulate(pieces.ends) for pieces in tokenizer.encode([doc.text for doc in docs])]


def _normal(text: str) -> str:
    return " ".join(text.split()).lower()


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, (bool, int, float, str))
