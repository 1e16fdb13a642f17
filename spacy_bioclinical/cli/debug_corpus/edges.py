"""Which mentions a pipeline's tokenizer can reach: those whose edges are edges of its tokens.

Only the chunk between white space that an edge lies in is tokenized, and remembered: spaCy's tokenizer cuts each chunk
by itself, so this is the answer for the whole text, in a fifth of the time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

from spacy_bioclinical.cli.debug_corpus.mentions import Mention

MOST_CHUNKS = 200_000  # remembered


class TokenEdges:
    """Answers for one tokenizer.

    tokenize (Callable): text → Doc. Other tokenizers than spaCy's own (Chinese, Japanese) are asked about whole texts.
    """

    def __init__(self, tokenize: Callable[[str], Doc]) -> None:
        self.tokenize = tokenize
        self.by_chunk = isinstance(tokenize, Tokenizer)
        self._known: dict[str, list[tuple[int, int]]] = {}

    def count(self, mentions: Sequence[Mention], text: str) -> Counter[str]:
        """Compare mentions with the tokens.

        mentions (Sequence[Mention]): of the document.
        text (str): its text.
        RETURNS (Counter): "missed mentions": those with an edge inside a token, which no pipeline with this tokenizer
            can find exactly; "cut tokens": the tokens that hold such edges.
        """
        missed = 0
        cut: set[int] = set()
        for mention in mentions:
            inside = [self._token_around(text, edge) for edge in (mention.first, mention.last)]
            cut.update(token for token in inside if token is not None)
            missed += any(token is not None for token in inside)
        return Counter({"missed mentions": missed, "cut tokens": len(cut)}) if missed else Counter()

    def _token_around(self, text: str, edge: int) -> int | None:
        """Where the token begins that has the edge strictly inside; None if there is none."""
        left, right = 0, len(text)
        if self.by_chunk:
            left = right = edge
            while left and not text[left - 1].isspace():
                left -= 1
            while right < len(text) and not text[right].isspace():
                right += 1
        if left == edge or right == edge:
            return None
        tokens = self._tokens(text[left:right])
        index = bisect_right(tokens, (edge - left, 0)) - 1
        start, end = tokens[index]
        return left + start if start < edge - left < end else None

    def _tokens(self, chunk: str) -> list[tuple[int, int]]:
        if chunk not in self._known:
            if len(self._known) >= (MOST_CHUNKS if self.by_chunk else 1):
                self._known.clear()
            self._known[chunk] = [(token.idx, token.idx + len(token)) for token in self.tokenize(chunk)]
        return self._known[chunk]
