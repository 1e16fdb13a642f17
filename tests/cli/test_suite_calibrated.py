"""Suites that calibrate on dev before they score on test: beside the uncalibrated rows, from the same trainings."""

import json
from dataclasses import replace

import pytest

from spacy_bioclinical.cli.report.suites import suite_lines
from spacy_bioclinical.cli.suite.cells import CALIBRATED_FACTORIES, groups
from spacy_bioclinical.cli.suite.command import go
from spacy_bioclinical.cli.suite.context_study import compare, conditions_of, study_suite
from spacy_bioclinical.cli.suite.plan import Recipe, Suite, choose, read_suite, sweep_of
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.cli.suite.run_cell import CALIBRATED, cell_folder, predictions_file, report_file
from spacy_bioclinical.cli.suite.run_suite import group_signature
from spacy_bioclinical.cli.suite.table import summarise
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention, Mentions, write_predictions
from tests.cli.suite_stub import StubRunner, make_planner, make_results, make_suite

BOTH = (Recipe("default"), Recipe("default", calibrate=True))
MORE = 0.03125  # what the stub gains by calibration
OLD = {
    ("default", "run"): (
        "c125c2aa6cb5d1228947fceebce1de4dcfe8de248d67f7bf1c0be419dbbf0e9a",
        "88e75fb5aa617b14b734d3cbd5eee70e0299415d6d1e19b0fd3c5bfafae35095",
        "test-371f826f.json",
    ),
    ("default", "sweep"): (
        "c125c2aa6cb5d1228947fceebce1de4dcfe8de248d67f7bf1c0be419dbbf0e9a",
        "0c3c344894b332974cc5e1db931baa094d17289b00a3983374dec395acd9416f",
        "dev-95f19a80.json",
    ),
    ("cut", "run"): (
        "386440fa4d612522a4c56565144a8a6a0a4a59e0756fb53952e068db2f3ad488",
        "d9297df9906c71749210e10fd31eca8a38bd63973cbaee1013fbdfe45e5c042e",
        "test-miss-371f826f.json",
    ),
    ("left", "run"): (
        "386440fa4d612522a4c56565144a8a6a0a4a59e0756fb53952e068db2f3ad488",
        "9a2c0a7e9bc001ff461bef645b42c55f6f5ea7c74cde3a2d24bda503dd4da79c",
        "test-371f826f.json",
    ),
}
"""Training, scores and report of runs that were made before suites could calibrate."""


def small(root, recipes=BOTH, seeds=(1, 2), **settings):
    return make_suite(root, tasks=("one",), encoders=("a",), seeds=seeds, recipes=recipes, **settings)


def run(root, suite, runner, **settings):
    where = {"output": root / "metrics" / "suite.json", "folder": root / "training"}
    settings = {"jobs": 2, "progress": False, "planner": make_planner(root), **settings}
    counts = go(suite, runner=runner, **where, **settings)
    return counts, Results(where["output"])


def models(root):
    return sorted(path.name for path in root.glob("training/one/a/*/*") if "model" in path.name)


def test_rows_and_trainings_of_before_keep_their_signatures(tmp_path):
    recipes = (
        Recipe("default"),
        Recipe("cut", cut=64, beyond="miss"),
        Recipe("left", cut=64, beyond="leave-out"),
    )
    suite = small(tmp_path, recipes, seeds=(1,))
    for group in groups(suite):
        for kind in ("run", "sweep"):
            cell = make_planner(tmp_path).cell(suite, *group, 1, kind=kind)
            if (cell.recipe, kind) in OLD:
                found = (cell.training, cell.signature, report_file(tmp_path, cell).name)
                assert found == OLD[cell.recipe, kind]
    assert group_signature(groups(suite)[0]).startswith("b70a1b4fb7b67c31")


def test_calibration_is_known_to_the_scores_and_not_to_the_training(tmp_path):
    plain, calibrated = make_planner(tmp_path).cells(small(tmp_path, seeds=(1,)))
    assert (plain.recipe, calibrated.recipe) == ("default", "default+calibrated")
    assert (plain.training, plain.signature) == OLD["default", "run"][:2]
    assert calibrated.training == plain.training
    assert calibrated.signature != plain.signature
    assert cell_folder(tmp_path, calibrated) == cell_folder(tmp_path, plain)
    reports = [report_file(tmp_path, cell) for cell in (plain, calibrated)]
    assert len({*reports, *map(predictions_file, reports)}) == 4
    suite, kind = small(tmp_path, seeds=(1,)), {"kind": "sweep"}
    trials = [make_planner(tmp_path).cell(suite, *group, 1, **kind) for group in groups(suite)]
    assert trials[0] == trials[1], "a trial is scored on dev, where nothing is calibrated"
    assert trials[0].signature == OLD["default", "sweep"][1]


