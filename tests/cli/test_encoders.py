"""The catalogue on the screen, the record of an encoder, and names where commands take an encoder.

Run: pytest tests/cli/test_encoders.py
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import spacy
from confection import Config
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli.compose import compose, encoder_overlay, fill
from spacy_bioclinical.cli.fetch import fetch
from spacy_bioclinical.encoder.catalogue import SYSTEMS

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return CliRunner().invoke(bioclinical, [str(argument) for argument in arguments])


def test_table_names_every_encoder_and_fits_the_screen():
    done = run("encoders")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 120
    for system in SYSTEMS:
        (row,) = [line for line in lines if line.startswith(f"{system.name} ")]
        assert (system.hub or "tarball") in row
        assert system.family in row
        assert str(system.context) in row
    assert "8192/128" in done.stdout
    notes = done.stdout.split("Know before use:")[1]
    assert "clinical-modernbert: Not a ModernBERT" in notes
    assert "bio-clinicalbert, bio-discharge-summary-bert: the published tokenizer lower-cases" in notes


def test_json_holds_every_fact():
    rows = json.loads(run("encoders", "--json").stdout)
    assert [row["name"] for row in rows] == [system.name for system in SYSTEMS]
    assert all(row["traps"] or row["name"] == "" for row in rows)
    one = json.loads(run("encoders", "Bio_ClinicalBERT", "--json").stdout)
    assert one == next(row for row in rows if row["name"] == "bio-clinicalbert")
    assert one["trained_context"] == 128


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_all_about_one_is_shown(system):
    done = run("encoders", system.hub or system.name)
    shown = " ".join(done.stdout.split())
    for text in (
        system.name,
        system.licence,
        system.source,
        system.trained_on,
        *system.traps,
        *system.unsure,
    ):
        assert " ".join(text.split()) in shown
    assert max(len(line) for line in done.stdout.splitlines()) <= 120


def test_unknown_name_is_an_error_with_a_suggestion():
    done = run("encoders", "bioclinical-modernbert-bas")
    assert done.exit_code == 1
    assert "BC158" in done.stdout
    assert "bioclinical-modernbert-base" in " ".join(done.stdout.split())


@pytest.fixture
def no_hub(monkeypatch):
    def offline(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)


@pytest.fixture
def hub(monkeypatch, encoder_folder):
    """A hub that answers one name with the tiny encoder."""
    asked = []

    def snapshot_download(name, **kwargs):
        asked.append(name)
        return str(encoder_folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return asked


def test_record_changes_with_the_encoder_and_with_nothing_else(encoder_folder, tmp_path):
    shutil.copytree(encoder_folder, tmp_path / "e")
    folder, record = fetch(str(tmp_path / "e"))
    assert folder == tmp_path / "e"
    assert record["encoder"] == str(tmp_path / "e")
    assert sorted(record["files"]) == sorted(path.name for path in encoder_folder.iterdir())
    for name, digest in record["files"].items():
        assert digest == hashlib.sha256((encoder_folder / name).read_bytes()).hexdigest()
    (tmp_path / "e" / "README.md").write_text("x")
    assert fetch(str(tmp_path / "e"))[1] == record
    (tmp_path / "e" / "config.json").write_text("{ }")
    assert fetch(str(tmp_path / "e"))[1] != record


def test_fetch_writes_the_record_of_a_name(hub, tmp_path):
    output = tmp_path / "training" / "encoder.json"
    done = run("fetch", "modernbert-base", "--output", output)
    assert done.exit_code == 0
    assert hub == ["answerdotai/ModernBERT-base"]
    record = json.loads(output.read_text())
    assert record["encoder"] == "modernbert-base"
    assert "model.safetensors" in record["files"]
    assert "Apache-2.0" in done.stdout
    written = output.stat().st_mtime_ns
    assert run("fetch", "modernbert-base", "--output", output).exit_code == 0
    assert output.stat().st_mtime_ns == written, "an unchanged record is not written again"
    output.write_text("{ damaged")
    assert run("fetch", "modernbert-base", "--output", output).exit_code == 0
    assert json.loads(output.read_text()) == record


def test_fetch_without_network_fails_and_writes_nothing(no_hub, tmp_path):
    done = run("fetch", "biobert", "--output", tmp_path / "encoder.json")
    assert done.exit_code == 1
    assert "BC104" in done.stdout
    assert "huggingface-cli download dmis-lab/biobert-v1.1" in " ".join(done.stdout.split())
    assert not (tmp_path / "encoder.json").exists()


def test_fetch_refuses_a_folder_without_safetensors(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    done = run("fetch", tmp_path)
    assert done.exit_code == 1
    assert "BC106" in done.stdout
    assert "convert-weights" in done.stdout


@pytest.mark.parametrize(
    "name", ["bioclinical-modernbert-base", "thomas-sounack/BioClinical-ModernBERT-base"]
)
def test_composed_config_keeps_the_name_and_loads_by_it(hub, name):
    """What `--vars.encoder NAME` does: compose writes the name, initialisation finds the folder."""
    from spacy.util import registry

    text = fill(compose([ROOT / "configs" / "task" / "deid.cfg"], encoder=name))
    config = Config().from_str(text)
    assert config["paths"]["encoder"] == name
    loader = registry.resolve(config["initialize"]["components"]["transformer"])["encoder_loader"]
    encoder, tokenizer = loader()
    assert hub == ["thomas-sounack/BioClinical-ModernBERT-base"]
    assert encoder.width == 32
    assert tokenizer.vocab_size <= encoder.config["vocab_size"]


def test_overlay_of_an_encoder_is_found_by_any_of_its_names(tmp_path):
    for name in ("tiny", "clinical-modernbert", "Bio_ClinicalBERT", "bio-clinicalbert"):
        (tmp_path / f"{name}.cfg").write_text("# one.\n")

    def overlay(encoder):
        return [path.stem for path in encoder_overlay(encoder, tmp_path)]

    assert overlay("encoders/tiny") == ["tiny"]
    for encoder in ("clinical-modernbert", "Simonlee711/Clinical_ModernBERT", "/e/Clinical_ModernBERT/"):
        assert overlay(encoder) == ["clinical-modernbert"]
    assert overlay("encoders/Bio_ClinicalBERT") == ["Bio_ClinicalBERT"], "its own last part comes first"
    assert overlay("bio-clinicalbert") == ["bio-clinicalbert"]
    assert overlay("modernbert-base") == overlay("encoders/other") == []


@pytest.fixture
def corpus(tmp_path):
    nlp = spacy.blank("en")
    (tmp_path / "corpus").mkdir()
    DocBin(docs=[nlp("pain " * 60)]).to_disk(tmp_path / "corpus" / "train.spacy")
    return tmp_path / "corpus"


def test_cut_takes_a_name(hub, corpus, tmp_path):
    done = run("cut", corpus, tmp_path / "out", "--pieces", 32, "--tokenizer", "bio-modernbert-base")
    assert done.exit_code == 0, done.stdout
    assert hub == ["thomas-sounack/Bio-ModernBERT-base"]
    assert "1 of 1 documents were longer" in " ".join(done.stdout.split())


def test_cut_takes_a_folder_that_holds_a_tokenizer_alone(no_hub, encoder_folder, corpus, tmp_path):
    (tmp_path / "t").mkdir()
    shutil.copy(encoder_folder / "tokenizer.json", tmp_path / "t")
    done = run("cut", corpus, tmp_path / "out", "--pieces", 32, "--tokenizer", tmp_path / "t")
    assert done.exit_code == 0, done.stdout


def test_cut_says_what_it_lacks(no_hub, corpus, tmp_path):
    done = run("cut", corpus, tmp_path / "out", "--tokenizer", tmp_path / "nothing")
    assert done.exit_code == 1
    assert "BC104" in done.stdout
    assert not (tmp_path / "out").exists()
