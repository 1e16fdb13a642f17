"""Each family from its folder to an installed pipeline, the output the same at each step.

Load, train, save, package, load in a fresh process. Run: pytest tests/families
"""

import json
import os
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
import spacy
import torch
from transformers import AutoModel

from spacy_bioclinical.cli.outputs import describe
from spacy_bioclinical.cli.package import build_pipeline_wheel
from spacy_bioclinical.models.transformer import encoder_shim
from tests.conftest import NOTES
from tests.encoder.family_folders import NAMES, context_of

ADVICE = r".*BC(208|157)"  # what is said of Bio_ClinicalBERT's casing and Clinical ModernBERT's positions
PACKAGED = ("bert-cased-trap", "big-bird")  # one computed in our own torch, one through transformers
FRESH = """
import json, sys
from pathlib import Path
from spacy_bioclinical.cli.outputs import describe
corpus, *models = sys.argv[1:]
print(json.dumps({model: describe(model, Path(corpus), 100) for model in models}))
"""


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_family_learns(trained, name):
    """The gradient goes through listener and encoder."""
    family = trained[name]
    assert family.losses[-1] < family.losses[0] / 2
    assert family.moved > 1e-3
    encoder = encoder_shim(family.nlp.get_pipe("transformer").model).encoder
    assert encoder.context == context_of(name)
    assert family.nlp.evaluate(family.examples)["ents_f"] == 1.0


def test_rows_of_the_pipeline_are_those_of_transformers(family_folders, make_pipeline, name):
    """From the text of short and long documents to the last window's rows, against transformers on the same folder."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=ADVICE)
        nlp = make_pipeline(family_folders[name], precision="fp32", overlap=64, keep_hidden=True)
    shim = encoder_shim(nlp.get_pipe("transformer").model)
    model = AutoModel.from_pretrained(family_folders[name]).eval()
    docs = list(nlp.pipe([*NOTES[:2], long_text(shim)]))
    assert [doc._.coverage["windows"] for doc in docs] == [1, 1, 2]
    assert max(docs[-1]._.trf_data.wordpieces.lengths) <= shim.context == context_of(name)
    for doc in docs:
        assert doc._.coverage["pieces_seen"] == doc._.coverage["pieces"] > 0
        data = doc._.trf_data
        length = data.wordpieces.lengths[-1]
        ids_T = torch.as_tensor(data.wordpieces.input_ids[-1][:length], dtype=torch.long)
        rows = data.model_output.last_hidden_state[-1][:length]
        with torch.no_grad():
            assert np.abs(rows - rows_of(model, ids_T)).max() < 1e-4
        assert len(data.align.lengths) == len(doc)
        assert data.align.lengths.min() >= 1


def long_text(shim):
    """Text of between one and two windows."""
    text = NOTES[0] + "\n"
    n_pieces = len(shim.tokenizer.encode([text])[0])
    return text * (shim.context * 3 // 2 // n_pieces)


def rows_of(model, ids_T):
    if model.config.model_type == "big_bird":
        model.set_attention_type("block_sparse")  # a short window before would have switched it for good
    extra = {"attention_mask": torch.ones_like(ids_T)[None]}
    if model.config.model_type == "longformer":
        extra["global_attention_mask"] = (torch.arange(len(ids_T)) == 0).long()[None]
    return model(input_ids=ids_T[None], **extra).last_hidden_state[0].numpy()


def assert_same(found, expected):
    assert any(doc["ents"] for doc in expected), "else this test proves nothing"
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert [ent[:3] for ent in one["ents"]] == [ent[:3] for ent in other["ents"]]
        assert [ent[3] for ent in one["ents"]] == pytest.approx([ent[3] for ent in other["ents"]], abs=1e-4)
        assert one["coverage"] == other["coverage"]


def outputs_in_memory(nlp, corpus):
    """As `describe`, but of a pipeline that was never saved."""
    from spacy.tokens import DocBin

    texts = [doc.text for doc in DocBin().from_disk(corpus).get_docs(nlp.vocab)]
    return [
        {
            "ents": [[ent.start_char, ent.end_char, ent.label_, ent._.confidence] for ent in doc.ents],
            "coverage": doc._.coverage,
        }
        for doc in nlp.pipe(texts)
    ]


@pytest.fixture(scope="module")
def site(trained, tmp_path_factory):
    """Two wheels, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("site")
    for name in PACKAGED:
        wheel = build_pipeline_wheel(
            trained[name].model, folder / "wheels", name=package_of(name), version="1.0.0"
        )
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def package_of(name):
    return f"family_{name.replace('-', '_')}"


@pytest.fixture(scope="module")
def fresh_outputs(trained, corpus, site, tmp_path_factory):
    """What a process that knows nothing of this one finds: each saved pipeline and both installed packages."""
    models = [str(trained[name].model) for name in NAMES] + [f"en_{package_of(name)}" for name in PACKAGED]
    work = tmp_path_factory.mktemp("elsewhere")
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(work / "hub"),
    }
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(corpus), *models],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not (work / "hub").exists()
    found = json.loads(done.stdout.splitlines()[-1])
    return dict(zip([*NAMES, *map(package_of, PACKAGED)], (found[model] for model in models), strict=True))


def test_saved_pipeline_says_the_same(trained, corpus, name):
    expected = outputs_in_memory(trained[name].nlp, corpus)
    assert_same(describe(str(trained[name].model), corpus, 100), expected)
    n_windows = [doc["coverage"]["windows"] for doc in expected]
    assert (max(n_windows) > 1) == (context_of(name) == 512)


def test_fresh_process_says_the_same(trained, corpus, fresh_outputs, name):
    assert_same(fresh_outputs[name], outputs_in_memory(trained[name].nlp, corpus))


@pytest.mark.parametrize("name", PACKAGED)
def test_package_says_the_same(trained, corpus, fresh_outputs, name):
    assert_same(fresh_outputs[package_of(name)], outputs_in_memory(trained[name].nlp, corpus))


def test_bytes_say_the_same(trained, corpus, name):
    nlp = trained[name].nlp
    again = spacy.blank("en").from_config(nlp.config)
    again.from_bytes(nlp.to_bytes())
    assert_same(outputs_in_memory(again, corpus), outputs_in_memory(nlp, corpus))
