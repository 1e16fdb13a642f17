"""What the corpus doctor prints and writes quotes no document but by --samples; other commands read shards too."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from xml.etree import ElementTree

import spacy
from spacy.tokens import DocBin, Span
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli.debug_corpus.charts import bin_edges, histogram
from spacy_bioclinical.cli.evaluate import evaluate_here
from tests.cli.planted import CANARY, DRUGS, NLP, clean, copy_of

RUNNER = CliRunner()


class Page(HTMLParser):
    """What a page holds: tags with attributes, and texts by tag."""

    def __init__(self, text):
        super().__init__()
        self.tags: list = []
        self.open: list = []
        self.said = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said += data


def test_command_writes_reports_that_quote_nothing(tmp_path):
    train, test = clean(1, "a"), clean(2, "b", 20)
    odd = copy_of(train[0], "<b>&</b>")
    odd.set_ents([Span(odd, 0, 1, label="<script>alert(1)</script>"), Span(odd, 3, 5, label="DRUG")])
    for name, docs in (("train", train), ("test", [*test, odd])):
        (tmp_path / f"{name}.spacy").mkdir()
        for number, start in enumerate(range(0, len(docs), 25), 1):
            shard = DocBin(store_user_data=True, docs=docs[start : start + 25])
            shard.to_disk(tmp_path / f"{name}.spacy" / f"{number:05}.spacy")
    arguments = ["debug-corpus", str(tmp_path / "train.spacy"), str(tmp_path / "test.spacy"), "--least", "1"]
    arguments += ["--output", str(tmp_path / "report.json"), "--html", str(tmp_path / "report.html")]
    done = RUNNER.invoke(bioclinical, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf8"))
    html = (tmp_path / "report.html").read_text(encoding="utf8")
    assert report["duplicates"][0]["pairs"][0][:2] == ["a0", "<b>&</b>"]
    for output in (done.output, json.dumps(report), html):
        assert CANARY.lower() not in output.lower()
        assert not any(drug in output for drug in DRUGS)
    assert {finding["severity"] for finding in report["findings"]} == {"good", "warn", "fail"}
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe", "b")]
    assert not re.search(r"https?:|url\(|@import|\bsrc=", html)
    drawings = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]
    bars = [sum("bar" in part.get("class", "").split() for part in svg.iter()) for svg in drawings]
    n_bins = len(bin_edges(1024, 1)) - 1
    n_labels = 2
    assert len(drawings) == 4
    assert bars[2:] == [n_labels * 2, 0]
    assert 0 < bars[0] == bars[1] <= n_bins
    assert sum(part.get("class") == "cell" for part in drawings[3].iter()) == 4
    strict = RUNNER.invoke(bioclinical, [*arguments, "--strict"])
    assert strict.exit_code == 1
    assert "BC543" in strict.output
    with_samples = RUNNER.invoke(bioclinical, [*arguments, "--samples", "100"])
    assert with_samples.exit_code == 0
    html = (tmp_path / "report.html").read_text(encoding="utf8")
    page = Page(html)
    assert html.count(CANARY) >= 81
    assert "This page quotes 81 documents" in page.said
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script>alert" in page.said


def test_sample_with_overlapping_mentions_is_shown_and_escaped(tmp_path):
    text = "Took <i>ardanol</i> forte & water."
    doc = NLP.make_doc(text)
    doc.spans["gold"] = [Span(doc, 1, 5, label="DRUG"), Span(doc, 2, 4, label="FORM")]
    DocBin(store_user_data=True, docs=[doc]).to_disk(tmp_path / "train.spacy")
    arguments = [
        "debug-corpus",
        str(tmp_path / "train.spacy"),
        "--html",
        str(tmp_path / "p.html"),
        "--samples",
        "1",
    ]
    assert RUNNER.invoke(bioclinical, arguments).exit_code == 0
    page = Page((tmp_path / "p.html").read_text(encoding="utf8"))
    assert "i" not in {tag for tag, _ in page.tags}
    assert "ardanol" in page.said
    assert "FORM" in page.said


def test_histogram_bars_hold_every_document():
    lengths = [1, 5, 16, 17, 100, 511, 512, 513, 9000]
    edges = bin_edges(max(lengths), min(lengths))
    svg = ElementTree.fromstring(histogram("train", lengths, edges, "pieces", (512, 4096, 8192)))
    titles = " ".join(part.text or "" for part in svg.iter() if part.tag == "title")
    assert sum(map(int, re.findall(r"(\d+) documents", titles))) == len(lengths)
    assert sum(part.get("class") == "limit" for part in svg.iter()) == 3


def test_wrong_input_is_told(tmp_path):
    DocBin(docs=clean(1, "a", 2)).to_disk(tmp_path / "x.spacy")
    DocBin().to_disk(tmp_path / "none.spacy")
    path = str(tmp_path / "x.spacy")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.spacy").write_bytes(b"no")
    for arguments, code in (
        ([path, path], "BC542"),
        ([str(tmp_path / "none.spacy")], "BC541"),
        ([str(tmp_path / "empty")], "BC451"),
        ([str(tmp_path / "bad.spacy")], "BC452"),
        ([path, "--group", "("], "BC540"),
        ([path, "--samples", "2"], "BC540"),
    ):
        done = RUNNER.invoke(bioclinical, ["debug-corpus", *arguments])
        assert done.exit_code == 1, arguments
        assert code in done.output, arguments


def test_other_commands_read_folders_of_shards(tmp_path, encoder_folder):
    docs = clean(1, "a", 7)
    (tmp_path / "in" / "train.spacy").mkdir(parents=True)
    for number, start in enumerate((0, 4), 1):
        DocBin(store_user_data=True, docs=docs[start : start + 4]).to_disk(
            tmp_path / "in" / "train.spacy" / f"{number:05}.spacy"
        )
    DocBin(store_user_data=True, docs=docs).to_disk(tmp_path / "whole.spacy")
    nlp = spacy.blank("en")
    patterns = [{"label": "DRUG", "pattern": drug} for drug in DRUGS]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "model")
    reports = []
    for name in ("whole.spacy", "in/train.spacy"):
        evaluate_here(str(tmp_path / "model"), tmp_path / name, tmp_path / "scores.json", -1)
        reports.append(json.loads((tmp_path / "scores.json").read_text()))
    assert reports[0]["entities"] == reports[1]["entities"]
    assert reports[1]["entities"]["spacy"]["f"] == 1.0
    arguments = ["cut", str(tmp_path / "in"), str(tmp_path / "out"), "--pieces", "20"]
    done = RUNNER.invoke(bioclinical, [*arguments, "--tokenizer", str(encoder_folder)])
    assert done.exit_code == 0
    assert "7 of 7" in done.output
    assert sorted(path.name for path in (tmp_path / "out" / "train.spacy").iterdir()) == [
        "00001.spacy",
        "00002.spacy",
    ]
    arguments = ["outputs", str(tmp_path / "model"), str(tmp_path / "in" / "train.spacy"), "--limit", "6"]
    assert RUNNER.invoke(bioclinical, [*arguments, "--output", str(tmp_path / "o.json")]).exit_code == 0
    written = json.loads((tmp_path / "o.json").read_text())["documents"]
    assert Counter(len(document["ents"]) for document in written) == {1: 6}
