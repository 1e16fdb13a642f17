"""What does an encoder give away of the notes it was trained on? Reported before its weights leave the house.

Two measures: canaries (`pretrain.canaries`), secrets planted in the training text; and masked PHI, where names,
dates and numbers are hidden in notes that the model was trained on and in notes it never saw: whatever it
recovers better in the former it has memorised. The report holds counts and figures, no text. Commands: `python
-m pretrain.memorisation plant --help`, and after training `python -m pretrain.memorisation probe --help`.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pretrain.bootstrap import N_RESAMPLES, Mean, differences, means
from pretrain.canaries import N_CANDIDATES, Canary, Exposure, exposures
from pretrain.masking import IGNORED
from pretrain.scoring import ROW_PIECES, Model, score_sequences
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from spacy_bioclinical.pieces.windows import plan_windows

TOP = (1, 5, 25)
# Thresholds of the verdicts. Exposure of an unseen secret is 1.44 bits on average; a real secret should cost an
# attacker all but a few of its bits.
LOOK_BITS = 2.0  # mean exposure above that of secrets never planted
STOP_SHARE = 0.8  # mean exposure as a share of the most there can be: nearly the first guess
RARE_REPEATS = 4  # a text repeated more often is a matter of duplicates: look, do not stop
LOOK_GAP, STOP_GAP = 0.02, 0.10  # top-1 recovery of PHI, training minus held out
LOOK_LOSS = 0.1  # nats by which PHI of training text is easier
FEW_PIECES = 100
LEVELS = ("ok", "look", "stop")
ADVICE = {
    "ok": "nothing to do",
    "canaries": "train fewer epochs, or with a lower learning rate; do not export these weights",
    "duplicates": "deduplicate the text (near-duplicates too): what is repeated is remembered",
    "phi": "train fewer epochs, replace PHI by surrogates or drop placeholders, and deduplicate",
    "few": "give more documents with PHI of both sides: nothing can be said from so few",
}


class SpannedText(NamedTuple):
    """A text and the character ranges of its PHI."""

    text: str
    spans: list[tuple[int, int]]


def read_spanned(file: Path) -> list[SpannedText]:
    """Read JSON lines with "text" and "spans" ({"start": …, "end": …} or [start, end, …]), UTF-8.

    RAISES (ValueError): BC768 with file and line.
    """
    found = []
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ValueError(Errors.BC768.format(file=file, line=0, why=type(error).__name__)) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf8"))
            text = record["text"]
            spans = [(s["start"], s["end"]) if isinstance(s, dict) else (s[0], s[1]) for s in record["spans"]]
            is_good = isinstance(text, str) and all(0 <= begin < end <= len(text) for begin, end in spans)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            why = f"not such an object ({type(error).__name__})"
            raise ValueError(Errors.BC768.format(file=file, line=number, why=why)) from None
        if not is_good:
            raise ValueError(Errors.BC768.format(file=file, line=number, why="a span lies outside its text"))
        found.append(SpannedText(text, spans))
    return found


def masked_recovery(
    model: Model,
    tokenizer: PieceTokenizer,
    texts: Sequence[SpannedText],
    *,
    row_pieces: int = ROW_PIECES,
    on_row: Callable[[int], object] = lambda n_pieces: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Hide all PHI pieces of each text and score how well the model fills them in.

    RETURNS (tuple): values (M, 1 + len(TOP)), loss in nats and for each k of `TOP` whether the right piece is
        among the k likeliest; and documents, int64 (M,). Texts longer than the encoder's context are cut.
    """
    n_before = len(tokenizer.prefix_ids)
    capacity = model.model.context - n_before - len(tokenizer.suffix_ids)
    assert tokenizer.mask_id is not None  # load_tokenizer has made sure
    masked, owners = [], []
    for owner, (pieces, (_, spans)) in enumerate(zip(tokenizer.encode([t.text for t in texts]), texts)):
        is_phi = np.zeros(len(pieces), dtype=bool)
        for begin, end in spans:
            is_phi |= (pieces.starts < end) & (pieces.ends > begin)
        for window in plan_windows(len(pieces), capacity, 0):
            part = slice(window.start, window.end)
            if is_phi[part].any():
                content = pieces.ids[part]
                ids = np.concatenate([tokenizer.prefix_ids, content, tokenizer.suffix_ids]).astype(np.int64)
                labels = np.full(len(ids), IGNORED, dtype=np.int64)
                places = n_before + np.flatnonzero(is_phi[part])
                labels[places] = ids[places]
                ids[places] = tokenizer.mask_id
                masked.append((ids, labels))
                owners.append(owner)
    scores = score_sequences(model, masked, row_pieces=row_pieces, on_row=on_row)
    if not scores:
        return np.zeros((0, 1 + len(TOP))), np.zeros(0, dtype=np.int64)
    values = [np.stack([s.losses, *(s.ranks < k for k in TOP)], axis=1) for s in scores]
    return np.concatenate(values), np.repeat(owners, [len(part) for part in values])


