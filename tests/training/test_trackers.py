"""Trackers of the training logger, with stand-ins: each gets the rows, and one that does not start ends the others."""

import io
import sys
from types import SimpleNamespace

import pytest
import spacy

from spacy_bioclinical.training.logger import build_csv_logger_v1


@pytest.fixture
def calls(monkeypatch):
    """Stand-ins for both packages, which note what they are told."""
    told: list[tuple] = []
    run = SimpleNamespace(
        log=lambda row, step: told.append(("wandb", step, row)), finish=lambda: told.append(("wandb", "end"))
    )
    wandb = SimpleNamespace(
        run=None,
        init=lambda **settings: told.append(("wandb", "start", sorted(settings))) or run,
        finish=lambda: told.append(("wandb", "end of another")),
    )
    mlflow = SimpleNamespace(
        set_experiment=lambda name: told.append(("mlflow", "start", name)),
        start_run=lambda **settings: None,
        log_params=lambda settings: told.append(("mlflow", "settings", settings)),
        log_metrics=lambda row, step: told.append(("mlflow", step, row)),
        end_run=lambda: told.append(("mlflow", "end")),
    )
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    return told


def logger(tmp_path):
    settings = {"path": str(tmp_path / "log.csv"), "progress_bar": False, "console": False}
    return build_csv_logger_v1(wandb_project="p", mlflow_experiment="e", run_name="r", **settings)


def test_rows_go_to_both_trackers_and_both_end(calls, tmp_path):
    log, close = logger(tmp_path)(spacy.blank("en"), io.StringIO(), io.StringIO())
    info = {"losses": {}, "words": 7, "epoch": 0, "score": 0.5, "other_scores": {}}
    log(info)
    close()
    rows = {name: row for name, step, row in (each for each in calls if len(each) == 3) if step == 1}
    assert rows["wandb"] == rows["mlflow"]
    assert rows["wandb"]["score"] == 0.5
    assert ("wandb", "start", ["config", "name", "project"]) in calls
    settings = next(each[2] for each in calls if each[:2] == ("mlflow", "settings"))
    assert settings["max_steps"] == spacy.blank("en").config["training"]["max_steps"]
    assert calls[-2:] == [("wandb", "end"), ("mlflow", "end")]


def test_tracker_that_does_not_start_is_told_and_ends_the_others(calls, tmp_path, monkeypatch):
    def fail(name):
        raise RuntimeError("no store\n  here")

    monkeypatch.setattr(sys.modules["mlflow"], "set_experiment", fail)
    with pytest.raises(ValueError, match=r"BC484.*MLflow.*RuntimeError: no store here"):
        logger(tmp_path)(spacy.blank("en"), io.StringIO(), io.StringIO())
    assert calls[-1] == ("wandb", "end")


def test_run_that_is_open_is_ended_first(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["wandb"], "run", object())
    logger(tmp_path)(spacy.blank("en"), io.StringIO(), io.StringIO())
    assert [each[1] for each in calls if each[0] == "wandb"] == ["end of another", "start"]
