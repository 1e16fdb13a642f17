"""Small networks over tokens, of spaCy's own, where a test is of a head and not of the encoder below it."""

from typing import Any


def small_cnn(width: int, rows: int, *, spellings: bool) -> dict[str, Any]:
    """A model block: vectors of so many rows, hashed from words alone or from their spellings too, and one window."""
    return {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": width,
        "depth": 1,
        "embed_size": rows,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": spellings,
    }


WORDS_CNN = small_cnn(16, 200, spellings=False)
SPELLINGS_CNN = small_cnn(32, 500, spellings=True)
