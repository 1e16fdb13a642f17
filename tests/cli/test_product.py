"""From a trained pipeline to an installed one: same output, right requirements, no word of the notes in the wheel."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Config

from spacy_bioclinical import __version__
from spacy_bioclinical.cli.install import install_and_compare, present_versions, wheel_requirements
from spacy_bioclinical.cli.outputs import compare, describe
from spacy_bioclinical.cli.package import (
    build_pipeline_wheel,
    forget_words,
    outputs_path,
    plugin_requirements,
    requirement_name,
)
from spacy_bioclinical.cli.package_config import packaged_config, without_folders
from spacy_bioclinical.cli.wheel import build_wheel, copy_sources

SECRET = "Zebulonquist"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, encoder_folder, make_pipeline):
    """A pipeline with all kinds of heads, trained for a moment on notes with a telling name, and its corpus."""
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    parser = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 16,
        "maxout_pieces": 2,
        "use_upper": False,
        "tok2vec": listener,
    }
    cats = {
        "@architectures": "spacy-bioclinical.TextCatPooling.v1",
        "exclusive_classes": False,
        "tok2vec": listener,
    }
    heads = [("bioclinical_ner", {}), ("ner", {"model": parser}), ("textcat_multilabel", {"model": cats})]
    nlp = make_pipeline(encoder_folder, heads=heads, initialize=False)
    examples = []
    for number in range(6):
        doc = nlp.make_doc(f"Patient {SECRET}, {60 + number} years old, from Quarrytown. No fever.")
        annotation = {
            "entities": [(8, 8 + len(SECRET), "NAME"), (10 + len(SECRET), 12 + len(SECRET), "AGE")],
            "cats": {"FEVER": float(number % 2), "PAIN": 1.0},
        }
        examples.append(Example.from_dict(doc, annotation))
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    folder = tmp_path_factory.mktemp("trained")
    nlp.to_disk(folder / "model")
    DocBin(docs=[example.reference for example in examples]).to_disk(folder / "test.spacy")
    return folder / "model", folder / "test.spacy"


@pytest.fixture(scope="module")
def wheel(trained, tmp_path_factory):
    return build_pipeline_wheel(
        trained[0], tmp_path_factory.mktemp("packages"), name="bioclinical_all", version="1.2.3"
    )


def write_outputs(path, model, corpus):
    path.write_text(json.dumps({"documents": describe(str(model), corpus, 6)}))
    return path


def test_wheel_requires_plugin_torch_and_transformers(wheel):
    assert wheel.name == "en_bioclinical_all-1.2.3-py3-none-any.whl"
    required = {requirement_name(line): line for line in wheel_requirements(wheel)}
    ranges = plugin_requirements()
    assert required["torch"] == ranges["torch"]
    assert required["transformers"] == ranges["transformers"]
    major, minor, _ = (int(part) for part in __version__.split("."))
    assert f">={__version__}" in required["spacy-bioclinical"]
    assert f"<{major}.{minor + 1}.0" in required["spacy-bioclinical"]
    assert {"spacy", "spacy-transformers"} <= set(required)


def test_wheel_holds_no_word_of_the_notes_and_no_folder_of_the_machine(wheel, trained, encoder_folder):
    assert SECRET in (trained[0] / "vocab" / "strings.json").read_text(), "else this test proves nothing"
    assert str(encoder_folder.parent) in (trained[0] / "config.cfg").read_text(), (
        "else this test proves nothing"
    )
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert any(name.endswith("strings.json") for name in names)
        for name in names:
            assert SECRET.encode() not in archive.read(name), name
            assert str(encoder_folder.parent).encode() not in archive.read(name), name


def test_installed_wheel_says_the_same_from_another_folder(wheel, trained, tmp_path):
    """Installed without its dependencies, which are here already; the full check is `install-check`."""
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    expected = write_outputs(tmp_path / "expected.json", *trained)
    documents = json.loads(expected.read_text())["documents"]
    assert any(document["ents"] for document in documents), "else this test proves nothing"
    assert all(set(document["cats"]) == {"FEVER", "PAIN"} for document in documents)
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "spacy", "bioclinical", "outputs", "en_bioclinical_all", str(trained[1])]
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hub"),
    }
    subprocess.run(
        [*command, "--output", str(found), "--limit", "6"], check=True, cwd=tmp_path, env=environment
    )
    assert compare(expected, found, "en_bioclinical_all") <= 1e-5
    assert not (tmp_path / "hub").exists()


def test_forgetting_words_changes_no_output(trained, tmp_path):
    import shutil

    model, corpus = trained
    copy = tmp_path / "model"
    shutil.copytree(model, copy)
    forget_words(copy)
    assert SECRET not in (copy / "vocab" / "strings.json").read_text()
    before = write_outputs(tmp_path / "before.json", model, corpus)
    after = write_outputs(tmp_path / "after.json", copy, corpus)
    assert compare(before, after, "copy") <= 1e-6


def test_forgetting_folders_changes_no_output_and_leaves_no_path(trained, tmp_path):
    import shutil

    model, corpus = trained
    copy = tmp_path / "model"
    shutil.copytree(model, copy)
    config = Config().from_disk(copy / "config.cfg", interpolate=False)
    config["paths"]["encoder"] = "C:\\ward 7\\encoder"
    config["paths"]["dev"] = "../ward 7/dev.spacy"
    config["paths"]["train"] = "corpus/deid/train.spacy"
    config["corpora"]["train"]["path"] = ["/srv/ward 7/a.spacy", "~/ward 7/b.spacy", "${paths.train}"]
    config.to_disk(copy / "config.cfg", interpolate=False)
    (copy / "config.cfg").write_bytes(packaged_config(copy))
    written = (copy / "config.cfg").read_text()
    assert "ward" not in written
    assert str(tmp_path.parent) not in written
    kept = Config().from_disk(copy / "config.cfg", interpolate=False)
    expected = {"encoder": "encoder", "dev": "dev.spacy", "train": "corpus/deid/train.spacy"}
    assert {name: kept["paths"][name] for name in expected} == expected
    assert kept["corpora"]["train"]["path"] == ["a.spacy", "b.spacy", "${paths.train}"]
    assert (kept["components"], kept["training"]) == (config["components"], config["training"])
    before = write_outputs(tmp_path / "before.json", model, corpus)
    after = write_outputs(tmp_path / "after.json", copy, corpus)
    assert compare(before, after, "copy") == 0


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ("/srv/ward/encoder/", "encoder"),
        ("\\\\server\\share\\encoder", "encoder"),
        ("d:/ward/encoder", "encoder"),
        ("/", "/"),
        ("org/base", "org/base"),
        ("corpus/deid", "corpus/deid"),
        ("${paths.corpus}/train.spacy", "${paths.corpus}/train.spacy"),
        ("spacy-bioclinical.PackedTransformer.v1", "spacy-bioclinical.PackedTransformer.v1"),
        (["/srv/a", 1, None, {"x": "~ward/b"}], ["a", 1, None, {"x": "b"}]),
    ],
)
def test_only_paths_from_outside_are_cut(setting, kept):
    assert without_folders({"block": {"setting": setting}}) == {"block": {"setting": kept}}


def test_outputs_hold_offsets_and_scores_but_no_text(trained, tmp_path):
    path = write_outputs(tmp_path / "outputs.json", *trained)
    text = path.read_text()
    assert SECRET not in text
    assert "Quarrytown" not in text
    first = json.loads(text)["documents"][0]
    assert first["coverage"]["pieces"] == first["coverage"]["pieces_seen"] > 0


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda document: document["ents"].pop(), "entities"),
        (lambda document: document["ents"][0].__setitem__(0, 1), "entities"),
        (lambda document: document["cats"].pop("A"), "other labels"),
        (lambda document: document["cats"].__setitem__("A", 0.9 + 2e-4), "scores differ"),
        (lambda document: document["ents"][0].__setitem__(3, 0.5), "scores differ"),
        (lambda document: document["coverage"].__setitem__("windows", 2), "coverage"),
    ],
)
def test_any_difference_is_noticed(change, what, tmp_path):
    document = {"ents": [[0, 4, "NAME", 0.8]], "cats": {"A": 0.9}, "coverage": {"windows": 1}}
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps({"documents": [document, document]}))
    two.write_text(json.dumps({"documents": [document, document]}))
    assert compare(one, two, "same") == 0
    changed = json.loads(json.dumps(document))
    change(changed)
    two.write_text(json.dumps({"documents": [document, changed]}))
    with pytest.raises(ValueError, match=rf"(?s)BC514.*document 1.*{what}"):
        compare(one, two, "name")
    two.write_text(json.dumps({"documents": [document]}))
    with pytest.raises(ValueError, match=r"(?s)BC514.*1 documents instead of 2"):
        compare(one, two, "name")


def test_plugin_wheel_is_the_package_alone_and_reproducible(tmp_path):
    root = Path(__file__).parents[2]
    copy_sources(root, tmp_path / "source")
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "spacy_bioclinical-0.0.1-py3-none-any.whl").write_bytes(b"old")
    first = build_wheel(tmp_path / "source", tmp_path / "first")
    copy_sources(root, tmp_path / "again")
    second = build_wheel(tmp_path / "again", tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    assert [file.name for file in (tmp_path / "first").iterdir()] == [first.name], "old versions are removed"
    with zipfile.ZipFile(first) as archive:
        names = set(archive.namelist())
    modules = {path.relative_to(root).as_posix() for path in (root / "spacy_bioclinical").rglob("*.py")}
    assert modules <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"spacy_bioclinical"}
    assert "spacy_bioclinical/py.typed" in names


def test_present_versions_can_be_constraints():
    lines = present_versions()
    names = [line.split("==")[0].lower().replace("_", "-") for line in lines]
    assert {"torch", "spacy", "transformers"} <= set(names)
    assert "spacy-bioclinical" not in names
    assert len(names) == len(set(names))
    assert not any("+" in line or " " in line for line in lines)


def test_install_check_wants_its_files(tmp_path):
    wheel = tmp_path / "en_bioclinical_x-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"")
    assert outputs_path(wheel).name == "en_bioclinical_x.outputs.json"
    with pytest.raises(ValueError, match=r"(?s)BC513.*one wheel.*plugin"):
        install_and_compare([wheel], tmp_path / "none", tmp_path / "environment")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "p.whl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"(?s)BC513.*outputs.json.*package"):
        install_and_compare([wheel], tmp_path / "dist", tmp_path / "environment")


@pytest.mark.parametrize(
    ("line", "name"),
    [("torch<2.14,>=2.6", "torch"), ("Spacy_Transformers >=1.4", "spacy-transformers"), ("a.b[x]==1", "a-b")],
)
def test_requirement_name_is_normal(line, name):
    assert requirement_name(line) == name
