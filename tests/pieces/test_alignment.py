"""Token to piece alignment against the rule spelled out character by character.

Run: pytest tests/pieces/test_alignment.py
"""

import time
from itertools import pairwise

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pieces.alignment import align, continues
from spacy_bioclinical.pieces.tokenizer import Pieces

NOTE = (
    "DISCHARGE SUMMARY\r\n\r\nPt. wasn't febrile;  don't give 2.5mg/kg q.d.\n\n\n  Re\u0301sume\u0301 "
    "\U0001f469\u200d\u2695\ufe0f \u60a3\u8005 (e.g. O2-sat 95%)...\t\tFollow-up\u00a0in  2 wks \x00 \x01."
)


def make_pieces(text: str, raw: list[tuple[int, int]]) -> Pieces:
    """Trim raw ranges one by one, in plain Python."""
    starts, ends, spaces = [], [], []
    for start, end in raw:
        covered = text[start:end]
        spaces.append(covered.isspace())
        if covered.strip():
            start, end = (
                start + len(covered) - len(covered.lstrip()),
                end - len(covered) + len(covered.rstrip()),
            )
        starts.append(start)
        ends.append(end)
    ids = np.zeros(len(raw), dtype=np.int32)
    return Pieces(ids, np.array(starts, np.int32), np.array(ends, np.int32), np.array(spaces, bool))


def by_characters(text: str, pieces: Pieces, tokens: list[tuple[int, int]]) -> list[list[int]]:
    """The rule, O(tokens · pieces): a visible token owns the pieces that share a visible character with it, a
    white-space token the visible piece that runs across it; a token that has none of these, the white-space
    pieces it touches."""
    owned = []
    for start, end in tokens:
        inside = [set(range(start, end)) & set(range(s, e)) for s, e in zip(pieces.starts, pieces.ends)]
        visible = [p for p, chars in enumerate(inside) if any(not text[c].isspace() for c in chars)]
        across = [p for p, chars in enumerate(inside) if chars and not pieces.is_space[p]]
        white = [p for p, chars in enumerate(inside) if chars and pieces.is_space[p]]
        owned.append((visible if text[start:end].strip() else across) or white)
    return owned


def ragged(lengths: np.ndarray, indices: np.ndarray) -> list[list[int]]:
    return [part.tolist() for part in np.split(indices, np.cumsum(lengths))[:-1]]


def token_ranges(doc) -> tuple[np.ndarray, np.ndarray]:
    starts = np.array([token.idx for token in doc], dtype=np.int64)
    return starts, starts + np.array([len(token) for token in doc], dtype=np.int64)


@st.composite
def texts_with_ranges(draw):
    """A text, pieces whose raw ranges never go backwards (with gaps, overlaps, empty ones), tokens."""
    text = draw(st.text(st.sampled_from("ab1 \n\u00a0"), max_size=24))
    cuts = st.lists(st.integers(0, len(text)), max_size=16)
    starts, ends = sorted(draw(cuts)), sorted(draw(cuts))
    raw = [(min(s, e), max(s, e)) for s, e in zip(starts, ends)]
    raw = list(zip(sorted(s for s, _ in raw), sorted(e for _, e in raw)))
    edges = sorted({0, len(text), *draw(cuts)})
    tokens = []
    for start, end in pairwise(edges):
        covered = text[start:end]
        if covered.strip():
            start, end = (
                start + len(covered) - len(covered.lstrip()),
                end - len(covered) + len(covered.rstrip()),
            )
        tokens.append((start, end))
    return text, make_pieces(text, raw), tokens


@settings(max_examples=400, deadline=None)
@given(case=texts_with_ranges())
def test_align_equals_rule_by_characters(case):
    text, pieces, tokens = case
    lengths, indices = align(pieces, [start for start, _ in tokens], [end for _, end in tokens])
    assert lengths.dtype == indices.dtype == np.int32
    assert lengths.sum() == len(indices)
    assert ragged(lengths, indices) == by_characters(text, pieces, tokens)


@settings(max_examples=100, deadline=None)
@given(
    ranges=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), max_size=8),
    tokens=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), max_size=8),
)
def test_align_holds_even_for_ranges_out_of_order(ranges, tokens):
    text = "x" * 12
    pieces = make_pieces(text, [tuple(item) for item in ranges])
    lengths, indices = align(pieces, [start for start, _ in tokens], [end for _, end in tokens])
    assert ragged(lengths, indices) == by_characters(text, pieces, [tuple(item) for item in tokens])


def test_align_equals_rule_on_real_tokenizers(tokenizers, modernbert):
    doc = spacy.blank("en")(NOTE)
    starts, ends = token_ranges(doc)
    for tokenizer in (*tokenizers.values(), modernbert):
        pieces = tokenizer.encode([NOTE])[0]
        lengths, indices = align(pieces, starts, ends)
        assert ragged(lengths, indices) == by_characters(NOTE, pieces, list(zip(starts, ends)))


