"""Pieces of odd and long texts: offsets, special tokens typed by users, nothing cut.

Run: pytest tests/pieces/test_tokenizer.py
"""

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pieces.tokenizer import Pieces, PieceTokenizer

ODD_TEXTS = {
    "empty": "",
    "space": " ",
    "white space": " \t\r\n\n\u00a0 \u3000",
    "emoji": "a \U0001f469\u200d\u2695\ufe0f b \U0001f1e8\U0001f1ed",
    "combining marks": "re\u0301sume\u0301 o\u0302\u0323 \u1112\u1161\u11ab",
    "cjk": "\u60a3\u8005\u306f\u80ba\u708e\u3002 \u80f8\u75db",
    "control characters": "a\x00b \x01 c\x7f\u200b\x85 d",
    "crlf": "Plan:\r\n\r\n  rest\r\nfluids",
    "nbsp": "25\u00a0mg\u00a0\u00a0daily",
    "ligature": "\ufb01brillation \u00bd tab",
    "lone surrogates": "a \ud83d b\udc00 \udc69\ud83d",
    "long token": "x" * 3000,
}


def check(tokenizer: PieceTokenizer, text: str, pieces: Pieces) -> None:
    """The invariants of every tokenisation."""
    n_pieces = len(pieces.ids)
    assert pieces.ids.dtype == pieces.starts.dtype == pieces.ends.dtype == np.int32
    assert len(pieces.starts) == len(pieces.ends) == len(pieces.is_space) == n_pieces
    assert (pieces.starts >= 0).all()
    assert (pieces.starts <= pieces.ends).all()
    assert (pieces.ends <= len(text)).all()
    assert (np.diff(pieces.starts) >= 0).all()
    assert (np.diff(pieces.ends) >= 0).all()
    for start, end, is_space in zip(pieces.starts, pieces.ends, pieces.is_space):
        covered = text[start:end]
        assert is_space == covered.isspace()
        assert is_space or covered == covered.strip()
    structural = tokenizer.special_ids - {tokenizer._unknown_id}
    assert not structural & set(pieces.ids.tolist())


@pytest.mark.parametrize("name", list(ODD_TEXTS))
def test_encode_keeps_invariants_on_odd_texts(tokenizer, name):
    text = ODD_TEXTS[name]
    check(tokenizer, text, tokenizer.encode([text])[0])


@pytest.mark.parametrize("name", [name for name in ODD_TEXTS if name not in ("combining marks",)])
def test_byte_level_pieces_cover_every_visible_character(tokenizers, name):
    text = ODD_TEXTS[name]
    for kind in ("bpe", "roberta"):
        pieces = tokenizers[kind].encode([text])[0]
        covered = {i for start, end in zip(pieces.starts, pieces.ends) for i in range(start, end)}
        assert {i for i, char in enumerate(text) if not char.isspace()} <= covered


def test_byte_level_pieces_of_composed_marks_start_at_their_letter(tokenizers):
    text = "re\u0301sume\u0301"  # NFC makes one character of two
    pieces = tokenizers["bpe"].encode([text])[0]
    covered = {i for start, end in zip(pieces.starts, pieces.ends) for i in range(start, end)}
    assert {0, 1, 3, 4, 5, 6} <= covered


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(codec=None), max_size=40))
def test_encode_keeps_invariants_on_any_text(tokenizers, text):
    for tokenizer in tokenizers.values():
        check(tokenizer, text, tokenizer.encode([text])[0])


def test_encode_reads_offsets_of_known_text(tokenizers):
    text = "  The patient\n was  "
    pieces = tokenizers["wordpiece"].encode([text])[0]
    words = {text[s:e] for s, e in zip(pieces.starts, pieces.ends)}
    assert words == {"The", "patient", "was"}
    spans = tokenizers["bpe"].encode(["The patient was"])[0]
    assert (spans.starts[0], spans.ends[-1]) == (0, 15)
    assert not spans.is_space.any()


def test_encode_batched_equals_alone(tokenizer):
    texts = [text for text in ODD_TEXTS.values() if len(text) < 100] + ["", "The patient was admitted."]
    for text, batched in zip(texts, tokenizer.encode(texts)):
        alone = tokenizer.encode([text])[0]
        for name in ("ids", "starts", "ends", "is_space"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(batched, name))
    assert tokenizer.encode([]) == []


def test_encode_equals_transformers_without_special_tokens(folders, kind, tokenizer):
    from transformers import AutoTokenizer

    reference = AutoTokenizer.from_pretrained(str(folders[kind]))
    text = "The patient wasn't admitted with  chest pain.\n\nPlan: aspirin 81 mg"
    ids = reference(text, add_special_tokens=False, truncation=False)["input_ids"]
    assert tokenizer.encode([text])[0].ids.tolist() == ids
    assert len(ids) > 8  # longer than the truncation left in the WordPiece file