def test_both_rows_of_one_training_stand_side_by_side(tmp_path):
    suite, runner = small(tmp_path), StubRunner()
    assert run(tmp_path, suite, runner)[0] == (0, 4)
    assert [runner.count(name) for name in ("train", "calibrate", "evaluate")] == [2, 2, 4]
    results = make_results(tmp_path)
    rows = {(row["recipe"]["name"], row["seed"]): row for row in results.rows()}
    assert len(rows) == 4
    for seed in (1, 2):
        plain, calibrated = rows["default", seed], rows["default+calibrated", seed]
        assert (plain["calibrated"], calibrated["calibrated"]) == (False, True)
        assert plain["calibration"] is None
        assert calibrated["calibration"]["ner"]["temperature"] == 1.25
        assert calibrated["score"] == pytest.approx(plain["score"] + MORE)
        assert calibrated["training"] == plain["training"]
        for name in ("report", "predictions"):
            assert calibrated["files"][name] != plain["files"][name]
    cells = list(make_planner(tmp_path).cells(suite))
    table = [(line["recipe"], line["n"], line["median"]) for line in summarise(cells, results, {})]
    wanted = [("default", 2, 0.8615), ("default+calibrated", 2, 0.8615 + MORE)]
    assert table == [(name, n, pytest.approx(median)) for name, n, median in wanted]
    data = json.loads(results.path.read_text())
    assert [line["recipe"] for line in data["summary"]] == ["default", "default+calibrated"]
    assert [(line["recipe"], line["n"]) for line in suite_lines(data, {})] == [row[:2] for row in table]
    for row in data["rows"]:
        row["recipe"]["name"] = "own"
    assert [line["n"] for line in suite_lines(data, {})] == [2, 2]
    assert len({line["recipe"] for line in suite_lines(data, {})}) == 2
    idle = StubRunner()
    assert run(tmp_path, suite, idle)[0] == (0, 4)
    assert not idle.calls


def test_what_was_trained_before_is_calibrated_and_not_trained_again(tmp_path):
    run(tmp_path, small(tmp_path, BOTH[:1]), StubRunner())
    before = make_results(tmp_path).rows()
    runner = StubRunner()
    _, results = run(tmp_path, choose(small(tmp_path, BOTH[:1]), calibrate=True), runner)
    assert [runner.count(name) for name in ("train", "calibrate", "evaluate")] == [0, 2, 2]
    assert [row for row in results.rows() if not row["calibrated"]] == before


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        ("best", ["model-best"]),
        ("none", []),
        ("all", ["model-best", CALIBRATED, "model-last"]),
    ],
)
def test_copy_is_kept_by_all_alone_and_shared_models_are_trained_once(tmp_path, keep, left):
    runner = StubRunner()
    run(tmp_path, small(tmp_path, seeds=(1,)), runner, keep=keep)
    assert models(tmp_path) == sorted(left)
    assert runner.count("train") == 1
    assert not list(tmp_path.glob("training/one/a/*/.*")), "nothing half done stays"


def test_model_that_was_not_kept_is_trained_again_and_this_is_said_before(tmp_path, capsys):
    run(tmp_path, small(tmp_path, BOTH[:1], seeds=(1,)), StubRunner(), keep="none")
    suite, runner = small(tmp_path, seeds=(1,)), StubRunner()
    run(tmp_path, suite, runner, dry_run=True)
    assert "1 done, 1 to be trained again" in capsys.readouterr().out
    assert run(tmp_path, suite, runner, keep="none")[0] == (0, 2)
    assert [runner.count(name) for name in ("train", "calibrate", "evaluate")] == [1, 1, 1]
    (tmp_path / "other").mkdir()
    again = small(tmp_path / "other", seeds=(1,))
    run(tmp_path / "other", again, runner, dry_run=True)
    assert "1 to be trained, 1 to be scored" in capsys.readouterr().out


