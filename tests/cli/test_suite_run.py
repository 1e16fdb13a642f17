"""The whole runner once, with real children: compose, train two steps, calibrate, score, write the row. 30 seconds."""

import json
import random
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bioclinical.cli.suite.command import go
from spacy_bioclinical.cli.suite.plan import EncoderChoice, Suite, Task, choose
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.training.predictions import read_header, read_predictions
from tests.conftest import NOTES

ROOT = Path(__file__).parents[2]
SETTINGS = {"training.max_steps": 2, "training.eval_frequency": 1, "training.batcher.size": 300}


def write_corpus(folder, seed=0):
    """Invented notes whose two-word mentions stand anywhere."""
    nlp, rng = spacy.blank("en"), random.Random(seed)
    for part, n_docs in (("train", 6), ("dev", 3), ("test", 4)):
        kept = DocBin(store_user_data=True)
        for number in range(n_docs):
            doc = nlp(rng.choice(NOTES))
            start = rng.randrange(len(doc) - 2)
            doc.set_ents(
                [doc.char_span(doc[start].idx, doc[start + 1].idx + len(doc[start + 1]), label="DRUG")]
            )
            doc.user_data["id"] = f"{part}{number}"
            kept.add(doc)
        folder.mkdir(parents=True, exist_ok=True)
        kept.to_disk(folder / f"{part}.spacy")


def test_one_real_cell_end_to_end(encoder_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_corpus(tmp_path / "corpus")
    task = Task(
        "notes", ("configs/base.cfg", "configs/head/ner_bio.cfg"), {"paths.corpus": str(tmp_path / "corpus")}
    )
    suite = Suite(tasks=(task,), encoders=(EncoderChoice("small", str(encoder_folder)),), seeds=(7,))
    suite = choose(suite, settings=SETTINGS, calibrate=True)
    where = {"output": tmp_path / "suite.json", "folder": tmp_path / "training"}
    assert go(suite, jobs=1, keep="none", progress=False, **where) == (0, 1)
    (row,) = Results(tmp_path / "suite.json").rows()
    assert row["task"] == "notes"
    assert row["best"]["step"] in (1, 2)
    assert row["documents"] == 4
    assert 0 <= row["score"] <= 1
    assert row["calibrated"]
    assert row["recipe"]["name"] == "default+calibrated"
    assert row["calibration"]["ner"]["n"] > 0
    assert row["minutes"] > 0
    assert row["machine"]["threads"] >= 1
    folder = Path(row["files"]["folder"])
    records = read_predictions(folder / row["files"]["predictions"])
    assert [record.id for record in records] == ["test0", "test1", "test2", "test3"]
    report = json.loads((folder / row["files"]["report"]).read_text())
    assert report["entities"]["seqeval"]["f"] == row["score"]
    assert report["signature"]["seed"] == 7
    settings = read_header(folder / row["files"]["predictions"])["components"]["ner"]["settings"]
    assert settings["temperature"] == row["calibration"]["ner"]["temperature"] != 1.0, "the copy was scored"
    assert report["signature"]["data"]["sha256"] == row["data"]["test"]
    assert not list(folder.glob("model-*"))
    written = "".join(
        path.read_text(errors="replace") for path in (tmp_path / "suite.json", folder / "train.log")
    )
    assert "Quill" not in written + capsys.readouterr().out, "no word of a note"
    before = (folder / "train.log").stat().st_mtime_ns
    assert go(suite, jobs=1, progress=False, **where) == (0, 1)
    assert (folder / "train.log").stat().st_mtime_ns == before, "done is done"


@pytest.mark.parametrize("name", ["embedded", "public", "paper"])
def test_suite_files_of_the_project_compose(name, monkeypatch):
    from spacy_bioclinical.cli.compose import compose
    from spacy_bioclinical.cli.suite.cells import groups
    from spacy_bioclinical.cli.suite.plan import METRICS, overlays_for, read_suite, settings_for
    from spacy_bioclinical.cli.suite.table import read_published

    monkeypatch.chdir(ROOT)
    suite = read_suite(Path("configs/suite") / f"{name}.yml")
    suite = suite if suite.encoders else choose(suite, encoders=["encoders/tiny"])
    assert suite.name == name
    for task, encoder, recipe in groups(suite):
        files = [Path(file) for file in overlays_for(suite, task, encoder, recipe)]
        settings = settings_for(suite, task, encoder, recipe)
        composition = compose(files, encoder=encoder.source, overrides=settings)
        assert composition.config["paths"]["corpus"]
        assert task.metric in METRICS
    published = read_published(suite.published)
    assert {key.split(":")[0] for key in published} <= {task.name for task in suite.tasks}


def test_paper_suite_holds_the_rates_of_table_5(monkeypatch):
    import srsly

    from spacy_bioclinical.cli.suite.plan import LEARN_RATE, read_suite

    monkeypatch.chdir(ROOT)
    rates = srsly.read_yaml("configs/protocol/learn_rates.yml")
    suite = read_suite(Path("configs/suite/paper.yml"))
    found = {
        task.name: {size: part[LEARN_RATE] for size, part in task.by_size.items()} for task in suite.tasks
    }
    assert found == {task: {size: float(rate) for size, rate in each.items()} for task, each in rates.items()}
    assert {encoder.size for encoder in suite.encoders} == {"base", "large"}
