"""The checksum of a pipeline's folder: changed weights and names of files change it, descriptions do not."""

import hashlib

from spacy_bioclinical.training.model_hash import model_hash


def test_is_that_of_all_files_but_descriptions(tmp_path):
    (tmp_path / "ner").mkdir()
    (tmp_path / "ner" / "model").write_bytes(b"weights")
    (tmp_path / "config.cfg").write_text("[nlp]")
    found = model_hash(tmp_path)
    lines = f"{hashlib.sha256(b'[nlp]').hexdigest()}  config.cfg\n"
    lines += f"{hashlib.sha256(b'weights').hexdigest()}  ner/model\n"
    assert found == hashlib.sha256(lines.encode()).hexdigest()
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "README.md").write_text("a card")
    assert model_hash(tmp_path) == found
    (tmp_path / "ner" / "meta.json").write_text("{}")  # a component's own file is not a description
    assert model_hash(tmp_path) != found
    (tmp_path / "ner" / "meta.json").unlink()
    (tmp_path / "ner" / "model").write_bytes(b"weights, trained on")
    assert model_hash(tmp_path) != found
    (tmp_path / "ner" / "model").write_bytes(b"weights")
    (tmp_path / "ner" / "model").rename(tmp_path / "ner" / "cfg")
    assert model_hash(tmp_path) != found
