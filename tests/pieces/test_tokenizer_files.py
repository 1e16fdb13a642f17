"""Saving and loading tokenizers, and what is said when it cannot work.

Run: pytest tests/pieces/test_tokenizer_files.py
"""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

TEXT = "The patient wasn't admitted [SEP] with  chest pain.\n\nPlan: re\u0301st \U0001f469 <s> x"


def assert_same(first: PieceTokenizer, second: PieceTokenizer) -> None:
    (one,), (two,) = first.encode([TEXT]), second.encode([TEXT])
    for name in ("ids", "starts", "ends", "is_space"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    for name in ("prefix_ids", "suffix_ids", "pad_id", "mask_id", "vocab_size", "special_ids", "max_length"):
        assert getattr(first, name) == getattr(second, name)
    assert first.fingerprint == second.fingerprint


def test_bytes_round_trip(tokenizer):
    data = tokenizer.to_bytes()
    again = PieceTokenizer.from_bytes(data)
    assert_same(tokenizer, again)
    assert again.to_bytes() == data


def test_copies_behave_as_the_original(tokenizer):
    assert_same(tokenizer, copy.deepcopy(tokenizer))
    assert_same(tokenizer, pickle.loads(pickle.dumps(tokenizer)))


def test_saved_folder_round_trip(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "new" / "encoder")
    assert_same(tokenizer, PieceTokenizer.from_folder(tmp_path / "new" / "encoder"))
    assert sorted(path.name for path in (tmp_path / "new" / "encoder").iterdir()) == [
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_saved_folder_loads_in_transformers(folders, kind, tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    saved = AutoTokenizer.from_pretrained(str(tmp_path))
    reference = AutoTokenizer.from_pretrained(str(folders[kind]))
    text = f"The patient was {reference.mask_token} with chest pain"
    assert saved(text)["input_ids"] == reference(text)["input_ids"]
    assert saved.mask_token_id in saved(text)["input_ids"]
    assert set(saved("pain")) == {"input_ids", "attention_mask"}
    assert saved.model_input_names == ["input_ids", "attention_mask"]
    assert saved.special_tokens_map == reference.special_tokens_map
    if tokenizer.max_length is None:
        assert saved.model_max_length > 1e20
    else:
        assert saved.model_max_length == tokenizer.max_length


def test_fingerprint_tells_tokenizers_apart(tokenizers, folders, tmp_path):
    assert len({tokenizer.fingerprint for tokenizer in tokenizers.values()}) == len(tokenizers)
    shutil.copytree(folders["bpe"], tmp_path / "changed")
    path = tmp_path / "changed" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["normalizer"] = None
    path.write_text(json.dumps(content))
    assert PieceTokenizer.from_folder(tmp_path / "changed").fingerprint != tokenizers["bpe"].fingerprint


def test_fingerprint_ignores_truncation_and_layout_of_the_file(tokenizers, folders, tmp_path):
    shutil.copytree(folders["wordpiece"], tmp_path / "same")
    path = tmp_path / "same" / "tokenizer.json"
    content = json.loads(path.read_text())
    assert content["truncation"] is not None
    content["truncation"] = content["padding"] = None
    path.write_text(json.dumps(content, indent=3, sort_keys=True))
    assert PieceTokenizer.from_folder(tmp_path / "same").fingerprint == tokenizers["wordpiece"].fingerprint


def test_role_tokens_that_the_file_calls_ordinary_become_special(folders, tmp_path):
    shutil.copytree(folders["bpe"], tmp_path / "plain")
    path = tmp_path / "plain" / "tokenizer.json"
    content = json.loads(path.read_text())
    for token in content["added_tokens"]:
        token["special"] = False
    path.write_text(json.dumps(content))
    tokenizer = PieceTokenizer.from_folder(tmp_path / "plain")
    assert "[SEP]" not in tokenizer.strings(tokenizer.encode(["a [SEP] b"])[0].ids)


def test_vocabulary_files_without_tokenizer_json_are_converted(folders, tokenizers, tmp_path):
    vocabulary = json.loads((folders["wordpiece"] / "tokenizer.json").read_text())["model"]["vocab"]
    names = sorted(vocabulary, key=vocabulary.__getitem__)
    (tmp_path / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    converted = PieceTokenizer.from_folder(tmp_path)
    text = "The patient was admitted with chest pain."
    (one,), (two,) = converted.encode([text]), tokenizers["wordpiece"].encode([text])
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.starts, two.starts)


@pytest.mark.parametrize("config", [None, {}, {"tokenizer_class": "FromAnotherVersion"}])
def test_tokenizer_json_is_enough_without_a_known_class(folders, tokenizers, tmp_path, config):
    shutil.copy(folders["bpe"] / "tokenizer.json", tmp_path)
    shutil.copy(folders["bpe"] / "special_tokens_map.json", tmp_path)
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    loaded = PieceTokenizer.from_folder(tmp_path)
    np.testing.assert_array_equal(loaded.encode([TEXT])[0].ids, tokenizers["bpe"].encode([TEXT])[0].ids)
    assert loaded.max_length is None


@pytest.mark.parametrize("written", [int(1e30), 1e30, None])
def test_absurd_length_is_none(tmp_path, written, folders):
    shutil.copytree(folders["bpe"], tmp_path / "long")
    path = tmp_path / "long" / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["model_max_length"] = written
    path.write_text(json.dumps(config))
    assert PieceTokenizer.from_folder(tmp_path / "long").max_length is None


def test_missing_folder_is_said(tmp_path):
    for name in (tmp_path / "nowhere", str(tmp_path / "nowhere"), "./nowhere", "a/b/nowhere"):
        with pytest.raises(ValueError, match="BC201"):
            PieceTokenizer.from_folder(name)


def test_folder_without_tokenizer_files_is_said(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"BC202.*tokenizer\.json"):
        PieceTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize("content", ["{", "{}", "[]", ""])
def test_damaged_tokenizer_json_is_said(folders, tmp_path, content):
    shutil.copytree(folders["bpe"], tmp_path / "cut")
    (tmp_path / "cut" / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match="BC205"):
        PieceTokenizer.from_folder(tmp_path / "cut")


def test_tokenizer_with_code_of_its_own_is_refused(folders, tmp_path):
    shutil.copy(folders["bpe"] / "tokenizer.json", tmp_path)
    marker = tmp_path / "ran"
    (tmp_path / "own.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Own: pass\n")
    config = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="BC205"):
        PieceTokenizer.from_folder(tmp_path)
    assert not marker.exists()


def test_slow_only_tokenizer_is_said(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"<unk>": 0, "a</w>": 1, "b</w>": 2}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CTRLTokenizer"}))
    with pytest.raises(ValueError, match="BC204"):
        PieceTokenizer.from_folder(tmp_path)


def test_hub_name_without_network_is_said(tmp_path):
    code = (
        "from spacy_bioclinical.pieces.tokenizer import PieceTokenizer\n"
        "try:\n    PieceTokenizer.from_folder('nobody/no-such-encoder')\n"
        "except ValueError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert output.stdout.startswith("[BC203]"), output.stderr[-2000:]
    assert len(output.stdout.strip().splitlines()) == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{}", b'{"format": "else"}', b"[1]"])
def test_bytes_of_something_else_are_refused(data):
    with pytest.raises(ValueError, match="BC206"):
        PieceTokenizer.from_bytes(data)


def test_bytes_with_a_damaged_tokenizer_are_refused(tokenizers):
    content = json.loads(tokenizers["bpe"].to_bytes())
    content["tokenizer"] = content["tokenizer"][:100]
    with pytest.raises(ValueError, match="BC206"):
        PieceTokenizer.from_bytes(json.dumps(content).encode())


def test_failed_save_leaves_the_old_file(tokenizers, tmp_path, monkeypatch):
    tokenizers["bpe"].save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def refuse(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        tokenizers["wordpiece"].save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
