"""The error browser: documents with their errors, by id and offsets; with a corpus the text, gold beside predicted.

Text comes into a report only here, and only from corpora that --with-text names. A corpus belongs to the prediction
file whose signature has its SHA-256.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy_bioclinical.cli.report.figures import EVALUATE
from spacy_bioclinical.cli.report.inputs import Found, Inputs
from spacy_bioclinical.cli.report.mistakes import CORRECT, Pair, class_errors, pair_mentions
from spacy_bioclinical.cli.report.parts import DASH, Fold, Marked, Part, Section, Table, number
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.headlines import class_components, mention_picks
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention

if TYPE_CHECKING:
    from spacy.tokens import Doc

WHOLE = 3000  # characters of a document that is shown whole
AROUND = 200  # characters shown on both sides of an error of a longer one
HEADER = ("error", "gold", "place", "predicted", "place", "confidence", "piece", "section", "in training")


def browser_section(inputs: Inputs, corpora: Sequence[Path] = (), most: int = 100) -> Section:
    """Make the section of the errors.

    inputs (Inputs): with prediction files. corpora (Sequence[Path]): their corpora, whose text is shown.
    most (int): documents of each file, those with the most errors.
    RETURNS (Section): a fold for each document.
    RAISES (ValueError): BC471 if a corpus belongs to no file, BC472 if a document differs.
    """
    files = inputs.of("predictions")
    texts = _texts(files, corpora)
    parts: list[Part] = []
    for found in files:
        parts += _file(found, texts.get(found.name), most)
    intro = "Documents with the most errors first. Places are characters [start, end) of the document."
    if texts:
        intro += " The text comes from the corpus given with --with-text."
    else:
        intro += " No text is in this report; --with-text CORPUS.spacy would show it, gold beside predicted."
    return Section("errors", "Errors, document by document", intro, parts, EVALUATE)


def _texts(files: Sequence[Found], corpora: Sequence[Path]) -> "dict[str, list[Doc]]":
    """The documents of each prediction file whose corpus is given, in its order."""
    if not corpora:
        return {}
    import spacy

    from spacy_bioclinical.cli.suite.cells import data_hash
    from spacy_bioclinical.training.shards import iter_docs

    vocab = spacy.blank("en").vocab
    texts = {}
    for path in corpora:
        sha256 = data_hash(path)
        mine = [
            found
            for found in files
            if (found.content.header["signature"].get("data") or {}).get("sha256") == sha256
        ]
        if not mine:
            raise ValueError(Errors.BC471.format(path=path, n_files=len(files)))
        docs = list(iter_docs(path, vocab))
        for found in mine:
            records = found.content.records
            for i, record in enumerate(records):
                size = len(docs[i].text) if i < len(docs) else 0
                if size != record.characters:
                    sizes = {"n_corpus": size, "n_predicted": record.characters}
                    raise ValueError(Errors.BC472.format(number=i, path=path, name=found.file, **sizes))
            texts[found.name] = docs
    return texts


def _file(found: Found, docs: "list[Doc] | None", most: int) -> list[Part]:
    records = found.content.records
    picks = mention_picks(records)
    wrong_classes = {name: class_errors(records, name) for name in class_components(records)}
    listed = []
    for i, record in enumerate(records):
        pairs = {
            kind: [pair for pair in pair_mentions(mentions) if pair.kind != CORRECT]
            for kind, pick in picks.items()
            if (mentions := pick(record)) is not None
        }
        counts = Counter(pair.kind for each in pairs.values() for pair in each)
        counts.update(
            f"{error.kind} class" if error.instead == "" else error.kind for error in _of(wrong_classes, i)
        )
        if counts:
            listed.append((i, pairs, counts))
    listed.sort(key=lambda each: (-sum(each[2].values()), each[0]))
    if not listed:
        clean = [(found.name, number(len(records)), "0")]
        return [Table(f"{found.name}: no errors", ("file", "documents", "with errors"), clean)]
    labels = {
        each.label
        for record in records
        for pick in picks.values()
        if (mentions := pick(record))
        for each in (*mentions.gold, *mentions.predicted)
    }
    folds: list[Part] = []
    for i, pairs, counts in listed[:most]:
        record = records[i]
        told = ", ".join(
            f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
        )
        parts: list[Any] = []
        for kind, found_pairs in pairs.items():
            if found_pairs:
                rows: list[tuple[str, ...]] = [_row(pair) for pair in found_pairs]
                parts.append(Table(kind.replace(".", " "), HEADER, rows, 2))
                if docs is not None:
                    parts += _marked(docs[i], record, picks[kind], found_pairs, labels)
        rows = [
            (name, error.kind, error.label, error.instead or DASH, f"{error.score:.3f}")
            for name, each in wrong_classes.items()
            for error in each[i]
        ]
        if rows:
            parts.append(
                Table("classes", ("component", "error", "gold or label", "predicted", "score"), rows, 4)
            )
        folds.append(Fold(f"{record.id}: {told}", parts))
    summary = [(found.name, number(len(records)), number(len(listed)), number(len(folds)))]
    header = ("file", "documents", "with errors", "shown here")
    return [Table(f"{found.name}: documents with errors", header, summary), *folds]


def _of(wrong: dict[str, Any], i: int) -> list[Any]:
    return [error for each in wrong.values() for error in each[i]]


def _row(pair: Pair) -> tuple[str, ...]:
    shown = pair.gold or pair.predicted
    assert shown is not None
    confidence = pair.predicted.confidence if pair.predicted else None
    seen = pair.gold.seen if pair.gold else None
    return (
        *(pair.kind, *_mention(pair.gold), *_mention(pair.predicted)),
        *(DASH if confidence is None else f"{confidence:.3f}", number(shown.piece), shown.section or DASH),
        DASH if seen is None else "yes" if seen else "no",
    )


def _mention(mention: Mention | None) -> tuple[str, str]:
    return (DASH, DASH) if mention is None else (mention.label, f"{mention.start}–{mention.end}")


def _marked(
    doc: "Doc", record: DocumentPrediction, pick: Any, pairs: list[Pair], labels: Any
) -> list[Marked]:
    """The document, or the passages with its errors, gold and predicted."""
    from spacy_bioclinical.cli.marked_text import mark_mentions, tokens_between

    mentions = pick(record)
    gold, predicted = (
        [(each.start, each.end, each.label) for each in side] for side in (mentions.gold, mentions.predicted)
    )
    marked = []
    for start, end in _passages(len(doc.text), pairs, [*gold, *predicted]):
        shown = tokens_between(doc, start, end)
        if shown is None:
            continue
        note = (
            ""
            if len(doc.text) <= WHOLE
            else f"Characters {shown.start_char}–{shown.end_char} of {len(doc.text)}."
        )
        marked.append(
            Marked(mark_mentions(shown, gold, labels), mark_mentions(shown, predicted, labels), note)
        )
    return marked


def _passages(size: int, pairs: list[Pair], mentions: list[tuple[int, int, str]]) -> list[tuple[int, int]]:
    """Stretches of characters around the errors, joined where they meet, none of which cuts a mention."""
    if size <= WHOLE:
        return [(0, size)]
    wanted = []
    for pair in pairs:
        sides = [each for each in (pair.gold, pair.predicted) if each]
        low, high = min(each.start for each in sides) - AROUND, max(each.end for each in sides) + AROUND
        cut = [each for each in mentions if each[0] < high and low < each[1]]
        low, high = min([low, *(each[0] for each in cut)]), max([high, *(each[1] for each in cut)])
        wanted.append((max(low, 0), min(high, size)))
    joined: list[tuple[int, int]] = []
    for low, high in sorted(wanted):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return joined
