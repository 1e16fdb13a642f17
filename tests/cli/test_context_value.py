"""The study of context: conditions, what is lost by a cut stays counted, paired intervals against a loop by hand."""

import random

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bioclinical.cli.suite.cells import Cell
from spacy_bioclinical.cli.suite.context_study import (
    CONTEXT,
    OVERLAP,
    compare,
    conditions_of,
    count_pieces,
    sentences,
    study_suite,
    table_rows,
)
from spacy_bioclinical.cli.suite.long_documents import cut_parts, restore_gold
from spacy_bioclinical.cli.suite.plan import Recipe, Suite
from spacy_bioclinical.training.predictions import (
    DocumentPrediction,
    Mention,
    Mentions,
    read_predictions,
    write_predictions,
)
from tests.conftest import NOTES

LENGTHS = {"train": [40, 700], "dev": [30], "test": [20, 100, 600]}


def test_conditions_tell_the_two_meanings_apart():
    conditions, left_out = conditions_of([64, 512, 8192, 128], ("window", "cut"), 1000, LENGTHS)
    assert left_out == [8192]
    found = [(each.meaning, each.pieces, each.recipe.name, each.is_reference) for each in conditions]
    assert found == [
        ("window", 512, "window-512", True),
        ("window", 128, "window-128", False),
        ("window", 64, "window-64", False),
        ("cut", 8192, "window-512", True),
        ("cut", 512, "cut-512", False),
        ("cut", 128, "cut-128", False),
        ("cut", 64, "cut-64", False),
    ]
    assert [condition.longer["test"] for condition in conditions] == [1, 1, 2, 0, 1, 1, 2]
    windows = {each.pieces: each.recipe.settings for each in conditions if each.meaning == "window"}
    assert windows == {
        512: {CONTEXT: 512, OVERLAP: 128},
        128: {CONTEXT: 128, OVERLAP: 32},
        64: {CONTEXT: 64, OVERLAP: 16},
    }
    cuts = [each.recipe for each in conditions if each.recipe.cut]
    assert all(recipe.beyond == "miss" and recipe.settings == windows[512] for recipe in cuts)
    suite = study_suite(Suite(recipes=(Recipe("x", ("own.cfg",), {"a.b": 1}),)), conditions)
    assert [recipe.name for recipe in suite.recipes] == [
        "window-512",
        "window-128",
        "window-64",
        "cut-512",
        "cut-128",
        "cut-64",
    ]
    assert suite.recipes[1].overlays == ("own.cfg",)
    assert suite.recipes[1].settings == {"a.b": 1, CONTEXT: 128, OVERLAP: 32}
    only, _ = conditions_of([1024, 2048], ("window",), 4096, LENGTHS)
    assert [each.is_reference for each in only] == [True, True], "no document is longer than either"
    with pytest.raises(ValueError, match="BC456"):
        conditions_of([2048], ("window",), 1000, LENGTHS)


def record(number, gold, predicted):
    sides = [tuple(Mention(start, start + 2, "A") for start in each) for each in (gold, predicted)]
    return DocumentPrediction(str(number), 100, 20, 30, 30, Mentions(*sides))


def invented(seed, share):
    """Gold mentions at random places, of which a share is found, and a wrong one now and then."""
    rng = random.Random(0)
    gold = [sorted(rng.sample(range(0, 90, 3), rng.randrange(1, 6))) for _ in range(25)]
    rng = random.Random(seed)
    found = [[place for place in each if rng.random() < share] + [91] * (rng.random() < 0.2) for each in gold]
    return [record(number, *both) for number, both in enumerate(zip(gold, found))]


def f1(records, chosen):
    gold = [(i, each.start) for i, k in enumerate(chosen) for each in records[k].entities.gold]
    found = [(i, each.start) for i, k in enumerate(chosen) for each in records[k].entities.predicted]
    return 2 * len(set(gold) & set(found)) / (len(gold) + len(found))


