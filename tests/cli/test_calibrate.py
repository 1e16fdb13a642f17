"""`calibrate` end to end: a whole copy or none, its settings in place, said at load and by `info`, no text anywhere."""

import gzip
import json
import logging

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli.calibrate import calibrate_here
from spacy_bioclinical.cli.info import describe_folder
from spacy_bioclinical.cli.package import forget_words
from spacy_bioclinical.training.calibrated_copy import check_not_trained_on, check_output
from spacy_bioclinical.training.predictions import read_predictions
from spacy_bioclinical.training.recall_price import price_of_records
from tests.small_cnn import WORDS_CNN

SECRETS = ["Quillfeather", "Ormeswick", "Vesperine"]


def docs_of(nlp, first, n):
    for i in range(first, first + n):
        name = SECRETS[i % 3]
        doc = nlp.make_doc(f"Seen: {name} at home {i}. Then {name} left with {'a ' * (i % 4)}friend.")
        spots = [doc.text.index(name), doc.text.rindex(name)]
        doc.ents = [doc.char_span(spot, spot + len(name), label="NAME") for spot in spots[: 1 + (i % 7 > 0)]]
        doc.user_data["id"] = f"note-{i}"
        yield doc


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate")
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy-bioclinical.BioTagger.v1", "tok2vec": WORDS_CNN}
    nlp.add_pipe("bioclinical_ner", name="ner", config={"model": model})
    for name, first, n in (("train", 0, 30), ("dev", 30, 120), ("test", 150, 30)):
        DocBin(docs=list(docs_of(nlp, first, n)), store_user_data=True).to_disk(folder / f"{name}.spacy")
    nlp.config["corpora"] = {"train": {"@readers": "spacy.Corpus.v1", "path": str(folder / "train.spacy")}}
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs_of(nlp, 0, 30)]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder / "model")
    forget_words(folder / "model")
    return folder


@pytest.fixture(scope="module")
def calibrated(project):
    """Made by the command, in a child process as users run it."""
    options = ["--target-recall", "0.9", "--to-come", "200", "--check-splits", "20"]
    arguments = ["calibrate", str(project / "model"), str(project / "dev.spacy"), *options]
    arguments += ["--output", str(project / "new"), "--report", str(project / "report.json")]
    done = CliRunner().invoke(bioclinical, arguments)
    assert done.exit_code == 0, done.output
    return project / "new", done.output


def test_copy_differs_in_settings_and_meta_alone(project, calibrated):
    new, _ = calibrated
    files = {path.relative_to(new) for path in new.rglob("*") if path.is_file()}
    old = {path.relative_to(project / "model") for path in (project / "model").rglob("*") if path.is_file()}
    assert files == old
    changed = {
        str(path) for path in files if (new / path).read_bytes() != (project / "model" / path).read_bytes()
    }
    assert changed == {"meta.json", "ner/cfg"}
    assert not list(project.glob(".new*"))


def test_meta_tells_what_was_found_on_what(project, calibrated):
    new, _ = calibrated
    told = json.loads((new / "meta.json").read_text())["bioclinical"]
    assert told == json.loads((project / "report.json").read_text())
    found = told["calibration"]["components"]["ner"]
    assert found["n"] > 100
    assert found["after"]["ece"] <= found["before"]["ece"]
    assert found["after"]["bins"]
    assert len(told["calibration"]["signature"]["data"]["sha256"]) == 64
    promise = told["recall_target"]["components"]["ner"]
    assert (promise["target"], promise["to_come"], promise["n_documents"]) == (0.9, 200, 120)
    assert told["recall_target"]["check"]["splits"] == 20
    price = told["recall_target"]["price"]["ner"]
    assert price["words"] == sum(
        not token.is_space for doc in docs_of(spacy.load(new), 30, 120) for token in doc
    )
    assert price["before"]["entities"] <= price["after"]["entities"]
    cfg = spacy.load(new).get_pipe("ner").cfg
    assert cfg["recall_target"] == pytest.approx(promise)
    assert cfg["temperature"] == pytest.approx(found["temperature"])
    assert cfg["confidence_line"] == pytest.approx(found["line"])


def test_promise_is_said_at_load_and_by_info(calibrated, caplog):
    new, _ = calibrated
    with caplog.at_level(logging.INFO, logger="spacy_bioclinical"):
        spacy.load(new)
    (record,) = [each for each in caplog.records if each.name == "spacy_bioclinical"]
    assert "recall >= 0.9" in record.getMessage()
    rows = describe_folder(new)
    assert "calibration error" in rows["calibration of ner"]
    assert rows["recall target of ner"].startswith(">= 0.9 with confidence 0.95")


