"""Floating-point operations of training on one piece, and the share of a GPU's peak that a run reaches (MFU).

Counted as usual (Chowdhery et al. 2022, arXiv 2204.02311, appendix B): products only, two operations for a
multiply-add, the backward pass as two forward passes. What activation checkpointing computes again does not
count.
"""

import torch

from spacy_bioclinical.encoder.bert import BertSettings
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

# Dense bf16 operations a second, from the makers' data sheets; the first name found in the device's name counts.
PEAKS = {
    **{"B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "H800": 989e12, "GH200": 989e12},
    **{"A100": 312e12, "A800": 312e12, "L40S": 362e12, "L40": 181e12, "L4": 121e12, "A10": 125e12},
    **{"A40": 150e12, "A6000": 155e12, "RTX 4090": 165e12, "RTX 3090": 71e12},
}


def flops_per_piece(
    settings: ModernBertSettings | BertSettings, mean_length: float, predicted: float = 0.15
) -> float:
    """Return the operations of forward and backward pass for one piece.

    mean_length (float): pieces that a piece sees in a global layer; for documents of lengths l it is
        sum(l * l) / sum(l).
    predicted (float): share of pieces whose logits are computed.
    """
    width, inner = settings.hidden_size, settings.intermediate_size
    is_bert = isinstance(
        settings, BertSettings
    )  # two products in its feed-forward block, and all layers global
    products = 2.0 * settings.num_hidden_layers * (4 * width * width + (2 if is_bert else 3) * width * inner)
    attention = 0.0
    for layer in range(settings.num_hidden_layers):
        window = None if isinstance(settings, BertSettings) else settings.window(layer)
        seen = mean_length if window is None else min(mean_length, 2.0 * window + 1.0)
        attention += 4.0 * width * seen
    head = 2.0 * predicted * width * (width + settings.vocab_size)
    return 3.0 * (products + attention + head)


def peak_flops(device: torch.device) -> float | None:
    """Return a GPU's peak in bf16; None for a CPU or a GPU that is not in the list."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in PEAKS.items() if known in name), None)
