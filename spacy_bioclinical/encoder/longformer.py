"""Longformer (Beltagy et al. 2020, arXiv 2004.05150) through transformers, with global attention on the first piece.

Each piece sees attention_window / 2 pieces on either side and the first piece of its window ([CLS], <s>), which sees
all and is seen by all through projections of its own: without it a Longformer cannot carry anything further than its
layers' windows reach. transformers computes rows whose length is a multiple of the attention window (512 pieces as
published) and fills up what is missing; this padding is the family's own and no grouping avoids it. Windows shorter
than one side of the attention window see everything anyway: for them the window is narrowed to their length, which
leaves every row as it is and computes 2 x their length instead of 512 pieces.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .foreign import ForeignEncoder

_STEP = 8  # narrowed windows come in steps of so many pieces, so that similar lengths share a group


class Longformer(ForeignEncoder):
    """transformers' LongformerModel, behind the packed interface.

    multiple (int): pieces of a row are a multiple of this, the widest attention window of all layers.
    side (int): pieces seen on either side in the narrowest layer.
    """

    group_pieces = 4096  # attention keeps (B, N, L, 513) scores: 0.1 GB a group at base size

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        windows = self.model.config.attention_window  # one per layer; the model makes a list of a number
        self.multiple, self.side = max(windows), min(windows) // 2

    def row_length(self, length: int) -> int:
        """Pieces that a window takes when it is computed alone: a multiple of the attention window in force."""
        narrowed = 2 * _round_up(length, _STEP)
        return narrowed if narrowed < 2 * self.side else _round_up(length, self.multiple)

    def compute(self, ids_BL: Tensor, mask_BL: Tensor, longest: int) -> Tensor:
        """Encode one padded group; see `ForeignEncoder.compute`."""
        global_BL = torch.zeros_like(mask_BL)
        global_BL[:, 0] = 1
        row_length = ids_BL.shape[1]
        with self._narrowed_to(row_length) if row_length < 2 * self.side else contextlib.nullcontext():
            return self.model(
                input_ids=ids_BL, attention_mask=mask_BL, global_attention_mask=global_BL
            ).last_hidden_state

    @contextlib.contextmanager
    def _narrowed_to(self, window: int) -> Iterator[None]:
        """Give all layers one attention window that covers rows of that length, for a while."""
        layers = [layer.attention.self for layer in self.model.encoder.layer]
        published = self.model.config.attention_window
        try:
            self.model.config.attention_window = [window] * len(layers)
            for layer in layers:
                layer.one_sided_attn_window_size = window // 2
            yield
        finally:
            self.model.config.attention_window = published
            for layer, width in zip(layers, published, strict=True):
                layer.one_sided_attn_window_size = width // 2


def _round_up(length: int, step: int) -> int:
    return -(-length // step) * step
