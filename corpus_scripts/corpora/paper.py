"""The five tasks of the BioClinical ModernBERT paper, in the files of their publishers."""

from __future__ import annotations

from corpus_scripts.corpora.entry import FOLDER_PARTS, Corpus
from corpus_scripts.corpora.published import splits
from corpus_scripts.formats.phenotype_mimic import ANNOTATIONS

_BY_NOTE = "The paper's split is by note, not by patient: notes of one patient may stand in train and in test"

PAPER = (
    Corpus(
        name="phenotype_mimic",
        task="textcat_multilabel",
        format="phenotype_mimic",
        published="phenotype",
        parts={"train": ANNOTATIONS},
        whole=ANNOTATIONS,
        published_split=splits.PHENOTYPE,
        folder="phenotype",
        carve={"test": ("train", 0.2), "dev": ("train", 0.1)},
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        source="PhysioNet phenotype-annotations-mimic 1.20.03 (ACTdb102003.csv) and MIMIC-III 1.4 NOTEEVENTS.csv, in "
        "one folder",
        access="credentialed, at PhysioNet",
        note=f"14 labels; a note with none has all at 0. {_BY_NOTE}.",
    ),
    Corpus(
        name="chemprot_blue",
        task="textcat",
        format="chemprot_blue",
        published="chemprot",
        parts={part: (f"{part}.tsv", f"{part}.tsv.gz") for part in ("train", "dev", "test")},
        folder="ChemProt",
        licence="terms not stated with the files (BioCreative VI task data)",
        source="BLUE benchmark 0.1, bert_data.zip, ChemProt: 19,460/11,820/16,943 lines",
        access="public download",
        note="Six classes with 'false'; the paper's weighted F1 counts 'false', most others do not. Sentences of one "
        "abstract come once for each pair of entities.",
    ),
    Corpus(
        name="physionet_deid",
        task="ner",
        format="physionet_deid",
        published="deid",
        parts={"train": ("id.text",)},
        whole=("id.text",),
        published_split=splits.DEID,
        folder="deidentifiedmedicaltext",
        carve={"test": ("train", 0.2), "dev": ("train", 0.1)},
        group=r"^[^-]+",
        licence="PhysioNet Restricted Health Data",
        source="PhysioNet deidentifiedmedicaltext 1.0: id.text and id.res in one folder",
        access="after registration and agreement at PhysioNet",
        note=f"Classes follow the marks in id.res. {_BY_NOTE}; with --split checksum patients stay together.",
    ),
    Corpus(
        name="cos",
        task="ner",
        format="cos",
        published="cos",
        parts=FOLDER_PARTS,
        whole=("", "data"),
        published_split=splits.COS,
        folder="COS",
        carve={"test": ("train", 0.15), "dev": ("train", 0.15)},
        licence="public download, terms not stated",
        source="UW-BioNLP events-COS-corpus: snippet1_100.txt and .ann, … in one folder",
        access="public download",
        note=f"The paper speaks of 4 types, its code has 5 (Ref too). {_BY_NOTE}.",
    ),
    Corpus(
        name="social_history",
        task="ner",
        format="brat",
        published="social_history",
        parts=FOLDER_PARTS,
        whole=("",),
        published_split=splits.SOCIAL_HISTORY,
        folder="social_history",
        carve={"test": ("train", 0.15)},
        licence="public download, terms not stated",
        source="UW-BioNLP SocialHistoryMTSamples, flat; or its split by AndyStevens98/sdoh_extraction",
        access="public download",
        note="A third of the mentions overlap: doc.spans holds all, doc.ents the longest. Where the files lie in one "
        "folder they are split as in the paper, by section; where they lie in train and dev without test, 15 % of "
        "train is carved out as test. Its texts are sections of MTSamples: keep those out of pretraining.",
    ),
)
