"""The report: valid and self-contained, no text unless asked for, complete, the same bytes for the same inputs."""

import json
import re
import shutil
import statistics
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli.report.command import make_sections
from spacy_bioclinical.cli.report.inputs import read_inputs
from spacy_bioclinical.cli.report.markdown import model_card_section, render_markdown
from spacy_bioclinical.cli.report.page import render_page
from spacy_bioclinical.cli.report.suites import suite_lines
from tests.cli.report_inputs import (
    MARKER,
    SCRIPT,
    SUITE_SCORES,
    VERSIONS,
    suite_rows,
    write_all,
    write_corpus,
    write_scores,
)

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks that tags are balanced and gathers what is said."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.said = [], [], ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.said += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_all(folder)
    return folder


def run(*arguments):
    return CliRunner().invoke(bioclinical, ["report", *map(str, arguments)])


@pytest.fixture(scope="module")
def written(root):
    """All outputs of one run without text: the page, the Markdown and the model card."""
    names = [root / name for name in ("out.html", "out.md", "card.md")]
    options = ["--output", names[0], "--markdown", names[1], "--model-card", names[2], "--title", "A < B"]
    done = run(root / "metrics", root / "training", *options)
    assert done.exit_code == 0, done.output
    return done.output, *(name.read_text(encoding="utf8") for name in names)


def test_page_is_balanced_html_that_fetches_nothing(written):
    html = written[1]
    page = Page(html)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "b"}
    assert not re.search(r"https?:|url\(|@import|\bsrc=|\bon\w+=|javascript:", html)
    (policy,) = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "A < B" in page.said
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_tables_and_drawings_can_be_read_out(written):
    page = Page(written[1])
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    assert heads
    assert all(attrs["scope"] in ("col", "row") for attrs in heads)
    assert all(attrs["aria-label"] for tag, attrs in page.tags if tag == "table")
    boxes = [attrs for _, attrs in page.tags if attrs.get("class") == "scroll"]
    assert len(boxes) == page.count("table")
    assert all(attrs["tabindex"] == "0" for attrs in boxes)
    for svg in re.findall(r"<svg.*?</svg>", written[1], re.DOTALL):
        drawing = ElementTree.fromstring(svg)
        assert drawing.get("role") == "img"
        assert drawing.find("title").text
        assert drawing.find("desc").text


def test_every_section_comes_from_its_inputs(written, root):
    page = Page(written[1])
    assert "Nothing given" not in page.said
    for told in (
        "81.0 (80.0–85.0; 3)",  # median, range and number of seeds of task one, encoder a
        *("Other & Co", "90.0", "Table 2 of a paper"),
        *("entities, F1", "textcat, weighted F1", "by matching rule", "covered"),
        *("0-511", "512-4095", "seen", "unseen", "plan"),
        *("Longer is worth +19.0 points.", "one · a: score on dev", "one · a: loss of ner"),
        *("wrong boundary", "wrong type", "HOSPITAL", "1.7000", "held in 195 of them"),
        *("702", "62.00", "88.7", "71.00"),  # what the promised recall costs
        *("5,000", "4,900–5,100", "12.5", "note-2: "),
    ):
        assert told in page.said, told
    assert written[1].count('class="curve line-') >= 2 * 2
    shapes = sum("bubble" in attrs.get("class", "") for _, attrs in page.tags)
    details = json.loads((root / "metrics" / "deid.json").read_text())["details"]
    bins = [details["entities"]["calibration"]["bins"], details["classes"]["textcat"]["calibration"]["bins"]]
    assert shapes == sum(map(len, bins))


def test_missing_inputs_say_what_to_run(root):
    sections = make_sections(read_inputs([root / "metrics" / "deid.speed.json"]))
    html = render_page("x", sections)
    Page(html)
    missing = [section for section in sections if not section.parts]
    assert [section.key for section in sections if section.parts] == ["speed", "signatures"]
    assert html.count("Nothing given") == len(missing) == 8
    for section in missing:
        assert section.todo.startswith("python -m spacy bioclinical ")


