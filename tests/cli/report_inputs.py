"""Invented inputs of a report: a corpus with a marker word, its predictions and scores, a suite, logs, speed."""

import hashlib
import json
import random
from pathlib import Path

import spacy
from spacy.tokens import DocBin, Span

from spacy_bioclinical.cli.suite.cells import data_hash
from spacy_bioclinical.training.details import describe_records
from spacy_bioclinical.training.predictions import (
    Classes,
    DocumentPrediction,
    Mention,
    Mentions,
    write_predictions,
)

MARKER = "Zirkonowitz"
SCRIPT = "<script>alert(1)</script>"
VERSIONS = {"spacy-bioclinical": "9.8.7", "spacy": "3.8.0", "torch": "2.6"}
SUITE_SCORES = {"one": {"a": [0.81, 0.85, 0.80], "b": [0.70, 0.72, 0.79]}, "two": {"a": [0.5, 0.55, 0.6]}}


def digest(text: str) -> str:
    """Any SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_corpus(path: Path) -> list[DocumentPrediction]:
    """Write a corpus with the marker in every document; RETURNS invented predictions for it, with all errors."""
    nlp = spacy.blank("en")
    docs, records = [], []
    for i in range(6):
        text = f"{MARKER} {SCRIPT} saw Dr. Quill & Orme in Quarrytown on 3/4/2031 about warfarin {i}."
        doc = nlp(text * (60 if i == 5 else 1))
        doc.user_data["id"] = f"note-{i}"
        start = text.index("Quill")
        span = doc.char_span(start, start + 5, label="NAME")
        assert isinstance(span, Span)
        doc.ents = [span]
        docs.append(doc)
        town = text.index("Quarrytown")
        drug = text.index("warfarin")
        name = Mention(start, start + 5, "NAME", 3, None, True)
        place = Mention(town, town + 10, "CITY", 9, "plan", False)
        medicine = Mention(drug, drug + 8, "<b>DRUG", 600, "plan", None)
        found = [Mention(start, start + 12, "NAME", 3, None, True, 0.75)] if i % 2 else [confident(name, 0.9)]
        found += [Mention(town, town + 10, "HOSPITAL", 9, "plan", False, 0.55)] if i < 4 else []
        found += [Mention(0, len(MARKER), "NAME", 0, None, False, 0.35)] if i == 2 else []
        found += [confident(medicine, 0.95)] if i > 1 else []
        mentions = Mentions((name, place, medicine), tuple(sorted(found, key=lambda each: each.start)))
        gold = {"x": float(i % 2), "y": float(i < 3), "z": 0.0}
        scores = {"x": 0.2 + 0.1 * i, "y": 0.7 - 0.1 * i, "z": 0.05 * i}
        cats = {"textcat": Classes(False, {"x": 0.5, "y": 0.4, "z": 0.5}, gold, scores)}
        size = len(doc.text)
        records.append(DocumentPrediction(f"note-{i}", size, len(doc), 700, 700, mentions, {}, cats))
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return records


def confident(mention: Mention, confidence: float) -> Mention:
    """The same mention as a prediction."""
    return Mention(**{**vars(mention), "confidence": confidence})


def signature(corpus: Path) -> dict:
    """As `evaluate` signs."""
    return {
        "data": {"file": corpus.name, "sha256": data_hash(corpus)},
        "model": {"name": "en_invented", "version": "0.3.0", "pipeline": ["transformer", "ner"]},
        "seed": 42,
        "entities": "strict",
        "versions": VERSIONS,
    }


def write_scores(folder: Path, corpus: Path, records: list[DocumentPrediction], name: str = "deid") -> None:
    """Write what `evaluate --output --predictions` writes."""
    details = describe_records(records, n_resamples=50)
    report = {
        "documents": len(records),
        "tokens": 99,
        "words_per_second": 1234.5,
        "entities": {"spacy": {key: details["entities"][key] for key in "prf"}},
        "classes": {"textcat": {"weighted_f": details["classes"]["textcat"]["weighted_f"]}},
        "spacy": {},
        "details": details,
        "signature": signature(corpus),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report))
    write_predictions(
        folder / f"{name}.predictions.jsonl.gz", records, signature=signature(corpus), components={}
    )


def suite_rows(**changes) -> list[dict]:
    """Rows as `evaluate-suite` writes them."""
    rows = []
    for task, encoders in SUITE_SCORES.items():
        for encoder, scores in encoders.items():
            for seed, score in enumerate(scores, start=42):
                rows.append(
                    {
                        "task": task,
                        "encoder": {"name": encoder, "sha256": digest(encoder)},
                        "recipe": {"name": "default", "config_sha256": digest(task)},
                        "seed": seed,
                        "signature": digest(f"{task}{encoder}{seed}{changes}"),
                        "kind": "run",
                        "part": "test",
                        "parameter": None,
                        "value": None,
                        "metric": "entity_f",
                        "score": score,
                        "scores": {},
                        "data": {"train": digest("1"), "dev": digest("2"), "test": digest(f"test {task}")},
                        "version": VERSIONS["spacy-bioclinical"],
                        "versions": VERSIONS,
                        "files": {"folder": f"training/suite/{task}/{encoder}/seed{seed}-{'ab' * 6}"},
                        **changes,
                    }
                )
    return rows


def write_all(root: Path) -> Path:
    """Write every kind of input; RETURNS the folder `metrics`. The corpus lies in `corpus/test.spacy`."""
    metrics, corpus = root / "metrics", root / "corpus" / "test.spacy"
    write_scores(metrics, corpus, write_corpus(corpus))
    published = {"a": 0.83, "Other & Co": 0.9}
    line = {"task": "one", "label": None, "published": published, "sources": ["Table 2 of a paper"]}
    failure = {"task": "three", "signature": "f", "error": "BC459"}
    head = {"format": "spacy-bioclinical.suite", "version": 1, "choices": [], "summary": [line]}
    (metrics / "suite.json").write_text(json.dumps({**head, "rows": suite_rows(), "failures": [failure]}))
    (metrics / "deid.speed.json").write_text(
        json.dumps({"words_per_second": 5000.0, "ci_95": [4900.0, 5100.0], "batch_size": 8, "device": "cpu"})
    )
    (metrics / "deid.train.json").write_text(json.dumps({"minutes": 12.5, "device": "cpu", "dev": {}}))
    conditions = [
        condition("window", 8192, [0.6, 0.62], None),
        condition("cut", 512, [0.4, 0.44], {"mean": 0.19, "interval": [0.1, 0.3]}),
    ]
    study = {
        **{"format": "spacy-bioclinical.context-value", "version": 1, "task": "one", "metric": "entity_f"},
        **{"encoder": {"name": "a"}, "data": {"test": digest("test one")}, "conditions": conditions},
        "sentences": ["Longer is worth +19.0 points."],
    }
    (metrics / "context_value.json").write_text(json.dumps(study))
    component = {"n": 500, "temperature": 1.7, "before": {"ece": 0.15}, "after": {"ece": 0.02}}
    promise = {"target": 0.99, "confidence": 0.95, "threshold": 0.0031, "n": 500, "recall": 0.995}
    calibration = {"signature": signature(corpus), "components": {"ner": component}}
    check = {"splits": 200, "promised": 199, "held": 195}
    sides = [
        {"entities": entities, "precision": p, "words_flagged_per_1000": words, "word_precision": q}
        for entities, p, words, q in ((480, 0.91, 61.3, 0.95), (702, 0.62, 88.7, 0.71))
    ]
    price = {"ner": {"before": sides[0], "after": sides[1]}, "spans": None}
    target = {"components": {"ner": promise}, "price": price, "check": check}
    (metrics / "deid.calibration.json").write_text(
        json.dumps({"calibration": calibration, "recall_target": target})
    )
    (metrics / "summary.json").write_text(json.dumps({"results": []}))
    rng = random.Random(0)
    for seed in (42, 43):
        write_log(root / "training" / "suite" / "one" / "a" / f"seed{seed}-{'ab' * 6}" / "log.csv", rng)
    return metrics


def condition(meaning: str, pieces: int, scores: list[float], worth: dict | None) -> dict:
    """An entry of `context-value`."""
    return {
        **{"meaning": meaning, "pieces": pieces, "documents_longer": {"test": 3}, "seeds": [42, 43]},
        **{"median": sum(scores) / 2, "low": min(scores), "high": max(scores), "same_as_reference": False},
        "worth": worth,
    }


def write_log(path: Path, rng: random.Random) -> None:
    """Write a log as `spacy-bioclinical.CsvLogger.v1` does: scores in some rows only."""
    lines = ["step,epoch,seconds,score,loss_ner,ents_f"]
    for step in range(10, 110, 10):
        score = f"{0.008 * step + rng.random() / 10:.4f}" if step % 50 == 0 else ""
        lines.append(f"{step},{step // 60},{step * 0.6},{score},{50 / step:.4f},{score}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
