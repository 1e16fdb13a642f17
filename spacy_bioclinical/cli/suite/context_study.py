"""What longer context is worth on a corpus: the same task with shorter windows, and with documents that end early.

Two meanings of "a context of N pieces" are kept apart. *window*: the whole document is read, in overlapping windows of
N pieces, as this project's pipelines do; only what is far apart cannot be seen together. *cut*: the document ends
after N pieces, as it does for an encoder that truncates; what stands behind is lost, and gold mentions there are
misses. Both are compared with whole documents in the longest windows, over the same test documents and seeds.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.suite.plan import Recipe, Suite
from spacy_bioclinical.errors import Errors

CONTEXT = "components.transformer.model.context"
OVERLAP = "components.transformer.model.overlap"
MOST_OVERLAP = 128
WORDS = {
    "entity_f": "entity F1",
    "spans_f": "span F1",
    "weighted_f": "weighted F1",
    "micro_f": "micro F1",
    "macro_f": "macro F1",
}
HEADER = (
    "meaning",
    "pieces",
    "test documents longer",
    "runs",
    "median",
    "range",
    "worth of the longest (95 %)",
)


@dataclass(frozen=True)
class Condition:
    """One way to be short.

    meaning (str): "window" or "cut". pieces (int): special pieces counted.
    recipe (Recipe): how it is trained. longer (dict[str, int]): documents of each part with more pieces.
    is_reference (bool): whole documents in the longest windows, or the same because no document is longer.
    """

    meaning: str
    pieces: int
    recipe: Recipe
    longer: dict[str, int]
    is_reference: bool = False


def conditions_of(
    windows: Sequence[int], meanings: Sequence[str], limit: int, lengths: dict[str, list[int]]
) -> tuple[list[Condition], list[int]]:
    """Make the conditions, the reference first.

    windows (Sequence[int]): pieces. meanings (Sequence[str]): "window", "cut".
    limit (int): most pieces that the encoder takes. lengths (dict): part to pieces of its documents.
    RETURNS (tuple): conditions; windows that the encoder cannot have.
    RAISES (ValueError): BC456 if no window is left.
    """
    sizes = sorted(set(windows))
    possible = [size for size in sizes if size <= limit]
    if not possible or sizes[0] < 16:
        given = ",".join(map(str, windows))
        raise ValueError(
            Errors.BC456.format(what="--windows", given=given, wanted=f"pieces from 16 to {limit}")
        )
    longest = max(possible)
    most = max((length for part in lengths.values() for length in part), default=0)
    reference = Condition("window", longest, window_recipe(longest), longer_than(longest, lengths), True)
    found = [reference]
    if "window" in meanings:
        for size in reversed(possible[:-1]):
            same = most <= size
            recipe = reference.recipe if same else window_recipe(size)
            found.append(Condition("window", size, recipe, longer_than(size, lengths), same))
    if "cut" in meanings:
        for size in reversed(sizes):
            same = most <= size
            cut = Recipe(f"cut-{size}", settings=reference.recipe.settings, cut=size, beyond="miss")
            recipe = reference.recipe if same else cut
            found.append(Condition("cut", size, recipe, longer_than(size, lengths), same))
    return found, [size for size in sizes if size > limit]


def window_recipe(size: int) -> Recipe:
    """RETURNS (Recipe): whole documents in windows of so many pieces; a quarter overlaps, 128 pieces at most."""
    return Recipe(f"window-{size}", settings={CONTEXT: size, OVERLAP: min(MOST_OVERLAP, size // 4)})


def longer_than(size: int, lengths: dict[str, list[int]]) -> dict[str, int]:
    """RETURNS (dict[str, int]): for each part how many documents have more pieces."""
    return {part: sum(length > size for length in each) for part, each in lengths.items()}


def study_suite(suite: Suite, conditions: Iterable[Condition]) -> Suite:
    """RETURNS (Suite): the suite with one recipe for each condition that is trained, laid over its own first one."""
    base = suite.recipes[0]
    recipes = {}
    for condition in conditions:
        settings = {**base.settings, **condition.recipe.settings}
        recipes[condition.recipe.name] = replace(condition.recipe, overlays=base.overlays, settings=settings)
    return replace(suite, recipes=tuple(recipes.values()))


def count_pieces(parts: dict[str, Path], encoder: Path) -> dict[str, list[int]]:
    """Count the pieces of every document, special pieces included.

    parts (dict[str, Path]): train, dev and test. encoder (Path): folder with the tokenizer.
    RETURNS (dict[str, list[int]]): part to counts.
    """
    import spacy

    from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
    from spacy_bioclinical.training.shards import iter_docs

    tokenizer = PieceTokenizer.from_folder(encoder)
    n_special = len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids)
    vocab = spacy.blank("en").vocab
    return {
        part: [len(tokenizer.encode([doc.text])[0].ids) + n_special for doc in iter_docs(path, vocab)]
        for part, path in parts.items()
    }


def compare(
    conditions: Sequence[Condition],
    rows: dict[str, dict[int, dict[str, Any]]],
    metric: str,
    *,
    n_resamples: int,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compare every condition with the reference, paired by document and by seed.

    conditions (Sequence[Condition]): the reference first.
    rows (dict): recipe to seed to row of suite.json. metric (str): of the headline.
    n_resamples (int), seed (int): of the bootstrap over documents; the same documents are drawn for both sides.
    RETURNS (list[dict]): for each condition its scores over seeds and "worth": the mean over seeds of the score of the
        reference minus this one's, its 95 % interval, and each seed's; None for the reference, or without runs.
    """
    from spacy_bioclinical.training.intervals import LEVEL, bootstrap, percentile_interval

    reference = rows.get(conditions[0].recipe.label, {})
    found = []
    loaded: dict[str, Any] = {}
    for condition in conditions:
        mine = rows.get(condition.recipe.label, {})
        scores = [row["score"] for row in mine.values()]
        entry: dict[str, Any] = {
            "meaning": condition.meaning,
            "pieces": condition.pieces,
            "recipe": condition.recipe.label,
            "cut": condition.recipe.cut,
            "window": condition.recipe.settings[CONTEXT],
            "overlap": condition.recipe.settings[OVERLAP],
            "same_as_reference": condition.is_reference,
            "documents_longer": condition.longer,
            "seeds": list(mine),
            "scores": scores,
            "median": statistics.median(scores) if scores else None,
            "mean": statistics.fmean(scores) if scores else None,
            "low": min(scores, default=None),
            "high": max(scores, default=None),
            "worth": None,
        }
        common = [number for number in mine if number in reference]
        if common and not condition.is_reference:
            pairs = [
                (_statistic(reference[number], metric, loaded), _statistic(mine[number], metric, loaded))
                for number in common
            ]
            n_documents = _same_documents(pairs)

            def worth(weights: Any, pairs: Any = pairs) -> Any:
                return sum(whole(weights) - short(weights) for (_, whole), (_, short) in pairs) / len(pairs)

            def each(weights: Any, pairs: Any = pairs) -> list[float]:
                return [float((whole(weights) - short(weights))[0]) for (_, whole), (_, short) in pairs]

            import numpy as np

            ones = np.ones((1, n_documents))
            drawn = bootstrap(worth, n_documents, n_resamples, seed)
            entry["worth"] = {
                "mean": float(worth(ones)[0]),
                "interval": percentile_interval(drawn),
                "level": LEVEL,
                "per_seed": dict(zip(map(str, common), each(ones))),
                "documents": n_documents,
            }
        found.append(entry)
    return found


