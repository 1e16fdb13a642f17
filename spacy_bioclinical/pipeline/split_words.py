"""Words that a tokenizer should cut because mentions begin or end within them: "nonsmoker", whose "smoker" is one.

A head finds whole tokens only, so such a mention is lost before training begins. What is learned goes into the
pipeline, hence rules against keeping what belongs to one patient, and against slips of annotation ("of", of which
only the "f" is marked): letters only, and for each cut a least number of documents, and half of those with the word.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable
from itertools import pairwise

from spacy.tokens import Doc

# The part of the annotated documents with a word in which a mention begins or ends at a place of it, at least.
LEAST_SHARE = 0.5


def find_split_words(
    docs: Iterable[Doc],
    tokenize: Callable[[str], Doc],
    *,
    min_docs: int,
    spans_key: str,
    known: Container[str] = (),
) -> dict[str, list[str]]:
    """Find the words within which mentions begin or end, and where to cut them.

    docs (Iterable[Doc]): annotated documents; mentions are those of `doc.spans[spans_key]` and `doc.ents`, their tokens
        may be others than the tokenizer's. A document without annotation is passed over, the same text counts once.
    tokenize (Callable[[str], Doc]): the tokenizer; it keeps the text.
    min_docs (int): documents, one or more, in which a mention must begin or end at a place of a word. Capital and
        small letters are counted together.
    spans_key (str): the group of spans.
    known (Container[str]): words that are left as they are.
    RETURNS (Dict[str, List[str]]): for each word, sorted, its parts in order, two or more, not empty. Each word
        comes in small letters, with a first capital, in capitals, and as it was where a mention begins or ends in it.
    """
    having: Counter[str] = Counter()
    cutting: Counter[tuple[str, int]] = Counter()
    forms: defaultdict[str, set[str]] = defaultdict(set)
    seen: set[int] = set()
    for doc in docs:
        if not (spans_key in doc.spans or doc.has_annotation("ENT_IOB")):
            continue
        text = doc.text
        if hash(text) in seen:
            continue
        seen.add(hash(text))
        edges = _edges(doc, spans_key)
        words: set[str] = set()
        cuts: set[tuple[str, int]] = set()
        for token in tokenize(text):
            word = token.text
            key = word.lower()
            if not word.isalpha() or len(key) != len(word):
                continue
            words.add(key)
            inside = edges[bisect_right(edges, token.idx) : bisect_left(edges, token.idx + len(word))]
            if inside:
                forms[key].add(word)
                cuts.update((key, edge - token.idx) for edge in inside)
        having.update(words)
        cutting.update(cuts)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for (key, place), n_docs in sorted(cutting.items()):
        if n_docs >= max(min_docs, LEAST_SHARE * having[key]):
            places[key].append(place)
    found: dict[str, list[str]] = {}
    for key, cut in places.items():
        for form in {key, key.capitalize(), key.upper()} | forms[key]:
            if len(form) == len(key) and form not in known:
                found[form] = [form[a:b] for a, b in pairwise([0, *cut, len(key)])]
    return dict(sorted(found.items()))


def _edges(doc: Doc, spans_key: str) -> list[int]:
    """RETURNS (List[int]): the characters at which mentions begin and end, sorted."""
    mentions = [*doc.spans.get(spans_key, ()), *doc.ents]
    return sorted({edge for span in mentions for edge in (span.start_char, span.end_char)})
