"""The corpora this project invents, for its embedded tasks."""

from __future__ import annotations

from corpus_scripts.corpora.entry import FOLDER_PARTS, JSONL_PARTS, Corpus

GENERATED = (
    Corpus(
        name="deid",
        task="ner",
        format="brat",
        parts=FOLDER_PARTS,
        licence="same as this project",
        source="python -m corpus_scripts.synthetic deid",
        access="generated",
        note="Invented notes. Names and places of test do not occur in train.",
    ),
    Corpus(
        name="phenotype",
        task="textcat_multilabel",
        format="jsonl",
        parts=JSONL_PARTS,
        licence="same as this project",
        source="python -m corpus_scripts.synthetic phenotype",
        access="generated",
        note="Invented notes of about 3,000 pieces; most of what decides a label stands beyond the first "
        "700.",
    ),
)
