"""The embedded default: a ModernBERT with every part of the real one, for two CPU cores and two minutes."""

from pretrain.recipes.recipe import Recipe
from pretrain.schedules import Schedule
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

TINY_SHAPE = ModernBertSettings(
    vocab_size=4096,
    hidden_size=128,
    intermediate_size=192,
    num_hidden_layers=4,
    num_attention_heads=4,
    max_position_embeddings=8192,
)

TINY = Recipe(
    name="tiny",
    summary="a tiny encoder on a few hundred notes, for trying out everything else",
    source="this project",
    shape=TINY_SHAPE,
    unit="steps",
    duration=1000,
    schedule=Schedule("warmup_stable_decay", warmup=50, decay=300, floor=0.01),
    lr=3e-3,
    weight_decay=1e-5,
    row_pieces=8192,
    rows_per_step=1,
    mask_rate=0.30,
    held_out=0.03,
    eval_pieces=2**16,
    eval_every=250,
    save_every=250,
    seed=0,
)