def test_worth_and_its_interval_against_a_loop(tmp_path):
    conditions, _ = conditions_of([64, 512, 2048], ("window", "cut"), 1000, LENGTHS)
    rows, kept = {}, {}
    for name, share in (("window-512", 0.9), ("window-64", 0.6), ("cut-64", 0.3), ("cut-512", 0.85)):
        for seed in (1, 2):
            records = invented(seed + len(name), share)
            write_predictions(tmp_path / f"{name}{seed}.jsonl.gz", records)
            kept[name, seed] = records
            files = {"folder": str(tmp_path), "predictions": f"{name}{seed}.jsonl.gz"}
            row = {"score": f1(records, range(25)), "signature": f"{name}{seed}", "files": files}
            rows.setdefault(name, {})[seed] = row
    entries = compare(conditions, rows, "entity_f", n_resamples=400, seed=3)
    by_name = {(entry["meaning"], entry["pieces"]): entry for entry in entries}
    assert by_name["window", 512]["worth"] is None
    assert by_name["cut", 2048]["worth"] is None
    for meaning, pieces, name in (
        ("window", 64, "window-64"),
        ("cut", 64, "cut-64"),
        ("cut", 512, "cut-512"),
    ):
        worth = by_name[meaning, pieces]["worth"]
        wanted = [
            f1(kept["window-512", seed], range(25)) - f1(kept[name, seed], range(25)) for seed in (1, 2)
        ]
        assert list(worth["per_seed"].values()) == pytest.approx(wanted)
        assert worth["mean"] == pytest.approx(np.mean(wanted))
        rng = np.random.default_rng(11)
        drawn = []
        for _ in range(400):
            chosen = rng.integers(0, 25, 25)
            pairs = [f1(kept["window-512", s], chosen) - f1(kept[name, s], chosen) for s in (1, 2)]
            drawn.append(np.mean(pairs))
        assert worth["interval"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.04)
        assert worth["interval"][0] <= worth["mean"] <= worth["interval"][1]
    told = sentences(entries, "entity_f")
    assert len(told) == 4
    assert told[0].startswith("Windows of 512 pieces instead of 64")
    assert "the same, for no document is longer" in told[1]
    assert told[3].startswith(
        "Whole documents in windows of 512 pieces instead of their first 64 pieces alone"
    )
    assert "not told apart" not in told[3]
    rows_shown = table_rows(entries)
    assert [row[0] for row in rows_shown] == ["windows", "windows", "cut after", "cut after", "cut after"]
    assert rows_shown[0][-1] == "reference"
    rows["cut-64"] = {}
    assert compare(conditions, rows, "entity_f", n_resamples=100)[-1]["worth"] is None


def test_other_documents_are_not_compared(tmp_path):
    conditions, _ = conditions_of([64, 512], ("window",), 1000, LENGTHS)
    rows = {}
    for name, records in (("window-512", invented(1, 0.9)), ("window-64", invented(1, 0.9)[:-1])):
        write_predictions(tmp_path / f"{name}.jsonl", records)
        files = {"folder": str(tmp_path), "predictions": f"{name}.jsonl"}
        rows[name] = {1: {"score": 0.5, "signature": name, "files": files}}
    with pytest.raises(ValueError, match="BC456"):
        compare(conditions, rows, "entity_f", n_resamples=100)
    with pytest.raises(ValueError, match="BC456"):
        compare(conditions, rows, "weighted_f", n_resamples=100)


def test_what_a_cut_loses_is_missed_not_forgotten(tmp_path, short_encoder_folder):
    nlp = spacy.blank("en")
    docs = []
    for text in (" ".join(NOTES), NOTES[1]):
        doc = nlp(text)
        doc.set_ents([doc.char_span(word.idx, word.idx + len(word), label="A") for word in (doc[3], doc[-4])])
        docs.append(doc)
    parts = {name: tmp_path / f"{name}.spacy" for name in ("train", "dev", "test")}
    for path in parts.values():
        DocBin(docs=docs, store_user_data=True).to_disk(path)
    lengths = count_pieces(parts, short_encoder_folder)
    size = lengths["test"][1]
    assert lengths["test"][0] > size
    cell = Cell(
        "t", "e", "r", 1, "entity_f", "", parts, {}, source=str(short_encoder_folder), cut=size, beyond="miss"
    )
    cut = cut_parts(cell, tmp_path / "cut")
    stamp = cut["test"].stat().st_mtime_ns
    assert cut_parts(cell, tmp_path / "cut") == cut
    assert cut["test"].stat().st_mtime_ns == stamp, "cut once"
    short = list(DocBin().from_disk(cut["test"]).get_docs(nlp.vocab))
    assert [len(doc.ents) for doc in short] == [1, 2]
    records = []
    for number, doc in enumerate(short):
        gold = tuple(Mention(ent.start_char, ent.end_char, "A", piece=5) for ent in doc.ents)
        records.append(
            DocumentPrediction(str(number), len(doc.text), len(doc), size, size, Mentions(gold, gold))
        )
    write_predictions(tmp_path / "p.jsonl.gz", records, signature={"seed": 1})
    found = restore_gold(tmp_path / "p.jsonl.gz", parts["test"])
    assert (found["gold"], found["beyond"]) == (4, 1)
    assert (found["p"], found["r"]) == (1.0, 0.75)
    assert found["f"] == pytest.approx(6 / 7)
    whole = read_predictions(tmp_path / "p.jsonl.gz")
    assert [len(each.entities.gold) for each in whole] == [2, 2]
    assert [each.entities.predicted for each in whole] == [each.entities.predicted for each in records]
    assert restore_gold(tmp_path / "p.jsonl.gz", parts["test"])["r"] == 0.75, "twice is as once"
