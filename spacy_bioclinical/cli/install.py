"""`python -m spacy bioclinical install-check`: do the wheels work where nothing but the wheels is?

A fresh virtual environment gets the plugin's wheel and the pipelines' wheels with all that they require,
held to the versions that run here. Then, from another folder, without a network and with an empty model
cache, each pipeline is loaded by its name and must say what it said before packaging. About a minute and 2
GB, given back at the end.
"""

import json
import os
import re
import shutil
import tempfile
import time
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.outputs import compare
from spacy_bioclinical.cli.package import PLUGIN, outputs_path, requirement_name
from spacy_bioclinical.cli.processes import device_environment, run_python
from spacy_bioclinical.errors import Errors

SHOWN = ("spacy", "spacy-transformers", "torch", "transformers", PLUGIN)


@bioclinical.command("install-check")
def install_check_cli(
    wheels: list[Path] = typer.Argument(
        ..., help="Wheels of pipelines, as `package` builds them", exists=True
    ),
    plugin: Path = typer.Option(Path("dist"), "--plugin", help="Folder with the plugin's wheel", exists=True),
    output: Path = typer.Option(..., "--output", "-o", help="JSON file for the result"),
    environment: Path = typer.Option(Path(".venv-install-check"), "--environment", help="Folder, made anew"),
    keep: bool = typer.Option(False, "--keep", help="Leave the environment there"),
) -> None:
    """Install wheels into a fresh environment, load them offline elsewhere, compare their output."""
    wheels = list(dict.fromkeys(wheels))
    try:
        result = install_and_compare(wheels, plugin, environment.resolve())
    except ValueError as error:
        msg.fail("The installed pipelines are not what was packaged", str(error), exits=1)
    finally:
        if not keep:
            shutil.rmtree(environment, ignore_errors=True)
    write_json(output, result)
    for name, gap in result["pipelines"].items():
        msg.good(f"{name}: installed, loaded offline, same output (scores within {gap:.1g})")


def install_and_compare(wheels: list[Path], plugin: Path, environment: Path) -> dict[str, Any]:
    """Make the environment, install, load and compare.

    wheels (list[Path]): Pipelines' wheels with `NAME.outputs.json` beside them.
    plugin (Path): Folder with one wheel of the plugin.
    environment (Path): Absolute path of the environment; replaced if it exists.
    RETURNS (dict): Seconds, versions installed, largest difference of scores for each pipeline.
    RAISES (ValueError): BC512 if a step fails, BC513 if a file is missing, BC514 if the output differs.
    """
    plugin_wheels = sorted(plugin.glob("*.whl"))
    if len(plugin_wheels) != 1:
        raise ValueError(Errors.BC513.format(path=plugin, what="one wheel", step="plugin"))
    for wheel in wheels:
        if not outputs_path(wheel).is_file():
            raise ValueError(Errors.BC513.format(path=outputs_path(wheel), what="outputs", step="package"))
    start = time.perf_counter()
    shutil.rmtree(environment, ignore_errors=True)
    run_python(["-m", "venv", str(environment)])
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    clean = _clean_environment()
    with tempfile.TemporaryDirectory() as temporary:
        elsewhere = Path(temporary)
        constraints = elsewhere / "constraints.txt"
        constraints.write_text("\n".join(present_versions()), encoding="utf8")
        pip = ["-m", "pip", "--disable-pip-version-check", "install"]
        run_python([*pip, "--upgrade", "pip"], python=python, environment=clean, quiet=True)
        files = [str(file.resolve()) for file in (*plugin_wheels, *wheels)]
        wanted = [*pip, "--constraint", str(constraints), *files]
        run_python(wanted, python=python, environment=clean, quiet=True)
        seconds = time.perf_counter() - start
        offline = _offline(clean, elsewhere)
        show = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
        found_versions = run_python(["-c", show, *SHOWN], python=python, environment=offline)[-1].split()
        gaps = {}
        for wheel in wheels:
            name = wheel.name.split("-")[0]
            expected = outputs_path(wheel).resolve()
            recorded = json.loads(expected.read_text(encoding="utf8"))
            found = elsewhere / f"{name}.json"
            arguments = [
                "-m",
                "spacy",
                "bioclinical",
                "outputs",
                name,
                str(Path(recorded["corpus"]).resolve()),
            ]
            arguments += ["--output", str(found), "--limit", str(recorded["limit"])]
            run_python(arguments, python=python, environment=offline, folder=elsewhere)
            gaps[name] = compare(expected, found, name)
    requirements = {wheel.name: wheel_requirements(wheel) for wheel in (*plugin_wheels, *wheels)}
    return {
        "install_seconds": round(seconds),
        "versions": dict(zip(SHOWN, found_versions, strict=True)),
        "pipelines": gaps,
        "wheels": {file.as_posix(): requirements[file.name] for file in (*plugin_wheels, *wheels)},
    }


def present_versions() -> list[str]:
    """Versions of everything installed here, as constraints: what was tested is what gets installed.

    RETURNS (list[str]): E.g. "torch==2.13.0"; local parts such as "+cpu" left out, editable installs too.
    """
    lines = set()
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        direct = distribution.read_text("direct_url.json")
        if name and not direct and requirement_name(name) not in ("pip", "setuptools", "wheel", PLUGIN):
            lines.add(f"{name}=={distribution.version.split('+')[0]}")
    return sorted(lines)


def wheel_requirements(wheel: Path) -> list[str]:
    """Read what a wheel requires from its metadata, extras left out.

    wheel (Path): A wheel.
    RETURNS (list[str]): E.g. ["torch<2.14,>=2.6", …].
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (item for item in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", item))
        lines = archive.read(name).decode("utf8").split("\n\n")[0].splitlines()
    requirements = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    return [line for line in requirements if "extra ==" not in line]


def _clean_environment() -> dict[str, str]:
    """This process's environment without what would let the fresh one see the project."""
    environment = device_environment(-1)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SPACY_CONFIG_OVERRIDES"):
        environment.pop(name, None)
    return environment | {"PYTHONNOUSERSITE": "1"}


def _offline(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """No hub, no cache, and a proxy that nobody answers: any attempt to use the network fails."""
    nowhere = "http://127.0.0.1:9"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    cache = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return environment | cache | dict.fromkeys(names, nowhere)
