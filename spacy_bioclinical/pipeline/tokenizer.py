"""spaCy's own tokenizer, made safe for text that is not valid Unicode, and quick on long notes.

Exports of hospital systems hold lone surrogates (halves of a broken emoji); spaCy cannot store them and stops. Each
is replaced by U+FFFD, one for one, so that all character offsets stay right, and a warning says how many.

spaCy remembers how each chunk between white space was cut, but after the first special case of a text ("don't", "Dr.")
it remembers nothing more until the next text. A note of 3,000 words has one in its first lines, so nearly every chunk
of it is cut by regular expressions again and again. Here each new chunk is cut alone first, which fills the same
memory: 2.4 ms for 1,000 tokens become 1.0 (transcribed reports, one core).

If [initialize.tokenizer] asks for it, words within which mentions begin or end ("nonsmoker") are cut there. They become
special cases as spaCy stores them, so that they are WORDS OF THE TRAINING NOTES IN THE PIPELINE, in `tokenizer` and
`vocab/strings.json`; by default none is learned. As any special case they also hold with punctuation around, but not
between infixes: "nonsmoker/nondrinker" is cut at the stroke only.
"""

import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from spacy.language import Language
from spacy.symbols import ORTH
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.training import Example, validate_get_examples
from spacy.util import logger, registry

from ..errors import Errors
from .split_words import find_split_words

# Chunks that are remembered; about 10 MB when full. spaCy's own default, 10,000, is full after a hundred notes.
CACHED_CHUNKS = 50_000
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class ClinicalTokenizer(Tokenizer):
    """spaCy's tokenizer with its language's rules; accepts any string. Its tokens are those of spaCy's tokenizer."""

    def __init__(self, *args: Any, max_cache_size: int = CACHED_CHUNKS, **kwargs: Any) -> None:
        super().__init__(*args, max_cache_size=max_cache_size, **kwargs)
        self._seen: set[str] = set()
        self._learned: set[str] = set()

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        split_words: int = 0,
        spans_key: str = "gold",
    ) -> None:
        """Learn which words to cut; set by [initialize.tokenizer]. What was learned by an earlier call is forgotten.

        get_examples (Callable[[], Iterable[Example]]): the training corpus; not asked for if there is nothing to learn.
            With [training] max_epochs = -1 spaCy shows its first 100 examples only.
        nlp (Language | None): the pipeline; its `meta["bioclinical"]["tokenizer"]` tells the number of words, no word.
        split_words (int): 0: the tokenizer stays as it is. n: a word of letters is cut where gold mentions begin or end
            within it in at least n documents, and in at least half of those that have the word. 1 also keeps what
            stands in one note only: for public text. Words with a special case already keep it.
        spans_key (str): the mentions are those of `doc.spans[spans_key]` and of `doc.ents`.
        RAISES (ValueError): BC480 if `split_words` is no number of documents.
        """
        if isinstance(split_words, bool) or not isinstance(split_words, int) or split_words < 0:
            raise ValueError(Errors.BC480.format(given=split_words))
        told: dict[str, Any] = {} if nlp is None else nlp.meta.get("bioclinical", {})
        told.pop("tokenizer", None)
        if self._learned:
            kept = set(self.rules) - self._learned  # type: ignore[has-type]
            self.rules = {word: self.rules[word] for word in sorted(kept)}  # type: ignore[has-type]
            self._learned = set()
        if split_words:
            validate_get_examples(get_examples, "ClinicalTokenizer.initialize")
            docs = (eg.reference for eg in get_examples())
            found = find_split_words(docs, self, min_docs=split_words, spans_key=spans_key, known=self.rules)
            for word, parts in found.items():
                self.add_special_case(word, [{ORTH: part} for part in parts])
            self._learned = set(found)
            n_words = len({word.lower() for word in found})
            told["tokenizer"] = {"split_words": split_words, "words": n_words}
            if nlp is not None:
                nlp.meta["bioclinical"] = told
            logger.info("tokenizer: %d words are split where mentions begin or end within them", n_words)
        self._seen = set()  # spaCy's memory was emptied

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "ClinicalTokenizer":
        """Load what `to_bytes` wrote.

        bytes_data (bytes): the data. exclude (Iterable[str]): names of parts to leave out.
        RETURNS (ClinicalTokenizer): itself.
        """
        super().from_bytes(bytes_data, exclude=exclude)
        self._seen, self._learned = set(), set()
        return self

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
