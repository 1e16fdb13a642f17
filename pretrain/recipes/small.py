"""A small ModernBERT in two phases, as BioClinical ModernBERT's: for two cores, some million pieces and an hour.

With ModernBERT's own vocabulary 12.9 of its 17.4 million parameters are embeddings; they cost memory, but only the
pieces to predict pay for them in time. Rows are short because many updates matter more than large ones at this size
(see `pretrain.recipes.tiny`); documents of up to 2,048 pieces keep their context.

In bf16 (on a processor that has it) the 2,600 steps, 5.3 million pieces, took 58 minutes of processor time on two
cores, evaluations included; about half as much again in fp32. Learning rate: after 250 steps 1e-3 stood at a held-out
loss of 6.91, 2e-3 at 7.35; 5e-4 was behind after 95. What came of it stands in docs/pretraining.md.
"""

from dataclasses import replace

from pretrain.recipes.recipe import Recipe
from pretrain.schedules import Schedule
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

SMALL_SHAPE = ModernBertSettings(
    vocab_size=50368,
    hidden_size=256,
    intermediate_size=384,
    num_hidden_layers=8,
    num_attention_heads=4,
    local_attention=128,
    max_position_embeddings=8192,
)

SMALL_PHASE1 = Recipe(
    name="small_phase1",
    summary="a small encoder, phase 1: all text, rising then constant rate",
    source="this project; phases as BioClinical ModernBERT's",
    text="biomedical and clinical text of a few million pieces",
    shape=SMALL_SHAPE,
    unit="steps",
    duration=2000,
    schedule=Schedule("constant_with_warmup", warmup=100),
    lr=1e-3,
    weight_decay=1e-5,
    max_length=2048,
    row_pieces=2048,
    rows_per_step=1,
    mask_rate=0.30,
    held_out=0.03,
    eval_pieces=2**16,
    eval_every=400,
    save_every=400,
    seed=0,
)
SMALL_PHASE2 = replace(
    SMALL_PHASE1,
    name="small_phase2",
    summary="a small encoder, phase 2: clinical text, falling over the whole run",
    continues="small_phase1",
    text="clinical text",
    duration=600,
    schedule=Schedule("one_minus_sqrt", floor=0.001),
    mask_rate=0.15,
    eval_every=200,
    save_every=200,
    restart_override=True,
)

SMALL = (SMALL_PHASE1, SMALL_PHASE2)
