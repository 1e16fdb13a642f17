"""The commands, as a user types them: pytest tests/corpus_scripts/test_convert.py."""

import json

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner

from corpus_scripts.convert import app
from corpus_scripts.corpora import CORPORA, find_corpus, read_corpus
from corpus_scripts.formats.brat import write_brat
from corpus_scripts.formats.jsonl import write_jsonl
from corpus_scripts.reading import FORMATS
from corpus_scripts.record import Record, TextSpan

IOB = "Aspirin\tB-Chemical\nhelps\tO\n\n" * 25


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def docs(path):
    return list(DocBin().from_disk(path).get_docs(Vocab()))


@pytest.fixture
def bc5cdr(tmp_path):
    folder = tmp_path / "in" / "BC5CDR-IOB"
    folder.mkdir(parents=True)
    for name in ("train", "devel", "test"):
        (folder / f"{name}.tsv").write_text(IOB)
    return folder


def test_convert_table_lines_are_sound():
    names = [corpus.name for corpus in CORPORA]
    assert len(set(names)) == len(names)
    assert {"bc5cdr", "ncbi_disease", "social_history", "deid", "phenotype"} <= set(names)
    for corpus in CORPORA:
        assert corpus.format in FORMATS
        assert corpus.task in ("ner", "textcat", "textcat_multilabel", "text")
        assert "train" in corpus.parts
        if corpus.task != "text":
            assert corpus.published_split or set(corpus.parts) | set(corpus.carve) == {"train", "dev", "test"}
        assert all(origin in corpus.parts for origin, _ in corpus.carve.values())
        assert corpus.licence
        assert corpus.source
        assert corpus.access
        assert json.dumps(corpus.facts())


def test_convert_list_names_every_corpus():
    result = run("list")
    assert result.exit_code == 0
    assert all(corpus.name in result.output for corpus in CORPORA)


@pytest.mark.parametrize("above", [True, False])
def test_convert_corpus_writes_three_parts(tmp_path, bc5cdr, above):
    result = run(
        "corpus", "bc5cdr", "--input", bc5cdr.parent if above else bc5cdr, "--output", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{part}.{ending}" for part in ("dev", "test", "train") for ending in ("report.json", "spacy")
    ]
    assert [len(list(doc.ents)) for doc in docs(tmp_path / "out" / "dev.spacy")] == [10, 10, 5]
    report = json.loads((tmp_path / "out" / "train.report.json").read_text())
    assert report["corpus"]["name"] == "bc5cdr"
    assert report["options"]["documents"] == "auto"
    assert str(tmp_path) not in json.dumps(report)


def test_convert_corpus_options_reach_the_reader(tmp_path, bc5cdr):
    run("corpus", "bc5cdr", "--input", bc5cdr, "--output", tmp_path / "out", "--documents", "sentence")
    assert len(docs(tmp_path / "out" / "train.spacy")) == 25


