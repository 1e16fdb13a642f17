"""What `benchmark speed` tells, computed from a record: kTok/s of real pieces, ratios, shares of ceilings, peaks."""

from typing import Any

from spacy_bioclinical.cli.benchmark.figures import Figure, rate, ratio, shown
from spacy_bioclinical.cli.benchmark.flops import attention_flops, describe, linear_flops
from spacy_bioclinical.cli.benchmark.race import Contestant
from spacy_bioclinical.cli.benchmark.record import Record

Row = dict[str, Any]


def speed_rows(
    record: Record, contestants: list[Contestant], windows: dict[tuple[str, str], list[int]]
) -> list[Row]:
    """Compute one row for each contestant and set that was measured.

    record (Record): the measurements.
    contestants (list[Contestant]): who took part.
    windows (dict): (encoder, set) to the lengths of the windows that its documents are cut into.
    RETURNS (list[dict]): set by set; see the keys below. Ratios stand only beside ours.
    """
    rows = []
    for name, facts in record.data["sets"].items():
        there = [c for c in contestants if c.level != "ceiling" and record.runs(c.key, name)]
        for contestant in there:
            runs = record.runs(contestant.key, name)
            speed = rate(facts["pieces"] / 1000, runs)
            peaks = record.data["peaks"].get(contestant.key, {}).get(name, {})
            rows.append(
                {
                    "set": name,
                    **contestant.facts(),
                    "key": contestant.key,
                    "ours": contestant.is_ours,
                    "ktok_per_second": speed.as_dict(),
                    "ratios": _ratios(record, contestant, there, name),
                    **_shares(record, contestant, contestants, name, windows),
                    "peak_mb_of_one_document": _megabytes(peaks.get("document")),
                    "peak_mb_of_the_set": _megabytes(peaks.get("set")),
                    "rounds": len(runs),
                }
            )
    return rows


def _ratios(record: Record, ours: Contestant, there: list[Contestant], name: str) -> list[Row]:
    """Times faster than each peer of the same level and encoder: in our precision, and in fp32 where ours is not."""
    found = []
    for peer in there if ours.is_ours else ():
        same = (peer.level, peer.encoder) == (ours.level, ours.encoder)
        if peer.is_ours or not same or peer.precision not in (ours.precision, "fp32"):
            continue
        figure = ratio(record.runs(ours.key, name), record.runs(peer.key, name))
        if figure is not None:
            equal = peer.precision == ours.precision
            found.append({"peer": peer.label, "equal_precision": equal, **figure.as_dict()})
    return found


def _shares(
    record: Record,
    contestant: Contestant,
    contestants: list[Contestant],
    name: str,
    windows: dict[tuple[str, str], list[int]],
) -> Row:
    """Shares of the ceiling of the matrix products, and of the bound composed of them and torch's attention."""
    nothing = {"share_of_ceiling": None, "share_of_bound": None, "bound_ktok_per_second": None}
    wanted = ("ceiling", contestant.encoder, contestant.precision)
    ceiling = next((c for c in contestants if (c.level, c.encoder, c.precision) == wanted), None)
    if ceiling is None or contestant.level != "encoder":
        return nothing
    measured = record.runs(ceiling.key, name)
    lengths, config = windows[contestant.encoder, name], ceiling.spec["config"]
    linear, attention = linear_flops(config) * sum(lengths), attention_flops(config, lengths)
    of_ceiling, of_bound, bounds = [], [], []
    for run, rates in zip(record.runs(contestant.key, name), measured):
        of_ceiling.append((linear + attention) / rates["linear_rate"] / run["seconds"])
        if "attention_rate" in rates:
            least = linear / rates["linear_rate"] + attention / rates["attention_rate"]
            of_bound.append(least / run["seconds"])
            bounds.append(record.data["sets"][name]["pieces"] / 1000 / least)
    return {
        "share_of_ceiling": Figure.of(of_ceiling).as_dict() if of_ceiling else None,
        "share_of_bound": Figure.of(of_bound).as_dict() if of_bound else None,
        "bound_ktok_per_second": Figure.of(bounds).as_dict() if bounds else None,
    }


def ceilings(
    record: Record, contestants: list[Contestant], windows: dict[tuple[str, str], list[int]]
) -> list[Row]:
    """Measured rates of the matrix products and of torch's attention, TFLOP/s, and the work of each set, FLOP."""
    rows = []
    for contestant in contestants:
        for name in contestant.sets if contestant.level == "ceiling" else ():
            measured = record.runs(contestant.key, name)
            row: Row = {"set": name, "encoder": contestant.encoder, "precision": contestant.precision}
            for key in ("linear_rate", "attention_rate"):
                values = [run[key] / 1e12 for run in measured if key in run]
                row[key.replace("rate", "tflops")] = Figure.of(values).as_dict() if values else None
            row["work"] = describe(contestant.spec["config"], windows[contestant.encoder, name])
            if measured:
                rows.append(row)
    return rows


def equal_mean(record: Record, contestants: list[Contestant]) -> list[Row]:
    """Throughput of variable documents as a share of that of documents of one length, equal in number and mean."""
    rows = []
    for contestant in contestants:
        for name in contestant.sets if contestant.kind == "packed" else ():
            even = name.replace("variable", "even")
            if not name.startswith("variable") or even not in contestant.sets:
                continue
            share = ratio(record.runs(contestant.key, name), record.runs(contestant.key, even))
            if share is not None:
                mean = record.data["sets"][name]["mean"]
                rows.append({"key": contestant.key, "set": name, "mean": mean, "share": share.as_dict()})
    return rows


def tables(rows: list[Row]) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Header and lines of two tables: each contestant on each set, and ours against each peer."""
    first: list[tuple[str, ...]] = []
    second: list[tuple[str, ...]] = []
    for row in rows:
        peak = row["peak_mb_of_one_document"]
        first.append(
            (
                row["set"],
                row["key"],
                shown(_figure(row["ktok_per_second"])),
                _percent(row["share_of_ceiling"]),
                _percent(row["share_of_bound"]),
                "–" if peak is None else f"{peak:,.0f}",
            )
        )
        for found in row["ratios"]:
            cells = (shown(_figure(found)), "–")
            cells = cells if found["equal_precision"] else cells[::-1]
            second.append((row["set"], row["key"], found["peer"], *cells))
    header = ("set", "who", "kTok/s", "of ceiling", "of bound", "MB, one document")
    versus = ("set", "ours", "peer", "x, equal precision", "x, across precisions")
    return [(head, lines) for head, lines in ((header, first), (versus, second)) if lines]


def _figure(found: Row | None) -> Figure | None:
    return Figure(found["median"], found["low"], found["high"]) if found else None


def _percent(found: Row | None) -> str:
    return "–" if found is None else f"{100 * found['median']:.0f} %"


def _megabytes(n_bytes: int | None) -> float | None:
    return None if n_bytes is None else round(n_bytes / 2**20, 1)
