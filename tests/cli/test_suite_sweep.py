"""A swept setting is chosen on dev alone, with the first seed; searches go on after an interruption."""

import sys

import pytest

from spacy_bioclinical.cli.suite.command import go
from spacy_bioclinical.cli.suite.plan import Suite, sweep_of
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.cli.suite.run_cell import cell_folder
from spacy_bioclinical.cli.suite.sweep import RATES, find_sweep, load_optuna
from tests.cli.suite_stub import RATE, StubRunner, make_planner, make_suite

VALUES = (1e-5, 5e-5, 1e-4, 2e-4)
"""The stub is best near 1e-4 on dev and near 1e-5 on test: who looks at test chooses wrongly."""


@pytest.fixture
def root(tmp_path):
    pytest.importorskip("optuna", reason="sweeps need the extra package optuna")
    return tmp_path


def search(root, suite, sweep, runner, jobs=1, keep="best"):
    where = {"output": root / "metrics" / "suite.json", "folder": root / "training"}
    counts = go(
        suite,
        sweep=sweep,
        runner=runner,
        planner=make_planner(root),
        jobs=jobs,
        keep=keep,
        progress=False,
        **where,
    )
    return counts, Results(where["output"])


def test_value_is_chosen_on_dev_and_used_for_all_seeds(root):
    suite = make_suite(root, tasks=("one",), encoders=("a", "b"), seeds=(1, 2, 3))
    runner = StubRunner()
    counts, results = search(root, suite, sweep_of("learn_rate", {"values": VALUES}), runner, jobs=3)
    assert counts == (0, 6)
    trials = [row for row in results.rows() if row["kind"] == "sweep"]
    runs = [row for row in results.rows() if row["kind"] == "run"]
    assert {(row["value"], row["seed"], row["part"]) for row in trials} == {
        (value, 1, "dev") for value in VALUES
    }
    assert {(row["value"], row["seed"], row["part"]) for row in runs} == {
        (1e-4, seed, "test") for seed in (1, 2, 3)
    }
    assert all(row["recipe"]["settings"][RATE] == 1e-4 for row in runs)
    for choice in results.choices():
        assert (choice["value"], choice["sampler"], choice["seed"]) == (1e-4, "grid", 1)
        assert choice["dev_score"] == max(trial["score"] for trial in choice["trials"])
        assert len(choice["trials"]) == len(VALUES)
    assert runner.count("train") == 2 * (4 + 2), "the first seed with the best value is not trained twice"
    best = {row["training"] for row in runs}
    for folder in (root / "training").glob("one/*/*"):
        assert (folder / "model-best").is_dir() == any(folder.name.endswith(each[:12]) for each in best)
    idle = StubRunner()
    assert search(root, suite, sweep_of("learn_rate", {"values": VALUES}), idle)[0] == (0, 6)
    assert not idle.calls


def test_failed_trial_is_tried_again_next_time_and_does_not_stop_the_choice(root):
    suite = make_suite(root, tasks=("one",), encoders=("a",), seeds=(1,))
    sweep = sweep_of("learn_rate", {"values": VALUES})
    planner = make_planner(root)
    (group,) = [(suite.tasks[0], suite.encoders[0], suite.recipes[0])]
    broken = planner.cell(suite, *group, 1, sweep=sweep, value=1e-4, kind="sweep")
    place = str(cell_folder(root / "training", broken))

    def fails(command, option):
        return command == "train" and option["--output"] == place

    _, results = search(root, suite, sweep, StubRunner(fails=fails))
    assert results.choices()[0]["value"] == 5e-5
    runner = StubRunner()
    _, results = search(root, suite, sweep, runner)
    assert [choice["value"] for choice in results.choices()] == [1e-4]
    assert runner.count("train") == 1
    assert results.failures() == []


def test_range_is_searched_and_goes_on_where_it_was(root):
    suite = make_suite(root, tasks=("one",), encoders=("a",), seeds=(1,))
    short = sweep_of("learn_rate", {"low": 1e-5, "high": 2e-4, "trials": 3})
    _, results = search(root, suite, short, StubRunner())
    first = results.choices()[0]["trials"]
    assert len(first) == 3
    assert all(1e-5 <= trial["value"] <= 2e-4 for trial in first)
    longer = sweep_of("learn_rate", {"low": 1e-5, "high": 2e-4, "trials": 5})
    _, results = search(root, suite, longer, StubRunner())
    (choice,) = results.choices()
    assert len(choice["trials"]) == 5
    assert choice["sampler"] == "TPE"
    assert [trial for trial in first if trial in choice["trials"]] == first


def test_all_trials_failed_is_a_failure_of_the_group(root):
    suite = make_suite(root, tasks=("one",), encoders=("a",), seeds=(1,))
    runner = StubRunner(fails=lambda command, option: True)
    (n_failed, _), results = search(root, suite, sweep_of("learn_rate", {"values": [1e-5]}), runner)
    assert n_failed == 1
    assert any("no trial" in failure["error"] for failure in results.failures())


def test_without_optuna_the_error_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match="BC457"):
        load_optuna()


def test_options_win_over_the_suite_file():
    suite = Suite(sweeps={"learn_rate": sweep_of("learn_rate", {"values": [1e-5], "key": "a.b"})})
    assert find_sweep(suite, "learn_rate", None, None, None).values == (1e-5,)
    assert find_sweep(suite, "learn_rate", "1e-4,2e-4", None, None).values == (1e-4, 2e-4)
    found = find_sweep(suite, "learn_rate", None, "1e-5:1e-3", 20)
    assert (found.key, found.values, found.low, found.high, found.trials) == ("a.b", (), 1e-5, 1e-3, 20)
    assert find_sweep(Suite(), "learn_rate", None, None, None).values == RATES
    assert find_sweep(Suite(), "training.dropout", "0.1,0.2", None, None).key == "training.dropout"
    for name, values, between in (
        ("learn_rate", "x", None),
        ("learn_rate", None, "2:1"),
        ("dropout", "1", None),
    ):
        with pytest.raises(ValueError, match="BC456"):
            find_sweep(Suite(), name, values, between, None)