def test_failed_calibration_is_a_failure_of_its_own_cell(tmp_path):
    message = "✘ Nothing was calibrated\n[BC464] Nothing to calibrate: no component."
    runner = StubRunner(fails=lambda command, option: command == "calibrate", message=message)
    counts, results = run(tmp_path, small(tmp_path, seeds=(1,)), runner)
    assert counts == (1, 2)
    (failure,) = results.failures()
    assert failure["error"].startswith("[BC464] Nothing to calibrate")
    assert failure["log"].endswith("calibrate.log")
    assert failure["recipe"]["name"] == "default+calibrated"
    assert [row["recipe"]["name"] for row in results.rows()] == ["default"]
    broken = StubRunner(fails=lambda command, option: command == "evaluate")
    run(tmp_path, small(tmp_path, BOTH[1:], seeds=(1,)), broken)
    assert models(tmp_path) == ["model-best"], "no copy is left behind by a failure"
    assert run(tmp_path, small(tmp_path, seeds=(1,)), StubRunner())[1].failures() == []


def test_heads_without_calibration_are_refused_before_they_are_trained(tmp_path):
    planner = make_planner(tmp_path)
    stock = {"components.ner.factory": "ner"}
    suite = replace(small(tmp_path, seeds=(1,)), settings=stock)
    runner = StubRunner()
    counts, results = run(tmp_path, suite, runner, planner=planner)
    assert counts == (1, 2)
    (failure,) = results.failures()
    assert "[BC456]" in failure["error"]
    assert "bioclinical_transformer, ner" in failure["error"]
    assert [row["calibrated"] for row in results.rows()] == [False]
    with pytest.raises(ValueError, match="BC456"):
        planner.cell(suite, *groups(suite)[1], 1, kind="sweep")
    assert all(name in Errors.BC464 for name in CALIBRATED_FACTORIES)


def test_recipes_of_files_and_options_calibrate(tmp_path):
    file = tmp_path / "suite.yml"
    file.write_text("recipes:\n  plain: {}\n  tuned: {calibrate: true}\n  so-calibrated: {calibrate: true}\n")
    suite = read_suite(file)
    assert [recipe.label for recipe in suite.recipes] == ["plain", "tuned+calibrated", "so-calibrated"]
    given = {"tasks": ["a.cfg"], "encoders": ["x"]}
    chosen = choose(suite, recipes=["plain", "tuned"], calibrate=True, **given)
    assert [recipe.label for recipe in chosen.recipes] == ["plain+calibrated", "tuned+calibrated"]
    assert choose(Suite(), **given).recipes == (Recipe("default"),)
    with pytest.raises(ValueError, match="BC456"):
        choose(Suite(recipes=BOTH), calibrate=True, **given)
    file.write_text("recipes:\n  tuned: {calibrate: always}\n")
    with pytest.raises(ValueError, match="BC456"):
        read_suite(file)


def test_sweep_is_searched_once_for_both_and_chosen_without_calibration(tmp_path):
    pytest.importorskip("optuna", reason="sweeps need the extra package optuna")
    sweep = sweep_of("learn_rate", {"values": (1e-5, 1e-4, 2e-4)})
    runner = StubRunner()
    counts, results = run(tmp_path, small(tmp_path), runner, sweep=sweep)
    assert counts == (0, 4)
    trials = [row for row in results.rows() if row["kind"] == "sweep"]
    assert len(trials) == 3
    assert {(row["recipe"]["name"], row["part"], row["calibrated"]) for row in trials} == {
        ("default", "dev", False)
    }
    runs = [row for row in results.rows() if row["kind"] == "run"]
    assert {(row["recipe"]["name"], row["value"]) for row in runs} == {
        ("default", 1e-4),
        ("default+calibrated", 1e-4),
    }
    assert len(results.choices()) == 1
    assert runner.count("train") == 3 + 1
    assert runner.count("calibrate") == 2


def test_study_of_context_finds_its_calibrated_rows(tmp_path):
    conditions, _ = conditions_of([64, 512], ("cut",), 512, {"test": [20, 600]})
    conditions = [replace(each, recipe=replace(each.recipe, calibrate=True)) for each in conditions]
    suite = study_suite(Suite(recipes=BOTH[1:]), conditions)
    assert [recipe.label for recipe in suite.recipes] == [
        *("window-512+calibrated", "cut-512+calibrated", "cut-64+calibrated")
    ]
    records = [DocumentPrediction("0", 20, 4, 6, 6, Mentions((Mention(0, 4, "A"),), (Mention(0, 4, "A"),)))]
    write_predictions(tmp_path / "p.jsonl", records)
    row = {"score": 1.0, "signature": "", "files": {"folder": str(tmp_path), "predictions": "p.jsonl"}}
    rows = {recipe.label: {1: row} for recipe in suite.recipes}
    entries = compare(conditions, rows, "entity_f", n_resamples=100)
    assert [entry["median"] for entry in entries] == [1.0, 1.0, 1.0]
    assert [entry["recipe"] for entry in entries] == list(rows)
