"""The published encoders of the family as data: where each lies, how long it reads, what to know before using it.

A name of this catalogue stands for a hub name wherever an encoder is named (source.py). Nothing here decides how a
folder is computed: that follows from the folder's own files, so that a local copy under any name is treated alike.
Figures with "~" are the usual public ones; `unsure` lists what could not be confirmed.
"""

import difflib
from dataclasses import dataclass
from functools import partial

NOT_STATED = "none stated on the hub"
WORDPIECE_CASED = "WordPiece, 28,996 pieces"
BYTE_LEVEL = "byte-level BPE, 50,265 pieces"
MODERNBERT_PIECES = "byte-level BPE, 50,368 pieces (OLMo's, with BERT's special pieces)"

LOWER_CASE_TRAP = (
    "The hub folder has no tokenizer_config.json: transformers lower-cases every text, although the vocabulary is "
    'cased, and knows no length. Here the case is kept (casing = "auto"; "published" for the former behaviour).'
)
PREFIX_SPACE_TRAP = (
    "The pieces of words inside a text carry the space before them, the first word of a text has none and gets other "
    "pieces, as published. Offsets are those of the words, without the space."
)
PREFIX_SPACE_REFERENCE = (
    "Its reference training and fine-tuning put a space in front of every text. For the same, write "
    '"add_prefix_space": true into the tokenizer_config.json of a local copy.'
)
TOKEN_TYPES_TRAP = "Token types (sentence A or B) exist; every piece of a document is of type 0."
POSITION_TRAP = "The position table has 514 rows, the first two of them for padding: 512 pieces at most."
SENTENCEPIECE_TRAP = (
    "Vocabulary in SentencePiece's file (spiece.model): a fast tokenizer needs tokenizer.json, or the packages "
    "sentencepiece and protobuf to make one."
)


@dataclass(frozen=True)
class System:
    """One published encoder.

    name (str): its name here.
    hub (str | None): its name on the hub; None for one that was never published there.
    family (str): `model_type` of its config.json.
    context (int): most pieces its config allows, special pieces included.
    trained_context (int): pieces of the windows of its last pretraining.
    parameters (str): with "~" where not computed from the architecture.
    tokenizer (str): kind and size of the vocabulary.
    is_cased (bool): whether the vocabulary tells capitals from small letters.
    licence (str): of the weights; for `NOT_STATED` ask the authors.
    trained_on (str): what the weights have read.
    source (str): paper or repository.
    traps (tuple[str, ...]): what surprises, and what is done about it.
    unsure (tuple[str, ...]): facts that are not confirmed.
    advised_context (str | None): the setting `context` to choose, where the encoder's own misleads.
    aliases (tuple[str, ...]): further names, beside the last part of the hub name.
    """

    name: str
    hub: str | None
    family: str
    context: int
    trained_context: int
    parameters: str
    tokenizer: str
    is_cased: bool
    licence: str
    trained_on: str
    source: str
    traps: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    advised_context: str | None = None
    aliases: tuple[str, ...] = ()


MODERNBERT_DATA = "about 2,000 B pieces of English text and code"
BIOCLINICAL_DATA = (
    "from ModernBERT (before its decay): PubMed and PMC, 50.7 B, with 20 clinical sets, 2.8 B (97.6 % of the latter "
    "MIMIC); then the clinical sets alone. Includes MedNLI, MedQA and MTSamples, which overlap downstream corpora"
)
BIO_DATA = "as BioClinical ModernBERT's first phase, then PubMed and PMC alone, 50.7 B"
CLINICALBERT_PAPER = "Alsentzer et al. 2019, arXiv 1904.03323; github EmilyAlsentzer/clinicalBERT"
LONG_PAPER = "Li et al. 2022, arXiv 2201.11838"
BIOCLINICAL_PAPER = "Sounack et al. 2025, arXiv 2506.10896"
MODERNBERT_PAPER = "Warner et al. 2024, arXiv 2412.13663"

SHORT_WINDOWS = (
    "Clinical pretraining used windows of 128 pieces; positions up to 512 come from BERT and BioBERT."
)
WINDOWS_UNSURE = "windows of its last pretraining, taken to be its whole context"
BASE_SIZE, LARGE_SIZE = "149.7 M", "395.9 M"  # ModernBERT with its masked-language head

