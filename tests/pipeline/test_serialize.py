"""What shapes the result survives to_bytes, to_disk and packaging. Run: pytest tests/pipeline/test_serialize.py"""

import shutil

import numpy
import pytest
import spacy
from spacy.util import load_model_from_config

from spacy_bioclinical.models.transformer import encoder_shim
from tests.pipeline.test_transformer import NER, TEXTCAT, rows_of, with_heads

SETTINGS = {"context": 48, "overlap": 12, "on_overflow": "window", "kernel": "banded", "precision": "bf16"}


def settings_of(nlp):
    shim = encoder_shim(nlp.get_pipe("transformer").model)
    assert shim.encoder.precision == shim.cfg["precision"]
    assert shim.encoder.kernel == shim.cfg["kernel"]
    return dict(shim.cfg)


@pytest.fixture
def trained(make_pipeline, short_encoder_folder, tmp_path):
    """A pipeline whose encoder folder is gone after initialisation."""
    folder = tmp_path / "encoder"
    shutil.copytree(short_encoder_folder, folder)
    nlp = make_pipeline(folder, heads=[TEXTCAT], initialize=False, **SETTINGS)
    with_heads(nlp)
    shutil.rmtree(folder)
    return nlp


def assert_same(one, other, notes):
    for doc, again in zip(one.pipe(notes), other.pipe(notes), strict=True):
        assert doc.cats == again.cats
    assert numpy.array_equal(rows_of(one(notes[0])), rows_of(other(notes[0])))
    assert one(notes[0])._.coverage == other(notes[0])._.coverage


def test_disk_round_trip(trained, tmp_path, notes):
    trained.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert settings_of(again) == settings_of(trained) == SETTINGS
    assert_same(trained, again, notes)


def test_bytes_round_trip(trained, notes):
    again = load_model_from_config(trained.config, auto_fill=True)
    again.from_bytes(trained.to_bytes())
    assert settings_of(again) == SETTINGS
    assert_same(trained, again, notes)


def test_component_bytes_restore_settings_into_a_default_component(trained, notes):
    other = spacy.blank("en")
    other.add_pipe("bioclinical_transformer", name="transformer")
    other.get_pipe("transformer").from_bytes(trained.get_pipe("transformer").to_bytes())
    assert settings_of(other) == SETTINGS
    assert numpy.array_equal(rows_of(other(notes[0])), rows_of(trained(notes[0])))


def test_config_wins_over_what_is_stored(trained, tmp_path, notes):
    trained.to_disk(tmp_path / "model")
    override = {"components.transformer.model.precision": "fp32", "components.transformer.model.context": 32}
    again = spacy.load(tmp_path / "model", config=override)
    assert settings_of(again) == {**SETTINGS, "precision": "fp32", "context": 32}
    assert again(notes[0])._.coverage["windows"] > trained(notes[0])._.coverage["windows"]


def test_memory_settings_follow_the_config(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model", config={"components.transformer.max_batch_pieces": 77})
    pipe = again.get_pipe("transformer")
    assert pipe.max_batch_pieces == pipe.model.attrs["max_batch_pieces"] == 77


def test_no_pickle_in_the_model_file(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    for path in (tmp_path / "model").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"torch._utils" not in data, path.name
            assert b"_rebuild_tensor" not in data, path.name


def test_sourced_component_keeps_its_output(trained, notes):
    other = spacy.blank("en", vocab=trained.vocab)
    other.add_pipe("transformer", source=trained)
    other.add_pipe("textcat", source=trained)
    assert_same(trained, other, notes)


@pytest.mark.parametrize("head", [NER, TEXTCAT], ids=["ner", "textcat"])
def test_replaced_listeners_keep_their_output(make_pipeline, short_encoder_folder, tmp_path, notes, head):
    nlp = make_pipeline(short_encoder_folder, heads=[head], initialize=False, overlap=12)
    with_heads(nlp)
    expected = [(doc.cats, [(e.text, e.label_) for e in doc.ents]) for doc in nlp.pipe(notes)]
    nlp.replace_listeners("transformer", head[0], ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert [(doc.cats, [(e.text, e.label_) for e in doc.ents]) for doc in nlp.pipe(notes)] == expected
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert [(doc.cats, [(e.text, e.label_) for e in doc.ents]) for doc in again.pipe(notes)] == expected
