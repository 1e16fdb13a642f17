"""`python -m spacy bioclinical encoders`: the catalogue of published encoders as a table, or all about one of them."""

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg, table

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.errors import Errors

if TYPE_CHECKING:
    from spacy_bioclinical.encoder.catalogue import System

WIDTH = 115  # of the table; what is written around it is folded to this
HEADER = ("name", "family", "context", "size", "licence", "hub")
NO_LICENCE = "not stated"
NO_HUB = "(tarball only)"
FACTS = {
    "hub": "hub name",
    "family": "family",
    "context": "context",
    "trained_context": "trained with",
    "advised_context": "set context to",
    "parameters": "parameters",
    "tokenizer": "tokenizer",
    "is_cased": "case",
    "licence": "licence",
    "trained_on": "trained on",
    "source": "source",
    "aliases": "also called",
    "traps": "mind",
    "unsure": "not confirmed",
}


@bioclinical.command("encoders")
def encoders_cli(
    name: str | None = typer.Argument(None, help="Show all about this encoder; none: the table of all"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON, with every fact"),
) -> None:
    """List the published encoders by name, or show all that is known about one.

    Such a name stands for a hub name wherever an encoder is named: --encoder, --vars.encoder, [initialize].
    """
    from spacy_bioclinical.encoder.catalogue import SYSTEMS, close_names, find_system

    if name is None:
        print(as_text(SYSTEMS) if not as_json else _json([asdict(system) for system in SYSTEMS]))
        return
    system = find_system(name)
    if system is None:
        close = close_names(name)
        hint = f"Did you mean {' or '.join(close)}? " if close else ""
        msg.fail("No such encoder", Errors.BC158.format(name=name, hint=hint), exits=1)
    print(_json(asdict(system)) if as_json else describe(system))


def as_text(systems: "tuple[System, ...]") -> str:
    """Lay the catalogue out as a table with notes, at most `WIDTH` columns wide.

    systems (tuple[System, ...]): Rows, in this order.
    RETURNS (str): Lines.
    """
    from spacy_bioclinical.encoder.catalogue import LOWER_CASE_TRAP

    rows = [
        (
            system.name,
            system.family,
            context_of(system),
            system.parameters,
            NO_LICENCE if system.licence.startswith("none") else system.licence.split(" (")[0],
            system.hub or NO_HUB,
        )
        for system in systems
    ]
    text = table(
        rows, header=HEADER, divider=True, aligns=("l", "l", "r", "r", "l", "l"), spacing=2, max_col=60
    )
    lines = [
        *(line.rstrip() for line in text.strip("\n").splitlines()),
        "",
        *_folded(
            "context: most pieces of a window; after the slash, the windows of the last pretraining where they were "
            "shorter. ~: the usual public figure. Not stated: ask the authors before use."
        ),
        *_folded(
            "Any name of this table, any hub name and any local folder can be used alike, and a folder wins over a "
            "name. All about one, traps included: python -m spacy bioclinical encoders NAME"
        ),
        "",
        "Know before use:",
    ]
    for system in systems:
        if system.advised_context:
            lines += _folded(f"{system.name}: {system.traps[0]}", indent="  ")
    lower_casing = [system.name for system in systems if LOWER_CASE_TRAP in system.traps]
    lines += _folded(
        f"{', '.join(lower_casing)}: the published tokenizer lower-cases a cased vocabulary. Corrected here, with a "
        "warning.",
        indent="  ",
    )
    return "\n".join(lines)


def describe(system: "System") -> str:
    """Write down every fact about one encoder.

    system (System): The encoder.
    RETURNS (str): Lines, facts that are not known left out.
    """
    lines = [system.name, ""]
    for key, title in FACTS.items():
        value: Any = getattr(system, key)
        if key == "hub":
            value = value or "none: published as a tarball only"
        elif key == "is_cased":
            value = "cased" if value else "uncased"
        elif key in ("context", "trained_context"):
            value = f"{value} pieces"
        values = value if isinstance(value, tuple) else (value,)
        is_list = len([text for text in values if text]) > 1
        for number, text in enumerate(text for text in values if text):
            label = f"{title if number == 0 else '':16}" + ("- " if is_list else "")
            lines += textwrap.wrap(text, WIDTH, initial_indent=label, subsequent_indent=" " * len(label))
    return "\n".join(lines)


def context_of(system: "System") -> str:
    """Write an encoder's context, and the shorter one it was trained with: "8192/128".

    system (System): The encoder.
    RETURNS (str): The cell.
    """
    if system.trained_context == system.context:
        return str(system.context)
    return f"{system.context}/{system.trained_context}"


def _folded(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  " if indent else ""
    )


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
