"""What a recipe would cost: parameters, memory and time, from its shape alone; nothing is measured or allocated.

Operations of one real piece, forward and backward (Kaplan et al. 2020, arXiv 2001.08361, and the attention term):

    6 x (matrix parameters of the layers) + 6 x mask rate x (matrix parameters of the head and the decoder)
    + 12 x width x (sum over layers of the pieces that a piece attends to)

Looking up embeddings is no product. A global layer attends to a document's mean length (the mean over pieces; half of
max_length if not known), a local one to at most its window. Activation checkpointing computes the layers' forward half
again: 8 and 16 instead of 6 and 12. Time = pieces x operations / (peak x share of it that is reached).

Against the published four days (base) and eight (large) for phases 1 and 2 on 8 x H100: at 40 % of peak this gives 0.65
and 1.65 days, six and five times too little. By this formula the published runs reached 6.5 and 8.3 % of bf16 peak
(their days hold evaluations and data loading, too). Plan with what a short run of your own reaches.
"""

from dataclasses import dataclass

import torch

from pretrain.recipes.recipe import Recipe
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM

# Dense bf16 operations per second at peak, as the manufacturer's data sheets state them.
PEAKS: dict[str, float] = {
    "8 x H100": 8 * 989.4e12,
    "1 x H100": 989.4e12,
    "8 x A100": 8 * 312e12,
    "1 x A100": 312e12,
}
ASSUMED_SHARE = 0.40  # of peak, a good implementation
PUBLISHED_SHARE = 0.07  # of peak, implied by the published days
PUBLISHED_DAYS = {"base": 4.0, "large": 8.0}  # phases 1 and 2 on 8 x H100, "about"
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Memory:
    """Bytes on one device without sharding. activations: of one row, kept for the backward pass.

    checkpointed: the same with activation checkpointing. logits: of one row's pieces to predict, with gradient.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    checkpointed: int
    logits: int

    @property
    def state(self) -> int:
        """Weights, gradients and the optimizer's two running means."""
        return self.weights + self.gradients + self.optimizer


@dataclass(frozen=True)
class _Shape:
    """What the estimates need of either encoder."""

    width: int
    intermediate: int
    vocabulary: int
    windows: tuple[int | None, ...]  # pieces on either side, per layer; None for all
    is_gated: bool

    @classmethod
    def of(cls, recipe: Recipe) -> "_Shape":
        if recipe.bert is not None:
            bert, layers = recipe.bert, recipe.bert.num_hidden_layers
            return cls(bert.hidden_size, bert.intermediate_size, bert.vocab_size, (None,) * layers, False)
        shape = recipe.shape
        windows = tuple(shape.window(layer) for layer in range(shape.num_hidden_layers))
        return cls(shape.hidden_size, shape.intermediate_size, shape.vocab_size, windows, True)

    @property
    def layer_matrices(self) -> int:
        """Matrix parameters of one layer."""
        return 4 * self.width**2 + (3 if self.is_gated else 2) * self.width * self.intermediate

    @property
    def head_matrices(self) -> int:
        """Matrix parameters of the prediction head and the decoder."""
        return self.width**2 + self.vocabulary * self.width


def count_parameters(recipe: Recipe) -> tuple[int, int]:
    """Return the parameters of the recipe's encoder, without and with prediction head. Allocates nothing.

    A BERT's are without pooler and next-sentence head.
    """
    if recipe.bert is not None:
        bert, shape = recipe.bert, _Shape.of(recipe)
        width, inner = bert.hidden_size, bert.intermediate_size
        tables = bert.vocab_size + bert.max_position_embeddings + bert.type_vocab_size
        vectors = 4 * width + inner + width + 4 * width  # biases, two norms
        encoder = tables * width + 2 * width + bert.num_hidden_layers * (shape.layer_matrices + vectors)
        return encoder, encoder + width**2 + 3 * width + bert.vocab_size
    with torch.device("meta"):
        model = ModernBertForMaskedLM(recipe.shape)
    encoder = sum(parameter.numel() for parameter in model.model.parameters())
    return encoder, sum(parameter.numel() for parameter in model.parameters())


def mean_mask_rate(recipe: Recipe) -> float:
    """Return the mask rate on average over the run (at eleven points, in the first epoch)."""
    rates = [recipe.mask_schedule.rate(recipe.mask_rate, tenth / 10) for tenth in range(11)]
    return sum(rates) / len(rates)


def flops_per_piece(recipe: Recipe, mean_length: float | None = None) -> float:
    """Return the operations of one real piece in training; see the module's formula.

    mean_length (float | None): length of the document of an average piece; None for half the recipe's max_length.
    """
    shape = _Shape.of(recipe)
    length = recipe.max_length / 2 if mean_length is None else mean_length
    attended = sum(length if window is None else min(length, 2 * window + 1) for window in shape.windows)
    layers = 6 * len(shape.windows) * shape.layer_matrices + 12 * shape.width * attended
    if recipe.activation_checkpointing:
        layers *= 4 / 3
    return layers + 6 * mean_mask_rate(recipe) * shape.head_matrices


def most_pieces(recipe: Recipe) -> int:
    """Return the pieces of the run; if it is counted in steps, those of full rows."""
    if recipe.unit == "pieces":
        return recipe.duration
    return recipe.first_row_of_step(recipe.duration) * recipe.row_pieces


def seconds(recipe: Recipe, flops_per_second: float, mean_length: float | None = None) -> float:
    """Return the run's time at so many operations per second that are really reached."""
    return most_pieces(recipe) * flops_per_piece(recipe, mean_length) / flops_per_second


def memory(recipe: Recipe) -> Memory:
    """Return the memory of a run in bytes; activations to within some tens of per cent.

    A layer keeps, for each piece, the inputs of both norms in fp32 and, in the dtype of computation, two normed rows,
    queries, keys and values, what attention mixed, and the feed-forward block's (two halves, activation, product). With
    checkpointing each layer keeps its input, and one layer at a time all of it. At a logit's peak there are itself, its
    log-softmax and its gradient in fp32, and in bf16 its gradient once more.
    """
    shape = _Shape.of(recipe)
    size = 2 if recipe.precision == "bf16" else 4
    n_layers, rows = len(shape.windows), recipe.row_pieces
    inner = (4 if shape.is_gated else 2) * shape.intermediate
    layer = rows * (8 * shape.width + size * (6 * shape.width + inner))
    ends = rows * 8 * shape.width  # embeddings and last norm
    _, whole = count_parameters(recipe)
    predicted = round(recipe.mask_rate * rows)
    return Memory(
        weights=4 * whole,
        gradients=4 * whole,
        optimizer=8 * whole,
        activations=n_layers * layer + ends,
        checkpointed=n_layers * rows * 4 * shape.width + layer + ends,
        logits=predicted * shape.vocabulary * (12 if size == 4 else 14),
    )