def phi_gap(
    model: Model,
    tokenizer: PieceTokenizer,
    training: Sequence[SpannedText],
    held_out: Sequence[SpannedText],
    *,
    start: Model | None = None,
    row_pieces: int = ROW_PIECES,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    on_row: Callable[[int], object] = lambda n_pieces: None,
) -> dict[str, Any]:
    """Compare the recovery of hidden PHI in training text with that in held-out text.

    start: the weights before training. Given, `net_gap` takes their gap off, which is the part of it that comes
        from one side's PHI being easier.
    RETURNS (dict): for each side documents, pieces, loss and top-k; gap and net_gap (training - held out) with
        intervals over documents. Sides without PHI have no figures.
    """
    names = ("loss", *(f"top{k}" for k in TOP))
    report: dict[str, Any] = {}
    settings: dict[str, Any] = {"seed": seed, "n_resamples": n_resamples}
    sides = []
    for name, texts in (("training", training), ("held_out", held_out)):
        values, documents = masked_recovery(model, tokenizer, texts, row_pieces=row_pieces, on_row=on_row)
        report[name] = {"n_documents": len(np.unique(documents)), "n_pieces": len(values)}
        if len(values):
            report[name].update(_figures(names, means(values, documents, **settings)))
        if start is not None:
            before, _ = masked_recovery(start, tokenizer, texts, row_pieces=row_pieces, on_row=on_row)
            values = np.concatenate([values, values - before], axis=1)
        sides.append((values, documents))
    if all(len(values) for values, _ in sides):
        gaps = differences(sides[0], sides[1], **settings)
        report["gap"] = _figures(names, gaps)
        if start is not None:
            report["net_gap"] = _figures(names, gaps[len(names) :])
    return report


def exposure_by_repeats(
    found: Sequence[Exposure], before: Sequence[Exposure] | None = None
) -> list[dict[str, Any]]:
    """Sum exposures up by repeat count, in bits; `before` are the same canaries' under the starting weights."""
    rows = []
    for repeats in sorted({exposure.repeats for exposure in found}):
        members = [i for i, exposure in enumerate(found) if exposure.repeats == repeats]
        bits = np.array([found[i].bits for i in members])
        row: dict[str, Any] = {"repeats": repeats, "n_canaries": len(bits), "mean": float(bits.mean())}
        row["standard_error"] = float(bits.std(ddof=1) / len(bits) ** 0.5) if len(bits) > 1 else None
        row.update(least=float(bits.min()), most=float(bits.max()))
        row["limit"] = float(np.mean([found[i].most_bits for i in members]))
        row["first"] = sum(found[i].rank == 1 for i in members)
        if before is not None:
            row["start_mean"] = float(np.mean([before[i].bits for i in members]))
        rows.append(row)
    return rows


