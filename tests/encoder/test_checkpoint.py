"""Folders in the Hugging Face layout: loaded strictly, written whole. Run: pytest tests/encoder/test_checkpoint.py"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, ModernBertForMaskedLM

from spacy_bioclinical.encoder import load_encoder
from spacy_bioclinical.encoder.checkpoint import load_masked_lm, save_folder, state_from_bytes, state_to_bytes
from tests.encoder.references import draw_ids, padded_rows, reference

LENGTHS = [30, 1, 70]


@pytest.fixture
def folder(tmp_path):
    """A masked-language-model folder as transformers writes it."""
    model = reference(ModernBertForMaskedLM)
    model.save_pretrained(tmp_path / "encoder", safe_serialization=True)
    return tmp_path / "encoder"


def change(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_encoder_of_a_masked_lm_folder_equals_reference(folder):
    ids = draw_ids(LENGTHS)
    hf_model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    with torch.no_grad():
        expected = padded_rows(hf_model.model, ids, LENGTHS)
        assert (load_encoder(folder)(ids, LENGTHS) - expected).abs().max() < 2e-4


def test_encoder_without_head_loads(tmp_path):
    reference().save_pretrained(tmp_path, safe_serialization=True)
    assert load_encoder(str(tmp_path)).width == 48


def test_masked_lm_equals_reference(folder):
    ids = draw_ids([60])
    labels = torch.where(torch.arange(60) % 3 == 0, draw_ids([60], seed=5), -100)
    hf_model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    model = load_masked_lm(folder).eval()
    with torch.no_grad():
        expected = hf_model(input_ids=ids[None], labels=labels[None])
        actual = model(ids, [60], labels)
    assert actual.n_labelled == 20
    assert (actual.logits_MV - expected.logits[0][labels != -100]).abs().max() < 2e-4
    assert abs(actual.loss - expected.loss) < 1e-4


def test_masked_lm_without_labels_has_zero_loss(folder):
    out = load_masked_lm(folder)(draw_ids([9]), [9], torch.full((9,), -100))
    assert out.n_labelled == 0
    assert out.loss.item() == 0.0
    out.loss.backward()


def test_saved_folder_is_what_transformers_reads(folder, tmp_path):
    model = load_masked_lm(folder)
    save_folder(model, tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    hf_model, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "again", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ids = draw_ids([40])
    with torch.no_grad():
        rows = hf_model.model(input_ids=ids[None]).last_hidden_state[0]
        assert (rows - load_encoder(folder)(ids, [40])).abs().max() < 2e-4
    again = load_masked_lm(tmp_path / "again")
    assert again.decoder.weight is again.model.embeddings.tok_embeddings.weight
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))


def test_sharded_folder_loads(folder):
    whole = load_encoder(folder).state_dict()
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, keys in parts.items():
        save_file({key: tensors[key] for key in keys}, folder / file)
    weight_map = {key: file for file, keys in parts.items() for key in keys}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (folder / "model.safetensors").unlink()
    assert all(torch.equal(value, whole[key]) for key, value in load_encoder(folder).state_dict().items())


def test_missing_key_is_named(folder):
    change(folder, lambda tensors: tensors.pop("model.layers.1.mlp.Wo.weight"))
    with pytest.raises(ValueError, match=r"BC107.*Missing: layers.1.mlp.Wo.weight"):
        load_encoder(folder)


def test_unexpected_key_is_named(folder):
    change(folder, lambda tensors: tensors.update({"model.layers.9.extra": torch.zeros(2)}))
    with pytest.raises(ValueError, match=r"BC107.*Unexpected: model.layers.9.extra"):
        load_encoder(folder)


def test_wrong_shape_is_named(folder):
    change(folder, lambda tensors: tensors.update({"model.final_norm.weight": torch.zeros(3)}))
    with pytest.raises(ValueError, match=r"BC107.*final_norm.weight \(3,\) instead of \(48,\)"):
        load_encoder(folder)


def test_masked_lm_needs_its_head(tmp_path):
    reference().save_pretrained(tmp_path, safe_serialization=True)
    with pytest.raises(ValueError, match=r"BC107.*Missing: decoder.bias, head.dense.weight"):
        load_masked_lm(tmp_path)


def test_pickled_weights_are_never_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="BC106"):
        load_encoder(folder)


def test_damaged_files_are_named(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])
    with pytest.raises(ValueError, match=r"BC105.*model.safetensors"):
        load_encoder(folder)
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(ValueError, match=r"BC105.*config.json: line 1"):
        load_encoder(folder)


@pytest.mark.parametrize("source", ["no/such/folder/here", "./nothing", "/nothing/here"])
def test_absent_folder_is_a_clear_error(source):
    with pytest.raises(ValueError, match="BC104"):
        load_encoder(source)


def test_hub_name_without_a_network_is_a_clear_error(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise ConnectionError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ValueError, match=r"BC104.*some-org/some-encoder.*ConnectionError"):
        load_encoder("some-org/some-encoder")


def test_folder_without_config_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"BC104.*config.json"):
        load_encoder(tmp_path)


def test_weights_survive_bytes_and_damaged_bytes_do_not(folder):
    encoder = load_encoder(folder)
    data = state_to_bytes(encoder)
    other = load_encoder(folder)
    with torch.no_grad():
        other.final_norm.weight.zero_()
    state_from_bytes(other, data, "bytes")
    assert torch.equal(other.final_norm.weight, encoder.final_norm.weight)
    with pytest.raises(ValueError, match="BC105"):
        state_from_bytes(other, data[:-50], "bytes")
