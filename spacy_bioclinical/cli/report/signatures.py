"""The table at the end of a report: what each number was measured on, with and by which version."""

from typing import Any

from spacy_bioclinical.cli.report.inputs import Found, Inputs
from spacy_bioclinical.cli.report.parts import DASH, Section, Table

SHORT = 12
WORDS = {
    "scores": "scores",
    "predictions": "predictions",
    "suite": "suite",
    "study": "context value",
    "speed": "speed",
    "training": "training",
    "calibration": "calibration",
    "log": "training log",
}
HEADER = ("name", "kind", "file", "SHA-256", "data", "SHA-256 of it", "seed", "pipeline", "version")


def signature_section(inputs: Inputs) -> Section:
    """RETURNS (Section): a row for each input file; for suites one for each task, encoder and recipe."""
    rows = [row for found in inputs.files for row in _rows(found)]
    note = (
        f"The first {SHORT} digits of each SHA-256; the files hold them whole. Speed files, training reports and logs "
        "carry no signature of their own: they are told by the file's."
    )
    table = Table("Signatures", HEADER, rows, 3, note=note, main=True)
    return Section("signatures", "What was measured on what", "", [table])


def _rows(found: Found) -> list[tuple[str, ...]]:
    content: Any = found.content
    head = (found.name, WORDS[found.kind], found.file, found.sha256[:SHORT])
    signature: dict[str, Any] = {}
    if found.kind == "scores":
        signature = content["signature"]
    elif found.kind == "predictions":
        signature = content.header.get("signature") or {}
    elif found.kind == "calibration":
        signature = content["calibration"].get("signature") or {}
    elif found.kind == "suite":
        return [(*head, *row) for row in _suite_rows(content)] or [(*head, *[DASH] * 5)]
    elif found.kind == "study":
        seeds = sorted({seed for entry in content["conditions"] for seed in entry["seeds"]})
        part = f"{content['task']}, test"
        encoder = content["encoder"]["name"]
        return [(*head, part, _short(content["data"].get("test")), _list(seeds), encoder, DASH)]
    if not signature:
        return [(*head, *[DASH] * 5)]
    data, model = signature.get("data") or {}, signature.get("model") or {}
    seed = signature.get("seed")
    name = " ".join(str(model[key]) for key in ("name", "version") if model.get(key))
    return [
        (
            *(*head, str(data.get("file") or DASH), _short(data.get("sha256"))),
            *(DASH if seed is None else str(seed), name or DASH, _version(signature.get("versions") or {})),
        )
    ]


def _suite_rows(data: dict[str, Any]) -> list[tuple[str, ...]]:
    together: dict[tuple[str, ...], list[int]] = {}
    for row in data.get("rows", ()):
        if row.get("kind") == "run":
            place = (f"{row['task']}, {row['part']}", _short((row.get("data") or {}).get(row["part"])))
            which = f"{row['encoder']['name']}, {row['recipe']['name']}"
            key = (*place, which, _version(row.get("versions") or {}))
            together.setdefault(key, []).append(row["seed"])
    return [
        (data_, sha256, _list(seeds), which, version)
        for (data_, sha256, which, version), seeds in together.items()
    ]


def _version(versions: dict[str, Any]) -> str:
    known = [
        f"{name} {versions[name]}" for name in ("spacy-bioclinical", "spacy", "torch") if name in versions
    ]
    return ", ".join(known) or DASH


def _short(sha256: Any) -> str:
    return str(sha256)[:SHORT] if sha256 else DASH


def _list(seeds: list[int]) -> str:
    """RETURNS (str): "42–46" for seeds without a gap, else all of them."""
    ordered = sorted(set(seeds))
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]}–{ordered[-1]}"
    return ", ".join(map(str, ordered))
