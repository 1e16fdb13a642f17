"""The four models of Alsentzer et al. 2019 (Bio_ClinicalBERT and its siblings): BERT on MIMIC-III notes.

Sections, then sentences, then sentence pairs of 128 pieces with masked pieces and a next-sentence label.
"""

from dataclasses import replace

from pretrain.recipes.instances import ClinicalBertInstances
from pretrain.recipes.recipe import Recipe
from pretrain.schedules import Schedule
from spacy_bioclinical.encoder.bert import BertSettings
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

SOURCE = "github.com/EmilyAlsentzer/clinicalBERT a9d9169 (MIT), arXiv 1904.03323; else Google BERT's defaults"
ALL_NOTES, DISCHARGE = "MIMIC-III notes of all categories", "MIMIC-III discharge summaries"
BIOBERT = "BioBERT v1.0 (+ PubMed 200K + PMC 270K)"
BERT = "BERT base, cased"
# Not trained by the published runs; the same layers and widths, for a comparison with a modern encoder.
SAME_SIZE = ModernBertSettings(intermediate_size=3072, num_hidden_layers=12, max_position_embeddings=512)

BIO_CLINICALBERT = Recipe(
    name="bio_clinicalbert",
    summary="Bio_ClinicalBERT: BioBERT on all notes of MIMIC-III, pairs of sentences, 128 pieces",
    source=SOURCE,
    continues=BIOBERT,
    text=ALL_NOTES,
    notes=(
        "at most 20 predictions in the training script, 22 in the data script; neither binds: 15 % of 128 are 19",
        "sentences were split by en_core_sci_md behind a rule of boundaries; here by pretrain.clinicalbert's rules",
        "random pieces, one in ten of those predicted, are never special ones; the published code draws any",
        "dropout is that of the starting weights' config.json (published: 0.1)",
        "pairs are made while training, by (seed, step), and laid end to end, not padded to 128",
        "Google's Adam has no bias correction; AdamW here has",
        "the rate's line begins with the run: it steps from 5e-5 to 4.67e-5 (4.5e-5 for 100,000 steps) where the "
        "warm-up ends",
    ),
    shape=SAME_SIZE,
    bert=BertSettings(vocab_size=28_996),
    instances=ClinicalBertInstances(),
    unit="steps",
    duration=150_000,
    schedule=Schedule("linear_decay_bert", warmup=10_000),
    lr=5e-5,
    betas=(0.9, 0.999),
    eps=1e-6,
    weight_decay=0.01,
    optimizer="adamw",
    grad_clip=1.0,
    max_length=128,
    row_pieces=32 * 128,
    rows_per_step=1,
    mask_rate=0.15,
    eval_every=10_000,
    save_every=50_000,
    keep=15,
    seed=12345,
)
BIO_DISCHARGE_SUMMARY_BERT = replace(
    BIO_CLINICALBERT,
    name="bio_discharge_summary_bert",
    summary="Bio_Discharge_Summary_BERT: BioBERT on discharge summaries of MIMIC-III",
    text=DISCHARGE,
    notes=(
        *BIO_CLINICALBERT.notes,
        "the card says both discharge summaries and all notes; the script says this",
    ),
    duration=100_000,
)
CLINICALBERT = replace(
    BIO_CLINICALBERT,
    name="clinicalbert",
    summary="Clinical BERT: BERT base on all notes of MIMIC-III",
    continues=BERT,
)
DISCHARGE_SUMMARY_BERT = replace(
    BIO_CLINICALBERT,
    name="discharge_summary_bert",
    summary="Discharge Summary BERT: BERT base on discharge summaries of MIMIC-III",
    continues=BERT,
    text=DISCHARGE,
    duration=100_000,
)

CLINICALBERTS = (BIO_CLINICALBERT, BIO_DISCHARGE_SUMMARY_BERT, CLINICALBERT, DISCHARGE_SUMMARY_BERT)
