"""The three stages of ModernBERT (Warner et al. 2024) that BioClinical ModernBERT continues, base and large.

Stage 1 reads 1,024 pieces with RoPE's base at 10,000 in all layers and a batch that grows; stage 2 goes on at 8,192
with 160,000 in global layers and a constant rate; stage 3 lets the rate fall. The checkpoint at the end of stage 2,
before the fall, is where BioClinical ModernBERT begins. Step intervals of evaluation and checkpoints are ours.
"""

from dataclasses import replace

from pretrain.batch_warmup import BatchWarmup
from pretrain.recipes.recipe import Recipe
from pretrain.schedules import Schedule
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

SOURCE = "github.com/AnswerDotAI/ModernBERT 8c57a0f and branch pretraining_documentation (Apache-2.0); arXiv 2412.13663"
PRETRAIN_PIECES = 1_719_000_000_000
CONTEXT_PIECES = 250_000_000_000
DECAY_PIECES = 50_000_000_000
DEVICES = 8  # H100; the batch warm-up adds a row on each of them

BASE_SHAPE = ModernBertSettings()
LARGE_SHAPE = replace(
    BASE_SHAPE, hidden_size=1024, intermediate_size=2624, num_hidden_layers=28, num_attention_heads=16
)
SHORT = {"max_position_embeddings": 1024, "global_rope_theta": 10_000.0}
OURS = (
    "rows are packed and pieces masked by this program's rules: fuller rows, [CLS] and [SEP] never hidden; packing and "
    "masking = published give the others"
)
INTERVALS = (
    "steps between evaluations and checkpoints, the held-out share and the seed are not the published ones"
)

PRETRAIN_BASE = Recipe(
    name="modernbert_pretrain_base",
    summary="ModernBERT base, stage 1: 1,024 pieces, growing batch, rising then constant rate",
    source=SOURCE,
    text="web text, code and scientific literature",
    notes=(
        OURS,
        INTERVALS,
        "the published batch warm-up counts the pieces that each rank has packed; this one counts full rows",
    ),
    shape=replace(BASE_SHAPE, **SHORT),  # type: ignore[arg-type]
    unit="pieces",
    duration=PRETRAIN_PIECES,
    schedule=Schedule("warmup_stable_decay", warmup=3_000_000_000, decay=0, floor=0.1),
    lr=8e-4,
    weight_decay=1e-5,
    max_length=1024,
    row_pieces=96 * 1024,
    rows_per_step=6 * DEVICES,  # 4,608 sequences
    batch_warmup=BatchWarmup(DEVICES, 6 * DEVICES, 50_000_000_000, increment=DEVICES),
    mask_rate=0.30,
    attention_out_dropout=0.1,
    eval_every=4000,
    save_every=4000,
    keep=0,
    precision="bf16",
    seed=17,
)
PRETRAIN_LARGE = replace(
    PRETRAIN_BASE,
    name="modernbert_pretrain_large",
    summary="ModernBERT large, stage 1: 1,024 pieces, growing batch, rising then constant rate",
    continues="ModernBERT-base after stage 1, its weights tiled from the middle",
    notes=(
        *PRETRAIN_BASE.notes,
        "the published run was rolled back later and restarted at a rate of 5e-5 with a weight decay of 1e-6",
        "tiling base weights into the large shape is not part of this program",
    ),
    shape=replace(LARGE_SHAPE, **SHORT),  # type: ignore[arg-type]
    schedule=Schedule("warmup_stable_decay", warmup=2_000_000_000, decay=0, floor=0.1),
    lr=5e-4,
    row_pieces=56 * 1024,
    rows_per_step=11 * DEVICES,  # 4,928 sequences
    batch_warmup=BatchWarmup(DEVICES, 11 * DEVICES, 10_000_000_000, increment=DEVICES),
    seed=314,
)
CONTEXT_BASE = replace(
    PRETRAIN_BASE,
    name="modernbert_context_base",
    summary="ModernBERT base, stage 2: 8,192 pieces, constant rate",
    continues="modernbert_pretrain_base",
    notes=(OURS, INTERVALS, "the published checkpoint at its end is ep0-ba52988"),
    shape=BASE_SHAPE,
    duration=CONTEXT_PIECES,
    schedule=Schedule("constant_with_warmup", warmup=0),
    lr=3e-4,
    max_length=8192,
    row_pieces=12 * 8192,
    rows_per_step=6 * DEVICES,  # 576 sequences
    batch_warmup=None,
    restart_override=True,
)
CONTEXT_LARGE = replace(
    CONTEXT_BASE,
    name="modernbert_context_large",
    summary="ModernBERT large, stage 2: 8,192 pieces, constant rate",
    continues="modernbert_pretrain_large",
    notes=(OURS, INTERVALS, "the published checkpoint at its end is ep0-ba49552"),
    shape=LARGE_SHAPE,
    lr=5e-5,
    weight_decay=1e-6,
    row_pieces=7 * 8192,
    rows_per_step=11 * DEVICES,  # 616 sequences
    seed=314,
)
DECAY_BASE = replace(
    CONTEXT_BASE,
    name="modernbert_decay_base",
    summary="ModernBERT base, stage 3: 8,192 pieces, falling over the whole run",
    continues="modernbert_context_base",
    notes=(OURS, INTERVALS, "the published base ends at ep0-ba10598 and averages several such checkpoints"),
    duration=DECAY_PIECES,
    schedule=Schedule("one_minus_sqrt", floor=0.001),
)
DECAY_LARGE = replace(
    CONTEXT_LARGE,
    name="modernbert_decay_large",
    summary="ModernBERT large, stage 3: 8,192 pieces, falling over the whole run",
    continues="modernbert_context_large",
    notes=(OURS, INTERVALS),
    duration=DECAY_PIECES,
    schedule=Schedule("one_minus_sqrt", floor=0.001),
    row_pieces=6 * 8192,
    rows_per_step=13 * DEVICES,  # 624 sequences
)

MODERNBERT = (PRETRAIN_BASE, PRETRAIN_LARGE, CONTEXT_BASE, CONTEXT_LARGE, DECAY_BASE, DECAY_LARGE)
