"""What a recipe would do, in figures, without doing it: the text of --dry-run."""

from collections.abc import Iterator

from pretrain.estimates import (
    ASSUMED_SHARE,
    PEAKS,
    PUBLISHED_SHARE,
    SECONDS_PER_DAY,
    count_parameters,
    flops_per_piece,
    memory,
    most_pieces,
    seconds,
)
from pretrain.recipes.recipe import Recipe

__all__ = ["LANDMARKS", "count_parameters", "describe", "figures"]

LANDMARKS = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
OPTIMIZERS = {"stableadamw": "StableAdamW", "adamw": "AdamW"}


def figures(
    recipe: Recipe,
    *,
    data_pieces: int | None = None,
    mean_length: float | None = None,
    flops_per_second: float | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield a recipe's plan as pairs of name and figure.

    data_pieces (int | None): pieces of the text to read, for the epochs; None for the published text's, if known.
    mean_length (float | None): length of the document of an average piece; None for half the recipe's max_length.
    flops_per_second (float | None): operations per second that the machine at hand really reaches, for a time on it.
    """
    yield "recipe", f"{recipe.name}: {recipe.summary}"
    yield "source", recipe.source
    yield "starts from", recipe.continues or "random weights"
    if recipe.text:
        yield "published text", recipe.text
    yield from _run(recipe, recipe.epoch_pieces if data_pieces is None else data_pieces)
    yield from _settings(recipe)
    yield from _memory(recipe)
    yield from _time(recipe, mean_length, flops_per_second)
    yield from _landmarks(recipe, recipe.epoch_pieces if data_pieces is None else data_pieces)
    for note in recipe.notes:
        yield "note", note


def describe(
    recipe: Recipe,
    *,
    data_pieces: int | None = None,
    mean_length: float | None = None,
    flops_per_second: float | None = None,
) -> str:
    """Return a recipe's plan as text; see `figures`."""
    pairs = figures(
        recipe, data_pieces=data_pieces, mean_length=mean_length, flops_per_second=flops_per_second
    )
    return "\n".join(f"{name:<15} {figure}" for name, figure in pairs)


def _run(recipe: Recipe, data_pieces: int | None) -> Iterator[tuple[str, str]]:
    encoder, whole = count_parameters(recipe)
    pieces = most_pieces(recipe)
    vocabulary = recipe.shape.vocab_size if recipe.bert is None else recipe.bert.vocab_size
    kind = "ModernBERT" if recipe.bert is None else "BERT"
    yield "parameters", f"{encoder:,} encoder ({kind}), {whole:,} with prediction head"
    yield "vocabulary", f"{vocabulary:,}"
    yield "pieces", f"{pieces:,}" + ("" if recipe.unit == "pieces" else " at most")
    if data_pieces:
        yield "epochs", f"{pieces / data_pieces:.2f} of {data_pieces:,} pieces"
    else:
        yield "epochs", "not known without the text's size"
    yield "steps", f"{recipe.full_steps:,} if every row is full"
    yield (
        "a step",
        f"{recipe.rows_per_step} rows x {recipe.row_pieces:,} = {recipe.step_pieces:,} pieces at most",
    )
    warmup = recipe.batch_warmup
    if warmup is not None:
        steps = recipe.steps_at(warmup.pieces)
        climb = f"{warmup.first_rows} to {warmup.last_rows} rows in increments of {warmup.increment}"
        yield "batch warm-up", f"{climb} over {warmup.pieces:,} pieces of budget, {steps:,.0f} steps"


def _settings(recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield "documents", f"cut at {recipe.max_length:,} pieces, packed: {recipe.packing}"
    if recipe.instances is not None:
        made = recipe.instances
        yield (
            "instances",
            f"sentence pairs of {made.max_length} pieces, text {made.dupe_factor} times, at most "
            f"{made.max_predictions} predictions, next-sentence loss: {'yes' if made.next_sentence else 'no'}",
        )
    yield "masking", f"{recipe.mask_rate:.0%} in training, {recipe.eval_mask_rate:.0%} held out"
    moves = recipe.mask_schedule
    if moves.kind != "constant":
        over = f"{moves.epochs} epochs" if moves.kind == "linear_epochs" else f"{moves.share:.0%} of the run"
        yield "  schedule", f"{moves.kind}, to {moves.last:.0%} over {over}"
    yield "  chosen", recipe.masking
    clip = "none" if recipe.grad_clip is None else f"{recipe.grad_clip:g}"
    yield (
        "optimizer",
        f"{OPTIMIZERS[recipe.optimizer]}, betas {recipe.betas}, eps {recipe.eps:g}, "
        f"decay {recipe.weight_decay:g}, gradient clipping {clip}",
    )
    yield "precision", recipe.precision
    yield "seed", str(recipe.seed)
    yield "every", f"{recipe.eval_every:,} steps evaluated, {recipe.save_every:,} steps saved"


def _memory(recipe: Recipe) -> Iterator[tuple[str, str]]:
    need = memory(recipe)
    yield "memory", f"{_size(need.state)} for weights, gradients and optimizer"
    yield (
        "  a row",
        f"{_size(need.activations)} of activations ({_size(need.checkpointed)} with activation checkpointing), "
        f"{_size(need.logits)} of logits; estimated",
    )


def _time(
    recipe: Recipe, mean_length: float | None, flops_per_second: float | None
) -> Iterator[tuple[str, str]]:
    length = recipe.max_length / 2 if mean_length is None else mean_length
    per_piece = flops_per_piece(recipe, mean_length) / 1e9
    yield "operations", f"{per_piece:.3f} GFLOP a piece, in documents of {length:,.0f} pieces on average"
    if flops_per_second is not None:
        took = _duration(seconds(recipe, flops_per_second, mean_length))
        yield "time", f"{took} at {flops_per_second:.3g} operations a second, as given; estimated"
    for device in ("8 x H100", "1 x H100"):
        good, slow = (
            _duration(seconds(recipe, PEAKS[device] * share, mean_length))
            for share in (ASSUMED_SHARE, PUBLISHED_SHARE)
        )
        yield (
            "time",
            f"{good} on {device} at an assumed {ASSUMED_SHARE:.0%} of bf16 peak; {slow} at {PUBLISHED_SHARE:.0%}, "
            "which BioClinical ModernBERT's published days imply",
        )


def _landmarks(recipe: Recipe, data_pieces: int | None) -> Iterator[tuple[str, str]]:
    yield "learning rate", f"{recipe.schedule.kind}; then mask rate, rows of a step"
    for share in LANDMARKS:
        elapsed = round(share * recipe.duration)
        step = elapsed if recipe.unit == "steps" else int(recipe.steps_at(elapsed))
        pieces = recipe.first_row_of_step(step) * recipe.row_pieces
        epoch = int(pieces / data_pieces) if data_pieces else 0
        rate = recipe.mask_schedule.rate(recipe.mask_rate, share, epoch)
        yield (
            f"  at {share:.0%}",
            f"{recipe.learning_rate(elapsed):.5e}   {rate:6.2%}   {recipe.rows_of_step(step):3} rows   "
            f"({elapsed:,} {recipe.unit})",
        )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB"


def _duration(n_seconds: float) -> str:
    """Seconds in the largest unit that leaves more than one of it."""
    for unit, length in (("days", SECONDS_PER_DAY), ("hours", 3600), ("minutes", 60)):
        if n_seconds >= length:
            return f"{n_seconds / length:.1f} {unit}"
    return f"{n_seconds:.1f} seconds"
