"""`python -m spacy bioclinical compose`: overlays in, one complete and checked training config out.

The composed file holds every default, so that what trained a model can be read beside the model and used with
`python -m spacy train` alone. Composing builds the (empty) pipeline once, about 5 seconds.
"""

import difflib
from pathlib import Path
from typing import Any

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_aside
from spacy_bioclinical.cli.overlays import Composition, merge_overlays, set_value
from spacy_bioclinical.errors import Errors

REQUIRED_PATHS = {"corpus": "--paths.corpus FOLDER", "encoder": "--encoder FOLDER"}


@bioclinical.command("compose", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def compose_cli(
    ctx: typer.Context,  # holds the overrides
    overlays: list[str] = typer.Argument(..., help="Overlay files, later ones win; then --section.key VALUE"),
    output: Path = typer.Option(
        Path("-"), "--output", "-o", help="Config to write, - for the screen", allow_dash=True
    ),
    encoder: str | None = typer.Option(
        None, "--encoder", help="Encoder, a folder or a name: becomes paths.encoder"
    ),
    encoder_overlays: Path | None = typer.Option(
        None,
        "--encoder-overlays",
        help="Folder of overlays named like encoders: FOLDER/tiny.cfg is added for encoders/tiny; the catalogue's "
        "name counts too",
    ),
) -> None:
    """Merge overlays into one complete, checked config.

    Single values can be set last, in spaCy's way: --training.max_steps 100 --nlp.batch_size 8
    """
    files, settings = split_arguments(overlays + ctx.args)
    overrides = parse_config_overrides(settings)
    try:
        composition = compose(files, encoder=encoder, encoder_overlays=encoder_overlays, overrides=overrides)
        text = header(composition) + fill(composition)
    except ValueError as error:
        msg.fail("Cannot compose this config", str(error), exits=1)
    if str(output) == "-":
        print(text)
        return
    write_aside(output, text)
    msg.good(
        f"{output}: {len(composition.sources)} overlays, pipeline {composition.config['nlp']['pipeline']}"
    )


def compose(
    overlays: list[Path],
    *,
    encoder: str | None = None,
    encoder_overlays: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Composition:
    """Merge overlays, the overlay of the encoder if there is one, and single values; then check the pipeline.

    overlays (list[Path]): Later ones win.
    encoder (str): Folder or name of the encoder, becomes `paths.encoder` as it is; finds its overlay.
    encoder_overlays (Path): Where overlays of encoders lie; an encoder without one changes nothing.
    overrides (dict): Dotted key to value.
    RETURNS (Composition): Merged, not yet filled.
    RAISES (ValueError): BC501-BC506 (overlays), BC507 (pipeline without components), BC510 (no path).
    """
    files = list(overlays)
    if encoder and encoder_overlays:
        files += encoder_overlay(encoder, encoder_overlays)
    composition = merge_overlays(files)
    if encoder:
        set_value(composition, "paths.encoder", encoder, "--encoder")
    for key, value in (overrides or {}).items():
        set_value(composition, key, value)
    pipeline = composition.config.get("nlp", {}).get("pipeline", [])
    components = composition.config.get("components", {})
    if not pipeline or set(pipeline) != set(components):
        raise ValueError(
            Errors.BC507.format(
                pipeline=pipeline, components=list(components), sources=", ".join(composition.sources)
            )
        )
    for key, option in REQUIRED_PATHS.items():
        if not composition.config.get("paths", {}).get(key):
            raise ValueError(Errors.BC510.format(key=f"paths.{key}", option=option))
    return composition


def encoder_overlay(encoder: str, folder: Path) -> list[Path]:
    """Find the overlay of an encoder by its own last part, else by its name in the catalogue.

    encoder (str): "encoders/tiny", "clinical-modernbert", "Simonlee711/Clinical_ModernBERT", …
    folder (Path): Where overlays of encoders lie.
    RETURNS (list[Path]): The overlay, or nothing.
    """
    from spacy_bioclinical.encoder.catalogue import system_of_folder

    system = system_of_folder(encoder)
    names = [Path(encoder).name, *([system.name] if system is not None else [])]
    return [folder / f"{name}.cfg" for name in names if (folder / f"{name}.cfg").is_file()][:1]


def fill(composition: Composition) -> str:
    """Fill in every default and check every section as `spacy train` will, without touching data or weights.

    composition (Composition): Merged overlays.
    RETURNS (str): The complete config, variables kept as variables.
    RAISES (ValueError): BC508 with spaCy's own account, BC509 for a setting that nothing reads.
    """
    from confection import Config
    from spacy import util
    from spacy.schemas import ConfigSchemaInit, ConfigSchemaNlp, ConfigSchemaTraining

    schemas = {"nlp": ConfigSchemaNlp, "training": ConfigSchemaTraining, "initialize": ConfigSchemaInit}
    for section, schema in schemas.items():
        _check_names(composition, section, list(schema.model_fields))  # type: ignore[attr-defined]
    try:
        ordered = util.load_config_from_str(Config(composition.config).to_str(interpolate=False))
        nlp = util.load_model_from_config(ordered, auto_fill=True, validate=True)
        filled = nlp.config
        plain = filled.interpolate()
        util.registry.resolve(plain["training"], schema=ConfigSchemaTraining)
        util.registry.fill(plain["initialize"], schema=ConfigSchemaInit)
        util.resolve_dot_names(plain, [plain["training"]["train_corpus"], plain["training"]["dev_corpus"]])
    except (ValueError, KeyError) as error:
        raise ValueError(
            Errors.BC508.format(sources=", ".join(composition.sources), reason=str(error).strip())
        ) from None
    return filled.to_str(interpolate=False)


def _check_names(composition: Composition, section: str, known: list[str]) -> None:
    """Refuse settings that spaCy's schema would strip silently, a misspelt `max_stepz` for example."""
    for key in composition.config.get(section, {}):
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            raise ValueError(
                Errors.BC509.format(
                    key=f"{section}.{key}",
                    source=composition.origin(f"{section}.{key}"),
                    hint=f"Did you mean '{close[0]}'? " if close else "",
                )
            )


def header(composition: Composition) -> str:
    """Comment lines that name the overlays and every value that one of them replaced.

    composition (Composition): Merged overlays.
    RETURNS (str): Lines that begin with `#`.
    """
    lines = [
        "Composed by `python -m spacy bioclinical compose`: change the overlays, not this file.",
        "From:",
    ]
    lines += [f"  {source}" for source in composition.sources]
    if composition.replaced:
        lines += ["Replaced:"]
        lines += [f"  {key}: {first} -> {second}" for key, first, second in composition.replaced]
    return "".join(f"# {line}\n" for line in lines) + "\n"


def split_arguments(arguments: list[str]) -> tuple[list[Path], list[str]]:
    """Tell overlay files from overrides such as `--training.max_steps 5`, which click hands over together.

    arguments (list[str]): As typed.
    RETURNS (tuple): Overlay files; names and values of overrides, in spaCy's form.
    """
    files: list[Path] = []
    overrides: list[str] = []
    expects_value = False
    for argument in arguments:
        if argument.startswith("--"):
            overrides.append(argument)
            expects_value = "=" not in argument
        elif expects_value:
            overrides.append(argument)
            expects_value = False
        else:
            files.append(Path(argument))
    return files, overrides
