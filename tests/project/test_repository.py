"""The shape of the repository: small files with a purpose, no catch-all module, what `make` and git know."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(
    path
    for folder in ("spacy_bioclinical", "corpus_scripts", "pretrain", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
OURS = [path for path in CODE if "tests" not in path.relative_to(ROOT).parts]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", CODE, ids=name)
def test_file_is_short_and_no_catch_all(path):
    assert path.stem not in ("utils", "util", "helpers", "common", "misc")
    limit = 320 if path in OURS else 400
    if name(path) != "spacy_bioclinical/errors.py":  # one table on purpose
        assert len(path.read_text(encoding="utf8").splitlines()) <= limit


@pytest.mark.parametrize("path", OURS, ids=name)
def test_file_says_what_it_is_for(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf8")))
    assert docstring
    assert len(docstring.splitlines()[0]) > 20


@pytest.mark.parametrize("path", CODE, ids=name)
def test_no_unfinished_work_and_no_paths_of_one_machine(path):
    text = path.read_text(encoding="utf8")
    # assembled here, so that this file does not find itself
    for word in ("TO" + "DO", "FIX" + "ME", "X" * 3, "/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/"):
        assert not re.search(rf"(?<!\w){re.escape(word)}", text), word


def test_ci_runs_make_test_and_make_knows_it():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text(encoding="utf8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split()
    for target in phony:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        if target != "help":
            assert f"make {target} " in makefile, f"`make help` does not tell {target}"
    for tool in ("ruff check", "ruff format --check", "mypy", "pytest"):
        assert tool in makefile


def test_generated_folders_are_ignored_by_git():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    paths = [
        "assets/x",
        "corpus/x",
        "encoders/x",
        "training/x",
        "metrics/x",
        "packages/x",
        "dist/x",
        "project.lock",
    ]
    paths += [".venv/x", ".venv-install-check/x", "build/x"]
    done = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == paths
    kept = ["spacy_bioclinical/training/__init__.py", "tests/training/x.py", "configs/base.cfg"]
    assert subprocess.run(["git", "check-ignore", *kept], cwd=ROOT, capture_output=True).returncode == 1


def test_constraints_lie_within_the_ranges_of_setup_cfg():
    import configparser

    from packaging.requirements import Requirement

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf8")
    lines = config["options"]["install_requires"].strip().splitlines()
    for extra in ("project", "dev"):
        lines += config["options.extras_require"][extra].strip().splitlines()
    allowed = {Requirement(line).name.lower(): Requirement(line).specifier for line in lines}
    pinned: dict[str, list[str]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pinned.setdefault(requirement.name.lower(), []).append(pin.version)
    for package, specifier in allowed.items():
        for version in pinned.get(package, []):
            assert specifier.contains(version), f"{package} {version} is outside {specifier}"
    assert {"torch", "transformers", "spacy", "spacy-transformers", "datasets"} <= pinned.keys()
