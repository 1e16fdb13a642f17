"""The table of known corpora. To add one, add an entry here; if its format is known, no code is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from corpus_scripts.formats.jsonl import JsonlOptions
from corpus_scripts.reading import ReadOptions
from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class Corpus:
    """One corpus.

    name (str): As typed on the command line.
    task (str): "ner", "textcat" (one category each) or "textcat_multilabel".
    format (str): One of reading.FORMATS.
    parts (Mapping): "train", "dev", "test" → paths below the input folder, the first that exists is read.
    licence, source, access (str): Terms; where it comes from; how one gets it.
    folder (str): Name of the folder that holds the parts; --input may be that folder or the one above.
    carve (Mapping): Part that the corpus does not have → (part it is taken from, fraction). Used only where
        the part's own files are missing; documents are chosen by checksum of their words and the seed.
    labels (Mapping): Label of the source → our label, or None to leave its mentions out. Empty: as they are.
    group (str): Regular expression for the ids: documents with the same match (a patient, say) are carved
        together. Empty: those with the same words are.
    options (ReadOptions): How its files are read.
    note (str): What a user should know before quoting a score.
    """

    name: str
    task: str
    format: str
    parts: Mapping[str, tuple[str, ...]]
    licence: str
    source: str
    access: str
    folder: str = ""
    carve: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    group: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)
    note: str = ""

    def layout(self) -> str:
        """The expected paths, for people."""
        return "; ".join(f"{part}: {' or '.join(paths)}" for part, paths in self.parts.items())

    def facts(self) -> dict[str, object]:
        """What a report says about the corpus."""
        return {
            "name": self.name, "task": self.task, "licence": self.licence, "source": self.source,
            "access": self.access, "label_map": dict(self.labels), "note": self.note,
        }  # fmt: skip


_IOB_PARTS = {
    "train": ("train.tsv.gz", "train.tsv"),
    "dev": ("devel.tsv.gz", "devel.tsv"),
    "test": ("test.tsv.gz", "test.tsv"),
}
_JSONL_PARTS = {
    part: (f"{part}.jsonl", f"{part}.jsonl.xz", f"{part}.jsonl.gz") for part in ("train", "dev", "test")
}
_FOLDER_PARTS = {part: (part,) for part in ("train", "dev", "test")}

CORPORA = (
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
        name="social_history",
        task="ner",
        format="brat",
        parts=_FOLDER_PARTS,
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
        parts=_JSONL_PARTS,
        folder="chemprot",
        carve={"test": ("train", 0.2)},
        options=ReadOptions(jsonl=JsonlOptions(labels="label")),
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
    Corpus(
        name="deid",
        task="ner",
        format="brat",
        parts=_FOLDER_PARTS,
        licence="same as this project",
        source="python -m corpus_scripts.synthetic deid",
        access="generated",
        note="Invented notes. Names and places of test do not occur in train.",
    ),
    Corpus(
        name="phenotype",
        task="textcat_multilabel",
        format="jsonl",
        parts=_JSONL_PARTS,
        licence="same as this project",
        source="python -m corpus_scripts.synthetic phenotype",
        access="generated",
        note="Invented notes of about 3,000 pieces; most of what decides a label stands beyond the first "
        "700.",
    ),
)


def find_corpus(name: str) -> Corpus:
    """The corpus of a name.

    RAISES (ValueError): BC613, naming those that are known.
    """
    for corpus in CORPORA:
        if corpus.name == name:
            return corpus
    raise ValueError(Errors.BC613.format(name=name, known=", ".join(corpus.name for corpus in CORPORA)))
