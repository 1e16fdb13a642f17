"""Checks a command line of project.yml or of the documentation without running it: do module and options exist?"""

import importlib.util
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"pip", "venv", "pytest", "ruff", "mypy", "build"}
"""Modules whose command lines are not ours to check."""


@cache
def command_of(module: str) -> Any:
    """The click command (group) behind `python -m module`."""
    if module == "spacy":
        import spacy.cli  # noqa: F401 its import adds spaCy's own commands
        from spacy.cli._util import app
        from spacy.util import registry

        registry.cli.get_all()
        return typer.main.get_command(app)
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__path__"):
        loaded = importlib.import_module(f"{module}.__main__")
    if not hasattr(loaded, "app") and not hasattr(
        loaded, "main"
    ):  # the command has a file of its own beside it
        loaded = importlib.import_module(f"{module}_command")
    if hasattr(loaded, "app"):
        return typer.main.get_command(loaded.app)
    single = typer.Typer()
    single.command()(loaded.main)
    return typer.main.get_command(single)


def faults(line: str) -> list[str]:
    """What is wrong with a line `python -m …`; nothing, one hopes."""
    words = shlex.split(line)
    if words[:2] != ["python", "-m"] or len(words) < 3:
        return [f"not `python -m …`: {line}"]
    module, words = words[2], words[3:]
    if module.split(".")[0] in ELSEWHERE:
        return []
    if importlib.util.find_spec(module) is None:
        return [f"no module {module}"]
    if module.startswith("huggingface_hub."):
        return []
    command, path = command_of(module), module
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return [] if words == ["--help"] else [f"{path} has no command {words[:1]}"]
        command, path, words = command.commands[words[0]], f"{path} {words[0]}", words[1:]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    free = bool(command.context_settings.get("ignore_unknown_options"))
    found = []
    for word in words:
        option = word.split("=")[0]
        if (
            option.startswith("--")
            and option not in known
            and option != "--help"
            and not (free and "." in option)
        ):
            found.append(f"{path} has no option {option}")
    required = {tuple(p.opts) for p in command.params if p.required and p.opts[0].startswith("-")}
    if "--help" not in words:
        found += [f"{path} misses {opts[0]}" for opts in required if not set(opts) & set(words)]
    return found