def test_no_text_without_asking(root, written, tmp_path):
    for output in written:
        assert MARKER not in output
        assert "warfarin" not in output
        assert "Quill" not in output
    # what cannot be read cannot be told: the corpus is not even there
    shutil.copytree(root / "metrics", tmp_path / "metrics")
    shutil.copytree(root / "training", tmp_path / "training")
    out = tmp_path / "out.html"
    assert (
        run(tmp_path / "metrics", tmp_path / "training", "--output", out, "--title", "A < B").exit_code == 0
    )
    assert out.read_text(encoding="utf8") == written[1]


def test_text_is_escaped_and_the_page_says_it(root, tmp_path):
    out = tmp_path / "text.html"
    done = run(root / "metrics", "--with-text", root / "corpus" / "test.spacy", "--output", out)
    assert done.exit_code == 0, done.output
    assert MARKER not in done.output
    html = out.read_text(encoding="utf8")
    page = Page(html)
    assert MARKER in page.said
    assert SCRIPT in page.said
    assert "This page quotes documents" in page.said
    assert not {tag for tag, _ in page.tags} & {"script", "b"}
    folds = [attrs for tag, attrs in page.tags if tag == "details"]
    assert page.count("figure") >= 2 * len(folds) > 0
    assert page.count("figure") % 2 == 0
    marks = [attrs for tag, attrs in page.tags if tag == "mark"]
    assert len(marks) > 12
    # a long document is shown around its errors alone
    assert html.count(MARKER) < 60


def test_corpus_of_other_documents_is_refused(root, tmp_path):
    other = tmp_path / "other.spacy"
    write_corpus(other)
    other.write_bytes((root / "corpus" / "test.spacy").read_bytes() + b" ")
    done = run(root / "metrics", "--with-text", other, "--output", tmp_path / "x.html")
    assert done.exit_code == 1
    assert "BC471" in done.output
    records = write_corpus(other)
    write_scores(tmp_path / "m", other, [records[1], records[0], *records[2:-1], records[0]])
    done = run(tmp_path / "m", "--with-text", other, "--output", tmp_path / "x.html")
    assert done.exit_code == 1
    assert "BC472" in done.output
    assert MARKER not in done.output
    assert not (tmp_path / "x.html").exists()


def test_same_inputs_give_the_same_bytes_in_any_order(root, written):
    files = [*sorted((root / "metrics").glob("deid*")), root / "metrics" / "suite.json"]
    pages = [
        render_page("x", make_sections(read_inputs(each))) for each in (files, files[::-1], [*files, *files])
    ]
    assert pages[0] == pages[1] == pages[2]
    assert not re.search(r"20\d\d-\d\d-\d\d", pages[0])


def test_markdown_holds_whole_tables(written):
    lines = written[2].splitlines()
    blocks, block = [], []
    for line in [*lines, ""]:
        if line.startswith("|"):
            block.append(re.sub(r"\\.", "", line))
        elif block:
            blocks.append(block)
            block = []
    assert len(blocks) > 10
    for table in blocks:
        assert len({line.count("|") for line in table}) == 1
        assert set(table[1]) <= set("|:- ")
        assert len(table) > 2
    assert written[2].startswith("# A \\< B\n")
    assert "\\<b\\>DRUG" in written[2]
    assert "<" not in re.sub(r"\\<", "", written[2])
    scores = SUITE_SCORES["two"]["a"]
    assert f"| {100 * statistics.median(scores):.1f} | 50.0–60.0 |" in written[2]


