"""Options of readers given on the command line as KEY=VALUE, by the names of the option classes' fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from corpus_scripts.reading import ReadOptions
from spacy_bioclinical.errors import Errors

_TRUE_FALSE = {"true": True, "false": False}


def with_settings(options: ReadOptions, settings: Sequence[str]) -> ReadOptions:
    """Replace fields of the options.

    options (ReadOptions): As they are.
    settings (Sequence[str]): "rows.dialect=prodigy", "missing_ann=skip"; several values by commas.
    RETURNS (ReadOptions): With the new values.
    RAISES (ValueError): BC627 for an unknown key or a value of the wrong kind.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(Errors.BC627.format(setting=key, why="there is no '='", keys=_known(options)))
        options = _replace(options, key.split("."), value, key, options)
    return options


def setting_keys(options: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All keys with their present values: ("rows.dialect", "auto"), …"""
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            yield from setting_keys(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def _replace(part: Any, names: Sequence[str], text: str, key: str, whole: ReadOptions) -> Any:
    name, *rest = names
    if name not in {field.name for field in fields(part)} or bool(rest) != is_dataclass(getattr(part, name)):
        raise ValueError(Errors.BC627.format(setting=key, why="there is no such key", keys=_known(whole)))
    old = getattr(part, name)
    if rest:
        return replace(part, **{name: _replace(old, rest, text, key, whole)})
    kind = next(field.type for field in fields(part) if field.name == name)
    try:
        return replace(part, **{name: _parse(text, str(kind))})
    except (KeyError, ValueError) as error:
        if str(error).startswith("[BC"):
            raise
        raise ValueError(
            Errors.BC627.format(setting=key, why=f"its value is no {kind}", keys=_known(whole))
        ) from None


def _parse(text: str, kind: str) -> Any:
    """A value of the kind that a field's annotation names."""
    if kind.startswith("tuple"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind.startswith("bool"):
        return _TRUE_FALSE[text.lower()]
    if kind.startswith("int"):
        return int(text)
    return float(text) if kind.startswith("float") else text


def _known(options: ReadOptions) -> str:
    return ", ".join(key for key, _ in setting_keys(options))
