"""Say which pieces belong to which token, by characters; O(tokens + pieces), no Python loop.

Why not spacy-alignments: byte-level tokenizers (ModernBERT, RoBERTa) put the space before a word inside that
word's piece, and aligning raw offsets then hands the piece to the previous token too (about half of all
English tokens). Here pieces come trimmed, so a piece is shared only if it truly spans several tokens ("don"
over "do|n't").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import Pieces

Offsets = Sequence[int] | np.ndarray


def align(pieces: Pieces, token_starts: Offsets, token_ends: Offsets) -> tuple[np.ndarray, np.ndarray]:
    """Align tokens to pieces.

    A token owns the pieces whose characters overlap its own. White-space pieces belong only to tokens that no
    other piece touches, i.e. to white-space tokens. A token may own no piece: WordPiece drops white space and
    control characters, and byte-level pieces swallow single spaces.

    pieces (Pieces): pieces of one text, as encode() gives them.
    token_starts, token_ends (int (n_tokens,)): character ranges of the tokens in the same text.
    RETURNS: lengths (int32 (n_tokens,)), the number of pieces per token, and indices (int32 (sum of
        lengths,)), the pieces of token 0, then of token 1, …, ascending within each token.
    RAISES: ValueError BC211 if starts and ends differ in number.
    """
    starts_t = np.asarray(token_starts, dtype=np.int64)
    ends_t = np.asarray(token_ends, dtype=np.int64)
    n_tokens = len(starts_t)
    if len(ends_t) != n_tokens:
        message = Errors.BC211.format(
            n_values=len(ends_t), what="token ends", n_expected=n_tokens, per="token starts"
        )
        raise ValueError(message)
    starts_p, ends_p = pieces.starts.astype(np.int64), pieces.ends.astype(np.int64)
    # Offsets of real tokenizers never go backwards and the running extremes change nothing; where they did,
    # the candidates would be a few too many, and the overlap test below decides.
    first = np.searchsorted(np.maximum.accumulate(ends_p), starts_t, side="right")
    last = np.searchsorted(np.minimum.accumulate(starts_p[::-1])[::-1], ends_t, side="left")
    counts = np.maximum(last - first, 0)
    tokens = np.repeat(np.arange(n_tokens), counts)
    within = np.arange(len(tokens)) - np.repeat(np.cumsum(counts) - counts, counts)
    candidates = first[tokens] + within
    overlap = np.minimum(ends_p[candidates], ends_t[tokens]) > np.maximum(
        starts_p[candidates], starts_t[tokens]
    )
    white = pieces.is_space[candidates]
    touched = np.bincount(tokens[overlap & ~white], minlength=n_tokens) > 0
    owned = overlap & ~(white & touched[tokens])
    lengths = np.bincount(tokens[owned], minlength=n_tokens)
    return lengths.astype(np.int32), candidates[owned].astype(np.int32)


def continues(align_lengths: np.ndarray, align_indices: np.ndarray, n_pieces: int) -> np.ndarray:
    """Say which pieces cannot be cut off from the piece before them without splitting a token.

    RETURNS (bool (n_pieces,)): True where one token owns both an earlier piece and this or a later one.
    """
    lengths = np.asarray(align_lengths, dtype=np.int64)
    indices = np.asarray(align_indices, dtype=np.int64)
    stops = np.cumsum(lengths)
    some = lengths > 0
    first = indices[(stops - lengths)[some]]
    last = indices[stops[some] - 1]
    depth = np.bincount(first + 1, minlength=n_pieces + 2) - np.bincount(last + 1, minlength=n_pieces + 2)
    return np.cumsum(depth)[:n_pieces] > 0
