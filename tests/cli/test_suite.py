"""The protocol runner on stubbed children: done cells are skipped, failures told, signatures tell results apart."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from spacy_bioclinical.cli.suite.command import go
from spacy_bioclinical.cli.suite.config_text import interpolated
from spacy_bioclinical.cli.suite.plan import Recipe
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.cli.suite.run_cell import CellError, cell_folder, headline
from spacy_bioclinical.cli.suite.run_suite import run_cells
from spacy_bioclinical.cli.suite.table import spread, summarise, summary_rows
from tests.cli.suite_stub import RATE, StubRunner, make_place, make_planner, make_results, make_suite, report

ROOT = Path(__file__).parents[2]
CANARY = "Quillfeather"  # stands for note text, which nothing may quote


@pytest.fixture
def root(tmp_path):
    return tmp_path


def run(root, cells, runner, **settings):
    results = make_results(root)
    place = make_place(root, runner, settings.pop("keep", "best"))
    return run_cells(cells, place, results, progress=False, **settings), results


def plain(rows):
    """Rows without what differs from run to run."""
    return [{key: value for key, value in row.items() if key != "finished"} for row in rows]


def test_every_cell_gets_a_signed_row(root):
    suite = make_suite(root)
    cells = list(make_planner(root).cells(suite))
    outcome, results = run(root, cells, StubRunner())
    assert (outcome.skipped, outcome.done, outcome.failed) == (0, 8, 0)
    rows = json.loads(results.path.read_text())["rows"]
    assert {(row["task"], row["encoder"]["name"], row["seed"]) for row in rows} == {
        (task, encoder, seed) for task in ("one", "two") for encoder in "ab" for seed in (1, 2)
    }
    row = results.row(cells[0].signature)
    assert row["score"] == row["scores"]["entities"]["seqeval"]["f"] == pytest.approx(0.9 - 0.04 + 0.001)
    assert row["metric"] == "entity_f"
    assert row["best"] == {"epoch": 3, "step": 30, "score": 0.75}
    assert set(row["data"]) == {"train", "dev", "test"}
    assert row["encoder"]["sha256"] == "weights of a"
    assert row["recipe"]["overlays"] == ["one.cfg"]
    assert row["minutes"] == 1.5
    assert row["words_per_second"] == 1000.0
    assert row["version"] == "9.9"
    assert row["machine"] == {"processor": "stub"}
    assert len({each["signature"] for each in rows}) == 8


def test_second_run_does_nothing_and_an_interrupted_one_goes_on(root):
    cells = list(make_planner(root).cells(make_suite(root)))
    runner = StubRunner()
    run(root, cells[:3], runner)
    assert runner.count("train") == 3
    again = StubRunner()
    outcome, results = run(root, cells, again)
    assert (outcome.skipped, outcome.done) == (3, 5)
    assert again.count("train") == again.count("evaluate") == 5
    idle = StubRunner()
    before = results.path.read_bytes()
    outcome, _ = run(root, cells, idle)
    assert outcome.skipped == 8
    assert not idle.calls
    assert results.path.read_bytes() == before


def test_what_was_trained_before_scoring_failed_is_not_trained_again(root):
    cells = list(make_planner(root).cells(make_suite(root, tasks=("one",), encoders=("a",), seeds=(1,))))
    outcome, results = run(root, cells, StubRunner(fails=lambda command, option: command == "evaluate"))
    assert outcome.failed == 1
    again = StubRunner()
    outcome, results = run(root, cells, again)
    assert outcome.done == 1
    assert (again.count("train"), again.count("evaluate")) == (0, 1)
    assert results.failures() == []


def test_failure_is_recorded_without_note_text_and_the_rest_goes_on(root):
    cells = list(make_planner(root).cells(make_suite(root)))
    message = f"ValueError: [E024] {CANARY} was seen"

    def fails(command, option):
        return command == "train" and "/two/b/" in option["--output"]

    told = []
    outcome, results = run(root, cells, StubRunner(fails=fails, message=message), tell=told.append)
    assert (outcome.done, outcome.failed) == (6, 2)
    failures = results.failures()
    assert {(each["task"], each["encoder"]["name"]) for each in failures} == {("two", "b")}
    assert failures[0]["error"] == "ValueError [E024] (exit code 1)"
    assert Path(failures[0]["log"]).is_file()
    assert CANARY not in results.path.read_text() + "".join(told)
    outcome, results = run(root, cells, StubRunner())
    assert (outcome.skipped, outcome.failed, results.failures()) == (6, 0, [])


def test_many_jobs_give_the_rows_of_one(root):
    suite = make_suite(root)
    serial, parallel = root / "serial", root / "parallel"
    cells = list(make_planner(root).cells(suite))
    slow = StubRunner(seconds=0.05)
    _, one = run(serial, cells, StubRunner(), jobs=1)
    _, many = run(parallel, cells, slow, jobs=4, gpu_ids=[0, 2])
    as_text = [
        json.dumps(plain(each.rows())).replace(str(place), "")
        for each, place in ((one, serial), (many, parallel))
    ]
    assert as_text[0] == as_text[1]
    assert slow.most_at_once == 2, "two GPUs, never two cells on one"
    assert {gpu for gpu, _ in slow.gpus} == {0, 2}
    fast = StubRunner(seconds=0.05)
    run(root / "third", cells, fast, jobs=4)
    assert fast.most_at_once > 2
    assert {gpu for gpu, _ in fast.gpus} == {-1}


def test_cells_of_equal_content_are_run_once(root):
    recipes = (
        Recipe("default"),
        Recipe("same", settings={RATE: 5e-5}),
        Recipe("other", settings={RATE: 1e-4}),
    )
    suite = make_suite(root, tasks=("one",), encoders=("a",), seeds=(1,), recipes=recipes)
    cells = list(make_planner(root).cells(suite))
    assert cells[0].signature == cells[1].signature != cells[2].signature
    runner = StubRunner()
    _, results = run(root, cells, runner, jobs=3)
    assert runner.count("train") == 2
    lines = summarise(cells, results, {})
    assert [(line["recipe"], line["n"]) for line in lines] == [("default", 1), ("same", 1), ("other", 1)]


def test_signature_knows_config_data_encoder_seed_and_nothing_of_places(root):
    suite = make_suite(root, tasks=("one",), encoders=("a",), seeds=(1, 2))
    first, second = make_planner(root).cells(suite)
    assert first.config_hash == second.config_hash
    assert first.signature != second.signature
    changed = replace(suite, settings={"training.max_steps": 8})
    assert next(make_planner(root).cells(changed)).signature != first.signature
    assert next(make_planner(root, {"a": "others"}).cells(suite)).signature != first.signature
    (root / "moved").mkdir()
    moved = make_suite(root / "moved", tasks=("one",), encoders=("a",), seeds=(1,))
    assert next(make_planner(root / "moved").cells(moved)).signature == first.signature
    for part in ("train", "dev", "test"):
        (root / "one" / f"{part}.spacy").write_bytes(b"another")
        cell = next(make_planner(root).cells(suite))
        assert cell.signature != first.signature
        assert (cell.training == first.training) == (part == "test")
        (root / "one" / f"{part}.spacy").write_bytes(f"one {part}".encode())
    cut = replace(suite, recipes=(Recipe("cut", cut=64, beyond="miss"),))
    left_out = replace(suite, recipes=(Recipe("cut", cut=64, beyond="leave-out"),))
    cells = [next(make_planner(root).cells(each)) for each in (cut, left_out)]
    assert cells[0].training == cells[1].training != first.training
    assert cells[0].signature != cells[1].signature


def test_changed_test_corpus_is_scored_anew_without_training(root):
    suite = make_suite(root, tasks=("one",), encoders=("a",), seeds=(1,))
    run(root, list(make_planner(root).cells(suite)), StubRunner())
    (root / "one" / "test.spacy").write_bytes(b"more notes")
    runner = StubRunner()
    _, results = run(root, list(make_planner(root).cells(suite)), runner)
    assert (runner.count("train"), runner.count("evaluate")) == (0, 1)
    assert len(results.rows()) == 2


def test_missing_corpus_stops_its_own_cells_only(root, capsys):
    suite = make_suite(root)
    (root / "two" / "dev.spacy").unlink()
    settings = {"output": root / "suite.json", "folder": root / "training", "planner": make_planner(root)}
    n_failed, n_cells = go(suite, runner=StubRunner(), jobs=1, progress=False, **settings)
    assert (n_failed, n_cells) == (2, 6)
    failures = Results(root / "suite.json").failures()
    assert all("[BC459]" in each["error"] for each in failures)
    assert len(Results(root / "suite.json").rows()) == 4
    make_suite(root)
    assert go(suite, runner=StubRunner(), jobs=1, progress=False, **settings)[0] == 0
    assert Results(root / "suite.json").failures() == []


def test_dry_run_trains_nothing_and_tells_the_state(root, capsys):
    suite = make_suite(root, tasks=("one",))
    planner = make_planner(root)
    settings = {"output": root / "metrics" / "suite.json", "folder": root / "training", "planner": planner}
    run(root, [next(planner.cells(suite))], StubRunner())
    runner = StubRunner()
    assert go(suite, runner=runner, dry_run=True, **settings) == (0, 4)
    shown = capsys.readouterr().out
    assert "1 done, 3 to be trained" in shown
    assert "7 steps" in shown
    assert not runner.calls


@pytest.mark.parametrize(
    ("keep", "left"), [("best", {"model-best"}), ("none", set()), ("all", {"model-best", "model-last"})]
)
def test_models_are_kept_as_asked(root, keep, left):
    (cell,) = make_planner(root).cells(make_suite(root, tasks=("one",), encoders=("a",), seeds=(1,)))
    run(root, [cell], StubRunner(), keep=keep)
    folder = cell_folder(root / "training", cell)
    assert {path.name for path in folder.glob("model-*")} == left
    assert (folder / "config.cfg").is_file()
    assert interpolated((folder / "config.cfg").read_text())["system"]["seed"] == 1


def test_table_by_hand(root):
    scores = [0.5, 0.9, 0.7]
    assert spread(scores) == {
        "n": 3,
        "median": 0.7,
        "low": 0.5,
        "high": 0.9,
        "mean": pytest.approx(0.7),
        "deviation": pytest.approx(statistics.stdev(scores)),
    }
    cells = list(
        make_planner(root).cells(make_suite(root, tasks=("one",), encoders=("a", "b"), seeds=(1, 2, 3)))
    )
    _, results = run(root, cells[:4], StubRunner())
    figures = {"one": {"a": (0.85, "a paper"), "c": (0.9, "a paper")}, "one:DRUG": {"c": (0.5, "another")}}
    lines = summarise(cells, results, figures)
    table = [(line["encoder"], line["label"], line["n"], line["missing"], line["median"]) for line in lines]
    assert table == [
        ("a", None, 3, 0, pytest.approx(0.862)),
        ("a", "DRUG", 3, 0, pytest.approx(0.431)),
        ("b", None, 1, 2, pytest.approx(0.861)),
        ("b", "DRUG", 1, 2, pytest.approx(0.4305)),
    ]
    rows = summary_rows(lines)
    assert rows[0] == ("one", "a", "default", "entity_f", "3", "86.2", "86.1–86.3", "86.2", "85.0 (+1.2)")
    assert rows[1][0] == "  DRUG"
    assert rows[2][4:] == ("1 of 3", "86.1", "86.1–86.1", "86.1", "c 90.0")
    results.add_summary(lines)
    results.add_summary(lines[:2])
    assert len(json.loads(results.path.read_text())["summary"]) == 4


def test_headline_reads_what_the_metric_says():
    found = {**report(0.5), "classes": {"x": {"weighted_f": 0.25}, "y": {"weighted_f": 0.75}}}
    found["details"]["headline"]["spans.gold.f"] = {"value": 0.125}
    assert headline(found, "entity_f") == 0.5
    assert headline(found, "weighted_f") == 0.5
    assert headline(found, "spans_f") == 0.125
    assert headline(found, "classes.y.weighted_f") == 0.75
    assert headline({**found, "beyond": {"f": 0.1}}, "entity_f") == 0.1
    for metric in ("nothing", "classes.z.weighted_f", "macro_f"):
        with pytest.raises(CellError, match="no score"):
            headline(found, metric)


def test_other_files_are_not_written_over(root):
    (root / "suite.json").write_text('{"notes": 1}')
    with pytest.raises(ValueError, match="BC456"):
        Results(root / "suite.json")


def test_rows_of_another_process_are_kept(root):
    cells = list(make_planner(root).cells(make_suite(root, tasks=("one",), encoders=("a",))))
    mine = make_results(root)
    run_cells(cells[:1], make_place(root, StubRunner()), make_results(root), progress=False)
    run_cells(cells[1:], make_place(root, StubRunner()), mine, progress=False)
    assert len(make_results(root).rows()) == 2


def test_rows_stand_by_the_numbers_in_their_names(tmp_path):
    results = Results(tmp_path / "suite.json")
    names = ["window-8192", "window-128", "crf", "window-512", "9", "10"]
    for number, name in enumerate(names):
        place = {"task": "t", "encoder": {"name": "base-12"}, "recipe": {"name": name}, "seed": 42}
        results.add_row({**place, "signature": f"s{number}"})
    order = ["9", "10", "crf", "window-128", "window-512", "window-8192"]
    assert [row["recipe"]["name"] for row in Results(tmp_path / "suite.json").rows()] == order
