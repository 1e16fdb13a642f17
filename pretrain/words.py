"""Decide from a vocabulary's piece strings where words begin and end, once, as two bools an id.

White space and ASCII punctuation separate words, as in BERT's own word splitting, whichever way a tokenizer
marks them: WordPiece ("##" goes on), byte-level BPE ("Ġ" and its like are white space), SentencePiece ("▁").
"""

import string
from collections.abc import Sequence

import numpy as np

# How byte-level BPE writes the bytes of white space: tab to carriage return, and space.
_BYTE_SPACE = frozenset("ĉĊċČč" + "Ġ")
_METASPACE = "▁"
_CONTINUES = "##"
_PUNCTUATION = frozenset(string.punctuation)


def word_bounds(strings: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Say which pieces begin a word, and which are certain to end one.

    strings (Sequence[str]): piece strings by id, as the vocabulary writes them.
    RETURNS (tuple): two bool arrays (V,), begins and ends. In a text a word begins at a piece that begins one,
        and behind a piece that ends one ("Ċ", then "pain": no mark of its own). A vocabulary without any mark
        is taken for one of whole words.
    """
    n_wordpiece = sum(text.startswith(_CONTINUES) and len(text) > len(_CONTINUES) for text in strings)
    n_bytes = sum(text[:1] == "Ġ" for text in strings)
    n_meta = sum(text[:1] == _METASPACE for text in strings)
    most = max(n_wordpiece, n_bytes, n_meta)
    begins, ends = np.zeros(len(strings), dtype=bool), np.zeros(len(strings), dtype=bool)
    if most == 0:
        return ~begins, ~ends
    if n_wordpiece == most:
        for index, text in enumerate(strings):
            begins[index] = not (text.startswith(_CONTINUES) and len(text) > len(_CONTINUES))
        return begins, ends
    spaces = _BYTE_SPACE if n_bytes == most else frozenset(_METASPACE)
    for index, text in enumerate(strings):
        begins[index] = bool(text) and _separates(text[0], spaces)
        # A space that stands alone is the beginning of the word that it could not be merged with.
        ends[index] = text not in ("", "Ġ", _METASPACE) and _separates(text[-1], spaces)
    return begins, ends


def _separates(character: str, spaces: frozenset[str]) -> bool:
    return character in spaces or character in _PUNCTUATION or character.isspace()
