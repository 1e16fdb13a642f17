"""Invented annotated documents for the corpus doctor's tests, and copies of them with small changes."""

import random

import spacy
from spacy.tokens import Doc, Span

NLP = spacy.blank("en")
CANARY = "Quillfeather"  # stands for note text, which nothing may quote
DRUGS = ("ardanol", "bextrin", "colvane", "dormide")


def letters(rng, n=7):
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=n))


def invented(name, rng, *, label="DRUG", n_words=40, cats=None):
    """A note of random words with one mention; no two are alike."""
    words = [
        CANARY,
        *(letters(rng) for _ in range(n_words)),
        "took",
        rng.choice(DRUGS),
        "twice",
        "daily",
        ".",
    ]
    doc = Doc(NLP.vocab, words=words, spaces=[True] * len(words))
    doc.set_ents([Span(doc, n_words + 2, n_words + 3, label=label)])
    doc.cats = dict(cats or {})
    doc.user_data["id"] = name
    return doc


def clean(seed, prefix, n_docs=60):
    rng = random.Random(seed)
    return [invented(f"{prefix}{index}", rng) for index in range(n_docs)]


def _span(doc, start, end, label):
    span = doc.char_span(start, end, label=label)
    assert span is not None
    return span


def with_ents(text, name, ents, spans=None):
    doc = NLP.make_doc(text)
    doc.set_ents([_span(doc, *ent) for ent in ents])
    if spans is not None:
        doc.spans["gold"] = [_span(doc, *span) for span in spans]
    doc.user_data["id"] = name
    return doc


def copy_of(doc, name, *, words=None):
    words = words or [token.text for token in doc]
    other = Doc(NLP.vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])
    other.set_ents([Span(other, ent.start, ent.end, label=ent.label_) for ent in doc.ents])
    other.cats = dict(doc.cats)
    other.user_data["id"] = name
    return other