def test_model_card_says_how_good_and_on_what(root, written):
    card = written[3]
    report = json.loads((root / "metrics" / "deid.json").read_text())
    assert card.startswith("## Evaluation\n")
    f = report["details"]["headline"]["entities.f"]
    low, high = f["interval"]
    assert f"| {100 * f['value']:.2f} | {100 * low:.2f}–{100 * high:.2f} |" in card
    for told in ("5,000", "1.7000", report["signature"]["data"]["sha256"][:12], "spacy-bioclinical 9.8.7"):
        assert told in card
    assert "note-" not in card
    assert "Speed" not in model_card_section({**report, "words_per_second": None})


def test_every_number_is_signed(written, root):
    page = Page(written[1])
    report = json.loads((root / "metrics" / "deid.json").read_text())
    foot = page.said[page.said.rindex("What was measured on what") :]
    assert report["signature"]["data"]["sha256"][:12] in foot
    assert foot.count(f"spacy-bioclinical {VERSIONS['spacy-bioclinical']}") >= 3
    assert "42–44" in foot
    for file in sorted((root / "metrics").iterdir()):
        assert (file.name in foot) == (file.name != "summary.json")


def test_medians_are_of_runs_that_belong_together():
    published = {"one": {"a": (0.83, "s")}}
    rows = suite_rows()
    lines = suite_lines({"rows": rows}, published)
    found = {(line["task"], line["encoder"]): line for line in lines}
    for task, encoders in SUITE_SCORES.items():
        for encoder, scores in encoders.items():
            line = found[task, encoder]
            assert line["median"] == statistics.median(scores)
            assert (line["low"], line["high"], line["n"]) == (min(scores), max(scores), len(scores))
    assert found["one", "a"]["published"] == {"a": 0.83}
    other = suite_rows(recipe={"name": "default", "config_sha256": "f" * 64}, score=0.1)
    both = suite_lines({"rows": [*rows, *other, {**rows[0], "kind": "sweep", "score": 0.99}]}, published)
    assert len(both) == 2 * len(lines)
    assert len({(line["task"], line["encoder"], line["recipe"]) for line in both}) == len(both)
    assert {line["median"] for line in both} == {0.1, *(line["median"] for line in lines)}


def test_wrong_inputs_are_named(root, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "broken.json").write_text("{")
    for arguments, code in (
        ([tmp_path / "other.json"], "BC468"),
        ([tmp_path / "broken.json"], "BC469"),
        ([root / "corpus"], "BC470"),
    ):
        done = run(*arguments, "--output", tmp_path / "x.html")
        assert done.exit_code == 1
        assert code in done.output
    done = run(
        root / "metrics" / "suite.json", "--output", tmp_path / "x.html", "--model-card", tmp_path / "c.md"
    )
    assert "BC473" in done.output
    assert not (tmp_path / "x.html").exists()


def test_equal_names_are_told_apart(root, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(root / "metrics", tmp_path / name)
    found = read_inputs([tmp_path / "a" / "deid.json", tmp_path / "b" / "deid.json"])
    assert [each.name for each in found.of("scores")] == ["a/deid", "b/deid"]
    html = render_markdown("x", make_sections(found))
    assert "a/deid" in html
    assert "b/deid" in html


def test_reports_of_a_suite_are_named_after_their_runs(root, tmp_path):
    scores = (root / "metrics" / "deid.json").read_text(encoding="utf8")
    paths = []
    for place, file in (
        ("wards/tiny/seed42-0a1b2c3d4e5f", "test-0badcafe.json"),
        ("wards/tiny/seed42-0a1b2c3d4e5f", "test-calibrated-0badcafe.json"),
        ("wards/tiny/seed43-0a1b2c3d4e5f", "test-0badcafe.json"),
        ("wards/tiny/seed42-ffffffffffff", "test-0badcafe.json"),
        ("elsewhere", "test-0badcafe.json"),
    ):
        paths.append(tmp_path / place / file)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_text(scores, encoding="utf8")
    names = {found.name for found in read_inputs(paths).files}
    assert {"wards · tiny · seed42 · test-calibrated", "wards · tiny · seed43", "test-0badcafe"} < names
    assert len(names) == 5  # the same run by two recipes is told apart
