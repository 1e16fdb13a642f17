"""`python -m spacy bioclinical wheel`: the plugin's own wheel, built offline from a clean copy."""

import shutil
import tempfile
from pathlib import Path

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.processes import device_environment, run_python
from spacy_bioclinical.errors import Errors


@bioclinical.command("wheel")
def wheel_cli(
    output: Path = typer.Option(Path("dist"), "--output", "-o", help="Folder for the wheel"),
    project: Path = typer.Option(Path("."), "--project", help="Folder with setup.cfg", exists=True),
) -> None:
    """Build the plugin's own wheel from the sources of this project."""
    try:
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / "plugin"
            copy_sources(project, source)
            wheel = build_wheel(source, output)
    except ValueError as error:
        msg.fail("No wheel was built", str(error), exits=1)
    msg.good(f"Built {wheel}")


def copy_sources(project: Path, target: Path) -> None:
    """Copy what the wheel is made of, so that nothing stale under build/ gets in and the project stays clean.

    project (Path): Folder with setup.cfg.
    target (Path): New folder.
    RAISES (ValueError): BC513 if this is not the project's folder.
    """
    if not (project / "setup.cfg").is_file() or not (project / "spacy_bioclinical").is_dir():
        raise ValueError(
            Errors.BC513.format(path=project, what="setup.cfg and spacy_bioclinical/", step="plugin")
        )
    shutil.copytree(
        project / "spacy_bioclinical",
        target / "spacy_bioclinical",
        ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
    )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(project / name, target / name)


def build_wheel(source: Path, output: Path) -> Path:
    """Build a wheel with what is installed here, no network; equal sources give equal bytes.

    source (Path): Folder with setup.py or pyproject.toml.
    output (Path): Folder for the wheel, made if needed; other versions of the same package are removed.
    RETURNS (Path): The wheel.
    RAISES (ValueError): BC512 if the build fails.
    """
    output.mkdir(parents=True, exist_ok=True)
    environment = device_environment(-1) | {"SOURCE_DATE_EPOCH": "946684800"}
    with tempfile.TemporaryDirectory() as temporary:
        arguments = ["-m", "build", "--wheel", "--no-isolation", "--outdir", temporary, str(source)]
        run_python(arguments, environment=environment, quiet=True)
        (built,) = Path(temporary).glob("*.whl")
        for old in output.glob(f"{built.name.split('-')[0]}-*.whl"):
            old.unlink()
        return Path(shutil.move(built, output / built.name))
