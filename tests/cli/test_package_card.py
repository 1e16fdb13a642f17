"""The README.md of a packaged pipeline: in the wheel, of this very pipeline, escaped, without text, paths and hosts."""

import hashlib
import json
import re
import socket
import zipfile

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_bioclinical.cli.package import build_pipeline_wheel
from spacy_bioclinical.cli.package_card import MARK, code_span, packaged_readme
from spacy_bioclinical.cli.package_facts import shown_source
from tests.cli.report_inputs import MARKER, write_all

LABELS = ["NAME", "CITY", "HOSPITAL", "<b>DRUG", "A|B", "tick`ed", "_x_ &lt;", "two\nlines"]


@pytest.fixture(scope="module")
def root(tmp_path_factory, encoder_folder, make_pipeline):
    """A pipeline with telling labels and its encoder's record, and metrics that are its own."""
    root = tmp_path_factory.mktemp("card")
    metrics = write_all(root)
    nlp = make_pipeline(encoder_folder, heads=[("bioclinical_ner", {})], initialize=False)
    words = [f"word{number}" for number in range(len(LABELS))]
    gold = [(6 * k, 6 * k + 5, label) for k, label in enumerate(LABELS)]
    example = Example.from_dict(nlp.make_doc(" ".join(words)), {"entities": gold})
    DocBin(docs=[example.reference]).to_disk(root / "train.spacy")
    nlp.config["corpora"] = {"train": {"@readers": "spacy.Corpus.v1", "path": str(root / "train.spacy")}}
    nlp.config["training"] = {**nlp.config.get("training", {}), "seed": 42, "max_steps": 7}
    loader = {"@misc": "spacy-bioclinical.EncoderFolder.v1", "name": str(encoder_folder)}
    nlp.initialize(lambda: [example])
    nlp.config["initialize"]["components"] = {"transformer": {"encoder_loader": loader}}
    nlp.meta.update({"name": "invented", "version": "0.3.0", "performance": {"ents_f": 0.123456}})
    nlp.to_disk(root / "model")
    record = {"encoder": str(encoder_folder), "files": {"model.safetensors": "c0ffee" * 10 + "1234"}}
    (root / "encoder.json").write_text(json.dumps(record))
    report = json.loads((metrics / "deid.json").read_text())
    report["classes"] = report["details"]["classes"] = {}
    figures = report["details"]["headline"].items()
    report["details"]["headline"] = {key: value for key, value in figures if not key.startswith("classes.")}
    report["signature"]["model"]["pipeline"] = nlp.pipe_names
    write(metrics / "deid.json", report)
    return root


def write(path, data):
    path.write_text(json.dumps(data))
    return path


def card(root, **given):
    return packaged_readme(root / "model", name="bioclinical_x", version="1.2.3", **given)


@pytest.fixture(scope="module")
def both(root):
    metrics = root / "metrics"
    return card(root, metrics=metrics / "deid.json", speed=metrics / "deid.speed.json")


def test_card_travels_in_the_wheel(root, both):
    metrics = root / "metrics"
    given = {"metrics": metrics / "deid.json", "speed": metrics / "deid.speed.json"}
    wheel = build_pipeline_wheel(root / "model", root / "out", name="bioclinical_x", version="1.2.3", **given)
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.read("en_bioclinical_x/en_bioclinical_x-1.2.3/README.md").decode("utf8")
        told = archive.read("en_bioclinical_x-1.2.3.dist-info/METADATA").decode("utf8")
        config = archive.read("en_bioclinical_x/en_bioclinical_x-1.2.3/config.cfg")
    assert inside == both
    assert both.strip() in told.replace("\r\n", "\n")
    assert hashlib.sha256(config).hexdigest()[:12] in both, "the hash is of the config in the package"


def test_card_tells_where_it_comes_from_how_good_it_is_and_its_limits(root, both):
    report = json.loads((root / "metrics" / "deid.json").read_text())
    assert "| **Name** | `en_bioclinical_x` |" in both
    assert "| **Version** | `1.2.3` |" in both
    figure = report["details"]["headline"]["entities.f"]
    low, high = figure["interval"]
    assert f"| {100 * figure['value']:.2f} | {100 * low:.2f}–{100 * high:.2f} |" in both
    for label in ("NAME", "CITY"):
        recall = report["details"]["entities"]["recall"][label]
        low, high = recall["interval"]
        assert f"| {100 * recall['recall']:.2f} | {100 * low:.2f}–{100 * high:.2f} |" in both
    data = hashlib.sha256((root / "train.spacy").read_bytes()).hexdigest()
    assert f"| training data | train.spacy | {data[:12]} |" in both
    for told in (
        "modernbert, 32 wide",
        "| c0ffeec0ffee |",
        "| seed | 42 |",
        "at most 7 steps",
        "Scores on 6 documents.",
        "| 5,000 |",
        report["signature"]["data"]["sha256"],
        "at most 8,192 pieces",
        "share 128 pieces",
        "not calibrated",
        "word of who packaged it",
    ):
        assert told in both, told