def test_space_before_a_word_is_not_aligned_to_the_word_before(tokenizers, modernbert):
    text = "the quick brown fox jumps over the lazy dog and rests"
    doc = spacy.blank("en")(text)
    starts, ends = token_ranges(doc)
    for tokenizer in (tokenizers["bpe"], modernbert):
        pieces = tokenizer.encode([text])[0]
        lengths, indices = align(pieces, starts, ends)
        assert (lengths > 0).all()
        visible = np.flatnonzero(~pieces.is_space)  # a lone "Ġ" before a word belongs to no token
        assert indices.tolist() == visible.tolist()
        for token, own in zip(doc, ragged(lengths, indices)):
            assert pieces.starts[own[0]] == token.idx
            assert pieces.ends[own[-1]] == token.idx + len(token)


def test_only_spanning_pieces_are_shared(tokenizers, modernbert):
    text = NOTE * 20
    doc = spacy.blank("en")(text)
    starts, ends = token_ranges(doc)
    n_shared = 0
    for tokenizer in (*tokenizers.values(), modernbert):
        pieces = tokenizer.encode([text])[0]
        lengths, indices = align(pieces, starts, ends)
        tokens = np.repeat(np.arange(len(doc)), lengths)
        for piece in np.flatnonzero(np.bincount(indices, minlength=len(pieces)) > 1):
            n_shared += 1
            for token in tokens[indices == piece]:
                shared = text[max(starts[token], pieces.starts[piece]) : min(ends[token], pieces.ends[piece])]
                across = pieces.starts[piece] < starts[token] and ends[token] < pieces.ends[piece]
                assert shared.strip() or across
    assert n_shared > 0  # "wasn|'t" over "was|n't": the case occurs


def test_piece_over_two_tokens_belongs_to_both():
    pieces = make_pieces("don't", [(0, 3), (3, 5)])
    assert ragged(*align(pieces, [0, 2], [2, 5])) == [[0], [0, 1]]


def test_emoji_owns_all_its_byte_pieces(tokenizers):
    text = "ok \U0001f469\u200d\u2695\ufe0f!"
    doc = spacy.blank("en")(text)
    pieces = tokenizers["bpe"].encode([text])[0]
    lengths, indices = align(pieces, *token_ranges(doc))
    assert (lengths > 0).all()
    assert set(indices.tolist()) == set(np.flatnonzero(~pieces.is_space).tolist())


def test_tokens_without_a_piece_get_none(tokenizers):
    pieces = tokenizers["wordpiece"].encode(["pain \x01  fever"])[
        0
    ]  # BERT drops control characters and spaces
    lengths, _ = align(pieces, [0, 5, 7, 8], [4, 6, 8, 13])
    assert lengths[0] > 0
    assert lengths[1] == lengths[2] == 0
    assert lengths[3] > 0


def test_white_space_token_owns_its_pieces(tokenizers):
    text = "pain\n\n\nfever"
    pieces = tokenizers["bpe"].encode([text])[0]
    lengths, indices = align(pieces, [0, 4, 7], [4, 7, 12])
    own = ragged(lengths, indices)[1]
    assert own
    assert pieces.is_space[own].all()
    assert len(set(indices.tolist())) == len(pieces)


def test_merged_token_leaves_white_space_inside_it_alone(tokenizers):
    text = "New\nYork"
    pieces = tokenizers["bpe"].encode([text])[0]
    assert pieces.is_space.any()
    lengths, indices = align(pieces, [0], [8])
    assert not pieces.is_space[indices].any()
    assert lengths.tolist() == [(~pieces.is_space).sum()]


def test_align_of_nothing(tokenizers):
    empty = tokenizers["bpe"].encode([""])[0]
    for arrays in (align(empty, [], []), align(tokenizers["bpe"].encode(["pain"])[0], [], [])):
        assert [len(array) for array in arrays] == [0, 0]
    lengths, indices = align(empty, [0, 1], [1, 2])
    assert lengths.tolist() == [0, 0]
    assert len(indices) == 0


def test_align_refuses_starts_without_ends(tokenizers):
    with pytest.raises(ValueError, match="BC211"):
        align(tokenizers["bpe"].encode(["pain"])[0], [0, 2], [4])


def test_align_is_linear():
    n_tokens = 200_000
    starts = np.arange(n_tokens) * 4
    pieces = Pieces(
        np.zeros(2 * n_tokens, np.int32), np.arange(2 * n_tokens) * 2, np.arange(2 * n_tokens) * 2 + 2
    )
    begin = time.perf_counter()
    lengths, _ = align(pieces, starts, starts + 4)
    assert (lengths == 2).all()
    assert time.perf_counter() - begin < 5


@settings(max_examples=200, deadline=None)
@given(case=texts_with_ranges())
def test_continues_equals_rule_by_pieces(case):
    _, pieces, tokens = case
    lengths, indices = align(pieces, [start for start, _ in tokens], [end for _, end in tokens])
    own = ragged(lengths, indices)
    expected = [any(p and min(p) < i <= max(p) for p in own) for i in range(len(pieces))]
    assert continues(lengths, indices, len(pieces)).tolist() == expected
