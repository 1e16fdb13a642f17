"""project.yml tells the truth: every command runs what exists, needs what somebody made, forwards what it was given."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
import srsly
from weasel.util import load_project_config

from tests.project.command_lines import faults

ROOT = Path(__file__).parents[2]
RAW = srsly.read_yaml(ROOT / "project.yml")
TASKS = [path.stem for path in sorted((ROOT / "configs" / "task").glob("*.cfg"))]
PRETRAINING = [name.replace("${vars.pretrained}", "tiny") for name in RAW["workflows"]["pretrain"]]
CORPUS_OF = {"social_history_spans": "social_history"}  # tasks that read another one's files: vars.corpus
USER_PROVIDED = {"corpus_dir", "encoder"}


def project(**variables):
    return load_project_config(ROOT, overrides={f"vars.{key}": value for key, value in variables.items()})


def commands(**variables):
    return {command["name"]: command for command in project(**variables)["commands"]}


def steps(workflow, **variables):
    """The commands of a workflow in order, those included that it runs through a second `project run`."""
    config = project(**variables)
    by_name = {command["name"]: command for command in config["commands"]}
    for name in config["workflows"].get(workflow, [workflow]):
        yield by_name[name]
        for line in by_name[name]["script"]:
            words = line.split()
            if words[1:5] == ["-m", "spacy", "project", "run"]:
                inner = dict(zip(words[7::2], words[8::2], strict=True))
                yield from steps(
                    words[5], **{key.removeprefix("--vars."): value for key, value in inner.items()}
                )


def in_repository() -> set[str]:
    """Files that git tracks or would track, and their folders; in a copy without git, everything that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    files = listed.stdout.split("\n") if listed.returncode == 0 else os.listdir(ROOT)
    return {str(folder) for file in files if file for folder in (Path(file), *Path(file).parents)} - {"."}


@pytest.mark.parametrize("name", [command["name"] for command in RAW["commands"]])
def test_command_has_help_and_a_script_of_python_lines(name):
    command = next(command for command in RAW["commands"] if command["name"] == name)
    assert len(command["help"]) > 20
    assert command["script"]
    assert all(line.startswith("python -m ") for line in command["script"])
    assert command.get("outputs") or all("spacy project run" in line for line in command["script"])


@pytest.mark.parametrize("task", TASKS)
def test_every_script_line_would_be_understood(task):
    for command in commands(task=task).values():
        for line in command["script"]:
            assert faults(line) == [], command["name"]


@pytest.mark.parametrize(
    ("workflow", "variables"),
    [
        ("all", {}),
        *(("all", {"task": task}) for task in TASKS),
        *(("task", {"task": task}) for task in TASKS),
        ("pretrain", {}),
        (
            "pretrain",
            {"pretrained": "ward", "pretrain_start": "encoders/base", "pretrain_text": "/data/notes"},
        ),
    ],
)
def test_every_dependency_is_made_before_or_provided(workflow, variables):
    repository = in_repository()
    provided = {str(project(**variables)["vars"][name]) for name in USER_PROVIDED}
    made: list[str] = []
    if workflow == "all" and not variables:
        provided = set()  # the embedded default provides everything itself
    if workflow == "task" and variables["task"] == "phenotype_512":
        made.append("corpus/phenotype_512")
    for command in steps(workflow, **variables):
        for dependency in command.get("deps", []):
            own = any(
                dependency == path or dependency.startswith(f"{path}/") or path.startswith(f"{dependency}/")
                for path in made
            )
            assert own or dependency in repository | provided, f"{command['name']} needs {dependency}"
        made += command.get("outputs", [])
    assert len(made) == len(set(made)) or variables.get("task", "deid") != "deid", (
        "two commands write the same"
    )


def test_all_covers_both_embedded_tasks_and_the_product():
    names = [command["name"] for command in steps("all")]
    for task in ("deid", "phenotype", "phenotype_512"):
        assert f"train-{task}" in names
        assert f"evaluate-{task}" in names
    for name in (
        *PRETRAINING,
        "package-deid",
        "package-phenotype",
        "benchmark-deid",
        "plugin",
        "install",
        "summary",
    ):
        assert name in names
    assert names[-1] == "summary"
    assert names.index("install") > names.index("package-phenotype")


