"""BigBird (Zaheer et al. 2020, arXiv 2007.14062) through transformers, the same for every company of documents.

Three habits of transformers' BigBirdModel would let one document change another, or the program around it:
- Block-sparse attention needs more than (5 + 2 x random blocks) x block size pieces (704 as published). A shorter
  batch makes the model say so, switch to full attention, and stay switched for every later document. Here each window
  gets the attention that its own length asks for, and the model is left as it was.
- The last block of a row is global. A row padded beyond its own last block would have its global block in the padding,
  so block-sparse windows are only computed together if they fill the same number of blocks. Filling up the last block
  (at most 63 pieces of more than 704) is the family's own padding.
- Each call seeds numpy's global generator for the random blocks. Here that generator's state is put back.

In evaluation transformers draws no random blocks: every row reads block 0 in their place. In training the blocks
follow from layer and length alone, so they too are the same in every company.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .foreign import ForeignEncoder

_SPARSE, _FULL = "block_sparse", "original_full"


class BigBird(ForeignEncoder):
    """transformers' BigBirdModel, behind the packed interface.

    block (int): pieces of a block.
    longest_full (int): windows up to this length are computed with full attention; all if the config says so.
    """

    group_pieces = 4096  # full attention keeps (B, N, L, L) scores, sparse (B, N, L, 8 blocks)

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        hf_config = self.model.config
        self.block = hf_config.block_size
        self.longest_full = (5 + 2 * hf_config.num_random_blocks) * self.block
        if hf_config.attention_type == _FULL:
            self.longest_full = self.context
        elif self.context > self.longest_full:
            # A last block that is not whole would be filled up beyond the position table.
            self.context -= self.context % self.block

    def row_length(self, length: int) -> int:
        """Pieces that a window takes when it is computed alone: whole blocks if its attention is block-sparse."""
        return length if length <= self.longest_full else -(-length // self.block) * self.block

    def kind(self, length: int) -> int:
        """Block-sparse windows only join windows of as many blocks; full attention does not mind padding."""
        return 0 if length <= self.longest_full else self.row_length(length)

    def compute(self, ids_BL: Tensor, mask_BL: Tensor, longest: int) -> Tensor:
        """Encode one padded group; see `ForeignEncoder.compute`."""
        kind = _FULL if longest <= self.longest_full else _SPARSE
        with self._attention(kind), _numpy_generator_kept():
            return self.model(input_ids=ids_BL, attention_mask=mask_BL.float()).last_hidden_state

    @contextlib.contextmanager
    def _attention(self, kind: str) -> Iterator[None]:
        """Give the model one kind of attention for a while; a switch costs about 3 ms at base size."""
        before = self.model.attention_type
        try:
            self._switch(kind)
            yield
        finally:
            self._switch(before)

    def _switch(self, kind: str) -> None:
        # The new attention takes over the projections; on the meta device the ones it would first draw for itself
        # cost nothing and leave torch's generator alone.
        with torch.device("meta"):
            self.model.set_attention_type(kind)


@contextlib.contextmanager
def _numpy_generator_kept() -> Iterator[None]:
    state = np.random.get_state()  # noqa: NPY002  it is this generator that transformers seeds
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
