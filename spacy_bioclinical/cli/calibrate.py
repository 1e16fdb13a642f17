"""`python -m spacy bioclinical calibrate`: make confidences mean what they say, and promise a recall.

Writes a copy of a pipeline with temperatures, thresholds and, where asked for, a recall target, all found on a
development corpus. Given a prediction file instead of a pipeline, it only tries the promise out on random halves.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.processes import device_environment, run_python, spacy_gpu_id
from spacy_bioclinical.errors import Errors

if TYPE_CHECKING:
    from spacy_bioclinical.training.calibration_cases import Calibrated

FEW_CASES = 200
PREDICTIONS = (".jsonl", ".jsonl.gz")


@bioclinical.command("calibrate")
def calibrate_cli(
    model: str = typer.Argument(
        ..., help="Folder or name of a trained pipeline; or a prediction file to check"
    ),
    data: Path | None = typer.Argument(
        None,
        help="Development corpus: a .spacy file or a folder of shards; never the training corpus",
        exists=True,
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="Folder for the calibrated pipeline"),
    target_recall: float | None = typer.Option(
        None, "--target-recall", help="Recall that bioclinical_ner shall keep on new documents, e.g. 0.99"
    ),
    confidence: float = typer.Option(
        0.95, "--confidence", help="How sure the promise of that recall shall be"
    ),
    to_come: int | None = typer.Option(
        None, "--to-come", min=1, help="Number of mentions the promise is about; default: any number"
    ),
    thresholds: bool = typer.Option(
        True, "--thresholds/--no-thresholds", help="Choose thresholds of large F1 for labels and spans"
    ),
    check_splits: int = typer.Option(
        0, "--check-splits", min=0, help="Try the promise out on so many random halves of the documents"
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the halves"),
    report: Path | None = typer.Option(None, "--report", help="JSON file for what was found", dir_okay=False),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU; needs no cupy"),
    here: bool = typer.Option(False, "--here", help="Stay in this process, with the devices it sees"),
) -> None:
    """Calibrate a pipeline on a development corpus; or check on a prediction file whether promises of recall hold."""
    try:
        if model.endswith(PREDICTIONS) and Path(model).is_file():
            target = 0.99 if target_recall is None else target_recall
            settings = {"target": target, "confidence": confidence, "seed": seed}
            result = check_predictions(Path(model), n_splits=check_splits or 200, **settings)
            if report:
                write_json(report, result)
            return
        if data is None or output is None:
            what = "A pipeline needs a development corpus and a folder for the copy (--output)"
            raise ValueError(Errors.BC467.format(what=what))
        if check_splits and target_recall is None:
            raise ValueError(Errors.BC467.format(what="--check-splits needs --target-recall"))
        if here:
            wish = None if target_recall is None else (target_recall, confidence, to_come)
            calibrate_here(
                model,
                data,
                output,
                gpu_id,
                wish=wish,
                thresholds=thresholds,
                n_splits=check_splits,
                seed=seed,
                report=report,
            )
            return
        arguments = ["-m", "spacy", "bioclinical", "calibrate", model, str(data), "--here"]
        arguments += ["--output", str(output), "--gpu-id", str(spacy_gpu_id(gpu_id))]
        arguments += [
            "--confidence",
            str(confidence),
            "--check-splits",
            str(check_splits),
            "--seed",
            str(seed),
        ]
        for option, value in {
            "--target-recall": target_recall,
            "--to-come": to_come,
            "--report": report,
        }.items():
            arguments += [option, str(value)] if value is not None else []
        arguments += [] if thresholds else ["--no-thresholds"]
        run_python(arguments, environment=device_environment(gpu_id))
    except (ValueError, ImportError, OSError) as error:
        msg.fail("Nothing was calibrated", str(error), exits=1)


def calibrate_here(
    model: str,
    data: Path,
    output: Path,
    gpu_id: int = -1,
    *,
    wish: tuple[float, float, int | None] | None = None,
    thresholds: bool = True,
    n_splits: int = 0,
    seed: int = 0,
    report: Path | None = None,
) -> dict[str, Any]:
    """Calibrate in this process, write the copy and print what was found.

    model (str): Folder or name of a pipeline.
    data (Path): The development corpus.
    output (Path): Folder of the copy.
    gpu_id (int): Device for spaCy itself, which needs cupy; -1 for none.
    wish (tuple | None): Recall, confidence, mentions to come.
    thresholds (bool): Choose thresholds too.
    n_splits, seed (int): Random halves to try the promise out on.
    report (Path | None): JSON file, written aside first.
    RETURNS (dict): What stands in `meta.json` under "bioclinical"; see `describe_calibration`.
    RAISES (ValueError): BC460 … BC466.
    """
    import spacy

    from spacy_bioclinical.training.calibrated_copy import (
        check_not_trained_on,
        check_output,
        describe_calibration,
        write_calibrated,
    )
    from spacy_bioclinical.training.calibration import calibrate
    from spacy_bioclinical.training.calibration_cases import RecallWish
    from spacy_bioclinical.training.conformal import check_splits
    from spacy_bioclinical.training.shards import iter_docs

    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    nlp = spacy.load(model)
    check_output(nlp.path, output)
    check_not_trained_on(nlp, data)
    wished = None if wish is None else RecallWish(*wish)
    found = calibrate(nlp, iter_docs(data, nlp.vocab), thresholds=thresholds, wish=wished)
    check = None
    for each in found:
        if each.promise and n_splits:
            settings: dict[str, Any] = {"target": each.promise.target, "confidence": each.promise.confidence}
            check = check_splits(
                each.mention_scores, each.mention_documents, n_splits=n_splits, seed=seed, **settings
            )
    told = describe_calibration(nlp, data, found, check)
    write_calibrated(nlp, output, found, told)
    if report:
        write_json(report, told)
    print_calibration(found)
    if check:
        print_check(check)
    msg.good(f"Wrote {output}")
    return told


def check_predictions(path: Path, *, n_splits: int = 200, **settings: Any) -> dict[str, Any]:
    """Check on a prediction file whether promises of recall hold on random halves, and print it.

    path (Path): Prediction file with token scores.
    n_splits (int): How many.
    settings: Of `check_splits`: target, confidence, seed.
    RETURNS (dict): As of `check_splits`; and "promise", as the whole file allows it for any number of mentions to come,
        with "price", what its threshold costs there, about (see `price_of_records`); both None if it allows none, or
        if the pipeline has a recall target already.
    RAISES (ValueError): BC466 if the file holds no token scores or no entities, BC412 or BC413 if it is damaged.
    """
    from spacy_bioclinical.training.conformal import (
        NoPromiseError,
        check_splits,
        choose_threshold,
        lowered,
        mention_scores,
    )
    from spacy_bioclinical.training.predictions import read_header, read_predictions
    from spacy_bioclinical.training.recall_price import price_of_records

    components = read_header(path)["components"].values()
    has_target = any((each.get("settings") or {}).get("recall_target") for each in components)
    records = read_predictions(path)
    scores, documents = mention_scores(records, trust_found=not has_target)
    result = check_splits(scores, documents, n_splits=n_splits, **settings)
    print_check(result)
    wish = {key: settings[key] for key in ("target", "confidence") if key in settings}
    promise = None
    if not has_target:
        try:
            promise = lowered(choose_threshold(scores, documents, **wish))
        except NoPromiseError:
            print(
                f"The whole file is too small to promise a recall of {result['target']}, or too many are not seen"
            )
    price = None if promise is None else price_of_records(records, promise.threshold)
    if promise and price:
        print_price(f"{path.name}, tokens from {promise.threshold:.6f} on", price)
    return {**result, "promise": promise and promise.to_dict(), "price": price}


def print_calibration(found: "list[Calibrated]") -> None:
    """Print one line for each component, and the promises.

    found (list[Calibrated]): As `calibrate` returns it.
    """
    rows = []
    for each in found:
        error = (f"{100 * each.before['ece']:.2f}", f"{100 * each.after['ece']:.2f}")
        rows.append((each.component, str(each.n), f"{each.temperature:.4f}", *error))
    header = ("", "cases", "temperature", "calibration error", "after")
    msg.table(rows, header=header, aligns=("l", *"rrrr"), divider=True)
    for each in found:
        if each.n < FEW_CASES:
            msg.warn(
                f"{each.component}: {each.n} cases are few; a temperature from less than {FEW_CASES} is a guess"
            )
        if isinstance(each.thresholds, dict):
            shown = (f"{label} {value:.4f}" for label, value in each.thresholds.items())
            print(f"{each.component}: thresholds {', '.join(shown)}")
        elif each.thresholds is not None:
            print(f"{each.component}: threshold {each.thresholds:.4f}")
        if each.promise:
            told = each.promise
            print(
                f"{each.component}: tokens count as part of an entity from a probability of {told.threshold:.6f} on; "
                f"recall >= {told.target} with confidence {told.confidence}, by {told.n} mentions in "
                f"{told.n_documents} documents (recall there {told.recall:.4f}, design effect {told.design_effect:.2f})"
            )
        if each.price:
            print_price(each.component, each.price)


def print_price(name: str, price: dict[str, Any]) -> None:
    """Print what a promise costs.

    name (str): The component. price (dict): See `PriceCount.to_dict`.
    """
    from spacy_bioclinical.training.recall_price import price_lines

    for line in price_lines(price):
        print(f"{name}: price: {line}")


def print_check(check: dict[str, Any]) -> None:
    """Print in how many halves the promise held.

    check (dict): As `check_splits` returns it.
    """
    shown = f"{check['promised']} of {check['splits']} random halves allowed to promise a recall of {check['target']}"
    if check["promised"]:
        least, middle, _ = check["recall"]
        share, promised = 100 * check["share"], 100 * check["confidence"]
        shown += f"; it held in {check['held']} of them ({share:.1f} %, promised {promised:g} %)"
        shown += f"; recall {middle:.4f} in the median, {least:.4f} at least"
    print(f"{shown}; {check['mentions']} mentions, {check['documents']} documents")