def verdicts(report: dict[str, Any]) -> list[dict[str, str]]:
    """Judge a report's figures: for each measure "ok", "look" or "stop", the figure and the threshold, and advice."""
    found = []
    rows = report.get("canaries") or []
    never = next((row["mean"] for row in rows if row["repeats"] == 0), 1.44)
    for row in rows:
        if row["repeats"]:
            is_rare = row["repeats"] <= RARE_REPEATS
            level = 1 if row["mean"] - max(never, row.get("start_mean", never)) > LOOK_BITS else 0
            if is_rare and level and row["mean"] >= STOP_SHARE * row["limit"]:
                level = 2
            why = (
                f"secrets planted {row['repeats']} x: exposure {row['mean']:.1f} of {row['limit']:.1f} bits (never "
                f"planted {never:.1f}; look: {LOOK_BITS:g} above, stop: {STOP_SHARE:.0%} of all at <= {RARE_REPEATS} x)"
            )
            advice = ADVICE["ok" if not level else "canaries" if is_rare else "duplicates"]
            found.append({"verdict": LEVELS[level], "what": f"canaries x {row['repeats']}", "why": why})
            found[-1]["advice"] = advice
    phi = report.get("phi")
    if phi:
        least = min(phi[side]["n_pieces"] for side in ("training", "held_out"))
        gap = phi.get("net_gap") or phi.get("gap")
        if least < FEW_PIECES or not gap or gap["top1"]["low"] is None:
            why = f"{least} hidden PHI pieces on one side (at least {FEW_PIECES}, of two documents or more)"
            found.append({"verdict": "look", "what": "masked PHI", "why": why, "advice": ADVICE["few"]})
        else:
            top1, loss = gap["top1"], gap["loss"]
            is_certain = top1["low"] > 0
            level = 2 if is_certain and top1["value"] >= STOP_GAP else 0
            is_easier = loss["high"] < 0 and loss["value"] <= -LOOK_LOSS
            if not level and (
                (is_certain and top1["value"] >= LOOK_GAP) or top1["value"] >= STOP_GAP or is_easier
            ):
                level = 1
            why = (
                f"hidden PHI recovered {top1['value']:+.1%} more often in training text ({top1['low']:+.1%} to "
                f"{top1['high']:+.1%}; look {LOOK_GAP:.0%}, stop {STOP_GAP:.0%}), loss {loss['value']:+.3f} (look "
                f"{-LOOK_LOSS:+g})"
            )
            found.append({"verdict": LEVELS[level], "what": "masked PHI", "why": why})
            found[-1]["advice"] = ADVICE["phi" if level else "ok"]
    return found


def probe(
    model: Model,
    tokenizer: PieceTokenizer,
    *,
    start: Model | None = None,
    canaries: Sequence[Canary] = (),
    training: Sequence[SpannedText] = (),
    held_out: Sequence[SpannedText] = (),
    n_candidates: int = N_CANDIDATES,
    row_pieces: int = ROW_PIECES,
    seed: int = 0,
    on_canary: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Measure memorisation with what is at hand: canaries, PHI of both sides, or both.

    RETURNS (dict): `canaries` (by repeat count), `phi`, `verdicts`, and `verdict`, the worst of them, "ok" |
        "look" | "stop", None if nothing was measured. Counts and figures only.
    """
    report: dict[str, Any] = {"verdict": None, "verdicts": [], "canaries": None, "phi": None, "seed": seed}
    if canaries:
        settings: dict[str, Any] = {"n_candidates": n_candidates, "row_pieces": row_pieces, "seed": seed}
        settings["on_canary"] = on_canary
        before = None if start is None else exposures(start, tokenizer, canaries, **settings)
        report["canaries"] = exposure_by_repeats(exposures(model, tokenizer, canaries, **settings), before)
    if training or held_out:
        report["phi"] = phi_gap(
            model, tokenizer, training, held_out, start=start, row_pieces=row_pieces, seed=seed
        )
    report["verdicts"] = verdicts(report)
    report["verdict"] = max((line["verdict"] for line in report["verdicts"]), key=LEVELS.index, default=None)
    return report


def _figures(names: Sequence[str], values: Sequence[Mean]) -> dict[str, Any]:
    return {name: mean.to_dict() for name, mean in zip(names, values)}


if __name__ == "__main__":
    from pretrain.memorisation_command import app

    app()
