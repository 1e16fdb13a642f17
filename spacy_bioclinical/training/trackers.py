"""Weights & Biases and MLflow for the training logger: only if asked for, and then with a clear word if missing."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confection import Config

from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class Tracker:
    """Where rows go besides the CSV file.

    log (Callable): takes the numbers of a row, and the step.
    close (Callable): ends the run.
    """

    log: Callable[[dict[str, float], int], Any]
    close: Callable[[], Any]


def open_trackers(
    wandb_project: str | None, mlflow_experiment: str | None, run_name: str | None, config: Config
) -> list[Tracker]:
    """Start runs in the trackers asked for.

    wandb_project, mlflow_experiment, run_name (Optional[str]): see `build_csv_logger_v1`.
    config (Config): of the training; its settings are kept with the run.
    RETURNS (list[Tracker]): none if none is asked for.
    RAISES: ImportError, BC448 if one is not installed; ValueError, BC484 if one does not start, with its own reason:
        the runs that were started before it are ended.
    """
    asked = {"Weights & Biases": (wandb_project, _open_wandb), "MLflow": (mlflow_experiment, _open_mlflow)}
    trackers: list[Tracker] = []
    for name, (target, start) in asked.items():
        if not target:
            continue
        try:
            trackers.append(start(target, run_name, config.interpolate()))
        except Exception as error:
            for each in trackers:
                each.close()
            if isinstance(error, ImportError):
                raise
            why = " ".join(str(error).split())
            raise ValueError(Errors.BC484.format(name=name, error=type(error).__name__, why=why)) from error
    return trackers


def _open_wandb(project: str, run_name: str | None, config: Config) -> Tracker:
    wandb = _imported("wandb", "Weights & Biases")
    if wandb.run is not None:  # one run for each training; `reinit` means other things in other versions
        wandb.finish()
    run = wandb.init(project=project, name=run_name, config=config)
    return Tracker(lambda row, step: run.log(row, step=step), run.finish)


def _open_mlflow(experiment: str, run_name: str | None, config: Config) -> Tracker:
    mlflow = _imported("mlflow", "MLflow")
    mlflow.set_experiment(experiment)
    mlflow.start_run(run_name=run_name, nested=True)
    training = config["training"]
    mlflow.log_params({key: value for key, value in training.items() if not isinstance(value, dict | list)})
    return Tracker(lambda row, step: mlflow.log_metrics(row, step=step), mlflow.end_run)


def _imported(package: str, name: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ImportError(Errors.BC448.format(name=name, package=package)) from None