def sentences(entries: Sequence[dict[str, Any]], metric: str) -> list[str]:
    """RETURNS (list[str]): what the comparison says, a sentence for each condition but the reference."""
    longest = entries[0]["pieces"]
    name = WORDS.get(metric, metric)
    lines = []
    for entry in entries[1:]:
        pieces = f"{entry['pieces']:,}"
        if entry["meaning"] == "window":
            what = f"Windows of {longest:,} pieces instead of {pieces}, whole documents read either way,"
        else:
            what = f"Whole documents in windows of {longest:,} pieces instead of their first {pieces} pieces alone"
        if entry["same_as_reference"]:
            lines.append(f"{what}: the same, for no document is longer.")
        elif entry["worth"] is None:
            lines.append(f"{what}: not known, for runs are missing.")
        else:
            worth, (low, high) = entry["worth"], entry["worth"]["interval"]
            told = "" if low > 0 or high < 0 else "; not told apart from nothing"
            lines.append(
                f"{what} are worth {points(worth['mean'])} points of {name} (95 % interval {points(low)} to "
                f"{points(high)}; {worth['documents']} test documents, {len(worth['per_seed'])} seeds{told})"
                f"{_by_seed(worth['per_seed'])}."
            )
    return lines


def _by_seed(worth: dict[str, float]) -> str:
    """How far seeds lie apart: the interval is of documents, for these seeds."""
    if len(worth) < 2:
        return ""
    return f"; from {points(min(worth.values()))} to {points(max(worth.values()))} by seed"


