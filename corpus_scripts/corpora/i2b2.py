"""The i2b2 shared tasks on clinical notes, in the files of their releases; today given out as n2c2 by DBMI."""

from __future__ import annotations

from corpus_scripts.corpora.entry import Corpus

_LICENCE = "i2b2 data use agreement"
_ACCESS = "credentialed, at the DBMI portal (portal.dbmi.hms.harvard.edu, n2c2 NLP research data sets)"
_NO_SPLIT = (
    "The published train/dev split hangs on an order that cannot be had again: dev is drawn by checksum"
)

I2B2 = (
    Corpus(
        name="i2b2_2006",
        task="ner",
        format="i2b2_2006",
        published="i2b2_2006",
        parts={
            "train": ("deid_surrogate_train_all_version2.xml",),
            "test": ("deid_surrogate_test_all_groundtruth_version2.xml",),
        },
        carve={"dev": ("train", 0.1)},
        licence=_LICENCE,
        source="i2b2 2006 de-identification challenge (data set 1B): train and test ground truth, version 2",
        access=_ACCESS,
        note="Take the corrected training file: an earlier one has a mismatched tag. Records name no patient. The "
        "published split is by line, first 70 % train: notes stand in both parts.",
    ),
    Corpus(
        name="i2b2_2010",
        task="ner",
        format="i2b2_2010",
        published="i2b2_2010",
        parts={"train": ("concept_assertion_relation_training_data", "train"), "test": ("test",)},
        carve={"dev": ("train", 0.1)},
        group=r"^[^:]+",
        licence=_LICENCE,
        source="i2b2/VA 2010: concept_assertion_relation_training_data (beth, partners); in test: test_data and "
        "reference_standard_for_test_data",
        access=_ACCESS,
        note=f"170 training notes and 256 of test, as given out since; the task had more. {_NO_SPLIT}, by note.",
    ),
    Corpus(
        name="i2b2_2012",
        task="ner",
        format="i2b2_2012",
        published="i2b2_2012",
        parts={
            "train": ("2012-07-15.original-annotation.release", "train"),
            "test": ("ground_truth/merged_xml", "test"),
        },
        carve={"dev": ("train", 0.1)},
        group=r"^[^:]+",
        licence=_LICENCE,
        source="i2b2 2012 temporal relations: 2012-07-15.original-annotation.release; ground truth of the test notes",
        access=_ACCESS,
        note=f"Spans are events; times and links are in the Doc's meta. {_NO_SPLIT}, by note.",
    ),
    Corpus(
        name="i2b2_2014",
        task="ner",
        format="i2b2_2014",
        published="i2b2_2014",
        parts={"train": ("train",), "test": ("testing-PHI-Gold-fixed", "test")},
        carve={"dev": ("train", 0.1)},
        group=r"^\d{3}",
        licence=_LICENCE,
        source="i2b2/UTHealth 2014 track 1: training-PHI-Gold-Set1 and -Set2 in train; testing-PHI-Gold-fixed",
        access=_ACCESS,
        note=f"{_NO_SPLIT}, by patient.",
    ),
)
