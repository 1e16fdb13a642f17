"""Find annotation that contradicts itself: a mention labelled here and not there, one text with two answers.

Two passes over the corpus: the first learns which strings are mentions, the second counts where such a string stands
outside all mentions. Strings are known by their hashes alone. The second pass reads packed shards and makes no Docs,
which takes a tenth of the time; for that the first keeps where the mentions stand, eight bytes each.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import LOWER, ORTH
from spacy.strings import get_string_id
from spacy.tokens import Doc, DocBin

from spacy_bioclinical.cli.debug_corpus.mentions import MOST_WORDS, Mention, entity_state, word_grams

LEAST_LETTERS = 3  # shorter strings ("K", "in") mean too many things
LEAST_TIMES = 3  # labelled so often before an unlabelled one counts as forgotten


class Consistency:
    """Fill with `learn` for each document, then with `look` for each shard in the same order, then read `to_dict`."""

    def __init__(self) -> None:
        self._labels: dict[int, Counter[str]] = defaultdict(Counter)
        self._unlabelled: Counter[int] = Counter()
        self._answers: dict[int, set[tuple]] = defaultdict(set)
        self._mention_answers: dict[int, set[int]] = defaultdict(set)
        self._lengths: dict[int, int] = {}
        self._places: list[array | None] = []  # start, end of each mention; None: nobody looked for mentions
        self._next = 0

    def learn(self, doc: Doc, mentions: list[Mention], text: str, words_hash: int) -> None:
        """First pass: remember how a document and its mentions are labelled.

        words_hash (int): of its words, from `Fingerprints.add`.
        """
        if doc.cats:
            self._answers[words_hash].add(
                tuple(sorted(label for label, value in doc.cats.items() if value >= 0.5))
            )
        if not mentions and entity_state(doc) != "annotated":
            self.skip()
            return
        self._places.append(array("i", (edge for m in mentions for edge in (m.start, m.end))))
        # Without offsets: a document that differs in white space only should have the same mentions.
        quoted = ((" ".join(text[m.first : m.last].casefold().split()), m.label) for m in mentions)
        self._mention_answers[words_hash].add(hash(tuple(quoted)))
        if not mentions:
            return
        grams = word_grams(doc.to_array([LOWER]).ravel())
        for mention in mentions:
            n_words = mention.end - mention.start
            letters = sum(character.isalpha() for character in text[mention.first : mention.last])
            if n_words <= MOST_WORDS and letters >= LEAST_LETTERS:
                key = int(grams[n_words - 1][mention.start])
                self._labels[key][mention.label] += 1
                self._lengths[key] = n_words

    def skip(self) -> None:
        """First pass: a document that has nothing to learn."""
        self._places.append(None)

    def look(self, packed: DocBin) -> None:
        """Second pass: count known strings that stand outside the mentions of an annotated document.

        packed (DocBin): the next shard.
        """
        known = [
            np.array(sorted(key for key, n in self._lengths.items() if n == n_words), dtype=np.uint64)
            for n_words in range(1, MOST_WORDS + 1)
        ]
        # get_string_id is the hash that spaCy's vocabulary would give.
        lower = {get_string_id(string): get_string_id(string.lower()) for string in packed.strings}
        orths = np.array(sorted(lower), dtype=np.uint64)
        lowers = np.array([lower[orth] for orth in orths.tolist()], dtype=np.uint64)
        column = packed.attrs.index(ORTH)
        for tokens in packed.tokens:
            places = self._places[self._next]
            self._next += 1
            if places is not None and len(tokens):
                words = lowers[np.searchsorted(orths, tokens[:, column].astype(np.uint64))]
                self._count(words, places, known)

    def _count(self, words: NDArray, places: array, known: list[NDArray]) -> None:
        taken = np.zeros(len(words) + 1, dtype=np.int64)
        for start, end in zip(places[0::2], places[1::2]):
            taken[start + 1 : end + 1] = 1
        before = np.cumsum(taken)  # labelled tokens before each token
        for n_words, (grams, keys) in enumerate(zip(word_grams(words), known), 1):
            if len(keys):
                nearest = np.minimum(np.searchsorted(keys, grams), len(keys) - 1)
                outside = before[n_words:][: len(grams)] == before[: len(grams)]
                self._unlabelled.update(grams[(keys[nearest] == grams) & outside].tolist())

    def to_dict(self) -> dict[str, Any]:
        """Sum up.

        RETURNS (dict): "strings": label → how many different strings are labelled so, how many of them are also found
            unlabelled although mostly labelled, and how often; "labelled twice": pairs of labels that one string has;
            "texts": texts that occur with several answers.
        """
        by_label: dict[str, Counter[str]] = defaultdict(Counter)
        clashes: Counter[str] = Counter()
        for key, labels in self._labels.items():
            label = max(labels, key=lambda name: (labels[name], name))
            times, missing = sum(labels.values()), self._unlabelled[key]
            by_label[label]["strings"] += 1
            if times >= LEAST_TIMES and 0 < missing <= times:
                by_label[label]["sometimes unlabelled"] += 1
                by_label[label]["unlabelled"] += missing
            if len(labels) > 1:
                clashes[" / ".join(sorted(labels))] += 1
        return {
            "strings": {
                label: {name: counts[name] for name in ("strings", "sometimes unlabelled", "unlabelled")}
                for label, counts in sorted(by_label.items())
            },
            "labelled twice": dict(clashes.most_common()),
            "texts": {
                "with other categories": sum(len(answers) > 1 for answers in self._answers.values()),
                "with other mentions": sum(len(answers) > 1 for answers in self._mention_answers.values()),
            },
        }
