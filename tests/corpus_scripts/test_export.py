"""Out of .spacy files and in again, nothing changed: pytest tests/corpus_scripts/test_export.py."""

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import spacy
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from typer.testing import CliRunner

from corpus_scripts.export import app, export_docs
from corpus_scripts.formats.brat import read_brat, write_brat
from corpus_scripts.formats.conll import ConllOptions, read_conll
from corpus_scripts.formats.conll_exact import write_conll
from corpus_scripts.formats.jsonl import read_jsonl
from corpus_scripts.from_docbin import read_docs, to_record
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import to_doc, write_docbin
from corpus_scripts.tokenizer import make_tokenizer

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
TOKENIZE = make_tokenizer()
READERS = {
    "brat": lambda path: read_brat(path, Tally()),
    "conll": lambda path: read_conll(path, ConllOptions(), Tally()),
    "jsonl": lambda path: read_jsonl(path),
}

LABELS = st.sampled_from(["name", "B-date", "a_b", "gène", "O"])
TEXTS = st.text(st.sampled_from(list("ab.,-|\\_😀é\n\r\t  \u00a0\u2028\ufeff\x00")), min_size=1, max_size=40)


@st.composite
def records(draw, fragments, cats):
    """A record whose spans have no white-space edges; as fragments of one mention if asked."""
    text = draw(TEXTS)
    spans = []
    for number in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(text) - 1))
        span = TextSpan(start, draw(st.integers(start + 1, len(text))), draw(LABELS), f"T{number + 1}")
        trimmed = span.trimmed(text)
        if trimmed:
            spans.append(trimmed)
    meta = {}
    if fragments and len(spans) > 1:
        first, last = sorted(spans[:2], key=lambda span: span.start)
        # Fragments that only white space parts are one on reading.
        if first.end < last.start and text[first.end : last.start].strip():
            spans[:2] = [first, replace(last, id=first.id, label=first.label)]
            meta["discontinuous"] = [first.id]
    name = draw(st.sampled_from(["n", "sub/n 1", "é|\\s=x"]))
    assume(not (fragments and "\\" in name))
    labels = draw(st.none() | st.dictionaries(LABELS, st.floats(0, 1), min_size=1)) if cats else None
    found = draw(st.just(tuple(spans)) | st.none()) if cats else tuple(spans)
    tokens = None
    if draw(st.booleans()):
        doc = to_doc(Record("x", text, tuple(spans)), TOKENIZE, Tally())
        tokens = to_record(doc, tokens=True).tokens
    return Record(name, text, found, labels, meta, tokens)


def facts(doc):
    """All that a conversion puts into a Doc; spans in the order of the text."""
    spans = None
    if "gold" in doc.spans:
        spans = sorted((s.start, s.end, s.label_, s.id_) for s in doc.spans["gold"])
    ents = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    data = {key: value for key, value in doc.user_data.items() if key != "tokens"}
    annotated = doc.has_annotation("ENT_IOB")
    words = [token.text for token in doc]
    return doc.text, words, spans, annotated, ents, dict(doc.cats), json.loads(json.dumps(data))


def there_and_back(folder, record, format_name):
    source = folder / "one.spacy"
    write_docbin([record], source, tokenize=TOKENIZE)
    [doc] = read_docs(source, Vocab())
    export_docs(source, format_name, folder / "out", tally=Tally(), force=True)
    [back] = READERS[format_name](folder / "out")
    return doc, to_doc(back, TOKENIZE, Tally()), back


COMMON = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@given(records(fragments=True, cats=False))
@COMMON
def test_export_brat_round_trip_is_the_identity(tmp_path_factory, record):
    if record.tokens is not None:  # a format without tokens
        record = replace(record, tokens=None)
    before, after, _ = there_and_back(tmp_path_factory.mktemp("brat"), record, "brat")
    assert facts(after) == facts(before)


@given(records(fragments=True, cats=True))
@COMMON
def test_export_jsonl_round_trip_is_the_identity(tmp_path_factory, record):
    before, after, back = there_and_back(tmp_path_factory.mktemp("jsonl"), record, "jsonl")
    assert facts(after) == facts(before)
    assert back.tokens == record.tokens
    assert back.spans == record.spans or len(set(record.spans)) < len(record.spans)


def without_overlap(record):
    kept = []
    for span in record.spans:
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return replace(record, spans=tuple(kept), meta={"k": ["|", {"a b": None}]})


@given(records(fragments=False, cats=False))
@COMMON
def test_export_conll_round_trip_is_the_identity(tmp_path_factory, record):
    record = without_overlap(record)
    before, after, back = there_and_back(tmp_path_factory.mktemp("conll"), record, "conll")
    assert (back.text, back.id, back.meta) == (record.text, record.id, record.meta)
    assert back.tokens == to_record(before, tokens=True).tokens
    if record.tokens is not None:
        assert facts(after) == facts(before)
    mentions = sorted(record.spans, key=lambda span: span.start)
    assert back.spans == tuple(mentions)


@given(records(fragments=True, cats=True))
@COMMON
def test_export_record_of_a_doc_is_the_record_it_was_made_of(record):
    back = to_record(to_doc(record, TOKENIZE, Tally()))
    spans = None if record.spans is None else tuple(dict.fromkeys(record.spans))
    assert back == replace(record, spans=spans)


