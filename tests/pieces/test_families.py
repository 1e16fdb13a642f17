"""Each family's files as a hub lays them out: the pieces are those of transformers, offsets those of the words.

Run: pytest tests/pieces/test_families.py
"""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from spacy_bioclinical.pieces.loading import SENTENCEPIECE_NEEDS
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from tests.conftest import write_byte_level_tokenizer
from tests.pieces.tokenizer_folders import (
    TEXTS,
    write_bigbird_tokenizer_folder,
    write_roberta_tokenizer_folder,
    write_wordpiece_folder,
)

ODD = [
    "  Two  spaces, a\ttab,\n\n a new line ",
    "José Núñez\u00a0had 25\u202fmg; re\u0301sume\u0301, \ufb01brillation, \u00bd tab",
    "\U0001f469\u200d\u2695\ufe0f saw him (WBC<3.4/nl) ... -- >> 100%",
    "x",
    "",
]


def write_modernbert(folder: Path) -> int:
    write_byte_level_tokenizer(folder)
    return len(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])


WRITERS = {
    "bert": lambda folder: write_wordpiece_folder(folder, max_length=512),
    "bert uncased": lambda folder: write_wordpiece_folder(folder, cased=False, max_length=512),
    "roberta": write_roberta_tokenizer_folder,
    "big_bird": write_bigbird_tokenizer_folder,
    "modernbert": write_modernbert,
}
FILES = {
    "bert": ["config.json", "tokenizer_config.json", "vocab.txt"],
    "bert uncased": ["config.json", "tokenizer_config.json", "vocab.txt"],
    "roberta": ["config.json", "merges.txt", "tokenizer_config.json", "vocab.json"],
    "big_bird": ["config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"],
    "modernbert": ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"],
}
LENGTHS = {"bert": 512, "bert uncased": 512, "roberta": 512, "big_bird": 4096, "modernbert": 8192}


@pytest.fixture(scope="module", params=WRITERS)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    path = tmp_path_factory.mktemp("families") / family.replace(" ", "-")
    size = WRITERS[family](path)
    assert PieceTokenizer.from_folder(path).vocab_size == size
    return path


@pytest.fixture(scope="module")
def both(folder):
    """Ours and transformers' own."""
    from transformers import AutoTokenizer

    return PieceTokenizer.from_folder(folder), AutoTokenizer.from_pretrained(str(folder), use_fast=True)


def test_files_are_those_of_the_hub(family, folder):
    assert sorted(path.name for path in folder.iterdir()) == FILES[family]


@pytest.mark.parametrize("text", TEXTS + ODD)
def test_pieces_are_those_of_transformers(both, text):
    ours, theirs = both
    ids = ours.encode([text])[0].ids.tolist()
    expected = theirs(text)
    assert [*ours.prefix_ids, *ids, *ours.suffix_ids] == expected["input_ids"]
    assert set(expected.get("token_type_ids", [0])) == {0}, "one text is all of type 0"


@pytest.mark.parametrize("text", TEXTS)
def test_offsets_are_those_of_the_words(both, text):
    """Trimmed of the space that byte-level and SentencePiece pieces carry; every visible character is covered."""
    ours, _ = both
    pieces = ours.encode([text])[0]
    covered: set[int] = set()
    for start, end, is_space in zip(pieces.starts, pieces.ends, pieces.is_space):
        assert is_space or start == end or text[start:end] == text[start:end].strip()
        covered |= set(range(start, end))
    assert {i for i, char in enumerate(text) if not char.isspace()} <= covered


def test_length_and_special_pieces_are_the_files_own(family, both):
    ours, theirs = both
    assert ours.max_length == LENGTHS[family]
    assert ours.prefix_ids == (theirs.cls_token_id,)
    assert ours.suffix_ids == (theirs.sep_token_id,)
    assert ours.pad_id == theirs.pad_token_id
    assert ours.mask_id == theirs.mask_token_id
    assert set(theirs.all_special_ids) <= ours.special_ids


def test_tokenizer_without_a_length_is_fine(tmp_path):
    write_roberta_tokenizer_folder(tmp_path, max_length=None)
    tokenizer = PieceTokenizer.from_folder(tmp_path)
    assert tokenizer.max_length is None
    assert len(tokenizer.encode(["pain " * 3000])[0]) >= 3000


def prefix_space_copy(folder: Path, target: Path, *, add: bool) -> Path:
    shutil.copytree(folder, target)
    path = target / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "add_prefix_space": add}), encoding="utf-8")
    return target


