"""Make an encoder folder that may leave the house of a candidate: not before its memorisation has been measured.

`pretrain.train` writes a candidate. This checks that an evaluation and a memorisation report are of its very weights,
refuses if the probe says "stop", and writes the final folder whole or not at all: weights, tokenizer, record, curves
and a card with all phases, figures and what was memorised. Example: python -m pretrain.release encoders/tiny.phase2
--phase encoders/tiny.phase1 --evaluation e.json --memorisation m.json --output encoders/tiny
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from pretrain.card_tables import LONGEST
from pretrain.curves import FOLDER as CURVES
from pretrain.evaluation_command import encoder_hash
from pretrain.export import RECORD
from pretrain.memorisation import LEVELS
from pretrain.model_card import CARD, CardFacts, model_card, told
from pretrain.text import file_hash
from pretrain.whole_folder import whole_folder
from spacy_bioclinical import __version__
from spacy_bioclinical.errors import Errors

PARTS = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
STOPPED = 3  # exit status if the verdict is "stop" and nobody has accepted it
_STOP = LEVELS[-1]


class NotReleased(ValueError):
    """The memorisation report stands against it."""


def release(
    candidate: Path,
    output: Path,
    *,
    evaluation: Path,
    memorisation: Path,
    phases: Sequence[Path] = (),
    card: CardFacts | None = None,
    accepted: str = "",
) -> str:
    """Write the final folder of a candidate.

    candidate (Path): what `pretrain.train` wrote.
    output (Path): another folder; an encoder that it held is replaced.
    evaluation (Path), memorisation (Path): what `pretrain.evaluation` and `pretrain.memorisation probe` wrote.
    phases (Sequence[Path]): folders of the runs before the candidate's, first to last.
    card (CardFacts | None): title, licence, base model, tags. accepted (str): reason to release it in spite of "stop".
    RETURNS (str): the verdict.
    RAISES (NotReleased): BC786. (ValueError): BC785 for reports that are of other weights or say nothing, BC787 for
        folders that are no candidate or phases of it. (OSError): a full disk; the folder stays as it was.
    """
    if output.expanduser().resolve() in {place.expanduser().resolve() for place in (candidate, *phases)}:
        why, todo = "it would be written over itself", "Choose another --output"
        raise ValueError(Errors.BC787.format(candidate=candidate, why=why, todo=todo))
    record = _record(candidate)
    missing = [name for name in PARTS if not (candidate / name).is_file()]
    if missing:
        why = f"it holds no {missing[0]}"
        raise ValueError(
            Errors.BC787.format(candidate=candidate, why=why, todo="Train it with pretrain.train")
        )
    weights = encoder_hash(candidate)
    scores = _report(evaluation, candidate, weights, "whole", "pretrain.evaluation")
    remembered = _report(memorisation, candidate, weights, "verdict", "pretrain.memorisation probe")
    earlier = _earlier(phases, candidate, record)
    verdict, reason = remembered["verdict"], _reason(accepted)
    if verdict == _STOP and not reason:
        n_stops = sum(line["verdict"] == _STOP for line in remembered["verdicts"])
        why = f"{n_stops} of {len(remembered['verdicts'])} measures in {memorisation} say 'stop'"
        raise NotReleased(Errors.BC786.format(candidate=candidate, why=why))
    reason = reason if verdict == _STOP else ""
    whole = {
        **record,
        "phases": earlier,
        "release": {
            "encoder": weights,
            "evaluation": file_hash(evaluation),
            "memorisation": file_hash(memorisation),
            "verdict": verdict,
            "accepted": reason or None,
            "version": __version__,
        },
    }
    facts = card or CardFacts()
    told_facts = CardFacts(
        **{key: getattr(facts, key) for key in ("title", "license", "base_model", "language", "tags")},
        details=_details(scores, [record, *earlier]),
        memorisation={key: value for key, value in remembered.items() if key != "signature"},
        accepted=reason,
    )
    outdated = {path.name for path in output.glob("*.safetensors*")} | {*PARTS, RECORD, CARD, CURVES}
    with whole_folder(output, replaced=outdated) as aside:
        for name in PARTS:
            shutil.copyfile(candidate / name, aside / name)
        if encoder_hash(aside) != weights:
            why, todo = "its weights changed while they were copied", "Run it again when nothing writes there"
            raise ValueError(Errors.BC787.format(candidate=candidate, why=why, todo=todo))
        runs = [
            (folder, one["recipe"]["name"]) for folder, one in zip([*phases, candidate], [*earlier, record])
        ]
        pictures = _copy_curves(runs, aside / CURVES)
        (aside / RECORD).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf8")
        text = model_card(whole, told_facts, name=output.expanduser().resolve().name, pictures=pictures)
        (aside / CARD).write_text(text, encoding="utf8")
    return verdict


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf8"))
        # What an earlier release added is of other weights.
        kept = {key: value for key, value in record.items() if key not in ("phases", "release")}
        return {
            **kept,
            "data": told(record["data"]),
            "recipe": {**record["recipe"]},
            "run": {**record["run"]},
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{RECORD} of {folder} cannot be read ({type(error).__name__})"
        todo = "Give a folder that pretrain.train wrote"
        raise ValueError(Errors.BC787.format(candidate=folder, why=why, todo=todo)) from None


def _report(file: Path, candidate: Path, weights: str, needed: str, command: str) -> dict[str, Any]:
    """Read a report and make sure that it is of the candidate's weights and says something."""
    facts = {"file": file, "candidate": candidate, "command": command}
    try:
        report = json.loads(file.read_text(encoding="utf8"))
        measured, value = report["signature"]["encoder"], report[needed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"it is no report of {command} ({type(error).__name__})"
        raise ValueError(Errors.BC785.format(why=why, **facts)) from None
    if measured != weights:
        why = f"it is of weights {str(measured)[:12]}…, these are {weights[:12]}… (SHA-256)"
        raise ValueError(Errors.BC785.format(why=why, **facts))
    if needed == "verdict" and value not in LEVELS:
        raise ValueError(Errors.BC785.format(why="nothing was measured in it", **facts))
    return report


def _earlier(phases: Sequence[Path], candidate: Path, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the records of the phases before; each run has begun with the weights of the one before it."""
    records = [_record(folder) for folder in phases]
    for folder, later in zip(phases, [*records[1:], record]):
        if encoder_hash(folder) not in str(later["run"].get("start")).split(":"):
            why = (
                f"recipe '{later['recipe']['name']}' did not begin with the weights that are now in {folder}"
            )
            todo = "Give the phases before it, first to last, or run the later phase again"
            raise ValueError(Errors.BC787.format(candidate=candidate, why=why, todo=todo))
    return records


def _reason(text: str) -> str:
    """One line of a length that a card takes."""
    return " ".join(text.split())[:LONGEST]


def _details(scores: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The evaluation as a card tells it: sources that the record does not name are numbered, for names can tell."""
    known = {source["name"] for record in records for source in record["data"].get("sources", ())}
    by_source = scores.get("by_source") or {}
    names = [name if name in known else f"text {number}" for number, name in enumerate(by_source, start=1)]
    own = scores["signature"].get("data_hash") == records[0]["run"].get("data")
    return {
        "text": "held-out part of the training text" if own else "other text than the run's",
        **{key: value for key, value in scores.items() if key != "signature"},
        "by_source": dict(zip(names, by_source.values())),
    }


def _copy_curves(runs: Sequence[tuple[Path, str]], folder: Path) -> dict[str, str]:
    """Copy the runs' pictures. RETURNS (dict): path in the encoder folder to title."""
    titles: dict[str, str] = {}
    for number, (source, name) in enumerate(runs, start=1):
        place = folder / f"phase{number}" if len(runs) > 1 else folder
        for picture in sorted((source / CURVES).glob("*.svg"), key=_place_in_card):
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, place / picture.name)
            path = (place / picture.name).relative_to(folder.parent).as_posix()
            titles[path] = f"{picture.stem.replace('_', ' ').capitalize()}, {name}"
    return titles


def _place_in_card(picture: Path) -> tuple[bool, str]:
    """Loss first, then as named."""
    return picture.stem != "loss", picture.stem


def main(
    candidate: Path = typer.Argument(
        ..., metavar="CANDIDATE", help="Encoder folder that pretrain.train wrote."
    ),
    evaluation: Path = typer.Option(..., "--evaluation", help="Report of pretrain.evaluation on it."),
    memorisation: Path = typer.Option(
        ..., "--memorisation", help="Report of pretrain.memorisation probe on it."
    ),
    output: Path = typer.Option(..., "--output", help="Final folder to write."),
    phase: list[Path] = typer.Option(
        [], "--phase", help="Folder of an earlier phase; repeat it, first to last."
    ),
    title: str = typer.Option("", "--title", help="Heading of the card [the folder's name]."),
    card_license: str = typer.Option("", "--license", help="Licence that the card states."),
    base_model: str = typer.Option("", "--base-model", help="Hub name of the weights it continues."),
    accept_memorisation: str = typer.Option(
        "",
        "--accept-memorisation",
        help="Release it in spite of a verdict 'stop', for this reason (in the card).",
    ),
) -> None:
    """Release a candidate encoder with its reports, or say why not (exit status 3: the probe says stop)."""
    try:
        verdict = release(
            candidate,
            output,
            evaluation=evaluation,
            memorisation=memorisation,
            phases=phase,
            card=CardFacts(title=title, license=card_license, base_model=base_model),
            accepted=accept_memorisation,
        )
    except (ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(STOPPED if isinstance(error, NotReleased) else 1) from error
    typer.echo(f"written    {os.fspath(output)}  memorisation: {verdict}")


if __name__ == "__main__":
    typer.run(main)
