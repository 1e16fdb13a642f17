"""`python -m spacy bioclinical package`: a trained pipeline becomes a wheel that brings all it needs.

spaCy writes the package and pins the plugin by itself, but never torch and transformers; their ranges are
taken from the plugin's own metadata, so that they are written down once (setup.cfg). The wheel is built in
this environment, offline. Its README.md says where the pipeline comes from and how good it is (`package_card.py`);
beside it lies what the pipeline says about some documents, for `install-check`.
"""

import json
import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.processes import device_environment, run_python
from spacy_bioclinical.cli.wheel import build_wheel
from spacy_bioclinical.errors import Errors

PLUGIN = "spacy-bioclinical"
REQUIRED = ("torch", "transformers")


@bioclinical.command("package")
def package_cli(
    model: Path = typer.Argument(..., help="Folder of a trained pipeline", exists=True, file_okay=False),
    output: Path = typer.Argument(..., help="Folder for the wheel"),
    name: str = typer.Option(..., "--name", "-n", help="Name without the language: bioclinical_deid"),
    version: str = typer.Option("0.1.0", "--version", "-v", help="Version of the pipeline"),
    sample: Path = typer.Option(..., "--sample", help="A .spacy file to record outputs on", exists=True),
    limit: int = typer.Option(8, "--limit", min=1, help="How many of its documents"),
    metrics: Path | None = typer.Option(
        None, "--metrics", help="Scores for the README.md, of evaluate --output", exists=True, dir_okay=False
    ),
    speed: Path | None = typer.Option(
        None, "--speed", help="Words per second for it, of speed --output", exists=True, dir_okay=False
    ),
) -> None:
    """Build a wheel of a pipeline and record its output on some documents."""
    try:
        measured = {"metrics": metrics, "speed": speed}
        wheel = build_pipeline_wheel(model, output, name=name, version=version, **measured)
        record = ["-m", "spacy", "bioclinical", "outputs", str(model), str(sample)]
        record += ["--output", str(outputs_path(wheel)), "--limit", str(limit)]
        run_python(record, environment=device_environment(-1))
    except ValueError as error:
        msg.fail("No package was built", str(error), exits=1)
    msg.good(f"Built {wheel}")


def build_pipeline_wheel(
    model: Path,
    output: Path,
    *,
    name: str,
    version: str,
    metrics: Path | None = None,
    speed: Path | None = None,
) -> Path:
    """Package a pipeline with spaCy and build its wheel in the present environment.

    model (Path): Folder of a trained pipeline.
    output (Path): Folder for the wheel, made if needed; a wheel of the same name is replaced.
    name (str): Name without the language.
    version (str): Version of the pipeline.
    metrics (Path | None), speed (Path | None): What `evaluate` and `speed` wrote, for the README.md in the wheel.
    RETURNS (Path): The wheel.
    RAISES (ValueError): BC476, BC477 if those are something else or of another pipeline, BC512 if a step fails,
        BC516 if the plugin is not installed.
    """
    from spacy_bioclinical.cli.package_card import packaged_readme
    from spacy_bioclinical.cli.package_config import packaged_config

    meta = json.loads((model / "meta.json").read_text(encoding="utf8"))
    ranges = plugin_requirements()
    own = [r for r in meta.get("requirements", []) if requirement_name(r) not in REQUIRED]
    meta["requirements"] = [*own, *(ranges[required] for required in REQUIRED)]
    readme = packaged_readme(model, name=name, version=version, metrics=metrics, speed=speed)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "model"
        shutil.copytree(model, copy)
        (copy / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf8")
        (copy / "README.md").write_text(readme, encoding="utf8")
        forget_words(copy)
        (copy / "config.cfg").write_bytes(packaged_config(model))
        package = Path(temporary) / "package"
        package.mkdir()
        arguments = ["-m", "spacy", "package", str(copy), str(package), "--name", name, "--version", version]
        run_python([*arguments, "--build", "none"], quiet=True)
        (setup,) = package.glob("*/setup.py")
        return build_wheel(setup.parent, output)


def forget_words(model: Path) -> None:
    """Take the words of the training notes out of a saved pipeline.

    spaCy stores every string its vocabulary has met, so names and numbers of the notes that a pipeline was
    trained on would travel in `vocab/strings.json`. What a fresh language knows and the labels are all that
    is needed.

    model (Path): Folder of a pipeline, changed in place.
    """
    import spacy
    from spacy.strings import StringStore

    meta = json.loads((model / "meta.json").read_text(encoding="utf8"))
    kept = StringStore(strings=list(spacy.blank(meta["lang"]).vocab.strings))
    for labels in meta.get("labels", {}).values():
        for label in labels:
            kept.add(label)
    kept.to_disk(model / "vocab" / "strings.json")


def plugin_requirements() -> dict[str, str]:
    """Read the plugin's own requirements from its installed metadata.

    RETURNS (dict[str, str]): Name to requirement, e.g. "torch" to "torch<2.14,>=2.6"; extras left out.
    RAISES (ValueError): BC516 if the plugin is not installed.
    """
    try:
        requirements = metadata.requires(PLUGIN) or []
    except metadata.PackageNotFoundError:
        raise ValueError(Errors.BC516) from None
    return {requirement_name(line): line for line in requirements if "extra ==" not in line}


def requirement_name(requirement: str) -> str:
    """Name of a requirement in the normal form.

    requirement (str): E.g. "Spacy_Transformers>=1.4".
    RETURNS (str): E.g. "spacy-transformers".
    """
    name = re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def outputs_path(wheel: Path) -> Path:
    """Where the recorded outputs of a wheel lie.

    wheel (Path): E.g. packages/en_bioclinical_deid-0.1.0-py3-none-any.whl.
    RETURNS (Path): E.g. packages/en_bioclinical_deid.outputs.json.
    """
    return wheel.with_name(f"{wheel.name.split('-')[0]}.outputs.json")
