"""Ids and a seed decide a split; it tears no group apart: pytest tests/corpus_scripts/test_split.py."""

import json

import pytest
from spacy.vocab import Vocab
from typer.testing import CliRunner

from corpus_scripts.from_docbin import read_docs
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.split import app, split, split_file
from corpus_scripts.to_docbin import record_id, write_docbin


def parts_of(items, seed=0, key=str, **fractions):
    return split(items, key, fractions=fractions or {"test": 0.2, "dev": 0.1}, rest="train", seed=seed)


@pytest.fixture
def source(tmp_path):
    notes = [
        Record(
            f"p{number % 12:02d}_{number}",
            f"Orrin came {number}",
            (TextSpan(0, 5, "name"),),
            {"X": number % 2},
        )
        for number in range(60)
    ]
    write_docbin(notes, tmp_path / "all.spacy")
    return tmp_path / "all.spacy"


def ids(converted):
    return [record_id(doc) for doc in docs_of(converted)]


def test_split_parts_are_disjoint_complete_and_of_the_size_asked():
    parts = parts_of(range(100))
    assert {name: len(items) for name, items in parts.items()} == {"train": 70, "test": 20, "dev": 10}
    assert sorted(item for items in parts.values() for item in items) == list(range(100))
    assert all(items == sorted(items) for items in parts.values())


def test_split_depends_on_the_seed_and_not_on_the_order():
    def sets(parts):
        return {name: set(items) for name, items in parts.items()}

    assert sets(parts_of(range(100))) == sets(parts_of(range(99, -1, -1)))
    assert sets(parts_of(range(100))) != sets(parts_of(range(100), seed=1))


def test_split_is_the_same_everywhere():
    # A golden value: if it changes, scores of carved test parts can no longer be compared with earlier ones.
    assert parts_of(range(10), test=0.3)["test"] == [1, 4, 8]


def test_split_groups_stay_together():
    parts = parts_of(range(100), key=lambda item: str(item % 12))
    owners: dict[int, str] = {}
    for name, items in parts.items():
        for item in items:
            assert owners.setdefault(item % 12, name) == name
    assert set(owners.values()) == {"train", "dev", "test"}


@pytest.mark.parametrize(
    "fractions", [{"test": 0.0}, {"test": 1.0}, {"test": 0.6, "dev": 0.4}, {"test": -0.1}]
)
def test_split_impossible_fractions_are_refused(fractions):
    with pytest.raises(ValueError, match="BC616"):
        parts_of(range(10), **fractions)


def test_split_empty_part_is_refused():
    with pytest.raises(ValueError, match=r"BC616.*2 documents"):
        parts_of(range(2))
    with pytest.raises(ValueError, match=r"BC616.*1 groups"):
        parts_of(range(20), key=lambda item: "same")


def parts_of_file(source, name="parts", **options):
    output = source.parent / name
    parts = split_file(source, output, **{"dev": 0.1, "test": 0.2, "seed": 0, **options})
    for part in parts:
        assert not part.path.exists()
        part.commit()
    return {part.report.name: part for part in parts}


def docs_of(part):
    return read_docs(part.path, Vocab())


def test_split_file_keeps_documents_whole(source):
    parts = parts_of_file(source)
    assert {name: part.report.documents for name, part in parts.items()} == {
        "train": 42,
        "dev": 6,
        "test": 12,
    }
    assert sorted(name for part in parts.values() for name in ids(part)) == sorted(
        f"p{n % 12:02d}_{n}" for n in range(60)
    )
    assert sum(part.report.ents["name"] for part in parts.values()) == 60
    docs = [doc for part in parts.values() for doc in docs_of(part)]
    assert all(doc.cats == {"X": float(int(record_id(doc).split("_")[1]) % 2)} for doc in docs)
    assert all([span.text for span in doc.spans["gold"]] == ["Orrin"] for doc in docs)
    again = parts_of_file(source, "again")
    for name, part in parts.items():
        assert part.path.read_bytes() == again[name].path.read_bytes()


def test_split_of_shards_into_shards_is_the_split_of_one_file(source):
    parts = parts_of_file(source)
    many = parts_of_file(source, "many", characters=100)
    assert many["train"].path.is_dir()
    assert {name: list(ids(part)) for name, part in many.items()} == {
        name: list(ids(part)) for name, part in parts.items()
    }
    twice = parts_of_file(many["train"].path, "twice")
    assert sum(part.report.documents for part in twice.values()) == 42


def test_split_file_by_patient(source):
    parts = parts_of_file(source, group=r"^(p\d+)_")
    patients = {name: {number.split("_")[0] for number in ids(part)} for name, part in parts.items()}
    assert not patients["train"] & patients["test"]
    assert not patients["train"] & patients["dev"]
    assert not patients["dev"] & patients["test"]


def test_split_command_writes_parts_and_reports(source):
    result = CliRunner().invoke(
        app, [str(source), "--output", str(source.parent / "parts"), "--seed", "4", "--dev", "0"]
    )
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (source.parent / "parts").iterdir())
    assert names == ["test.report.json", "test.spacy", "train.report.json", "train.spacy"]
    report = json.loads((source.parent / "parts" / "test.report.json").read_text())
    assert (report["seed"], report["documents"]) == (4, 6)
    assert report["sources"][0]["name"] == "all.spacy"


def test_split_command_needs_a_seed_and_a_docbin(source):
    assert CliRunner().invoke(app, [str(source), "--output", "x"]).exit_code == 2
    source.write_bytes(b"not a DocBin")
    result = CliRunner().invoke(app, [str(source), "--output", str(source.parent / "parts"), "--seed", "0"])
    assert result.exit_code == 1
    assert "BC620" in result.output
    assert not (source.parent / "parts").exists()
