"""What a recipe would do, in figures, without doing it: the text of --dry-run."""

from collections.abc import Iterator

import torch

from pretrain.recipes.recipe import Recipe
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM

LANDMARKS = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
BYTES_PER_PARAMETER = 16  # weight, gradient and two running means, fp32


def count_parameters(recipe: Recipe) -> tuple[int, int]:
    """Return the parameters of the recipe's encoder, without and with prediction head. Allocates nothing."""
    with torch.device("meta"):
        model = ModernBertForMaskedLM(recipe.shape)
    encoder = sum(parameter.numel() for parameter in model.model.parameters())
    return encoder, sum(parameter.numel() for parameter in model.parameters())


def figures(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield a recipe's plan as pairs of name and figure."""
    encoder, whole = count_parameters(recipe)
    pieces = recipe.duration if recipe.unit == "pieces" else recipe.full_steps * recipe.step_pieces
    gigabytes = whole * BYTES_PER_PARAMETER / 1e9
    yield "recipe", f"{recipe.name}: {recipe.summary}"
    yield "source", recipe.source
    yield "starts from", recipe.continues or "random weights"
    yield "parameters", f"{encoder:,} encoder, {whole:,} with prediction head"
    yield "vocabulary", f"{recipe.shape.vocab_size:,}"
    yield "memory", f"{gigabytes:.2f} GB for weights, gradients and optimizer; activations come on top"
    yield "pieces", f"{pieces:,}" + ("" if recipe.unit == "pieces" else " at most")
    yield "steps", f"{recipe.full_steps:,} if every row is full"
    yield (
        "a step",
        f"{recipe.rows_per_step} rows x {recipe.row_pieces:,} = {recipe.step_pieces:,} pieces at most",
    )
    yield "documents", f"cut at {recipe.max_length:,} pieces"
    yield "masking", f"{recipe.mask_rate:.0%} in training, {recipe.eval_mask_rate:.0%} held out"
    yield "optimizer", f"StableAdamW, betas {recipe.betas}, eps {recipe.eps:g}, decay {recipe.weight_decay:g}"
    yield "precision", recipe.precision
    yield "seed", str(recipe.seed)
    yield "every", f"{recipe.eval_every:,} steps evaluated, {recipe.save_every:,} steps saved"
    yield "learning rate", recipe.schedule.kind
    for share in LANDMARKS:
        elapsed = round(share * recipe.duration)
        yield f"  at {share:.0%}", f"{recipe.learning_rate(elapsed):.5e}   ({elapsed:,} {recipe.unit})"


def describe(recipe: Recipe) -> str:
    """Return a recipe's plan as text."""
    return "\n".join(f"{name:<15} {figure}" for name, figure in figures(recipe))
