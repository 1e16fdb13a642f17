"""Trainings of a suite in the report: recipes and swept values tell those of one seed apart."""

import json
from pathlib import Path

from spacy_bioclinical.cli.report.inputs import read_inputs
from spacy_bioclinical.cli.report.judged import curve_section
from spacy_bioclinical.cli.report.run_names import recipes_of_folders, with_recipe

RUNS = {
    "seed42-0a1b2c3d4e5f": ("default", None),
    "seed43-0a1b2c3d4e5f": ("default+calibrated", None),
    "seed42-1a1b2c3d4e5f": ("crf", None),
    "seed42-2a1b2c3d4e5f": ("window-512+calibrated", None),
    "seed42-3a1b2c3d4e5f": ("default", 0.00005),
}
LINES = {"seed42", "seed43", "crf, seed42", "window-512, seed42", "default learn_rate=5e-05, seed42"}


def row(folder: Path | str, recipe: str, value: float | None = None) -> dict:
    return {
        "kind": "run",
        "recipe": {"name": recipe},
        "parameter": None if value is None else "learn_rate",
        "value": value,
        "files": {"folder": str(folder), "report": "test-0badcafe.json"},
    }


def suite_file(root: Path) -> Path:
    """A suite of five runs, with their logs, and one log that belongs to none."""
    trained = root / "training" / "wards" / "tiny"
    rows = []
    for name, (recipe, value) in RUNS.items():
        rows.append(row(trained / name, recipe, value))
        (trained / name).mkdir(parents=True)
        (trained / name / "log.csv").write_text("step,epoch,score\n10,0,0.5\n20,1,0.75\n")
    path = root / "suite.json"
    path.write_text(json.dumps({"format": "spacy-bioclinical.suite", "rows": rows}))
    return path


def test_logs_of_a_suite_are_named_after_recipe_value_and_seed(tmp_path):
    logs = read_inputs([suite_file(tmp_path)]).of("log")
    assert {found.content.group for found in logs} == {"wards · tiny"}
    assert sorted(found.content.line for found in logs) == sorted(LINES)
    assert {found.name for found in logs} == {f"wards · tiny · {line}" for line in LINES}
    assert {found.content.line for found in read_inputs([tmp_path / "training"]).of("log")} == {
        "seed42",
        "seed43",
    }


def test_learning_curves_and_their_table_tell_the_recipes_apart(tmp_path):
    section = curve_section(read_inputs([suite_file(tmp_path)]))
    table = next(part for part in section.parts if hasattr(part, "rows"))
    assert {line[0] for line in table.rows} == LINES
    assert {line[2] for line in table.rows} == {"2"}  # epochs; the log counts from 0
    drawn = "".join(str(part) for part in section.parts)
    for line in LINES:
        assert line in drawn


def test_scores_of_runs_are_named_after_their_recipe(tmp_path):
    path = suite_file(tmp_path)
    scores: dict = {"signature": {}, "classes": {}, "entities": None}
    reports = []
    for folder in sorted((tmp_path / "training" / "wards" / "tiny").iterdir()):
        reports.append(folder / "test-0badcafe.json")
        reports[-1].write_text(json.dumps(scores))
    names = {found.name for found in read_inputs([path, *reports]).of("scores")}
    assert names == {f"wards · tiny · {line}" for line in LINES}


def test_a_folder_of_two_recipes_has_the_shorter_name_in_any_order(tmp_path):
    rows = [
        row("a", "crf"),
        row("a", "crf+calibrated"),
        row("a", "much longer"),
        row("b", "default+calibrated"),
    ]
    wanted = {Path("a").resolve(): "crf", Path("b").resolve(): ""}
    assert recipes_of_folders([{"rows": rows}]) == recipes_of_folders([{"rows": rows[::-1]}]) == wanted
    assert recipes_of_folders([{"rows": [{"kind": "dev"}]}, {}]) == {}
    assert with_recipe("", "seed1") == "seed1"
