"""`bioclinical speed` runs spaCy's benchmark with the pipeline's own batch size. Run: pytest tests/cli/test_speed.py"""

import json

import pytest
import spacy
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli import speed as speed_module
from spacy_bioclinical.cli.speed import own_batch_size


@pytest.fixture
def pipeline(tmp_path):
    def make(batch_size):
        nlp = spacy.blank("en", config={"nlp": {"batch_size": batch_size}})
        nlp.to_disk(tmp_path / "pipeline")
        return tmp_path / "pipeline"

    return make


@pytest.mark.parametrize("own", [1, 16, 1000])
def test_own_batch_size_is_what_the_loaded_pipeline_uses(pipeline, own):
    folder = pipeline(own)
    assert own_batch_size(folder) == own == spacy.load(folder).batch_size


@pytest.mark.parametrize(("options", "expected"), [((), 12), (("--batch-size", "3"), 3)])
def test_speed_asks_for_the_pipelines_batch_size_and_writes_it_down(
    pipeline, tmp_path, monkeypatch, options, expected
):
    asked = []

    def run(arguments, **settings):
        asked.extend(arguments)
        return ["Mean: 2000.0 words/s (95% CI: -20.0 +30.0)"]

    monkeypatch.setattr(speed_module, "run_python", run)
    corpus = tmp_path / "corpus.spacy"
    corpus.touch()
    arguments = ["speed", str(pipeline(12)), str(corpus), "--output", str(tmp_path / "speed.json"), *options]
    done = CliRunner().invoke(bioclinical, arguments)
    assert done.exit_code == 0, done.output
    assert asked[asked.index("--batch-size") + 1] == str(expected)
    written = json.loads((tmp_path / "speed.json").read_text())
    assert written["batch_size"] == expected
    assert written["words_per_second"] == 2000.0
    assert written["ci_95"] == [1980.0, 2030.0]
