"""Sources: how they are written down, what their rules leave out, and how often their documents are seen."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pretrain.sources import Source, parse_source, read_data_file, repetitions, selected, sources_of


@pytest.fixture
def rows(tmp_path):
    records = [
        {"id": "n1", "text": "one", "split": "train", "labels": ["A"]},
        {"id": "n2", "text": "two", "split": "test", "labels": ["A", "B"]},
        {"id": "n3", "text": "three", "split": None, "labels": []},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return file


@pytest.mark.parametrize(
    "rules, kept",
    [
        ({}, ["one", "two", "three"]),
        ({"skip": {"split": ("test",)}}, ["one", "three"]),
        ({"keep": {"split": ("test", "train")}}, ["one", "two"]),
        ({"skip": {"labels": ("B",)}}, ["one", "three"]),
        ({"skip_ids": frozenset({"n1", "rows.jsonl:3"})}, ["two"]),
    ],
)
def test_rules_leave_documents_out_and_count_them(rows, rules, kept):
    counts = Counter()
    source = Source("rows", (rows,), **rules)
    assert [document.text for document in selected(source, source.files(), counts)] == kept
    assert counts["skipped"] == 3 - len(kept)


def test_rule_on_a_field_that_does_not_exist_is_an_error(rows):
    source = Source("rows", (rows,), skip={"splt": ("test",)})
    with pytest.raises(ValueError, match=r"BC740.*'splt'"):
        list(selected(source, source.files(), Counter()))


@pytest.mark.parametrize(
    "text, name, path, weight",
    [
        ("notes=assets/n.jsonl:2.5", "notes", "assets/n.jsonl", 2.5),
        ("assets/n.jsonl.xz", "n", "assets/n.jsonl.xz", 1.0),
        ("assets/n.csv:0.5", "n", "assets/n.csv", 0.5),
        ("notes=C:/data/n.csv", "notes", "C:/data/n.csv", 1.0),
    ],
)
def test_text_strings_are_read(text, name, path, weight):
    source = parse_source(text)
    assert (source.name, source.paths, source.weight) == (name, (Path(path),), weight)


def test_an_existing_path_is_a_path_whatever_signs_it_has(tmp_path):
    odd = tmp_path / "a=b:2"
    odd.mkdir()
    assert parse_source(str(odd)).paths == (odd,)


@pytest.mark.parametrize("text", ["=x.csv", "notes=", "n=x:-1", "n=x:nan", "n=x:1e9"])
def test_malformed_text_strings_are_errors(text):
    with pytest.raises(ValueError, match=r"BC739|BC741"):
        parse_source(text)


def test_data_files_of_each_format_say_the_same(tmp_path):
    entry = {"name": "a", "paths": ["x.jsonl"], "weight": 2, "skip": {"split": "test"}, "skip_ids": [7]}
    (tmp_path / "d.json").write_text(json.dumps({"sources": [entry]}), encoding="utf8")
    (tmp_path / "d.yaml").write_text(
        "sources:\n- {name: a, paths: x.jsonl, weight: 2, skip: {split: [test]}, skip_ids: ['7']}\n",
        encoding="utf8",
    )
    expected = Source(
        "a", (tmp_path / "x.jsonl",), weight=2, skip={"split": ("test",)}, skip_ids=frozenset({"7"})
    )
    names = ["d.json", "d.yaml"]
    if sys.version_info >= (3, 11):
        toml = '[[sources]]\nname="a"\npaths=["x.jsonl"]\nweight=2\nskip={split="test"}\nskip_ids=[7]\n'
        (tmp_path / "d.toml").write_text(toml, encoding="utf8")
        names.append("d.toml")
    for name in names:
        assert read_data_file(tmp_path / name) == [expected]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"sources": []}',
        '{"sources": [{"name": "a"}]}',
        '{"sources": [{"name": "a", "paths": "x", "wieght": 2}]}',
        '{"sources": [{"name": "a", "paths": "x", "skip": ["b"]}]}',
        '{"sources": [{"name": "a", "paths": "x", "weight": "2"}]}',
        '{"sources": [{"name": "a", "paths": "x", "kind": "pdf"}]}',
        '{"sources": [{"name": "a", "paths": "x"}, {"name": "a", "paths": "y", "weight": 2}]}',
    ],
)
def test_wrong_data_files_are_errors(tmp_path, content):
    (tmp_path / "d.json").write_text(content, encoding="utf8")
    with pytest.raises(ValueError, match=r"BC739|BC741|BC742"):
        read_data_file(tmp_path / "d.json")


def test_plain_paths_become_sources(tmp_path):
    (tmp_path / "mine").mkdir()
    paths = ["a.txt", "b.txt", "notes.jsonl.gz", str(tmp_path / "mine")]
    assert [(source.name, len(source.paths)) for source in sources_of(paths)] == [
        ("text", 2),
        ("notes", 1),
        ("mine", 1),
    ]


def test_weights_are_exact_in_every_epoch_and_even_over_epochs():
    sources = np.array([0] * 10 + [1] * 7 + [2] * 5 + [3] * 3)
    documents = np.arange(25)
    weights = [1.0, 2.3, 0.4, 0.0]
    total = np.zeros(25, dtype=int)
    for epoch in range(20):
        counts = repetitions(sources, documents, weights, epoch, seed=3)
        assert (counts == repetitions(sources, documents, weights, epoch, seed=3)).all()
        total += counts
        for number, weight in enumerate(weights):
            mine = counts[sources == number]
            assert set(mine) <= {int(weight), int(weight) + 1}
            assert abs(mine.sum() - weight * len(mine)) < 1
            # After any number of epochs nobody is more than one turn ahead.
            seen = total[sources == number]
            assert seen.max() - seen.min() <= 1
            assert abs(seen.sum() - weight * len(mine) * (epoch + 1)) <= 0.5 + 1e-9
    assert (
        repetitions(sources, documents, weights, 0, 3) != repetitions(sources, documents, weights, 0, 4)
    ).any()
    assert (repetitions(sources, documents, [1.0] * 4, 5, 0) == 1).all()


def test_planted_sources_are_named_on_the_command_line_and_in_files(rows, tmp_path):
    assert parse_source(f"canaries={rows}:planted") == Source("canaries", (rows,), planted=True)
    assert not parse_source(f"canaries={rows}:1").planted
    data = tmp_path / "data.json"
    entry = {"name": "c", "paths": "rows.jsonl", "planted": True}
    data.write_text(json.dumps({"sources": [entry]}), encoding="utf8")
    assert read_data_file(data) == [Source("c", (rows,), planted=True)]
    for wrong, code in (({"planted": "yes"}, "BC739"), ({"weight": 2}, "BC741")):
        data.write_text(json.dumps({"sources": [{**entry, **wrong}]}), encoding="utf8")
        with pytest.raises(ValueError, match=code):
            read_data_file(data)


def test_names_that_were_given_are_told_from_names_of_files(tmp_path):
    (tmp_path / "ward.jsonl").write_text('{"text": "x"}\n', encoding="utf8")
    place = str(tmp_path / "ward.jsonl")
    assert [parse_source(text).is_named for text in (place, f"{place}:2", f"ward={place}")] == [
        False,
        False,
        True,
    ]
    data = tmp_path / "data.yml"
    data.write_text("sources:\n  - {name: ward, paths: [ward.jsonl]}\n", encoding="utf8")
    assert read_data_file(data)[0].is_named
    data.write_text("sources:\n  - {name: ward, paths: [ward.jsonl], is_named: false}\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"BC739.*is_named"):
        read_data_file(data)
