"""Documents that end after so many pieces, as an encoder with a short context saw them; what they lose stays counted.

The pipelines of this project read long documents whole. To know what that is worth, and to reproduce what was
published, the corpus itself is cut. Gold mentions that do not end before the cut are gone from the cut corpus;
`restore_gold` puts them back into the prediction file, where they are misses: entities and groups of spans alike.
"""

import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.cli.suite.cells import SHORT, Cell
from spacy_bioclinical.cli.suite.config_text import digest

_CUTTING = threading.Lock()
"""Several cells need the same cut corpus; the first one makes it."""


def cut_parts(cell: Cell, folder: Path) -> dict[str, Path]:
    """Cut train, dev and test of a cell, once for all cells that need the same.

    cell (Cell): with a cut.
    folder (Path): where cut corpora are kept.
    RETURNS (dict[str, Path]): the cut train, dev and test.
    """
    from spacy_bioclinical.cli.cut import cut_file

    assert cell.cut is not None
    place = folder / digest([cell.data, cell.weights, cell.cut])[:SHORT]
    parts = {name: place / f"{name}.spacy" for name in cell.parts}
    with _CUTTING:
        if not (place / "cut.json").is_file():
            counts: dict[str, Any] = {"pieces": cell.cut}
            for name, path in cell.parts.items():
                n_cut, n_docs = cut_file(path, parts[name], cell.cut, Path(cell.source))
                counts[name] = {"documents": n_docs, "cut": n_cut}
            write_json(place / "cut.json", counts)
    return parts


def restore_gold(predictions: Path, corpus: Path) -> dict[str, Any]:
    """Put the gold mentions of the whole documents into the prediction file of the cut ones.

    predictions (Path): of the cut documents, written again in place.
    corpus (Path): the whole documents, in the same order.
    RETURNS (dict): "details", as `evaluate` has them, of the restored file; "gold", entities in all; "beyond", those
        that the cut documents do not hold; and, of entities by exact characters, "p", "r" and "f". "spans": the same
        five of each key, where the file has any.
    """
    import spacy

    from spacy_bioclinical.training.details import describe_records
    from spacy_bioclinical.training.predictions import (
        Mention,
        Mentions,
        read_header,
        read_predictions,
        write_predictions,
    )
    from spacy_bioclinical.training.recording import GOLD_SPANS
    from spacy_bioclinical.training.shards import iter_docs

    header = read_header(predictions)
    records = read_predictions(predictions)
    whole = [doc for doc in iter_docs(corpus, spacy.blank("en").vocab) if len(doc)]
    gold_keys = {
        (each.get("settings") or {}).get("spans_key"): each["gold_key"]
        for each in header["components"].values()
        if "gold_key" in each
    }
    counts: dict[str, list[int]] = {"entities": [0, 0]}

    def filled(name: str, mentions: Mentions, spans: Iterable[Any], n_pieces: int) -> Mentions:
        known = {(each.start, each.end, each.label): each for each in mentions.gold}
        keys = sorted({(span.start_char, span.end_char, span.label_) for span in spans})
        count = counts.setdefault(name, [0, 0])
        count[0] += len(keys)
        count[1] += len(set(keys) - known.keys())
        # where a mention begins is not counted beyond the cut: it is at least where the cut document ends
        return Mentions(
            tuple(known.get(key) or Mention(*key, piece=n_pieces) for key in keys), mentions.predicted
        )

    restored = []
    for record, doc in zip(records, whole, strict=True):
        if record.entities is not None:
            found = filled("entities", record.entities, doc.ents, record.pieces)
            record = replace(record, entities=found)
        groups = {}
        for key, mentions in record.spans.items():
            # the group that `evaluate` has judged by; the cut document has the same groups
            wanted = next(name for name in (gold_keys.get(key, key), key, GOLD_SPANS) if name in doc.spans)
            groups[key] = filled(f"spans.{key}", mentions, doc.spans[wanted], record.pieces)
        restored.append(replace(record, spans=groups))
    write_predictions(predictions, restored, signature=header["signature"], components=header["components"])
    details = describe_records(restored)

    def told(name: str) -> dict[str, Any]:
        values = {key: details["headline"].get(f"{name}.{key}") for key in "prf"}
        scores = {key: each["value"] for key, each in values.items() if each is not None}
        return {"gold": counts[name][0], "beyond": counts[name][1], **scores}

    spans = {name.removeprefix("spans."): told(name) for name in counts if name != "entities"}
    return {"details": details, **told("entities")} | ({"spans": spans} if spans else {})