@pytest.mark.parametrize("typed", ["[SEP]", "[CLS]", "[MASK]", "[PAD]", "<s>", "</s>", "<mask>", "<pad>"])
def test_typed_special_token_stays_text(tokenizer, typed):
    structural = tokenizer.special_ids - {tokenizer._unknown_id}
    for text in (typed, f"note {typed} more", f"a{typed}b", f"{typed}{typed}"):
        pieces = tokenizer.encode([text])[0]
        assert not structural & set(pieces.ids.tolist())
        at = text.index(typed)
        over = (pieces.starts < at + len(typed)) & (pieces.ends > at)
        assert over.any()


def test_typed_special_token_is_several_ordinary_pieces(tokenizers):
    for kind in ("bpe", "wordpiece"):
        tokenizer = tokenizers[kind]
        pieces = tokenizer.encode(["a [SEP] b"])[0]
        assert "[SEP]" not in tokenizer.strings(pieces.ids)
        assert "[UNK]" not in tokenizer.strings(pieces.ids)
        assert len(pieces.ids) > 4


def test_lone_surrogates_keep_offsets(tokenizers):
    text = "pain \ud83d fever"
    pieces = tokenizers["bpe"].encode([text])[0]
    plain = tokenizers["bpe"].encode(["pain \ufffd fever"])[0]
    np.testing.assert_array_equal(pieces.ids, plain.ids)
    np.testing.assert_array_equal(pieces.starts, plain.starts)
    assert text[pieces.starts[-1] : pieces.ends[-1]] == text[-(pieces.ends[-1] - pieces.starts[-1]) :]


def test_white_space_pieces_keep_their_raw_range(tokenizers):
    for kind in ("bpe", "roberta"):  # RoBERTa's own post-processor would leave them empty
        pieces = tokenizers[kind].encode(["a\n   b"])[0]
        assert pieces.is_space.any()
        assert (pieces.ends > pieces.starts).all()
        covered = {i for s, e in zip(pieces.starts, pieces.ends) for i in range(s, e)}
        assert {0, 1, 5} <= covered <= set(range(6))


def test_several_pieces_may_stand_for_one_character(tokenizers):
    pieces = tokenizers["bpe"].encode(["\U0001f469"])[0]
    assert len(pieces) == 4
    assert set(pieces.starts.tolist()) == {0}
    assert set(pieces.ends.tolist()) == {1}


def test_special_pieces_come_from_the_post_processor(tokenizers):
    def names(tokenizer):
        return tokenizer.strings(tokenizer.prefix_ids), tokenizer.strings(tokenizer.suffix_ids)

    assert names(tokenizers["bpe"]) == (["[CLS]"], ["[SEP]"])
    assert names(tokenizers["wordpiece"]) == (["[CLS]"], ["[SEP]"])
    assert names(tokenizers["roberta"]) == (["<s>"], ["</s>"])
    assert names(tokenizers["unigram"]) == (["<s>"], ["</s>"])


def test_attributes_match_the_files(tokenizers):
    lengths = {kind: tokenizer.max_length for kind, tokenizer in tokenizers.items()}
    assert lengths == {"bpe": 8192, "wordpiece": 512, "roberta": None, "unigram": 512}
    for tokenizer in tokenizers.values():
        assert tokenizer.strings([tokenizer.mask_id])[0].strip("[]<>").lower() == "mask"
        assert tokenizer.strings([tokenizer.pad_id])[0].strip("[]<>").lower() == "pad"
        assert {tokenizer.mask_id, tokenizer.pad_id} < tokenizer.special_ids
        assert len(tokenizer.special_ids) == 5
        assert tokenizer.strings([tokenizer.vocab_size - 1]) != [""]
        assert tokenizer.strings([tokenizer.vocab_size]) == [""]


def test_pieces_refuse_arrays_of_different_lengths():
    with pytest.raises(ValueError, match="BC211"):
        Pieces(np.zeros(2, np.int32), np.zeros(3, np.int32), np.zeros(2, np.int32))


def test_long_document_encodes_in_seconds_and_whole(tokenizers, modernbert):
    text = "The patient was admitted with chest pain (NYHA III), 2.5 mg q.d.\n" * 8400
    assert len(text.split()) > 100_000
    for tokenizer in (tokenizers["wordpiece"], modernbert):
        begin = time.perf_counter()
        pieces = tokenizer.encode([text])[0]
        assert (
            time.perf_counter() - begin < 20
        )  # about 0.6 s alone on a core; the bound catches a quadratic path
        assert pieces.ends[-1] == len(text.rstrip()) or pieces.is_space[-1]
        assert len(pieces) > 100_000


def test_modernbert_tokenizer_is_read_as_published(modernbert):
    assert (modernbert.prefix_ids, modernbert.suffix_ids) == ((50281,), (50282,))
    assert (modernbert.pad_id, modernbert.mask_id, modernbert.vocab_size) == (50283, 50284, 50368)
    assert modernbert.max_length == 8192
    pieces = modernbert.encode(["a [SEP] [CLS]\r\n\r\nb  c"])[0]
    check(modernbert, "a [SEP] [CLS]\r\n\r\nb  c", pieces)


def test_importing_pieces_is_cheap():
    code = (
        "import sys; import spacy_bioclinical.pieces.tokenizer, spacy_bioclinical.pieces.windows, "
        "spacy_bioclinical.pieces.boundaries; "
        "print(sorted({'spacy', 'torch', 'transformers', 'thinc'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
