"""The five tasks of the BioClinical ModernBERT paper, in the files of their publishers."""

from __future__ import annotations

from corpus_scripts.corpora.entry import FOLDER_PARTS, Corpus

PAPER = (
    Corpus(
        name="social_history",
        task="ner",
        format="brat",
        parts=FOLDER_PARTS,
        folder="social_history",
        carve={"test": ("train", 0.15)},
        licence="public download, terms not stated",
        source="UW-BioNLP SocialHistoryMTSamples; split by AndyStevens98/sdoh_extraction",
        access="public download",
        note="A third of the mentions overlap: doc.spans holds all, doc.ents the longest. Where the folder "
        "has no test "
        "part, 15 % of train is carved out as test; dev stays the published one.",
    ),
    Corpus(
        name="physionet_deid",
        task="ner",
        format="physionet_deid",
        parts={"train": ("id.text",)},
        folder="deidentifiedmedicaltext",
        carve={"test": ("train", 0.2), "dev": ("train", 0.1)},
        group=r"^[^-]+",
        licence="PhysioNet Restricted Health Data",
        source="PhysioNet deidentifiedmedicaltext 1.0: id.text and id.res in one folder",
        access="after registration and agreement at PhysioNet",
        note="No published split: by patient, checksum and seed. Classes follow the marks in id.res.",
    ),
)