def test_export_record_of_a_doc_made_elsewhere():
    nlp = spacy.blank("en")
    doc = Doc(
        nlp.vocab, words=["Seen", "by", "Dr Orrin", "\n", "."], spaces=[True, True, False, False, False]
    )
    record = to_record(doc, name="d-1")
    assert (record.id, record.spans, record.labels) == ("d-1", None, None)
    assert record.tokens == ((0, 4), (5, 7), (8, 10), (11, 16), (17, 18))
    doc.ents = [Span(doc, 2, 3, label="name")]
    assert to_record(doc).spans == (TextSpan(8, 16, "name"),)
    doc.set_ents([], default="outside")
    assert to_record(doc).spans == ()
    doc.user_data["id"] = "n1"
    assert to_record(doc).tokens is None


def test_export_shards_are_read_in_order(tmp_path):
    for shard in range(3):
        wanted = [Record(f"n{shard}{number}", "some text", ()) for number in range(4)]
        write_docbin(wanted, tmp_path / "x.spacy" / f"0000{shard + 1}.spacy")
    found = [doc.user_data["id"] for doc in read_docs(tmp_path / "x.spacy", Vocab())]
    assert found == [f"n{shard}{number}" for shard in range(3) for number in range(4)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="BC620"):
        list(read_docs(tmp_path / "empty", Vocab()))


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def source(tmp_path):
    spans = (TextSpan(8, 13, "name", "T1"), TextSpan(0, 13, "note", "T2"))
    path = tmp_path / "dev.spacy"
    write_docbin([Record("a/n1", "Seen by Orrin.\n", spans), Record("n2", "Seen.", ())], path)
    return path


def test_export_command_writes_whole_outputs_only(tmp_path, source):
    result = run(source, "--format", "conll", "--output", tmp_path / "out" / "dev.conll")
    assert result.exit_code == 1
    assert "BC655" in result.output
    assert "a/n1" in result.output
    assert "--lossy" in result.output
    assert "Orrin" not in result.output
    assert list((tmp_path / "out").iterdir()) == []
    result = run(source, "--format", "conll", "--output", tmp_path / "out" / "dev.conll", "--lossy")
    assert result.exit_code == 0
    assert "2 documents" in result.output
    assert "overlapping_mention 1" in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dev.conll"]


@pytest.mark.parametrize("format_name", ["brat", "jsonl"])
def test_export_command_replaces_only_if_told_to(tmp_path, source, format_name):
    target = tmp_path / "made" / "out"
    assert run(source, "--format", format_name, "--output", target).exit_code == 0
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    result = run(source, "--format", format_name, "--output", target)
    assert result.exit_code == 1
    assert "BC657" in result.output
    assert run(source, "--format", format_name, "--output", target, "--force").exit_code == 0
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
    assert [record.id for record in READERS[format_name](target)] == ["a/n1", "n2"]


def test_export_command_leaves_the_old_folder_if_it_fails(tmp_path, source):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("kept")
    write_docbin([Record("n1", "x", (), {"A": 1.0})], source)
    result = run(source, "--format", "brat", "--output", folder, "--force")
    assert result.exit_code == 1
    assert "BC659" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dev.report.json", "dev.spacy", "out"]
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "extra", [["--format", "xml", "--output", "x"], ["--format", "jsonl", "--output", "x.gz"]]
)
def test_export_command_refuses_unknown_values(source, extra):
    result = run(source, *extra)
    assert result.exit_code == 1
    assert "BC622" in result.output


def test_export_refuses_an_empty_file(tmp_path):
    DocBin().to_disk(tmp_path / "x.spacy")
    with pytest.raises(ValueError, match="BC612"):
        export_docs(tmp_path / "x.spacy", "jsonl", tmp_path / "x.jsonl", tally=Tally())
    assert not (tmp_path / "x.jsonl").exists()


REAL = pytest.mark.skipif(
    not CORPORA.is_dir(),
    reason="the real corpora are not here (looked for ../shared/corpora beside the project)",
)


@REAL
@pytest.mark.parametrize("part", ["train", "dev"])
def test_export_real_social_history_files_come_back(tmp_path, part):
    folder = CORPORA / "social_history" / part
    first = list(read_brat(folder, Tally()))
    write_brat(first, tmp_path / "out")
    assert list(read_brat(tmp_path / "out", Tally())) == first
    for path in folder.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


@REAL
def test_export_real_bc5cdr_comes_back(tmp_path):
    data = gzip.decompress((CORPORA / "bio" / "BC5CDR-IOB" / "devel.tsv.gz").read_bytes())
    (tmp_path / "devel.tsv").write_bytes(b"\n\n".join(data.split(b"\n\n")[:1000]) + b"\n\n")
    first = list(read_conll(tmp_path / "devel.tsv", ConllOptions(given_tokens=True), Tally()))
    write_conll(first, tmp_path / "out.tsv")
    assert list(read_conll(tmp_path / "out.tsv", ConllOptions(), Tally())) == first


@REAL
def test_export_real_hoc_comes_back(tmp_path):
    first = [record for record in read_jsonl(CORPORA / "hoc" / "hoc.jsonl.xz") if record.text][:500]
    write_docbin(first, tmp_path / "a.spacy", tokenize=TOKENIZE)
    export_docs(tmp_path / "a.spacy", "jsonl", tmp_path / "a.jsonl", tally=Tally())
    assert list(read_jsonl(tmp_path / "a.jsonl")) == first
