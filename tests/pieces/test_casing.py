"""A cased vocabulary is never lower-cased unnoticed, an uncased one stays uncased, whatever the folder is called.

Run: pytest tests/pieces/test_casing.py
"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from spacy_bioclinical.pieces.casing import cased_share, restore_case
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from tests.pieces.tokenizer_folders import TEXTS, write_wordpiece_folder

TEXT = "Dr. Orme saw Ada Quill in Quarrytown: Sjögren disease, ECG and MRI. José [SEP] is next of kin."


@pytest.fixture(scope="module")
def trap(tmp_path_factory):
    """The layout of Bio_ClinicalBERT under a name that says nothing."""
    folder = tmp_path_factory.mktemp("casing") / "some-copy"
    write_wordpiece_folder(folder, lower_case_trap=True)
    return folder


@pytest.fixture(scope="module")
def cased(tmp_path_factory):
    folder = tmp_path_factory.mktemp("casing") / "cased"
    write_wordpiece_folder(folder, max_length=512)
    return folder


def ids(tokenizer, text=TEXT):
    return tokenizer.encode([text])[0].ids.tolist()


def test_trap_is_what_it_is_said_to_be(trap, cased):
    """transformers alone lower-cases the folder and knows no length; else this file tests nothing."""
    from transformers import AutoTokenizer

    published = AutoTokenizer.from_pretrained(str(trap))
    assert published.tokenize("Quarrytown") == published.tokenize("quarrytown")
    assert published.model_max_length > 1e20
    assert sorted(path.name for path in trap.iterdir()) == ["config.json", "vocab.txt"]
    assert AutoTokenizer.from_pretrained(str(cased)).tokenize("Quarrytown") == ["Quarrytown"]


def test_case_is_kept_and_said(trap, cased):
    from transformers import AutoTokenizer

    with pytest.warns(UserWarning, match=r"BC208.*some-copy.*casing = \"published\"") as caught:
        tokenizer = PieceTokenizer.from_folder(trap)
    assert len(caught) == 1
    expected = AutoTokenizer.from_pretrained(str(trap), do_lower_case=False)
    for text in (*TEXTS, "Dr. Orme saw Ada Quill, Sjögren disease, ECG and MRI. José."):
        assert ids(tokenizer, text) == expected(text, add_special_tokens=False)["input_ids"]
    right = PieceTokenizer.from_folder(cased)
    assert ids(tokenizer) == ids(right)
    assert "Quarrytown" in tokenizer.strings(ids(tokenizer))
    assert tokenizer.prefix_ids == right.prefix_ids
    assert tokenizer.max_length is None  # the encoder's positions say how long
    assert tokenizer.fingerprint == right.fingerprint


def test_published_behaviour_can_be_had(trap):
    from transformers import AutoTokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = PieceTokenizer.from_folder(trap, casing="published")
    expected = AutoTokenizer.from_pretrained(str(trap))
    for text in TEXTS:
        assert ids(tokenizer, text) == expected(text, add_special_tokens=False)["input_ids"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert tokenizer.fingerprint != PieceTokenizer.from_folder(trap).fingerprint


def test_offsets_and_round_trips_keep_the_correction(trap, tmp_path):
    from transformers import AutoTokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = PieceTokenizer.from_folder(trap)
    pieces = tokenizer.encode([TEXT])[0]
    covered = [TEXT[start:end] for start, end in zip(pieces.starts, pieces.ends)]
    names = tokenizer.strings(pieces.ids)
    assert all(name.removeprefix("##") == part or name == "[UNK]" for name, part in zip(names, covered))
    tokenizer.save(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for again in (PieceTokenizer.from_bytes(tokenizer.to_bytes()), PieceTokenizer.from_folder(tmp_path)):
            assert ids(again) == pieces.ids.tolist()
    assert AutoTokenizer.from_pretrained(str(tmp_path)).tokenize("Quarrytown") == ["Quarrytown"]


def test_uncased_vocabulary_stays_uncased(tmp_path):
    for trap in (False, True):
        folder = tmp_path / str(trap)
        write_wordpiece_folder(folder, cased=False, lower_case_trap=trap)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tokenizer = PieceTokenizer.from_folder(folder)
        assert ids(tokenizer, "Quarrytown") == ids(tokenizer, "quarrytown")
        assert "[UNK]" not in tokenizer.strings(ids(tokenizer, "Quarrytown"))


def test_a_few_capitals_do_not_make_a_vocabulary_cased(tmp_path):
    """Terms that somebody put into the unused places of an uncased vocabulary change nothing."""
    write_wordpiece_folder(tmp_path, cased=False)
    vocabulary = (tmp_path / "vocab.txt").read_text(encoding="utf-8").split("\n")
    vocabulary[1:4] = ["PHI", "DATE", "NAME"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = PieceTokenizer.from_folder(tmp_path)
    assert ids(tokenizer, "Quarrytown") == ids(tokenizer, "quarrytown")


def test_share_leaves_special_pieces_aside():
    assert cased_share(["[PAD]", "[unused3]", "<MASK>", "a", "##b"], {"<MASK>"}) == 0.0
    assert cased_share(["Ada", "##K", "a", "1"], ()) == 0.5
    assert cased_share([], ()) == 0.0


def written_with(trap: Path, folder: Path, normalizer) -> Path:
    """The same vocabulary in a tokenizer.json with another normalizer."""
    vocabulary = (trap / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    shutil.copy(trap / "config.json", folder)
    return folder


@pytest.mark.parametrize(
    ("normalizer", "keeps_accents"),
    [
        (normalizers.BertNormalizer(), True),
        (normalizers.BertNormalizer(strip_accents=True), False),
        (normalizers.Lowercase(), True),
        (normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]), True),
        (
            normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]),
            False,
        ),
        (normalizers.Sequence([normalizers.Sequence([normalizers.BertNormalizer()])]), True),
    ],
)
def test_every_form_of_lower_casing_is_found(trap, tmp_path, normalizer, keeps_accents):
    folder = written_with(trap, tmp_path / "e", normalizer)
    with pytest.warns(UserWarning, match="BC208"):
        tokenizer = PieceTokenizer.from_folder(folder)
    assert tokenizer.strings(ids(tokenizer, "Quarrytown")) == ["Quarrytown"]
    accented = tokenizer.strings(ids(tokenizer, "Sjögren"))
    assert ("ö" in "".join(accented)) == keeps_accents


def test_cased_folder_and_other_kinds_are_untouched(cased, tokenizer, kind):
    serialised = tokenizer._serialised
    assert restore_case(serialised, ()) == (serialised, None) or kind == "wordpiece"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = PieceTokenizer.from_folder(cased)
    assert same.fingerprint == PieceTokenizer.from_folder(cased, casing="published").fingerprint


def test_unknown_casing_is_said(cased):
    with pytest.raises(ValueError, match=r"BC209.*lower.*auto"):
        PieceTokenizer.from_folder(cased, casing="lower")


def test_arrays_have_the_usual_types(trap):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pieces = PieceTokenizer.from_folder(trap).encode([TEXT, ""])
    assert [len(one) for one in pieces][1] == 0
    assert pieces[0].ids.dtype == np.int32
