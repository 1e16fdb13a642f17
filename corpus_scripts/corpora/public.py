"""Corpora anyone can download, as their editors or others publish them."""

from __future__ import annotations

from corpus_scripts.corpora.entry import JSONL_PARTS, Corpus
from corpus_scripts.formats.rows import RowOptions
from corpus_scripts.reading import ReadOptions

_IOB_PARTS = {
    "train": ("train.tsv.gz", "train.tsv"),
    "dev": ("devel.tsv.gz", "devel.tsv"),
    "test": ("test.tsv.gz", "test.tsv"),
}
PUBLIC = (
    Corpus(
        name="bc5cdr",
        task="ner",
        format="conll",
        parts=_IOB_PARTS,
        folder="BC5CDR-IOB",
        licence="public domain mark",
        source="BioCreative V CDR, as IOB by cambridgeltl/MTL-Bioinformatics-2016",
        access="public",
        note="Document borders are not in the files: 10 sentences make a document (an abstract has 9.2 on "
        "average).",
    ),
    Corpus(
        name="ncbi_disease",
        task="ner",
        format="conll",
        parts=_IOB_PARTS,
        folder="NCBI-disease-IOB",
        licence="CC0",
        source="NCBI disease corpus, as IOB by cambridgeltl/MTL-Bioinformatics-2016",
        access="public",
        note="Document borders are not in the files: 10 sentences make a document (an abstract has 9.2 on "
        "average).",
    ),
    Corpus(
        name="asq_phi",
        task="ner",
        format="jsonl",
        parts={"train": ("asq_phi_spans.jsonl",)},
        folder="asq_phi",
        carve={"test": ("train", 0.2), "dev": ("train", 0.1)},
        labels={
            "NAME": "name",
            "GEOGRAPHIC_LOCATION": "location",
            "DATE": "date",
            "PHONE_NUMBER": "phone_nb",
            "FAX_NUMBER": "phone_nb",
            "MEDICAL_RECORD_NUMBER": "other",
            "HEALTH_PLAN_BENEFICIARY_NUMBER": "other",
            "SOCIAL_SECURITY_NUMBER": "other",
            "EMAIL_ADDRESS": "other",
            "UNIQUE_IDENTIFIER": "other",
            "ACCOUNT_NUMBER": "other",
            "CERTIFICATE_LICENSE_NUMBER": "other",
            "IP_ADDRESS": "other",
        },
        licence="MIT",
        source="JamesWeatherhead/asq-phi (synthetic queries)",
        access="public",
        note="Ages are not annotated, so the class age does not occur. No published split: by checksum and "
        "seed.",
    ),
    Corpus(
        name="chemprot",
        task="textcat",
        format="jsonl",
        parts=JSONL_PARTS,
        folder="chemprot",
        carve={"test": ("train", 0.2)},
        options=ReadOptions(rows=RowOptions(labels="label")),
        licence="public domain mark",
        source="BioCreative VI ChemProt, as sentences by allenai/scibert",
        access="public",
        note="13 relations, without the class 'false' of the BLUE version: scores of the two cannot be "
        "compared.",
    ),
    Corpus(
        name="hoc",
        task="textcat_multilabel",
        format="jsonl",
        parts={"train": ("hoc.jsonl.xz", "hoc.jsonl")},
        folder="hoc",
        carve={"test": ("train", 0.2), "dev": ("train", 0.1)},
        licence="GPL-3.0",
        source="sb895/Hallmarks-of-Cancer",
        access="public",
        note="No published split: by checksum and seed. A sixth of the abstracts has no label.",
    ),
    Corpus(
        name="mtsamples",
        task="textcat_multilabel",
        format="jsonl",
        parts={"train": ("mtsamples_multilabel.jsonl.xz", "mtsamples_multilabel.jsonl")},
        folder="mtsamples",
        carve={"test": ("train", 0.2), "dev": ("train", 0.1)},
        licence="CC0 as declared by ML4LHS/clinspacy",
        source="mtsamples.com through ML4LHS/clinspacy; notes with the same text merged",
        access="public",
        note="40 specialties. No published split: by checksum and seed. Holds notes whose sections are in "
        "social_history.",
    ),
)
