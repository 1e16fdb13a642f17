"""Clinical ModernBERT (Lee et al. 2025), twice: as its card advertises it, and as its published code really ran.

They differ in nearly everything: encoder, length, masking, rate. Whoever wants what was described takes the first;
whoever wants to know what the published weights are takes the second.
"""

from pretrain.mask_schedules import MaskSchedule
from pretrain.recipes.recipe import Recipe
from pretrain.schedules import Schedule
from spacy_bioclinical.encoder.bert import BertSettings
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

SOURCE = "github.com/Simonlee711/Clinical_ModernBERT 3f40a44 (MIT) and model card, DOI 10.57967/hf/4999"
TEXT = "PubMed abstracts, MIMIC-IV discharge and radiology notes, ICD and HCPCS code-description sentences"
ADVERTISED_PIECES = 13_004_002_816
ADVERTISED_STEPS = 150_000
DOCUMENTS = 25_398_443  # the advertised pieces are these x 512, an assumed length

CLINICAL_MODERNBERT = Recipe(
    name="clinical_modernbert",
    summary="Clinical ModernBERT as advertised: masking 30 to 15 %, medical terms first, code-description pairs",
    source=f"{SOURCE}; the card's figures",
    continues="ModernBERT-base",
    text=TEXT,
    epoch_pieces=ADVERTISED_PIECES,
    notes=(
        "13,004,002,816 pieces in 150,000 steps of 128 documents are 86,693 pieces a step; rows are cut to give that",
        "the code-description pairs are text: read the code tables as sentences beside the notes",
        "masking = terms needs a list of medical terms; no published code prefers them, so its strength is ours",
        "betas, eps, weight decay (0.01 x rate a step) and warm-up are those of the code that ran; the rate is the "
        "logged 3e-4, which it did not use",
    ),
    shape=ModernBertSettings(),
    unit="pieces",
    duration=ADVERTISED_PIECES,
    schedule=Schedule("cosine_with_warmup", warmup=ADVERTISED_PIECES // 10),
    lr=3e-4,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.01 * 3e-4,  # theirs is multiplied by the rate
    optimizer="stableadamw",
    row_pieces=10_837,  # x 8 rows x 150,000 steps: the advertised pieces
    rows_per_step=8,
    mask_rate=0.30,
    mask_schedule=MaskSchedule("linear", last=0.15),
    masking="terms",
    eval_every=2000,
    save_every=10_000,
    keep=0,
    precision="bf16",
    seed=42,
)

AS_RUN_BERT = BertSettings(
    vocab_size=50368,
    hidden_size=768,
    num_hidden_layers=22,
    num_attention_heads=12,
    intermediate_size=1152,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    max_position_embeddings=8192,
    pad_token_id=50283,
)
CLINICAL_MODERNBERT_AS_RUN = Recipe(
    name="clinical_modernbert_as_run",
    summary="Clinical ModernBERT as its code ran: a BERT of 22 layers from random weights, 128 pieces, uniform masking",
    source=f"{SOURCE}; read in its code",
    text=TEXT,
    epoch_pieces=DOCUMENTS * 128,  # at most
    notes=(
        "a BERT (post-norm, 8,192 learned positions of which 128 are trained): ModernBERT-base's weights do not match "
        "its names, so training began at random ones",
        "the rate's curve is laid over four times the steps (accumulation was left out of the count): a quarter is run",
        "four micro-batches of 128 are read per step and the gradients of three thrown away; here one is read, so the "
        "text lasts four times as long and the mask rate falls four times as slowly by steps",
        "the text behind a document's first 128 pieces was dropped, shorter ones were padded; here long ones are split "
        "and rows are packed",
        "the optimizer was home-made: it scales an update down to the norm of its denominator; AdamW stands for it",
        "12 epochs of the text would be 595,276 steps; the card says 150,000, the run-time test used checkpoint "
        "120,000",
    ),
    shape=ModernBertSettings(),
    bert=AS_RUN_BERT,
    unit="steps",
    duration=ADVERTISED_STEPS,
    schedule=Schedule("cosine_with_warmup", warmup=4 * ADVERTISED_STEPS // 10, span=4 * ADVERTISED_STEPS),
    lr=5e-4,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.01,
    optimizer="adamw",
    max_length=128,
    row_pieces=128 * 128,
    rows_per_step=1,
    mask_rate=0.30,
    mask_schedule=MaskSchedule("linear_epochs", last=0.15, epochs=50),
    held_out=0.0,  # there was no held-out text
    eval_every=20_000,
    save_every=20_000,
    keep=0,
    precision="bf16",
    seed=42,
)

CLINICAL = (CLINICAL_MODERNBERT, CLINICAL_MODERNBERT_AS_RUN)
