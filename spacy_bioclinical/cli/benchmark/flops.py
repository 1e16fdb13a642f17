"""How much an encoder has to compute, by formula, so that a speed can be told as a share of what the machine can do.

FLOP = 2 x multiplications. With D width, I feed-forward width, L pieces of a window, and per layer:
- ModernBERT: matrix products 2 (4 D² + 3 D I) a piece (query-key-value 3 D², output D², gated feed-forward 3 D I);
- BERT, RoBERTa, Longformer, BigBird: 2 (4 D² + 2 D I); Longformer another 4 D² (keys and values for its global piece);
- attention 4 D x (keys that a piece sees): L in a global layer; in ModernBERT's local layers the pieces within
  local_attention // 2 on either side, cut off at the document's edges; Longformer attention_window + 1; BigBird
  (5 + random blocks) x block size, everything where the document is short.
Work that must be done, not what some implementation does: padding and work on masked keys are waste, not work.
"""

from collections.abc import Sequence
from typing import Any

from spacy_bioclinical.errors import Errors

FORMULA = (
    "FLOP a piece: layers x 2 x (sum of inputs x outputs of the layer's matrix products) + 4 x width x keys that the "
    "piece sees, over all layers; share of ceiling = FLOP / measured FLOP/s of the matrix products / seconds; bound = "
    "matrix products at their measured rate + attention at the measured rate of torch's own kernel, nothing else"
)
BERT_TYPES = ("bert", "roberta", "longformer", "big_bird")


def has_formula(config: dict[str, Any]) -> bool:
    """Whether `products_of` and `attention_flops` know the family of a `config.json`."""
    return config.get("model_type") == "modernbert" or config.get("model_type") in BERT_TYPES


def products_of(config: dict[str, Any]) -> list[tuple[int, int]]:
    """Matrix products of one layer as (inputs, outputs).

    config (dict): the encoder's `config.json`, complete.
    RETURNS (list[tuple[int, int]]): each costs 2 x inputs x outputs FLOP a piece.
    RAISES (ValueError): BC530 for a family without formula.
    """
    width, middle = config.get("hidden_size", 0), config.get("intermediate_size", 0)
    if config.get("model_type") == "modernbert":
        return [(width, 3 * width), (width, width), (width, 2 * middle), (middle, width)]
    if not has_formula(config):
        raise ValueError(
            Errors.BC530.format(
                option="the encoder's model_type",
                given=config.get("model_type"),
                wanted=f"one of modernbert, {', '.join(BERT_TYPES)}",
            )
        )
    products = [(width, width)] * 4 + [(width, middle), (middle, width)]
    return products + [(width, width)] * 2 if config["model_type"] == "longformer" else products


def linear_flops(config: dict[str, Any]) -> int:
    """FLOP of all layers' matrix products for one piece."""
    return config["num_hidden_layers"] * sum(2 * given * made for given, made in products_of(config))


def attention_flops(config: dict[str, Any], lengths: Sequence[int]) -> int:
    """FLOP of all layers' attention: scores and weighted sums, for windows of these lengths."""
    n_layers, width = config["num_hidden_layers"], config["hidden_size"]
    keys = 0
    for length in lengths:
        if config["model_type"] == "modernbert":
            n_global = len(range(0, n_layers, config.get("global_attn_every_n_layers", 3)))
            near = keys_within(length, config.get("local_attention", 128) // 2)
            keys += n_global * length * length + (n_layers - n_global) * near
        else:
            keys += n_layers * length * keys_of_piece(config, length)
    return 4 * width * keys


def keys_within(length: int, window: int) -> int:
    """Pairs of pieces of a document of `length` that lie at most `window` apart, each piece with itself included."""
    reach = min(window, length - 1)
    return length * (2 * reach + 1) - reach * (reach + 1)


def keys_of_piece(config: dict[str, Any], length: int) -> int:
    """Keys that a piece sees in each layer of a BERT, RoBERTa, Longformer or BigBird."""
    if config["model_type"] == "longformer":
        windows = config.get("attention_window", 512)
        window = max(windows) if isinstance(windows, list) else windows
        return min(length, window + 1)
    if config["model_type"] == "big_bird" and config.get("attention_type", "block_sparse") == "block_sparse":
        block, random = config.get("block_size", 64), config.get("num_random_blocks", 3)
        # transformers attends fully to documents of at most (5 + 2 x random) blocks
        return length if length <= (5 + 2 * random) * block else (5 + random) * block
    return length


def describe(config: dict[str, Any], lengths: Sequence[int]) -> dict[str, Any]:
    """Work of a set of windows, for the result file.

    RETURNS (dict): FLOP a piece in matrix products, FLOP a piece in attention, FLOP in all.
    """
    linear, attention, pieces = linear_flops(config), attention_flops(config, lengths), sum(lengths)
    return {
        "linear_per_piece": linear,
        "attention_per_piece": round(attention / pieces),
        "total": linear * pieces + attention,
    }
