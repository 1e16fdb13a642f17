"""spaCy's tokenizer of a language on its own: a conversion needs no pipeline and loads no plugin."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import spacy
from spacy.language import create_tokenizer
from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import create_vocab

Tokenize = Callable[[str], Doc]


def make_tokenizer(lang: str = "en") -> Tokenize:
    """The tokenizer that ``spacy.blank(lang)`` would use.

    lang (str): Language code.
    RETURNS (Callable): Text → Doc; unlike ``nlp.make_doc`` it knows no largest length.
    """
    language = get_lang_class(lang)
    defaults = language.Defaults
    if (
        defaults.config.get("nlp", {}).get("tokenizer", {}).get("@tokenizers", "spacy.Tokenizer.v1")
        != "spacy.Tokenizer.v1"
    ):
        return spacy.blank(lang).tokenizer  # Chinese, Japanese, …: they bring a tokenizer of their own
    parts = SimpleNamespace(vocab=create_vocab(lang, defaults), Defaults=defaults)
    return create_tokenizer()(parts)  # type: ignore[arg-type]
