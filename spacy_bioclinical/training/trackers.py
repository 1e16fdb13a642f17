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
    RAISES (ImportError): BC448.
    """
    trackers = []
    if wandb_project:
        wandb = _imported("wandb", "Weights & Biases")
        run = wandb.init(project=wandb_project, name=run_name, config=config.interpolate(), reinit=True)
        trackers.append(Tracker(lambda row, step: run.log(row, step=step), run.finish))
    if mlflow_experiment:
        mlflow = _imported("mlflow", "MLflow")
        mlflow.set_experiment(mlflow_experiment)
        mlflow.start_run(run_name=run_name, nested=True)
        training = config.interpolate()["training"]
        mlflow.log_params(
            {key: value for key, value in training.items() if not isinstance(value, dict | list)}
        )
        trackers.append(Tracker(lambda row, step: mlflow.log_metrics(row, step=step), mlflow.end_run))
    return trackers


def _imported(package: str, name: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ImportError(Errors.BC448.format(name=name, package=package)) from None
