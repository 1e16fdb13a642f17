"""spaCy's own tokenizer, made safe for text that is not valid Unicode.

Exports of hospital systems hold lone surrogates (halves of a broken emoji); spaCy cannot store them and stops. Each
is replaced by U+FFFD, one for one, so that all character offsets stay right, and a warning says how many.
"""

import re
import warnings
from collections.abc import Callable

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import registry

from ..errors import Errors

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class ClinicalTokenizer(Tokenizer):
    """spaCy's tokenizer with its language's rules; accepts any string."""

    def __call__(self, string: str) -> Doc:
        """Tokenise a text.

        string (str): any text; lone surrogates become U+FFFD.
        RETURNS (Doc): the document, as long as the text, character for character.
        """
        clean, n_replaced = _LONE_SURROGATE.subn("\ufffd", string)
        if n_replaced:
            warnings.warn(Errors.BC309.format(n=n_replaced, length=len(string)), stacklevel=2)
        return super().__call__(clean)


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
