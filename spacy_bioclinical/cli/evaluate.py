"""`python -m spacy bioclinical evaluate`: score a pipeline on a corpus, with the numbers' signature.

Like the other commands that need a device, it runs in a child process that sees only that device. With --predictions
it also writes what all later judging reads: see `training/predictions.py`.
"""

from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.processes import device_environment, run_python, spacy_gpu_id

SHOWN_SLICES = ("position", "length", "seen")


@bioclinical.command("evaluate")
def evaluate_cli(
    model: str = typer.Argument(..., help="Folder or name of a trained pipeline"),
    data: Path = typer.Argument(..., help="A .spacy file or a folder of shards", exists=True),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="JSON file for all scores", dir_okay=False
    ),
    predictions: Path | None = typer.Option(
        None,
        "--predictions",
        help="File for the predictions, without text (.jsonl or .jsonl.gz)",
        dir_okay=False,
    ),
    train: Path | None = typer.Option(
        None, "--train", help="Training corpus, to tell seen mentions from unseen ones", exists=True
    ),
    token_scores: bool = typer.Option(
        False, "--token-scores", help="Also keep each token's probability to be part of an entity"
    ),
    only_seen_pieces: int | None = typer.Option(
        None,
        "--only-seen-pieces",
        min=0,
        help="Leave out mentions that begin after so many pieces, as the published protocol did "
        "(510 for an encoder of 512 pieces); default: all count",
    ),
    resamples: int = typer.Option(2000, "--resamples", min=0, help="Resamples for the intervals, 0 for none"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU; needs no cupy"),
    here: bool = typer.Option(False, "--here", help="Stay in this process, with the devices it sees"),
) -> None:
    """Score entities, spans and classes, in all and by parts, with confidence intervals."""
    settings: dict[str, Any] = {
        "train": train,
        "token_scores": token_scores,
        "only_seen_pieces": only_seen_pieces,
        "n_resamples": resamples,
    }
    try:
        if here:
            evaluate_here(model, data, output, gpu_id, predictions=predictions, **settings)
            return
        arguments = ["-m", "spacy", "bioclinical", "evaluate", model, str(data), "--here"]
        arguments += ["--gpu-id", str(spacy_gpu_id(gpu_id)), "--resamples", str(resamples)]
        named = {
            "--output": output,
            "--predictions": predictions,
            "--train": train,
            "--only-seen-pieces": only_seen_pieces,
        }
        for option, value in named.items():
            arguments += [option, str(value)] if value is not None else []
        arguments += ["--token-scores"] if token_scores else []
        run_python(arguments, environment=device_environment(gpu_id))
    except (ValueError, ImportError, OSError) as error:
        msg.fail("This pipeline could not be evaluated", str(error), exits=1)


def evaluate_here(
    model: str,
    data: Path,
    output: Path | None,
    gpu_id: int,
    *,
    predictions: Path | None = None,
    **settings: Any,
) -> None:
    """Evaluate in this process, write the report and print its main numbers.

    model (str): Folder or name of a pipeline.
    data (Path): A .spacy file or a folder of shards.
    output (Path | None): JSON file, written aside first.
    gpu_id (int): Device for spaCy itself, which needs cupy; -1 for none.
    predictions (Path | None): Prediction file, written aside first.
    settings: Of `evaluate_with_records`.
    """
    import spacy

    from spacy_bioclinical.training.evaluation import evaluate_with_records
    from spacy_bioclinical.training.predictions import write_predictions
    from spacy_bioclinical.training.recording import describe_components

    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    nlp = spacy.load(model)
    found = evaluate_with_records(nlp, data, **settings)
    if predictions:
        signed = found.report["signature"]
        write_predictions(predictions, found.records, signature=signed, components=describe_components(nlp))
    if output:
        write_json(output, found.report)
    print_report(found.report)


