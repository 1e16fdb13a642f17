"""From which window each piece is read, against the rule tried window by window.

Run: pytest tests/pieces/test_owners.py
"""

import math

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pieces.alignment import align
from spacy_bioclinical.pieces.boundaries import boundary_strengths
from spacy_bioclinical.pieces.windows import Window, owners, plan_windows

NONE = (np.zeros(0, np.int32), np.zeros(0, np.int32))


def flatten(tokens: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(token) for token in tokens], dtype=np.int32)
    return lengths, np.array([piece for token in tokens for piece in token], dtype=np.int32)


def best(windows: list[Window], n_pieces: int, first: int, last: int) -> int | None:
    """Try each window; the earliest of the best."""
    seen = {}
    for number, window in enumerate(windows):
        if window.start <= first and last < window.end:
            left = math.inf if window.start == 0 else first - window.start
            right = math.inf if window.end == n_pieces else window.end - 1 - last
            seen[number] = min(left, right)
    return max(seen, key=lambda number: (seen[number], -number)) if seen else None


@st.composite
def documents(draw):
    """Windows of a document, and tokens that own runs of pieces, sometimes sharing one with the next."""
    n_pieces = draw(st.integers(0, 80))
    capacity = draw(st.integers(1, 20))
    overlap = draw(st.integers(0, capacity - 1))
    tokens, at = [], 0
    share = draw(st.booleans())
    while at < n_pieces:
        size = draw(st.integers(0, 6))
        tokens.append(list(range(at, min(at + size, n_pieces))))
        at += size + draw(st.integers(-1 if share and size > 1 else 0, 1))
    use_strengths = draw(st.booleans())
    strengths = None
    if use_strengths:
        inside = {piece for token in tokens for piece in token[1:]}
        strengths = np.array([-1 if i in inside else 0 for i in range(n_pieces)], dtype=np.int8)
    return n_pieces, tokens, plan_windows(n_pieces, capacity, overlap, strengths)


def chains(tokens: list[list[int]]) -> list[list[int]]:
    """Join tokens that share a piece."""
    joined: list[list[int]] = []
    for token in filter(None, tokens):
        if joined and joined[-1][-1] >= token[0]:
            joined[-1] = list(range(joined[-1][0], token[-1] + 1))
        else:
            joined.append(list(token))
    return joined


@settings(max_examples=500, deadline=None)
@given(case=documents())
def test_owners_equal_the_rule(case):
    n_pieces, tokens, windows = case
    own = owners(windows, n_pieces, *flatten(tokens))
    assert own.dtype == np.int32
    assert len(own) == n_pieces
    for piece in range(n_pieces):  # the owner holds the piece
        assert windows[own[piece]].start <= piece < windows[own[piece]].end
    settled = set()
    for chain in chains(tokens):
        together = best(windows, n_pieces, chain[0], chain[-1])
        if together is not None:
            assert own[chain].tolist() == [together] * len(chain)
        elif chain in tokens:  # one token longer than any window that meets it
            assert own[chain].tolist() == [best(windows, n_pieces, piece, piece) for piece in chain]
        settled.update(chain)
    for piece in set(range(n_pieces)) - settled:  # pieces of no token
        assert own[piece] == best(windows, n_pieces, piece, piece)


@settings(max_examples=300, deadline=None)
@given(case=documents())
def test_tokens_that_fit_a_window_are_read_from_one(case):
    n_pieces, tokens, windows = case
    own = owners(windows, n_pieces, *flatten(tokens))
    shared = {piece for token in tokens for piece in token if sum(piece in other for other in tokens) > 1}
    for token in filter(None, tokens):
        if not shared & set(token) and best(windows, n_pieces, token[0], token[-1]) is not None:
            assert len(set(own[token].tolist())) == 1


def test_edges_of_the_document_are_no_cuts():
    windows = [Window(0, 10), Window(6, 16)]
    own = owners(windows, 16, *NONE)
    # Of the overlap 6..9, piece 7 sees 2 pieces up to the cut in window 0 and 1 back to the cut in window 1.
    assert own.tolist() == [0] * 8 + [1] * 8


def test_tie_goes_to_the_earlier_window():
    windows = [Window(0, 9), Window(4, 20)]
    assert owners(windows, 20, *NONE)[6] == 0  # 2 pieces to either cut


def test_token_is_read_whole():
    windows = [Window(0, 10), Window(6, 16)]
    own = owners(windows, 16, *flatten([[7, 8]]))
    assert own[7] == own[8]
    own = owners(windows, 16, *flatten([[5, 6, 7, 8, 9]]))
    assert own[5:10].tolist() == [0] * 5


def test_tokens_sharing_a_piece_are_read_together():
    windows = [Window(0, 10), Window(6, 16)]
    own = owners(windows, 16, *flatten([[6, 7], [7, 8]]))
    assert len(set(own[6:9].tolist())) == 1


def test_token_longer_than_a_window_is_read_piece_by_piece():
    windows = [Window(0, 6), Window(4, 10), Window(8, 14)]
    own = owners(windows, 14, *flatten([list(range(2, 13))]))
    assert own.tolist() == owners(windows, 14, *NONE).tolist()
    assert set(own.tolist()) == {0, 1, 2}


def test_long_chain_keeps_single_tokens_together():
    windows = [Window(0, 6), Window(4, 10)]
    own = owners(windows, 10, *flatten([[2, 3, 4, 5], [5, 6, 7]]))  # no window holds 2..7
    assert own[2:6].tolist() == [0, 0, 0, 0]
    own = owners(windows, 10, *flatten([[1, 2, 3, 4, 5], [5, 6], [7]]))
    assert own[1:6].tolist() == [0] * 5


def test_owner_of_nothing():
    assert owners([Window(0, 0)], 0, *NONE).tolist() == []
    assert owners([Window(0, 3)], 3, *flatten([[], [0, 1], []])).tolist() == [0, 0, 0]


def test_piece_outside_all_windows_is_refused():
    with pytest.raises(ValueError, match=r"BC212.*Piece 4 of 10"):
        owners([Window(0, 4), Window(5, 10)], 10, *NONE)


def test_note_is_read_whole_through_small_windows(tokenizers):
    text = "History: She wasn't in distress.\n\nPlan: metoprolol 25 mg b.i.d., follow-up in 2 weeks.\n" * 12
    doc = spacy.blank("en")(text)
    starts = np.array([token.idx for token in doc])
    ends = starts + np.array([len(token) for token in doc])
    for tokenizer in tokenizers.values():
        pieces = tokenizer.encode([text])[0]
        lengths, indices = align(pieces, starts, ends)
        strengths = boundary_strengths(text, pieces, starts, ends)
        windows = plan_windows(len(pieces), 60, 12, strengths)
        assert len(windows) > 5
        assert all(strengths[window.start] >= 0 for window in windows)
        own = owners(windows, len(pieces), lengths, indices)
        assert set(own.tolist()) == set(range(len(windows)))
        for part in np.split(indices, np.cumsum(lengths))[:-1]:
            assert len(set(own[part].tolist())) <= 1
