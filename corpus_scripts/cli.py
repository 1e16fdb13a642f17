"""What the commands of this folder share: failures become one line and an exit code, results a table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import typer

from corpus_scripts.report import Report, table

P = ParamSpec("P")
R = TypeVar("R")


def quiet_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Print the message of an expected failure and exit with 1 (interrupted: 130); a traceback would bury it.

    command (Callable): A typer command. ValueError and OSError are expected; anything else is a fault of ours
        and keeps its traceback.
    """

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (ValueError, OSError) as error:
            typer.echo(f"✘ {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo(
                "✘ Interrupted; no output was changed. The same command goes on where it was.", err=True
            )
            raise typer.Exit(130) from None

    return guarded


def show(reports: Sequence[Report]) -> None:
    """Print the table of some reports."""
    typer.echo(table(reports))
