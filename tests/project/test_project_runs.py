"""The commands of project.yml write what they declare, nothing else, and are skipped when nothing has changed.

Runs the workflow `task` on a dozen invented notes with a tiny encoder that has hardly been trained: about a minute.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import srsly
from weasel.util import load_project_config

ROOT = Path(__file__).parents[2]
SMALL = {"train_notes": 8, "dev_notes": 3, "test_notes": 3, "standin_size": 40}
# A value that begins with an option begins with a space: spaCy would take it for one of its own.
SMALL |= {"canaries": 1, "pretrain_options": " --max-steps 2", "probe_options": " --candidates 9"}
ENVIRONMENT = {
    "SPACY_CONFIG_OVERRIDES": "--training.max_steps=2 --training.eval_frequency=1 --training.batcher.size=400",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}
WORDS = (sys.executable, "-m", "spacy", "project", "run")
SCRATCH = ("project.lock", "encoders/tiny.work/")
"""What a step may leave beside its outputs: weasel's own record, what pretraining could go on from."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of what a fresh clone holds and the project needs."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("spacy_bioclinical", "corpus_scripts", "pretrain", "configs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("project.yml", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def options(variables: dict[str, object]) -> list[str]:
    return [word for key, value in variables.items() for word in (f"--vars.{key}", str(value))]


def run(folder: Path, name: str, **variables) -> str:
    words = [*WORDS, name, ".", *options(SMALL | variables)]
    environment = {**os.environ, **ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "project.lock"  # rewritten by steps that are never skipped
    }


def declared(folder: Path, name: str, **variables) -> list[str]:
    overrides = {f"vars.{key}": value for key, value in (SMALL | variables).items()}
    config = load_project_config(folder, overrides=overrides)
    return next(command for command in config["commands"] if command["name"] == name).get("outputs", [])


STEPS = [
    ("corpora", "deid"),
    ("inputs-tiny", "deid"),
    ("tokenizer-tiny", "deid"),
    ("canaries", "deid"),
    ("phase1-tiny", "deid"),
    ("phase2-tiny", "deid"),
    ("judge-tiny", "deid"),
    ("release-tiny", "deid"),
    ("convert-deid", "deid"),
    ("debug-deid", "deid"),
    ("config-deid", "deid"),
    ("fetch-deid", "deid"),
    ("train-deid", "deid"),
    ("evaluate-deid", "deid"),
    ("benchmark-deid", "deid"),
    ("package-deid", "deid"),
    ("convert-phenotype", "phenotype"),
    ("fetch-phenotype_512", "phenotype_512"),
    ("cut", "phenotype_512"),
    ("config-phenotype_512", "phenotype_512"),
    ("standin-cos", "cos"),
    ("convert-cos", "cos"),
    ("fetch-cos", "cos"),
    ("config-cos", "cos"),
    ("train-cos", "cos"),
    ("plugin", "deid"),
    ("report", "deid"),
    ("summary", "deid"),
]


@pytest.mark.parametrize(("name", "task"), STEPS, ids=[name for name, _ in STEPS])
def test_step_writes_what_it_declares_and_nothing_else(folder, name, task):
    before = files(folder)
    run(folder, name, task=task)
    after = files(folder)
    written = [path for path, stamp in after.items() if before.get(path) != stamp]
    outputs = declared(folder, name, task=task)
    for output in outputs:
        assert any(path == output or path.startswith(f"{output}/") for path in written), (
            f"{output} not written"
        )
    for path in written:
        own = any(path == output or path.startswith(f"{output}/") for output in outputs)
        assert own or path.startswith(SCRATCH), f"{path} is not declared"
    assert not any(path.endswith(".part") for path in after)


def test_second_run_skips_what_is_done(folder):
    before = files(folder)
    shown = run(folder, "task", task="deid")
    for step in ("convert", "config", "train", "evaluate", "package", "benchmark"):
        assert f"Skipping '{step}-deid'" in shown
    assert files(folder) == before


def test_a_pretraining_that_is_done_is_skipped_and_is_set_aside_for_other_text(folder):
    shown = run(folder, "pretrain")
    for step in ("tokenizer-tiny", "canaries", "phase1-tiny", "phase2-tiny", "judge-tiny", "release-tiny"):
        assert f"Skipping '{step}'" in shown
    card = (folder / "encoders" / "tiny" / "README.md").read_text(encoding="utf8")
    assert "tiny_phase1" in card
    assert "canaries x 1" in card
    work = folder / "encoders" / "tiny.work" / "tiny_phase1-seed0"
    assert not (work / "earlier-1").exists()
    run(folder, "phase1", pretrain_text="deid=assets/deid/train")
    assert (work / "earlier-1" / "steps.csv").is_file()
    assert (work / "steps.csv").is_file()


def test_another_task_does_not_undo_the_first(folder):
    lock = srsly.read_yaml(folder / "project.lock")
    assert {"convert-deid", "convert-phenotype", "cut", "train-deid"} <= set(lock)


def test_changed_overlay_trains_again_and_changed_comment_does_not(folder):
    overlay = folder / "configs" / "task" / "deid.cfg"
    text = overlay.read_text()
    overlay.write_text(f"{text}\n# a remark\n")
    shown = run(folder, "config") + run(folder, "train")
    assert "Skipping 'config-deid'" not in shown
    assert "Skipping 'train-deid'" in shown


def test_summary_tells_the_main_numbers(folder):
    summary = srsly.read_json(folder / "metrics" / "summary.json")
    (row,) = summary["results"]
    assert row["task"] == "deid"
    assert row["score"] == "entity F1"
    assert row["words/s"] > 0
    assert (folder / row["wheel"]).is_file()
    assert "| deid | entity F1 |" in (folder / "metrics" / "summary.md").read_text()
