"""Pickled weights become safetensors without running anything; what is not plain tensors is refused.

Run: pytest tests/cli/test_convert_weights.py
"""

import contextlib
import json
import os
import pickle
import stat

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli.convert_weights import convert_folder
from spacy_bioclinical.encoder import load_encoder


def tied_state():
    """A table as BERT's: tied weights, buffers, half precision, a transposed view, old names."""
    torch.manual_seed(0)
    table = torch.randn(7, 4)
    return {
        "bert.embeddings.word_embeddings.weight": table,
        "cls.predictions.decoder.weight": table,
        "bert.embeddings.LayerNorm.gamma": torch.nn.Parameter(torch.randn(4)),
        "bert.embeddings.position_ids": torch.arange(5)[None],
        "half": torch.randn(3).half(),
        "bf16": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        "view": torch.randn(3, 5).T,
        "slice": table[1:3],
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 4),
        "mask": torch.tensor([True, False]),
    }


def assert_same(one, other):
    assert set(one) == set(other)
    for key in one:
        assert one[key].dtype == other[key].dtype
        torch.testing.assert_close(one[key], other[key].detach(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before zip"])
def test_converted_tensors_are_those_of_the_file(tmp_path, is_zip):
    state = tied_state()
    file = tmp_path / "pytorch_model.bin"
    torch.save(state, file, _use_new_zipfile_serialization=is_zip)
    before = file.read_bytes()
    target, n_tensors = convert_folder(tmp_path)
    assert target == tmp_path / "model.safetensors"
    assert n_tensors == len(state)
    assert_same(load_file(target), state)
    assert file.read_bytes() == before
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "pytorch_model.bin"]


def test_shards_become_one_file(tmp_path):
    state = tied_state()
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, keys in parts.items():
        torch.save({key: state[key] for key in keys}, tmp_path / file)
    index = {"weight_map": {key: file for file, keys in parts.items() for key in keys}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    convert_folder(tmp_path)
    assert_same(load_file(tmp_path / "model.safetensors"), state)


def bert_folder(folder):
    """A whole masked-language model as the older hub folders hold it: config.json and pytorch_model.bin."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        attn_implementation="sdpa",
    )
    model = BertForMaskedLM(config).eval()
    config.save_pretrained(folder)
    state = model.state_dict()
    old = {key.replace("LayerNorm.weight", "LayerNorm.gamma"): value for key, value in state.items()}
    old = {key.replace("LayerNorm.bias", "LayerNorm.beta"): value for key, value in old.items()}
    torch.save(old, folder / "pytorch_model.bin")
    return model


def test_converted_encoder_computes_as_transformers(tmp_path):
    model = bert_folder(tmp_path)
    with pytest.raises(ValueError, match=r"BC106.*convert-weights"):
        load_encoder(tmp_path)
    done = CliRunner().invoke(bioclinical, ["convert-weights", str(tmp_path)])
    assert done.exit_code == 0, done.stdout
    assert "model.safetensors" in done.stdout
    ids = torch.randint(5, 60, (20,))
    with torch.no_grad():
        expected = model.bert(input_ids=ids[None]).last_hidden_state[0]
        assert (load_encoder(tmp_path)(ids, [20]) - expected).abs().max() < 2e-4


def test_transformers_reads_the_converted_folder(tmp_path):
    from transformers import BertForMaskedLM

    model = bert_folder(tmp_path)
    convert_folder(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    again, info = BertForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert again.cls.predictions.decoder.weight is again.bert.embeddings.word_embeddings.weight
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))


class Malicious:
    """Unpickling it runs a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("kind", ["zip", "before zip", "pickle 2", "pickle 4"])
def test_code_is_refused_and_never_run(tmp_path, kind):
    marker = tmp_path / "ran"
    file = tmp_path / "pytorch_model.bin"
    content = {"weight": torch.ones(2), "more": Malicious(marker)}
    if kind.startswith("pickle"):
        file.write_bytes(pickle.dumps(content["more"], protocol=int(kind[-1])))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(ValueError, match="BC155" if kind == "pickle 4" else r"BC155.*asks for \w+\.system"):
        convert_folder(tmp_path)
    assert not marker.exists()
    assert not (tmp_path / "model.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]
    # Guard against passing vacuously: the file does run its command where it is read without care.
    with contextlib.suppress(RuntimeError):  # a plain pickle is no whole file of torch
        torch.load(file, weights_only=False)
    assert marker.exists()


def test_command_reports_refusal(tmp_path):
    torch.save({"more": Malicious(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    done = CliRunner().invoke(bioclinical, ["convert-weights", str(tmp_path)])
    assert done.exit_code == 1
    assert "BC155" in done.stdout
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 cut short", b"<!DOCTYPE html>"])
def test_damaged_file_is_said(tmp_path, content):
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(ValueError, match="BC155"):
        convert_folder(tmp_path)


def test_cut_file_is_said(tmp_path):
    torch.save(tied_state(), tmp_path / "pytorch_model.bin")
    data = (tmp_path / "pytorch_model.bin").read_bytes()
    (tmp_path / "pytorch_model.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="BC155"):
        convert_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"state_dict": {"a": torch.ones(1)}, "epoch": 3}, r"BC156.*'state_dict' is a dict"),
        ({"a": torch.ones(1), "step": 3}, r"BC156.*'step' is a int"),
        ([torch.ones(1)], r"BC156.*the whole.*a list"),
        ({"a": torch.eye(3).to_sparse()}, r"BC156.*'a'"),
    ],
)
def test_anything_but_plain_tensors_is_said(tmp_path, content, match):
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=match):
        convert_folder(tmp_path)


def test_what_is_there_is_kept_unless_forced(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"BC154.*--force"):
        convert_folder(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    convert_folder(tmp_path, force=True)
    assert torch.equal(load_file(tmp_path / "model.safetensors")["a"], torch.ones(2))
    assert not (tmp_path / "model.safetensors.index.json").exists()


def test_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        convert_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]


def test_folder_without_pickled_weights_is_said(tmp_path):
    with pytest.raises(ValueError, match="BC153"):
        convert_folder(tmp_path)
    for given in ("./nothing", "/nothing/here", tmp_path / "nothing", "encoders/nothing"):
        with pytest.raises(ValueError, match="BC104"):
            convert_folder(given)


@pytest.mark.parametrize("name", ["bio-clinicalbert", "emilyalsentzer/Bio_ClinicalBERT"])
def test_name_says_what_to_download_first(name):
    with pytest.raises(ValueError, match="BC152") as error:
        convert_folder(name)
    assert "huggingface-cli download emilyalsentzer/Bio_ClinicalBERT" in str(error.value)
    assert '"pytorch_model*.bin" --local-dir encoders/Bio_ClinicalBERT && ' in str(error.value)
    assert str(error.value).endswith("convert-weights encoders/Bio_ClinicalBERT")


@pytest.mark.parametrize(
    "weight_map", [{"a": "../outside.bin"}, {"a": "/etc/hostname"}, {"a": "absent.bin"}, {"a": 3}, "x"]
)
def test_index_names_files_of_its_folder_only(tmp_path, weight_map):
    torch.save({"a": torch.ones(1)}, tmp_path / "outside.bin")
    folder = tmp_path / "e"
    folder.mkdir()
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ValueError, match="BC105"):
        convert_folder(folder)
