"""What is made of MIMIC and given out by PhysioNet: MedNLI, and the notes themselves (without annotation)."""

from __future__ import annotations

from corpus_scripts.corpora.entry import Corpus

_LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
_ACCESS = "credentialed, at PhysioNet"
_TEXT_ONLY = "Text without annotation, for pretraining or for pipelines to read"

MIMIC = (
    Corpus(
        name="mednli",
        task="textcat",
        format="mednli",
        parts={
            part: (f"mli_{part}_v1.jsonl", f"mli_{part}_v1.jsonl.gz") for part in ("train", "dev", "test")
        },
        licence=_LICENCE,
        source="PhysioNet mednli 1.0.0: mli_train_v1.jsonl, mli_dev_v1.jsonl, mli_test_v1.jsonl",
        access=_ACCESS,
        note="Premise and hypothesis are two lines of one text. Their premises come from MIMIC-III: an encoder "
        "pretrained on all of it has seen them.",
    ),
    Corpus(
        name="mimic_iii_notes",
        task="text",
        format="mimic_notes",
        parts={"train": ("NOTEEVENTS.csv.gz", "NOTEEVENTS.csv")},
        licence=_LICENCE,
        source="PhysioNet mimiciii 1.4: NOTEEVENTS.csv.gz",
        access=_ACCESS,
        note=f"{_TEXT_ONLY}. Rows marked as an error are left out and counted.",
    ),
    Corpus(
        name="mimic_iv_notes",
        task="text",
        format="mimic_notes",
        parts={"train": ("note", "discharge.csv.gz", "discharge.csv", "radiology.csv.gz", "radiology.csv")},
        licence=_LICENCE,
        source="PhysioNet mimic-iv-note 2.2: note/discharge.csv.gz and note/radiology.csv.gz",
        access=_ACCESS,
        note=f"{_TEXT_ONLY}.",
    ),
)