def table_rows(entries: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """RETURNS (list[tuple[str, ...]]): the comparison as cells of a table, by HEADER, in percent."""
    rows: list[tuple[str, ...]] = []
    for number, entry in enumerate(entries):
        has_runs = entry["median"] is not None
        worth = (
            "reference" if number == 0 else "0, no document is longer" if entry["same_as_reference"] else "-"
        )
        if entry["worth"] is not None:
            low, high = entry["worth"]["interval"]
            worth = f"{points(entry['worth']['mean'])} [{points(low)}, {points(high)}]"
        rows.append(
            (
                "windows" if entry["meaning"] == "window" else "cut after",
                f"{entry['pieces']:,}",
                str(entry["documents_longer"]["test"]),
                str(len(entry["seeds"])),
                f"{100 * entry['median']:.1f}" if has_runs else "-",
                f"{100 * entry['low']:.1f}–{100 * entry['high']:.1f}" if has_runs else "-",
                worth,
            )
        )
    return rows


def points(difference: float) -> str:
    """RETURNS (str): a difference of scores in points of percent, with its sign."""
    return f"{100 * difference:+.1f}"


def _statistic(row: dict[str, Any], metric: str, loaded: dict[str, Any]) -> tuple[list[int], Any]:
    """The pieces of the documents of a row, and its headline as a function of document weights."""
    from spacy_bioclinical.training.headlines import headline_statistics
    from spacy_bioclinical.training.predictions import read_predictions

    signature = row["signature"]
    if signature not in loaded:
        records = read_predictions(Path(row["files"]["folder"]) / row["files"]["predictions"])
        found = headline_statistics(records)
        kind, _, name = {"entity_f": "entities..f", "spans_f": "spans..f"}.get(
            metric, f"classes..{metric}"
        ).partition("..")
        keys = [key for key in found if key.split(".")[0] == kind and key.split(".")[-1] == name]
        if len(keys) != 1 and metric not in found:
            wanted = f"one of {', '.join(found)}"
            raise ValueError(Errors.BC456.format(what="--metric", given=metric, wanted=wanted))
        key = metric if metric in found else keys[0]
        loaded[signature] = ([record.characters for record in records], found[key])
    return loaded[signature]


def _same_documents(pairs: Sequence[Any]) -> int:
    """How many documents there are; they must be the same ones, whole on one side and perhaps cut on the other."""
    for (whole, _), (short, _) in pairs:
        if len(whole) != len(short) or any(shorter > full for full, shorter in zip(whole, short)):
            given, wanted = (
                "other documents than the reference's",
                "of the same corpus; remove it and run again",
            )
            raise ValueError(Errors.BC456.format(what="a prediction file", given=given, wanted=wanted))
    return len(pairs[0][0][0])
