"""`python -m spacy bioclinical compare`: is one pipeline better than another, or was it chance?

Reads two prediction files that `evaluate` wrote on the same documents; no pipeline runs.
"""

from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json

CHANCE = 0.05


@bioclinical.command("compare")
def compare_cli(
    first: Path = typer.Argument(..., help="Prediction file of one pipeline", exists=True, dir_okay=False),
    second: Path = typer.Argument(
        ..., help="Prediction file of the other, on the same documents", exists=True, dir_okay=False
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="JSON file", dir_okay=False),
    resamples: int = typer.Option(2000, "--resamples", min=100, help="Resamples of documents"),
    seed: int = typer.Option(0, "--seed", help="Seed of the resamples"),
) -> None:
    """Test each headline figure by paired bootstrap and approximate randomisation, on documents."""
    from spacy_bioclinical.training.predictions import read_header, read_predictions
    from spacy_bioclinical.training.significance import compare_records

    try:
        files = [read_predictions(path) for path in (first, second)]
        result = compare_records(*files, n_resamples=resamples, seed=seed)
        result["signatures"] = {
            key: read_header(path)["signature"] for key, path in (("a", first), ("b", second))
        }
    except ValueError as error:
        msg.fail("These predictions cannot be compared", str(error), exits=1)
    if output:
        write_json(output, result)
    print_comparison(result)


def print_comparison(result: dict[str, Any]) -> None:
    """Print one line for each figure.

    result (dict): as `compare_records` returns it.
    """
    rows = []
    for name, figure in result["figures"].items():
        if figure["difference"] is None:
            continue
        low, high = figure["interval"]
        rows.append(
            (
                name,
                *(f"{100 * figure[key]:.2f}" for key in "ab"),
                f"{100 * figure['difference']:+.2f}",
                f"{100 * low:+.2f} to {100 * high:+.2f}",
                f"{figure['p_bootstrap']:.4f}",
                f"{figure['p_randomisation']:.4f}",
            )
        )
    header = ("", "A", "B", "B - A", "95 % interval", "p (bootstrap)", "p (randomised)")
    msg.table(rows, header=header, aligns=("l", *"rrrrrr"), divider=True)
    n_clear = sum(figure["p_randomisation"] < CHANCE for figure in _defined(result))
    print(
        f"{result['documents']} documents, {result['n_resamples']} resamples; {n_clear} of {len(rows)} figures differ "
        f"at p < {CHANCE} by randomisation, none of them corrected for looking at several"
    )


def _defined(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [figure for figure in result["figures"].values() if figure["difference"] is not None]
