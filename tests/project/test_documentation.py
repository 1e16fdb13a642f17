"""What README and docs tell people to type exists: make targets, project commands, options; Python compiles."""

import re
from pathlib import Path

import pytest
import srsly

from tests.project.command_lines import faults

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = ("bash", "sh", "console", "shell")
HARMLESS = ("git clone", "cd ", "source ", "export ", "pip install", "python3 -m venv", "#", "ls ", "cat ")


def blocks(page: Path, languages: tuple[str, ...]) -> list[str]:
    """The text of the fenced code blocks in these languages."""
    text = page.read_text(encoding="utf8")
    return [
        body for language, body in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL) if language in languages
    ]


def lines(page: Path) -> list[str]:
    """Command lines of a page: continued lines joined, prompts and trailing remarks taken off."""
    found = []
    for block in blocks(page, SHELL):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+#.*$", "", line.strip().removeprefix("$ "))
            if line:
                found.append(line)
    return found


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    return set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())


def project_names() -> set[str]:
    raw = srsly.read_yaml(ROOT / "project.yml")
    names = set(raw["workflows"]) | {command["name"] for command in raw["commands"]}
    tasks = [path.stem for path in (ROOT / "configs" / "task").glob("*.cfg")]
    return names | {name.replace("${vars.task}", task) for name in names for task in tasks}


def what_is_wrong(line: str) -> list[str]:
    line = re.sub(r"^(?:[A-Z_]+=\S+\s+)+", "", line)  # variables set for one command
    if line == "python" or line.startswith(HARMLESS):
        return []
    if line.startswith("accelerate launch "):  # its own options come before the module
        line = "python " + line[line.index("-m ") :]
    if line.startswith("make "):
        targets = {word for word in line.split()[1:] if re.fullmatch(r"[a-z]+", word)}
        return [f"make has no target {target}" for target in targets - make_targets()]
    if line.startswith("python -m spacy project run"):
        words = line.split()
        wrong = [] if words[5] in project_names() else [f"no project command {words[5]}"]
        variables = srsly.read_yaml(ROOT / "project.yml")["vars"]
        used = re.findall(r"--vars\.(\w+)", line)
        wrong += [f"no variable {name}" for name in used if name not in variables]
        if used and (len(words) < 7 or words[6] != "."):
            wrong.append("variables need the project's folder: project run NAME . --vars…")
        return wrong
    if line.startswith("python -m "):
        return faults(line)
    return [f"unknown command: {line}"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_exists(page):
    wrong = {line: found for line in lines(page) if (found := what_is_wrong(line))}
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_compiles(page):
    for number, block in enumerate(blocks(page, ("python", "py"))):
        compile(block, f"{page.name} block {number}", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_shows_the_two_commands_that_matter():
    shown = lines(ROOT / "README.md")
    assert any(line.startswith("make all") for line in shown)
    assert any(line.startswith("make test") for line in shown)
    assert any("spacy project run" in line for line in shown)


@pytest.mark.parametrize(
    "line",
    [
        "make everything",
        "python -m spacy project run nothing",
        "python -m spacy project run all --vars.task deid",
        "python -m spacy project run task . --vars.tusk deid",
        "python -m spacy bioclinical compose a.cfg --outputt x",
        "python -m spacy bioclinical nothing",
        "python -m corpus_scripts.convert corpus deid --input x",
        "python -m no_such_module",
        "rm -rf /",
    ],
)
def test_a_wrong_command_line_would_be_noticed(line):
    assert what_is_wrong(line)
