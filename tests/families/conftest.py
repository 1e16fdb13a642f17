"""A trained pipeline of each family, made once: what a user has after `spacy train`."""

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from tests.conftest import NOTES
from tests.encoder.family_folders import NAMES, write_family_folder

NAME_OF_PATIENT = ["Ada Quill", "Dr. Orme", "Zoë Hale", "Mr. Tamsin"]


@dataclass(frozen=True)
class Trained:
    """One family's pipeline after a few updates.

    nlp (Language): the pipeline in memory.
    model (Path): the same pipeline on disk.
    examples (list[Example]): what it was trained on.
    losses (list[float]): the head's loss at each update.
    moved (float): the largest change of any weight of the encoder.
    """

    nlp: Any
    model: Path
    examples: list
    losses: list[float]
    moved: float


@pytest.fixture(scope="session")
def family_folders(tmp_path_factory):
    """The folder of each family."""
    folder = tmp_path_factory.mktemp("hub")
    return {name: write_family_folder(name, folder / name) for name in NAMES}


@pytest.fixture(scope="session")
def trained(family_folders, make_pipeline, tmp_path_factory):
    """Each family's pipeline, trained for a moment; the encoder's folder is gone afterwards."""
    work = tmp_path_factory.mktemp("trained")
    return {name: _train(name, family_folders[name], work / name, make_pipeline) for name in NAMES}


def _train(name, encoder_folder, work, make_pipeline):
    fix_random_seed(0)
    shutil.copytree(encoder_folder, work / "encoder")
    nlp = make_pipeline(
        work / "encoder", heads=[("bioclinical_ner", {})], initialize=False, precision="fp32", context=None
    )
    examples = []
    for patient in NAME_OF_PATIENT:
        text = f"Discharge Summary\n{patient} reports chest pain. Lungs clear; no fever."
        start = text.index(patient)
        entities = [(start, start + len(patient), "NAME")]
        examples.append(Example.from_dict(nlp.make_doc(text), {"entities": entities}))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*BC(208|157)")  # advice on Bio_ClinicalBERT and its like
        nlp.initialize(lambda: examples)
    shutil.rmtree(work / "encoder")
    encoder = nlp.get_pipe("transformer").model.shims[0].encoder
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    optimizer, losses = Adam(0.002), []
    for _ in range(40):
        losses_of_step: dict[str, float] = {}
        nlp.update(examples, sgd=optimizer, losses=losses_of_step)
        losses.append(losses_of_step["bioclinical_ner"])
    moved = max((value - before[key]).abs().max().item() for key, value in encoder.state_dict().items())
    nlp.to_disk(work / "model")
    return Trained(nlp, work / "model", examples, losses, moved)


@pytest.fixture(scope="session")
def corpus(trained, tmp_path_factory):
    """Texts of different lengths, one longer than the 512 pieces that most families read at once."""
    nlp = trained["bert"].nlp
    texts = [
        *NOTES,
        "Zoë Hale reports chest pain.",
        "\n".join(f"{patient} was seen. {note}" for patient in NAME_OF_PATIENT for note in NOTES),
        " ",
    ]
    path = tmp_path_factory.mktemp("corpus") / "test.spacy"
    DocBin(docs=[nlp.make_doc(text) for text in texts]).to_disk(path)
    return path