def test_convert_corpus_one_bad_part_writes_nothing(tmp_path, bc5cdr):
    (bc5cdr / "test.tsv").write_text(IOB + "Smith\n")
    result = run("corpus", "bc5cdr", "--input", bc5cdr, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "BC604" in result.output
    assert "line 76" in result.output
    assert "Traceback" not in result.output
    assert "Smith" not in result.output
    assert not list((tmp_path / "out").glob("[!.]*"))


def test_convert_corpus_refusals(tmp_path, bc5cdr):
    (bc5cdr / "test.tsv").unlink()
    for args, code in (
        (("bc5cdr", "--input", bc5cdr), "BC614"),
        (("bc6", "--input", bc5cdr), "BC613"),
        (("social_history", "--input", bc5cdr, "--repair", "drop"), "BC625"),
    ):
        result = run("corpus", *args, "--output", tmp_path / "out")
        assert result.exit_code == 1
        assert code in result.output
    assert run("corpus", "bc5cdr", "--input", tmp_path / "none", "--output", "x").exit_code == 2


def test_convert_corpus_carves_a_missing_test_part_once_and_for_all(tmp_path):
    for part, count in (("train", 40), ("dev", 5)):
        notes = [
            Record(f"{part}{n}", f"smokes {part} {n}", (TextSpan(0, 6, "Tobacco"),)) for n in range(count)
        ]
        write_brat(notes, tmp_path / "in" / part)
    found = []
    for out in ("one", "two"):
        result = run("corpus", "social_history", "--input", tmp_path / "in", "--output", tmp_path / out)
        assert result.exit_code == 0, result.output
        assert "test: 6 of the 40 documents of train" in result.output
        found.append([(tmp_path / out / f"{part}.spacy").read_bytes() for part in ("train", "dev", "test")])
    assert found[0] == found[1]
    ids = [
        {doc.user_data["id"] for doc in docs(tmp_path / "one" / f"{part}.spacy")}
        for part in ("train", "dev", "test")
    ]
    assert [len(part) for part in ids] == [34, 5, 6]
    assert not ids[0] & ids[2]
    report = json.loads((tmp_path / "one" / "test.report.json").read_text())
    assert report["seed"] == 0
    assert report["options"]["carved"] == {"from": "train", "documents": 6, "of": 40}
    write_brat([Record("t", "smokes", (TextSpan(0, 6, "Tobacco"),))], tmp_path / "in" / "test")
    run("corpus", "social_history", "--input", tmp_path / "in", "--output", tmp_path / "three")
    assert [len(docs(tmp_path / "three" / f"{part}.spacy")) for part in ("train", "dev", "test")] == [
        40,
        5,
        1,
    ]


def test_corpus_carving_keeps_the_same_words_together(tmp_path):
    rows = [
        Record(f"{n}-{mark}", f"drug{n} {mark}binds{mark} protein", None, None, {"label": "X"})
        for n in range(20)
        for mark in "<>"
    ]
    (tmp_path / "in").mkdir()
    for part in ("train", "dev"):
        write_jsonl(rows, tmp_path / "in" / f"{part}.jsonl")
    parts = {part.name: part for part in read_corpus(find_corpus("chemprot"), tmp_path / "in", seed=0)}
    stems = {name: {record.id.split("-")[0] for record in part.records} for name, part in parts.items()}
    assert len(parts["test"].records) == 8
    assert not stems["train"] & stems["test"]


def test_corpus_labels_are_mapped_and_unknown_ones_refused(tmp_path):
    rows = [Record(f"{n}", f"Orrin {n}", (TextSpan(0, 5, "NAME"),)) for n in range(20)]
    write_jsonl(rows, tmp_path / "asq_phi_spans.jsonl")
    parts = read_corpus(find_corpus("asq_phi"), tmp_path, seed=0)
    assert [len(part.records) for part in parts] == [14, 2, 4]
    assert {span.label for part in parts for record in part.records for span in record.spans or ()} == {
        "name"
    }
    write_jsonl(
        [*rows, Record("x", "Orrin", (TextSpan(0, 5, "SHOE_SIZE"),))], tmp_path / "asq_phi_spans.jsonl"
    )
    with pytest.raises(ValueError, match=r"BC623.*SHOE_SIZE"):
        read_corpus(find_corpus("asq_phi"), tmp_path, seed=0)


def test_corpus_parts_share_one_inventory_of_categories(tmp_path):
    (tmp_path / "train.jsonl").write_text(
        '{"text": "a b", "label": "X"}\n' * 1
        + "".join(f'{{"text": "c {n}", "label": "Y"}}\n' for n in range(9))
    )
    (tmp_path / "dev.jsonl").write_text('{"text": "d", "label": "Z"}\n')
    parts = read_corpus(find_corpus("chemprot"), tmp_path, seed=0)
    assert {tuple(record.labels or ()) for part in parts for record in part.records} == {("X", "Y", "Z")}


def test_convert_files_reads_each_format(tmp_path):
    (tmp_path / "a.tsv").write_text(IOB)
    write_brat([Record("n", "Orrin", (TextSpan(0, 5, "name"),))], tmp_path / "brat")
    (tmp_path / "c.jsonl").write_text('{"text": "a", "labels": ["X"]}\n')
    for source, options, count in (
        ("a.tsv", ["--documents", "file"], 1),
        ("brat", [], 1),
        ("c.jsonl", ["--labels", "X,Y"], 1),
    ):
        out = tmp_path / "out.spacy"
        result = run("files", tmp_path / source, "--output", out, *options)
        assert result.exit_code == 0, result.output
        assert len(docs(out)) == count
    assert docs(out)[0].cats == {"X": 1.0, "Y": 0.0}


def test_convert_files_refusals(tmp_path):
    (tmp_path / "a.data").write_text(IOB)
    (tmp_path / "empty.tsv").write_text("\n")
    for args, code in (
        ((tmp_path / "a.data", "--output", "x.spacy"), "BC621"),
        ((tmp_path / "a.data", "--output", "x.spacy", "--format", "xml"), "BC622"),
        ((tmp_path / "a.data", "--output", "x.bin", "--format", "conll"), "BC622"),
        ((tmp_path / "empty.tsv", "--output", tmp_path / "x.spacy"), "BC612"),
        (
            (tmp_path / "a.data", tmp_path / "a.data", "--output", tmp_path / "x.spacy", "--format", "conll"),
            "BC603",
        ),
    ):
        result = run("files", *args)
        assert result.exit_code == 1, result.output
        assert code in result.output
    assert not list(tmp_path.glob("*.spacy"))


def test_convert_help_shows_examples():
    assert "convert corpus bc5cdr --input" in run("corpus", "--help").output
    assert "convert files annotated/ --format brat" in run("files", "--help").output