@pytest.mark.parametrize("family_name", ["roberta", "modernbert"])
@pytest.mark.parametrize("add", [True, False])
def test_prefix_space_is_what_the_files_ask_for(tmp_path, family_name, add):
    from transformers import AutoTokenizer

    WRITERS[family_name](tmp_path / "e")
    copy = prefix_space_copy(tmp_path / "e", tmp_path / "copy", add=add)
    ours, theirs = PieceTokenizer.from_folder(copy), AutoTokenizer.from_pretrained(str(copy))
    for text in [*TEXTS, "patient", " patient", "\npatient"]:
        pieces = ours.encode([text])[0]
        assert pieces.ids.tolist() == theirs(text, add_special_tokens=False)["input_ids"]
        first = next(i for i, char in enumerate(text) if not char.isspace())
        assert first in pieces.starts.tolist()
    alone, inside = (ours.encode([text])[0].ids.tolist() for text in ("patient", "The patient"))
    assert (inside[-len(alone) :] == alone) == add, "only a prefix space makes the first word like any other"


def test_published_modernbert_puts_no_space_before_a_text(modernbert):
    """The tokenizer rebuilt from the published one: as transformers has it at the start of a document, and inside."""
    from transformers import AutoTokenizer

    folder = Path(__file__).resolve().parents[2].parent / "shared" / "tokenizers" / "modernbert"
    theirs = AutoTokenizer.from_pretrained(str(folder))
    for text in [*TEXTS, *ODD, "Patient", " Patient", "Admission Date:  [**2031-3-4**]"]:
        pieces = modernbert.encode([text])[0]
        assert pieces.ids.tolist() == theirs(text, add_special_tokens=False)["input_ids"]
    first, inside = (modernbert.encode([text])[0] for text in ("Patient", "The Patient"))
    assert modernbert.strings(first.ids) == ["Patient"]
    assert modernbert.strings(inside.ids) == ["The", "ĠPatient"]
    assert (inside.starts.tolist(), inside.ends.tolist()) == ([0, 4], [3, 11])
    assert modernbert.prefix_ids == (50281,)
    assert modernbert.suffix_ids == (50282,)
    assert (modernbert.pad_id, modernbert.mask_id, modernbert.max_length) == (50283, 50284, 8192)


def test_published_modernbert_with_the_prefix_space_of_its_reference_training(modernbert, tmp_path):
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "tokenizers" / "modernbert"
    spaced = PieceTokenizer.from_folder(prefix_space_copy(folder, tmp_path / "copy", add=True))
    pieces = spaced.encode(["Patient seen"])[0]
    assert spaced.strings(pieces.ids) == ["ĠPatient", "Ġseen"]
    assert (pieces.starts.tolist(), pieces.ends.tolist()) == ([0, 8], [7, 12])
    assert spaced.fingerprint != modernbert.fingerprint


def sentencepiece_only(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "big_bird"}))
    (folder / "spiece.model").write_bytes(b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
    return folder


def test_sentencepiece_file_alone_says_what_to_install(tmp_path, monkeypatch):
    from spacy_bioclinical.pieces import loading

    def refuse(*args, **kwargs):
        raise ImportError("requires the protobuf library")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", refuse)
    folder = sentencepiece_only(tmp_path / "bird")
    monkeypatch.setattr(loading, "_is_installed", lambda package: package == "sentencepiece")
    with pytest.raises(ValueError, match=r"BC207.*spiece\.model.*pip install sentencepiece protobuf"):
        PieceTokenizer.from_folder(folder)
    monkeypatch.setattr(loading, "_is_installed", lambda package: True)
    with pytest.raises(ValueError, match="BC205"):
        PieceTokenizer.from_folder(folder)
    (folder / "tokenizer.json").write_text("{")
    monkeypatch.setattr(loading, "_is_installed", lambda package: False)
    with pytest.raises(ValueError, match="BC205"):
        PieceTokenizer.from_folder(folder)


def test_damaged_sentencepiece_file_is_an_error_of_ours(tmp_path):
    """With both packages here the file is called damaged, without them their names are given."""
    from spacy_bioclinical.pieces.loading import _is_installed

    is_here = all(_is_installed(package) for package in SENTENCEPIECE_NEEDS)
    assert importlib.util.find_spec("numpy") is not None
    assert _is_installed("numpy")
    assert not _is_installed("no_such_package.inside")
    with pytest.raises(ValueError, match="BC205" if is_here else "BC207"):
        PieceTokenizer.from_folder(sentencepiece_only(tmp_path / "bird"))