def print_report(report: dict[str, Any]) -> None:
    """Print the main numbers of a report as a table.

    report (dict): As `evaluate_pipeline` returns it.
    """
    rows: list[tuple[str, ...]] = []
    entities = report["entities"]
    details = report["details"]
    if entities:
        for key, name in (("spacy", "spaCy"), ("seqeval", "seqeval"), ("exact", "characters")):
            rows.append((f"entities ({name})", *_cells(entities[key], "prf"), ""))
        rows[-1] = (*rows[-1][:-1], _interval(details, "entities.f"))
        for scheme in ("partial", "type"):
            scores = details["entities"]["semeval"][scheme]
            rows.append(
                (f"entities ({scheme})", *_cells(scores, "prf"), _interval(details, f"entities.{scheme}_f"))
            )
        for label, scores in entities["per_type"].items():
            rows.append((f"  {label}", *_cells(scores, "prf"), ""))
    for key, scores in details["spans"].items():
        rows.append((f"spans {key} (exact)", *_cells(scores, "prf"), _interval(details, f"spans.{key}.f")))
        partial = scores["semeval"]["partial"]
        rows.append(
            (f"spans {key} (partial)", *_cells(partial, "prf"), _interval(details, f"spans.{key}.partial_f"))
        )
    for component, scores in report["classes"].items():
        for key in ("weighted", "micro", "macro"):
            interval = _interval(details, f"classes.{component}.{key}_f")
            rows.append((f"{component} ({key})", "", "", f"{100 * scores[f'{key}_f']:.2f}", interval))
    header = ("", "P", "R", "F1", "95 % interval")
    msg.table(rows, header=header, aligns=("l", "r", "r", "r", "r"), divider=True)
    _print_slices(details)
    _print_probabilities(details)
    speed = f"{report['words_per_second']:,.0f} words/s"
    print(f"{report['documents']} documents, {report['tokens']} tokens, {speed}")
    if entities and not entities["equal"]:
        msg.warn(
            "spaCy and seqeval differ",
            f"{entities['clashes']} predicted entities share a gold token with another one, "
            f"{entities['unannotated']} touch tokens without annotation",
        )


def _print_slices(details: dict[str, Any]) -> None:
    rows = []
    judged = {"entities": details["entities"], **details["spans"]}
    for name, scores in judged.items():
        for kind in SHOWN_SLICES:
            parts = scores["slices"].get(kind, {}) if scores else {}
            if len(parts) > 1:
                rows += [
                    (
                        _part_name(name, kind, part),
                        str(each["gold"]),
                        *_cells(each, "prf"),
                        _span(each["f_interval"]),
                    )
                    for part, each in parts.items()
                    if each["gold"]
                ]
    if rows:
        header = ("by part", "gold", "P", "R", "F1", "95 % interval")
        msg.table(rows, header=header, aligns=("l", *"rrrrr"), divider=True)


def _print_probabilities(details: dict[str, Any]) -> None:
    for name, scores in {"entities": details["entities"], **details["spans"], **details["classes"]}.items():
        if not scores:
            continue
        parts = [
            f"{label} {100 * scores[key]:.2f}"
            for key, label in (("macro_auroc", "AUROC (macro)"), ("macro_auprc", "AUPRC (macro)"))
            if scores.get(key) is not None
        ]
        if scores["calibration"]:
            parts.append(f"expected calibration error {100 * scores['calibration']['ece']:.2f}")
        if parts:
            print(f"{name}: {', '.join(parts)}")


def _part_name(name: str, kind: str, part: str) -> str:
    return f"{name}, {part}" if kind == "seen" else f"{name}, {kind} {part}"


def _cells(scores: dict[str, float], keys: str) -> list[str]:
    return [f"{100 * scores[key]:.2f}" for key in keys]


def _interval(details: dict[str, Any], name: str) -> str:
    return _span(details["headline"].get(name, {}).get("interval"))


def _span(interval: Any) -> str:
    if not interval or interval[0] is None:
        return ""
    return f"{100 * interval[0]:.2f}-{100 * interval[1]:.2f}"