def test_nothing_is_released_before_it_was_judged():
    for workflow in ("all", "pretrain"):
        names = [command["name"] for command in steps(workflow)]
        places = [names.index(name) for name in PRETRAINING]
        assert places == sorted(places)
        makers = [c for c in steps(workflow) if "encoders/tiny" in c.get("outputs", [])]
        assert [maker["name"] for maker in makers] == ["release-tiny"]
    judged = set(commands()["judge-tiny"]["outputs"])
    assert judged <= set(commands()["release-tiny"]["deps"])


def test_a_hospital_names_its_own_recipes_text_and_start():
    variables = {"pretrained": "ward", "phase1": "phase1_base", "phase2": "phase2_base", "seed": 7}
    variables |= {"pretrain_text": "ward=/data/notes:2 /data/more", "pretrain_start": "encoders/base"}
    found = {command["name"]: command for command in steps("pretrain", **variables)}
    first, second = (shlex.split(found[f"phase{n}-ward"]["script"][0]) for n in (1, 2))
    for words, recipe, seed in ((first, "phase1_base", "7"), (second, "phase2_base", "17")):
        assert {"ward=/data/notes:2", "/data/more"} <= set(words)
        assert words[words.index("--recipe") + 1] == recipe
        assert words[words.index("--seed") + 1] == seed
        assert not {"--restart", "--from-scratch", "--max-steps"} & set(words)
        assert "canaries=assets/canaries/text.jsonl:planted" in words
    assert first[first.index("--encoder") + 1] == "encoders/base"
    work = first[first.index("--work") + 1]
    assert second[second.index("--branch-from") + 1] == work != second[second.index("--work") + 1]
    outputs = [path for command in found.values() for path in command["outputs"]]
    assert all("tiny" not in path for path in outputs)
    for command in found.values():
        for line in command["script"]:
            assert faults(line) == []


def test_variables_reach_every_step():
    variables = {"encoder": "/models/e", "gpu_id": 3, "seed": 17, "version": "9.9.9"}
    scripts = {}
    for command in steps("all", **variables):
        scripts[command["name"]] = "\n".join(command["script"])
    for task in ("deid", "phenotype", "phenotype_512"):
        assert "--encoder /models/e" in scripts[f"config-{task}"]
        assert "--system.seed 17" in scripts[f"config-{task}"]
        assert "--gpu-id 3" in scripts[f"train-{task}"]
        assert "--gpu-id 3" in scripts[f"evaluate-{task}"]
    for task in ("deid", "phenotype"):
        assert "--version 9.9.9" in scripts[f"package-{task}"]
        assert f"en_bioclinical_{task}-9.9.9-" in scripts["install"]
        assert "--gpu-id 3" in scripts[f"benchmark-{task}"]


def test_task_and_corpus_are_variables():
    config = commands(task="bc5cdr", corpus_dir="/data/cdr")["convert-bc5cdr"]
    assert "corpus bc5cdr --input /data/cdr --output corpus/bc5cdr" in config["script"][0]
    assert config["deps"] == ["/data/cdr"]
    assert project(task="bc5cdr")["vars"]["corpus_dir"] == "assets/bc5cdr"


@pytest.mark.parametrize("task", [task for task in TASKS if task != "phenotype_512"])
def test_every_task_has_a_corpus_that_the_converter_knows(task):
    from corpus_scripts.corpora import CORPORA

    corpus = {corpus.name: corpus for corpus in CORPORA}[CORPUS_OF.get(task, task)]
    text = (ROOT / "configs" / "task" / f"{task}.cfg").read_text()
    assert ("textcat" in text) == corpus.task.startswith("textcat")


def test_every_single_step_has_a_short_name():
    workflows = RAW["workflows"]
    per_task = [name for name in (c["name"] for c in RAW["commands"]) if name.endswith("-${vars.task}")]
    assert per_task
    for name in per_task:
        assert workflows[name.partition("-")[0]] == [name]
    for name in RAW["workflows"]["pretrain"]:
        assert name == "canaries" or workflows[name.partition("-")[0]] == [name]
