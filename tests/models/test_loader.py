"""EncoderFolder: what `[initialize]` names becomes encoder and tokenizer. Run: pytest tests/models/test_loader.py"""

import json
import shutil
import warnings

import pytest
import torch

from spacy_bioclinical.models.loader import build_encoder_folder_v1
from tests.pieces.tokenizer_folders import write_wordpiece_folder

NAME = "Quarrytown"


@pytest.fixture(scope="module")
def trap_folder(tmp_path_factory):
    """A whole tiny folder as that of Bio_ClinicalBERT: cased vocabulary, no tokenizer_config.json, no length."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoders") / "copy"
    torch.manual_seed(0)
    size = write_wordpiece_folder(folder, lower_case_trap=True)
    config = BertConfig(
        vocab_size=size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder, safe_serialization=True)
    assert not (folder / "tokenizer_config.json").exists()
    return folder


def test_case_is_kept_unless_the_published_behaviour_is_asked_for(trap_folder):
    with pytest.warns(UserWarning, match="BC208"):
        encoder, tokenizer = build_encoder_folder_v1(name=str(trap_folder))()
    assert tokenizer.strings(tokenizer.encode([NAME])[0].ids) == [NAME]
    assert (encoder.context, tokenizer.max_length) == (32, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, published = build_encoder_folder_v1(name=trap_folder, casing="published")()
    assert NAME not in published.strings(published.encode([NAME])[0].ids)


def test_pipeline_keeps_case_and_reads_to_the_encoders_positions(trap_folder, make_pipeline, tmp_path):
    """Without a length in the tokenizer, windows end at the encoder's last position; a saved pipeline stays so."""
    import spacy

    with pytest.warns(UserWarning, match="BC208"):
        nlp = make_pipeline(trap_folder, overlap=4)
    text = f"She lives in {NAME}. " * 8
    doc = nlp(text)
    assert doc._.coverage["windows"] > 1
    assert doc._.coverage["pieces"] == doc._.coverage["pieces_seen"]
    assert max(len(ids) for ids in doc._.trf_data.tokens["input_ids"]) <= 32
    nlp.to_disk(tmp_path / "nlp")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        again = spacy.load(tmp_path / "nlp")(text)
    assert (again._.trf_data.tensors[0] == doc._.trf_data.tensors[0]).all()


def test_folder_is_found_by_name_when_it_is_loaded_not_before(encoder_folder, monkeypatch, tmp_path):
    asked = []

    def snapshot_download(name, **kwargs):
        asked.append(name)
        return str(encoder_folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.chdir(tmp_path)
    load = build_encoder_folder_v1(name="bioclinical-modernbert-large")
    assert asked == []
    encoder, _ = load()
    assert asked == ["thomas-sounack/BioClinical-ModernBERT-large"]
    shutil.copytree(encoder_folder, tmp_path / "bioclinical-modernbert-large")
    config = json.loads((encoder_folder / "config.json").read_text())
    (tmp_path / "bioclinical-modernbert-large" / "config.json").write_text(
        json.dumps({**config, "max_position_embeddings": 99})
    )
    assert load()[0].context == 99, "the local folder wins"
    assert len(asked) == 1
    assert encoder.context != 99
