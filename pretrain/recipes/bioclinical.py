"""The published runs of BioClinical ModernBERT (Sounack et al. 2025), values as in their code.

Not for a laptop: phase 1 saw 160 thousand million pieces on eight H100. Printed by --dry-run, started on
machines that can. "Batch size 72 / 77" of the paper is per device; the runs used 576 / 616 sequences of 8,192
pieces.
"""

from dataclasses import replace

from pretrain.recipes.modernbert import BASE_SHAPE, LARGE_SHAPE, OURS
from pretrain.recipes.recipe import Recipe
from pretrain.schedules import Schedule

SOURCE = "github.com/lindvalllab/BioClinical-ModernBERT fb40fb6 (MIT), yaml files; arXiv 2506.10896"
EVERYTHING_3_EPOCHS = 160_453_000_000  # pieces: biomedical and clinical text, three times
CLINICAL_3_EPOCHS = 8_247_337_000
CLINICAL_1_EPOCH = 2_749_112_000
BIOMEDICAL_1_EPOCH = 50_735_000_000

EVERYTHING_1_EPOCH = BIOMEDICAL_1_EPOCH + CLINICAL_1_EPOCH
BOTH, CLINICAL = "PubMed, PMC and 20 clinical data sets", "20 clinical data sets"
BIOMEDICAL = "PubMed and PMC"
NOTES = (
    OURS,
    "the published optimizer keeps max_lr from its first stage (8e-4 base, 5e-4 large): its effective weight decay is "
    "lower by lr / max_lr",
)

PHASE1_BASE = Recipe(
    name="phase1_base",
    summary="BioClinical ModernBERT base, phase 1: biomedical and clinical text, constant rate",
    source=SOURCE,
    continues="ModernBERT-base after context extension, before its decay (ep0-ba52988)",
    text=BOTH,
    epoch_pieces=EVERYTHING_1_EPOCH,
    notes=NOTES,
    shape=BASE_SHAPE,
    unit="pieces",
    duration=EVERYTHING_3_EPOCHS,
    schedule=Schedule("constant_with_warmup", warmup=0),
    lr=3e-4,
    weight_decay=1e-5,
    row_pieces=12 * 8192,
    rows_per_step=48,  # 8 devices x 6 microbatches
    mask_rate=0.30,
    attention_out_dropout=0.1,
    eval_every=3000,
    save_every=3000,
    keep=0,
    precision="bf16",
    restart_override=True,
    seed=17,
)
PHASE1_LARGE = replace(
    PHASE1_BASE,
    name="phase1_large",
    summary="BioClinical ModernBERT large, phase 1: biomedical and clinical text, constant rate",
    continues="ModernBERT-large after context extension, before its decay (ep0-ba49552)",
    shape=LARGE_SHAPE,
    lr=5e-5,
    weight_decay=1e-6,
    row_pieces=7 * 8192,
    rows_per_step=88,  # 8 devices x 11 microbatches
    seed=314,
)
PHASE2_BASE = replace(
    PHASE1_BASE,
    name="phase2_base",
    summary="BioClinical ModernBERT base, phase 2: clinical text, falling over the whole run",
    continues="phase1_base",
    text=CLINICAL,
    epoch_pieces=CLINICAL_1_EPOCH,
    duration=CLINICAL_3_EPOCHS,
    schedule=Schedule("one_minus_sqrt", floor=0.001),
    mask_rate=0.15,
    eval_every=40,
    save_every=160,
)
PHASE2_LARGE = replace(
    PHASE1_LARGE,
    name="phase2_large",
    summary="BioClinical ModernBERT large, phase 2: clinical text, two constant epochs, one falling",
    continues="phase1_large",
    text=CLINICAL,
    epoch_pieces=CLINICAL_1_EPOCH,
    duration=CLINICAL_3_EPOCHS,
    schedule=Schedule("one_minus_sqrt", decay=CLINICAL_1_EPOCH, floor=0.001),
    mask_rate=0.15,
    eval_every=150,
    save_every=150,
)
PHASE2_BIO_BASE = replace(
    PHASE2_BASE,
    name="phase2_bio_base",
    summary="Bio ModernBERT base: biomedical text only, falling over the whole run",
    text=BIOMEDICAL,
    epoch_pieces=BIOMEDICAL_1_EPOCH,
    duration=BIOMEDICAL_1_EPOCH,
    eval_every=1000,
    save_every=1000,
)
PHASE2_BIO_LARGE = replace(
    PHASE1_LARGE,
    name="phase2_bio_large",
    summary="Bio ModernBERT large: biomedical text only, falling over the whole run",
    continues="phase1_large",
    text=BIOMEDICAL,
    epoch_pieces=BIOMEDICAL_1_EPOCH,
    duration=BIOMEDICAL_1_EPOCH,
    schedule=Schedule("one_minus_sqrt", floor=0.001),
    mask_rate=0.15,
    eval_every=1000,
    save_every=1000,
)

BIOCLINICAL = (PHASE1_BASE, PHASE1_LARGE, PHASE2_BASE, PHASE2_LARGE, PHASE2_BIO_BASE, PHASE2_BIO_LARGE)
