"""Names of encoders become folders: what wins, what never goes to the hub, what is said when it cannot be had.

Run: pytest tests/encoder/test_source.py
"""

import fnmatch
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_bioclinical.encoder.source import has_weights, looks_like_path, resolve_folder

HUB = "thomas-sounack/BioClinical-ModernBERT-base"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Replace the hub: every request is recorded and answered from `tmp_path/hub` with the files allowed."""
    requests = []

    def snapshot_download(name, *, allow_patterns, ignore_patterns):
        requests.append((name, tuple(allow_patterns)))
        folder, snapshot = tmp_path / "hub", tmp_path / f"snapshot{len(requests)}"
        if not folder.is_dir():
            raise ConnectionError("no network")
        snapshot.mkdir()
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            wanted = any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns)
            if path.is_file() and wanted and not any(fnmatch.fnmatch(name, p) for p in ignore_patterns):
                (snapshot / name).write_bytes(path.read_bytes())
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.chdir(tmp_path)
    return requests


def publish(tmp_path, *names):
    for name in names:
        path = tmp_path / "hub" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


@pytest.mark.parametrize(
    "name", ["bioclinical-modernbert-base", "BioClinical_ModernBERT-Base", HUB, HUB.lower()]
)
def test_names_ask_for_the_hub_name(asked, tmp_path, name):
    publish(tmp_path, "config.json", "model.safetensors", "tokenizer.json")
    folder = resolve_folder(name)
    assert [request[0] for request in asked] == [HUB]
    assert has_weights(folder)


def test_other_hub_names_are_asked_for_as_they_are(asked, tmp_path):
    publish(tmp_path, "config.json", "model.safetensors")
    resolve_folder("Some-Org/Some_Encoder")
    resolve_folder("bert-base-uncased")
    assert [request[0] for request in asked] == ["Some-Org/Some_Encoder", "bert-base-uncased"]


@pytest.mark.parametrize("name", ["bioclinical-modernbert-base", HUB])
def test_local_folder_wins_over_a_name(asked, tmp_path, name):
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / name / "config.json").write_text("{}")
    assert resolve_folder(name) == Path(name)
    assert asked == []


@pytest.mark.parametrize(
    "name",
    [
        *("./bioclinical-modernbert-base", "/models/biobert", "~/nowhere", "biobert/", "a/b/c", "a\\b"),
        *("encoders/tiny", "here/biobert", "../biobert", Path("biobert"), Path(HUB)),
    ],
)
def test_path_never_goes_to_the_hub(asked, tmp_path, name):
    (tmp_path / "here").mkdir()
    with pytest.raises(ValueError, match=r"BC104.*no such folder"):
        resolve_folder(name)
    assert asked == []


def test_path_and_name_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not any(looks_like_path(name) for name in ("biobert", HUB, "bert-base-uncased", "here/e"))
    (tmp_path / "here").mkdir()
    assert looks_like_path("here/e")


def test_home_folder_is_understood(tmp_path, monkeypatch):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "config.json").write_text("{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_folder("~/e") == tmp_path / "e"


def test_only_named_kinds_of_files_are_taken(asked, tmp_path):
    names = ["config.json", "model.safetensors", "vocab.txt", "spiece.model", "merges.txt", "tokenizer.json"]
    left = [
        "pytorch_model.bin",
        "tf_model.h5",
        "modeling_own.py",
        "onnx/model.safetensors",
        "onnx/config.json",
    ]
    publish(tmp_path, *names, *left)
    assert sorted(path.name for path in resolve_folder("biobert").iterdir()) == sorted(names)
    tokenizer = resolve_folder("biobert", needs_weights=False)
    assert sorted(path.name for path in tokenizer.iterdir()) == sorted(set(names) - {"model.safetensors"})


def test_weights_in_shards_are_weights(asked, tmp_path):
    publish(tmp_path, "config.json", "model.safetensors.index.json", "a.safetensors")
    assert has_weights(resolve_folder("biobert"))


def test_hub_with_pickled_weights_only_says_what_to_type(asked, tmp_path):
    publish(tmp_path, "config.json", "vocab.txt", "pytorch_model.bin")
    with pytest.raises(ValueError, match="BC151") as error:
        resolve_folder("bio-clinicalbert")
    command = "huggingface-cli download emilyalsentzer/Bio_ClinicalBERT --include"
    assert command in str(error.value)
    assert '"pytorch_model*.bin" --local-dir encoders/Bio_ClinicalBERT' in str(error.value)
    assert "convert-weights encoders/Bio_ClinicalBERT" in str(error.value)
    assert resolve_folder("bio-clinicalbert", needs_weights=False).is_dir()


def test_hub_out_of_reach_says_what_to_type(asked):
    with pytest.raises(ValueError, match=r"BC104.*ConnectionError") as error:
        resolve_folder("modernbert-base")
    assert "huggingface-cli download answerdotai/ModernBERT-base" in str(error.value)
    assert "--local-dir encoders/ModernBERT-base" in str(error.value)
    assert "Did you mean" not in str(error.value)


def test_unknown_name_suggests_close_ones(asked):
    with pytest.raises(ValueError, match=r"BC104.*Did you mean bioclinical-modernbert-base"):
        resolve_folder("bioclinical-modernbert-bse")
    with pytest.raises(ValueError, match="BC104") as error:
        resolve_folder("some-org/some-encoder")
    assert "Did you mean" not in str(error.value)


def test_missing_repository_is_told_from_a_missing_network(asked, monkeypatch):
    from huggingface_hub.errors import RepositoryNotFoundError

    class Refusal(RepositoryNotFoundError):
        def __init__(self):
            Exception.__init__(self, "404")

    def refuse(*args, **kwargs):
        raise Refusal

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ValueError, match=r"BC104.*the hub has no some-org/some-encoder"):
        resolve_folder("some-org/some-encoder")


def test_system_that_no_hub_holds_is_said(asked):
    with pytest.raises(ValueError, match=r"BC150.*tarball"):
        resolve_folder("discharge-summary-bert")
    assert asked == []


def test_folder_without_config_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"BC104.*no config\.json"):
        resolve_folder(tmp_path)


CODE = """
import sys
from spacy_bioclinical.encoder.source import resolve_folder
try:
    print(resolve_folder(sys.argv[1]))
except ValueError as error:
    print(error)
"""


def test_cache_serves_names_offline(tmp_path):
    """HF_HOME and HF_HUB_OFFLINE are the hub client's own; here a cache as it lays it out, in a process of its own."""
    repository = tmp_path / "hub" / f"models--{HUB.replace('/', '--')}"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    (snapshot / "config.json").write_text(json.dumps({"model_type": "modernbert"}))
    (snapshot / "model.safetensors").write_bytes(b"")
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)

    def resolve(name):
        command = [sys.executable, "-c", CODE, name]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
        )
        return done.stdout.strip()

    assert resolve("bioclinical-modernbert-base") == str(snapshot)
    answer = resolve("biobert")
    assert answer.startswith("[BC104]")
    assert "HF_HUB_OFFLINE is set" in answer
    assert len(answer.splitlines()) == 1
