"""Merges small hand-written configs ("overlays") into one: the rules, apart from command line and spaCy.

An overlay is a piece of a spaCy config. Its optional section `[compose]` names, in `include`, the overlays it
stands on (paths relative to its own file), so that a task is one file. The rules of merging:

- later wins, key by key; every value that a later overlay replaced is recorded with both files;
- a block that names another registered function (`@architectures = …`, `factory = …`) replaces the whole
  block, so that no argument of the former function is left behind;
- `nlp.pipeline` is the ordered union of all overlays, so that heads can be stacked;
- a file is merged once, at its first mention.
"""

import configparser
import copy
import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confection import Config

from spacy_bioclinical.errors import Errors

SECTIONS = ("paths", "system", "nlp", "components", "corpora", "training", "initialize")
COMPOSE = "compose"
PIPELINE = "nlp.pipeline"


@dataclass
class Composition:
    """The merged overlays and how they came together.

    config (dict): Nested sections, variables such as `${paths.train}` not yet filled in.
    sources (list[str]): The files, in the order in which they were merged.
    replaced (list[tuple[str, str, str]]): (dotted key, file that had set it, file that replaced it).
    """

    config: dict[str, Any] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    replaced: list[tuple[str, str, str]] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)

    def origin(self, key: str) -> str:
        """Name the file that last set a dotted key, or the section around it."""
        while key and key not in self.origins:
            key = key.rpartition(".")[0]
        return self.origins.get(key, self.sources[0] if self.sources else "")


def read_overlay(path: Path) -> dict[str, Any]:
    """Read one overlay, variables left as they are.

    path (Path): A `.cfg` file.
    RETURNS (dict): Nested sections.
    RAISES (ValueError): BC501 no such file, BC502 not a config (with line), BC503 section not known to spaCy.
    """
    if not path.is_file():
        raise ValueError(Errors.BC501.format(path=path))
    try:
        config = dict(Config().from_str(path.read_text(encoding="utf8"), interpolate=False))
    except (configparser.Error, KeyError, ValueError) as error:
        reason = " ".join(str(error).replace("<string>", path.name).split())
        raise ValueError(Errors.BC502.format(path=path, reason=reason)) from None
    for section in config:
        if section not in (*SECTIONS, COMPOSE):
            close = difflib.get_close_matches(section, SECTIONS, n=1)
            hint = f"Did you mean [{close[0]}]? " if close else ""
            raise ValueError(
                Errors.BC503.format(path=path, section=section, hint=hint, known=", ".join(SECTIONS))
            )
    return config


def expand_includes(paths: list[Path], _active: tuple[Path, ...] = ()) -> list[Path]:
    """List overlays with what they include in front of them, each file once.

    paths (list[Path]): Overlays in the order given.
    RETURNS (list[Path]): Files in the order of merging.
    RAISES (ValueError): BC504 if overlays include each other in a circle, BC505 for a malformed `[compose]`.
    """
    ordered: dict[Path, Path] = {}
    for path in paths:
        key = path.resolve()
        if key in _active:
            circle = " -> ".join(p.name for p in (*_active, key))
            raise ValueError(Errors.BC504.format(path=path, circle=circle))
        settings = read_overlay(path).get(COMPOSE, {})
        include = settings.get("include", [])
        if set(settings) - {"include"} or not isinstance(include, list):
            raise ValueError(Errors.BC505.format(path=path))
        inner = [Path(os.path.relpath(path.parent / name)) for name in include]
        for file in expand_includes(inner, (*_active, key)):
            ordered.setdefault(file.resolve(), file)
        ordered.setdefault(key, path)
    return list(ordered.values())


def merge_overlays(paths: list[Path]) -> Composition:
    """Merge overlays (and what they include) into one config.

    paths (list[Path]): Overlays, later ones win.
    RETURNS (Composition): Config, files and replaced values.
    RAISES (ValueError): BC501-BC505 as above, BC506 where a value meets a section of the same name.
    """
    composition = Composition()
    for path in expand_includes(paths):
        overlay = read_overlay(path)
        overlay.pop(COMPOSE, None)
        composition.sources.append(path.as_posix())
        _merge(composition, composition.config, overlay, "", path.as_posix())
    return composition


def set_value(composition: Composition, key: str, value: Any, source: str = "command line") -> None:
    """Set one dotted key, as if by a last overlay.

    composition (Composition): Changed in place.
    key (str): E.g. `training.max_steps`. Its sections may be new, its first one must be known.
    value: Any JSON value.
    source (str): Who sets it, for the record.
    RAISES (ValueError): BC503 for an unknown first section.
    """
    section, *rest = key.split(".")
    if section not in SECTIONS or not rest:
        raise ValueError(
            Errors.BC503.format(path=source, section=section, hint="", known=", ".join(SECTIONS))
        )
    overlay: dict[str, Any] = {rest[-1]: value}
    for name in [*reversed(rest[:-1]), section]:
        overlay = {name: overlay}
    _merge(composition, composition.config, overlay, "", source)


def _identity(block: dict[str, Any]) -> dict[str, Any]:
    """What a block builds: its registered function or factory, empty if it names none."""
    return {key: value for key, value in block.items() if key.startswith("@") or key == "factory"}


def _merge(composition: Composition, into: dict, new: dict, prefix: str, source: str) -> None:
    for key, value in new.items():
        path = f"{prefix}.{key}" if prefix else key
        old = into.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            named = _identity(value)
            if not named or not _identity(old) or named == _identity(old):
                _merge(composition, old, value, path, source)
                continue
        elif key in into and isinstance(value, dict) != isinstance(old, dict) and None not in (value, old):
            raise ValueError(Errors.BC506.format(key=path, first=composition.origin(path), second=source))
        if path == PIPELINE and isinstance(old, list):
            value = [*old, *(name for name in value if name not in old)]
        elif old is not None and old != value:
            composition.replaced.append((path, composition.origin(path), source))
        into[key] = copy.deepcopy(value)
        composition.origins[path] = source