def test_labels_show_as_they_are(both):
    head, _, ours = both.partition(MARK)
    for span in (r"`A\|B`", "`` tick`ed ``", "`_x_ &lt;`", "`two lines`", "`<b>DRUG`"):
        assert span in head
    assert "odd-name" not in head
    assert r"\<b\>DRUG" in ours
    assert not re.search(r"(?<!\\)<", ours)
    blocks = re.findall(r"(?:^\|.*\|\n)+", both, re.MULTILINE)
    assert len(blocks) > 6
    for block in blocks:
        cells = {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1, block


@pytest.mark.parametrize(
    ("text", "span"), [("a", "`a`"), ("a`b", "`` a`b ``"), ("a|b", r"`a\|b`"), ("``", "``` `` ```")]
)
def test_code_spans_hold_what_they_are_given(text, span):
    assert code_span(text) == span


def test_card_names_no_path_no_host_no_text(root, both):
    for hidden in (str(root), root.name, MARKER, "Quarrytown", "note-"):
        assert hidden not in both
    assert not re.search(r"(?:^|[\s(`|])/\w", both)
    if len(socket.gethostname()) > 3:
        assert socket.gethostname() not in both
    assert shown_source("/srv/ward 7/encoder/") == "encoder"
    assert shown_source("C:\\models\\encoder") == "encoder"
    assert shown_source("org/base") == "org/base"
    assert shown_source("../secret/base") == "base"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "en_other"}, "name en_other, not en_invented"),
        ({"version": "9.9"}, "version 9.9, not 0.3.0"),
        ({"pipeline": ["ner"]}, "pipeline ner, not"),
        ({"seed": 7}, "seed 7, not 42"),
        ({"sha256": "0" * 64}, "SHA-256 000000000000, not"),
        ({"label": "PLANET"}, "'PLANET'"),
    ],
)
def test_scores_of_another_pipeline_are_refused(root, tmp_path, change, told):
    report = json.loads((root / "metrics" / "deid.json").read_text())
    if "seed" in change:
        report["signature"].update(change)
    elif "label" in change:
        labels = report["details"]["entities"]["slices"]["label"]
        labels[change["label"]] = {**labels["NAME"], "predicted": 1}
    else:
        report["signature"]["model"].update(change)
    with pytest.raises(ValueError, match="BC477") as error:
        card(root, metrics=write(tmp_path / "m.json", report))
    assert told in str(error.value)


def test_files_of_another_kind_are_refused(root, tmp_path):
    metrics = root / "metrics"
    (tmp_path / "broken.json").write_text("{")
    report = json.loads((metrics / "deid.json").read_text())
    del report["details"]["entities"]["recall"]
    for given in (
        {"metrics": metrics / "deid.speed.json"},
        {"metrics": tmp_path / "broken.json"},
        {"metrics": write(tmp_path / "part.json", report)},
        {"speed": metrics / "deid.json"},
        {"speed": write(tmp_path / "list.json", [])},
    ):
        with pytest.raises(ValueError, match="BC476"):
            card(root, **given)


def test_without_reports_the_card_says_so(root):
    text = card(root)
    assert "No scores were given" in text
    assert "word of who packaged it" not in text
    assert "## Limits" in text


def test_calibration_and_scores_on_seen_data_are_told(root, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.cfg", "meta.json", "transformer"):
        (model / name).symlink_to(root / "model" / name)
    meta = json.loads((model / "meta.json").read_text())
    meta["bioclinical"] = json.loads((root / "metrics" / "deid.calibration.json").read_text())
    meta["bioclinical"]["calibration"]["components"]["ner"]["thresholds"] = {"A|B &lt;": 0.25}
    (model / "meta.json").unlink()
    write(model / "meta.json", meta)
    report = json.loads((root / "metrics" / "deid.json").read_text())
    sha256 = hashlib.sha256((root / "train.spacy").read_bytes()).hexdigest()
    report["signature"] |= {"data": {"file": "x.spacy", "sha256": sha256}, "only_seen_pieces": 510}
    text = packaged_readme(model, name="x", version="1", metrics=write(tmp_path / "m.json", report))
    for told in (
        "1.7000",
        r"| ner | A\|B \&lt; | 0.2500 |",
        "promised",
        "before or after the calibration",
        "trained on: these scores say nothing",
        "Mentions from piece 510",
    ):
        assert told in text, told
    assert "not calibrated" not in text
    meta["bioclinical"] = {"tokenizer": {"split_words": 3}}
    write(model / "meta.json", meta)
    assert "not calibrated" in packaged_readme(model, name="x", version="1")


def test_readme_of_the_owner_stays_and_ours_is_written_anew(root, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for path in (root / "model").iterdir():
        (model / path.name).symlink_to(path)
    (model / "README.md").write_text("# Ours\n\nAsk ward 7.\n", encoding="utf8")
    once = packaged_readme(model, name="x", version="1")
    assert once.startswith("# Ours\n\nAsk ward 7.\n")
    assert once.count(MARK) == 1
    (model / "README.md").write_text(once, encoding="utf8")
    assert packaged_readme(model, name="x", version="1") == once
    (model / "README.md").write_text(card(root), encoding="utf8")
    assert "en_bioclinical_x" not in packaged_readme(model, name="x", version="1")
    assert spacy.__version__ in once