_modernbert = partial(
    System,
    family="modernbert",
    context=8192,
    trained_context=8192,
    tokenizer=MODERNBERT_PIECES,
    is_cased=True,
    licence="Apache-2.0",
    trained_on=MODERNBERT_DATA,
    source=MODERNBERT_PAPER,
    traps=(PREFIX_SPACE_TRAP,),
)
_bioclinical = partial(
    _modernbert,
    licence="MIT",
    source=BIOCLINICAL_PAPER,
    traps=(PREFIX_SPACE_TRAP, PREFIX_SPACE_REFERENCE),
)
_bert = partial(
    System, family="bert", context=512, parameters="~110 M", tokenizer=WORDPIECE_CASED, is_cased=True
)
_clinicalbert = partial(_bert, trained_context=128, source=CLINICALBERT_PAPER)

SYSTEMS: tuple[System, ...] = (
    _bioclinical(
        name="bioclinical-modernbert-base",
        hub="thomas-sounack/BioClinical-ModernBERT-base",
        parameters=BASE_SIZE,
        trained_on=BIOCLINICAL_DATA,
    ),
    _bioclinical(
        name="bioclinical-modernbert-large",
        hub="thomas-sounack/BioClinical-ModernBERT-large",
        parameters=LARGE_SIZE,
        trained_on=BIOCLINICAL_DATA,
    ),
    _bioclinical(
        name="bio-modernbert-base",
        hub="thomas-sounack/Bio-ModernBERT-base",
        parameters=BASE_SIZE,
        trained_on=BIO_DATA,
    ),
    _bioclinical(
        name="bio-modernbert-large",
        hub="thomas-sounack/Bio-ModernBERT-large",
        parameters=LARGE_SIZE,
        trained_on=BIO_DATA,
        unsure=("the hub name, formed like that of the base model",),
    ),
    _modernbert(name="modernbert-base", hub="answerdotai/ModernBERT-base", parameters=BASE_SIZE),
    _modernbert(name="modernbert-large", hub="answerdotai/ModernBERT-large", parameters=LARGE_SIZE),
    System(
        name="clinical-modernbert",
        hub="Simonlee711/Clinical_ModernBERT",
        family="bert",
        context=8192,
        trained_context=128,
        parameters="136.6 M",
        tokenizer=MODERNBERT_PIECES,
        is_cased=True,
        licence="MIT",
        trained_on="PubMed abstracts, MIMIC-IV notes, ICD and HCPCS descriptions: at most 3.25 B pieces an epoch "
        "(13.0 B as published, counted as 512 pieces a row)",
        source="Lee et al. 2025, arXiv 2504.03964; github Simonlee711/Clinical_ModernBERT",
        traps=(
            "Not a ModernBERT: a BERT with 22 layers and 8,192 learned positions, of which 128 were trained. Longer "
            "windows read untrained positions. Set context = 128 to 512 under [components.transformer.model].",
            PREFIX_SPACE_TRAP,
            TOKEN_TYPES_TRAP,
        ),
        unsure=("that nothing of ModernBERT's weights was taken over: concluded from its code",),
        advised_context="128 to 512",
    ),
    _bert(
        name="biobert",
        hub="dmis-lab/biobert-v1.1",
        trained_context=512,
        licence=f"{NOT_STATED} (code Apache-2.0)",
        trained_on="from BERT-base cased: PubMed, 1 M steps, by its repository; PubMed and PMC, 18.0 B, by the "
        "BioClinical ModernBERT paper",
        source="Lee et al. 2020, arXiv 1901.08746; github dmis-lab/biobert",
        traps=(TOKEN_TYPES_TRAP,),
        unsure=(
            "licence of the weights: none was seen on the hub card",
            "whether PMC was read: sources differ",
        ),
    ),
    _clinicalbert(
        name="bio-clinicalbert",
        hub="emilyalsentzer/Bio_ClinicalBERT",
        licence="MIT",
        trained_on="from BioBERT v1.0 (PubMed 200K, PMC 270K): all MIMIC-III notes, about 880 M words, 150,000 steps",
        traps=(LOWER_CASE_TRAP, SHORT_WINDOWS, TOKEN_TYPES_TRAP),
        aliases=("bio-clinical-bert",),
    ),
    _clinicalbert(
        name="bio-discharge-summary-bert",
        hub="emilyalsentzer/Bio_Discharge_Summary_BERT",
        licence="MIT (its repository)",
        trained_on="from BioBERT v1.0: MIMIC-III discharge summaries, 100,000 steps",
        traps=(LOWER_CASE_TRAP, SHORT_WINDOWS, TOKEN_TYPES_TRAP),
        unsure=(
            "its card says both discharge summaries and all notes; its script reads discharge summaries",
        ),
    ),
    _clinicalbert(
        name="clinical-bert",
        hub=None,
        licence="MIT (its repository)",
        trained_on="from BERT-base cased: all MIMIC-III notes, 150,000 steps",
        traps=("Published as a tarball only (bert_pretrain_output_all_notes_150000).", TOKEN_TYPES_TRAP),
    ),
    _clinicalbert(
        name="discharge-summary-bert",
        hub=None,
        licence="MIT (its repository)",
        trained_on="from BERT-base cased: MIMIC-III discharge summaries, 100,000 steps",
        traps=("Published as a tarball only (bert_pretrain_output_disch_100000).", TOKEN_TYPES_TRAP),
    ),
    System(
        name="biomed-roberta",
        hub="allenai/biomed_roberta_base",
        family="roberta",
        context=512,
        trained_context=512,
        parameters="~125 M",
        tokenizer=BYTE_LEVEL,
        is_cased=True,
        licence=NOT_STATED,
        trained_on="from RoBERTa-base: S2ORC, 2.68 M papers, 7.55 B pieces, 47 GB",
        source="Gururangan et al. 2020, arXiv 2004.10964",
        traps=(POSITION_TRAP,),
        unsure=("licence: ask the authors", "windows of its last pretraining, taken to be RoBERTa's"),
    ),
    System(
        name="clinical-longformer",
        hub="yikuan8/Clinical-Longformer",
        family="longformer",
        context=4096,
        trained_context=4096,
        parameters="~149 M",
        tokenizer=BYTE_LEVEL,
        is_cased=True,
        licence=NOT_STATED,
        trained_on="from Longformer-base: MIMIC-III, 200,000 steps of 18 windows",
        source=LONG_PAPER,
        traps=(
            "Sliding window of 512 with global attention, which must be asked for: [CLS] (<s>) gets it here.",
            "The position table has 4,098 rows, the first two of them for padding: 4,096 pieces at most.",
        ),
        unsure=("licence: ask the authors", WINDOWS_UNSURE),
    ),
    System(
        name="clinical-bigbird",
        hub="yikuan8/Clinical-BigBird",
        family="big_bird",
        context=4096,
        trained_context=4096,
        parameters="~128 M",
        tokenizer="SentencePiece, about 50,400 pieces",
        is_cased=True,
        licence=NOT_STATED,
        trained_on="from BigBird-base: MIMIC-III, 300,000 steps of 12 windows",
        source=LONG_PAPER,
        traps=(SENTENCEPIECE_TRAP, TOKEN_TYPES_TRAP),
        unsure=("licence: ask the authors", "which tokenizer files the hub holds", WINDOWS_UNSURE),
    ),
    _bert(
        name="bert-base-cased",
        hub="google-bert/bert-base-cased",
        trained_context=512,
        licence="Apache-2.0",
        trained_on="Wikipedia and BookCorpus, 3.3 B words; the start of BioBERT and the clinicalBERTs",
        source="Devlin et al. 2019, arXiv 1810.04805",
        traps=(TOKEN_TYPES_TRAP,),
        unsure=("licence and hub name: from general knowledge",),
    ),
    System(
        name="roberta-base",
        hub="FacebookAI/roberta-base",
        family="roberta",
        context=512,
        trained_context=512,
        parameters="~125 M",
        tokenizer=BYTE_LEVEL,
        is_cased=True,
        licence="MIT",
        trained_on="160 GB of English books, news, web pages and stories; the start of BioMed-RoBERTa",
        source="Liu et al. 2019, arXiv 1907.11692",
        traps=(POSITION_TRAP,),
        unsure=("licence and hub name: from general knowledge",),
    ),
)


def find_system(name: str) -> System | None:
    """Return the system that a name, an alias or a hub name means; case and "_" for "-" do not matter."""
    wanted = _plain(name)
    for system in SYSTEMS:
        if wanted in _names(system) or (system.hub is not None and wanted == _plain(system.hub)):
            return system
    return None


def system_of_folder(source: str) -> System | None:
    """Return the system that a name means or that a folder is named after ("encoders/Bio_ClinicalBERT")."""
    return find_system(source) or find_system(source.rstrip("/").rpartition("/")[2])


def close_names(name: str, limit: int = 3) -> list[str]:
    """Return catalogue names that look like a misspelt or shortened name (or its last part), best first."""
    known = {spelling: system.name for system in SYSTEMS for spelling in sorted(_names(system))}
    wanted = _plain(name).rpartition("/")[2]
    close = difflib.get_close_matches(wanted, known, n=8, cutoff=0.7)
    close += [spelling for spelling in known if len(wanted) > 3 and wanted in spelling]
    return list(dict.fromkeys(known[spelling] for spelling in close))[:limit]


def _names(system: System) -> set[str]:
    own = () if system.hub is None else (_plain(system.hub).rpartition("/")[2],)
    return {system.name, *system.aliases, *own}


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")