def test_price_of_the_promise_is_printed_and_shown_by_info(calibrated):
    new, output = calibrated
    told = json.loads((new / "meta.json").read_text())["bioclinical"]["recall_target"]["price"]["ner"]
    before, after = (f"{told[when]['entities']}" for when in ("before", "after"))
    line = f"{before} entities become {after}, their precision {100 * told['before']['precision']:.1f} %"
    assert f"ner: price: {line}" in output
    rows = describe_folder(new)
    assert rows["price of that in ner"].startswith(line)
    assert f"{told['after']['words_flagged_per_1000']:.1f}" in rows["words that go in ner"]


def test_promise_stays_in_a_package(calibrated):
    """What spaCy writes into a package's meta.json begins with the pipeline's."""
    new, _ = calibrated
    from spacy.cli.package import get_meta

    meta = get_meta(new, json.loads((new / "meta.json").read_text()))
    assert meta["bioclinical"]["recall_target"]["components"]["ner"]["target"] == 0.9


def test_nothing_quotes_a_document(project, calibrated):
    new, output = calibrated
    for name in SECRETS:
        assert name not in output
        assert name not in (project / "report.json").read_text()
        assert not any(name.encode() in path.read_bytes() for path in new.rglob("*") if path.is_file())


def test_prediction_file_is_checked_without_a_model(project, tmp_path):
    predictions, report = tmp_path / "p.jsonl.gz", tmp_path / "r.json"
    command = ["evaluate", str(project / "model"), str(project / "dev.spacy"), "--here", "--resamples", "0"]
    done = CliRunner().invoke(bioclinical, [*command, "--predictions", str(predictions), "--token-scores"])
    assert done.exit_code == 0, done.output
    check = ["calibrate", str(predictions), "--check-splits", "30", "--target-recall", "0.85"]
    done = CliRunner().invoke(bioclinical, [*check, "--report", str(report)])
    assert done.exit_code == 0, done.output
    result = json.loads(report.read_text())
    assert (result["splits"], result["target"], result["documents"]) == (30, 0.85, 120)
    records = read_predictions(predictions)
    assert result["mentions"] == sum(len(rec.entities.gold) for rec in records)
    assert result["price"] == price_of_records(records, result["promise"]["threshold"])
    assert f"{result['price']['after']['entities']}, their precision" in done.output
    bare = tmp_path / "bare.jsonl.gz"
    lines = [json.loads(line) for line in gzip.decompress(predictions.read_bytes()).splitlines()]
    for line in lines[1:]:
        del line["token_scores"]
    bare.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    done = CliRunner().invoke(bioclinical, ["calibrate", str(bare)])
    assert done.exit_code == 1
    assert "BC466" in done.output


def test_training_corpus_is_refused(project, tmp_path):
    renamed = tmp_path / "dev.spacy"
    renamed.write_bytes((project / "train.spacy").read_bytes())
    nlp = spacy.load(project / "model")
    with pytest.raises(ValueError, match="BC462"):
        check_not_trained_on(nlp, renamed)
    with pytest.raises(ValueError, match="BC462"):
        check_not_trained_on(nlp, tmp_path)  # a folder of shards
    check_not_trained_on(nlp, project / "dev.spacy")
    check_not_trained_on(spacy.blank("en"), renamed)


def test_folders_that_cannot_be_replaced_are_refused(project, tmp_path):
    model = project / "model"
    (tmp_path / "notes.txt").write_text("kept")
    for output in (model, model / "inside", project, tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match="BC463"):
            check_output(model, output)
    check_output(model, tmp_path / "new")
    with pytest.raises(ValueError, match="BC463"):
        calibrate_here(str(model), project / "dev.spacy", tmp_path)


def test_failure_leaves_the_old_copy(project, tmp_path, calibrated):
    new, _ = calibrated
    before = (new / "meta.json").read_bytes()
    with pytest.raises(ValueError, match="BC460"):
        calibrate_here(str(project / "model"), project / "test.spacy", new, wish=(0.9999, 0.95, None))
    assert (new / "meta.json").read_bytes() == before


def test_copy_can_be_calibrated_again_without_a_promise(project, calibrated, tmp_path):
    new, _ = calibrated
    told = calibrate_here(str(new), project / "dev.spacy", tmp_path / "again")
    assert "recall_target" not in told
    assert json.loads((tmp_path / "again" / "meta.json").read_text())["bioclinical"]["recall_target"] is None
    assert spacy.load(tmp_path / "again").get_pipe("ner").cfg["recall_target"] is None
    first = json.loads((new / "meta.json").read_text())["bioclinical"]["calibration"]["components"]
    assert told["calibration"]["components"] == first
    calibrate_here(str(project / "model"), project / "dev.spacy", tmp_path / "again")  # replaces


@pytest.mark.parametrize("options", [[], ["--output", "x", "--check-splits", "5"]])
def test_options_that_do_not_fit_are_refused(project, options):
    done = CliRunner().invoke(
        bioclinical,
        ["calibrate", str(project / "model"), *([str(project / "dev.spacy")] if options else []), *options],
    )
    assert done.exit_code == 1
    assert "BC467" in done.output
