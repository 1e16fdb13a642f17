"""Encoders of other families (BERT, RoBERTa, …) through transformers' AutoModel, behind the packed interface.

Windows are sorted by length and padded in groups of similar length, so that little is computed for padding
(`MAX_PADDED_SHARE`); rows come back packed, in the caller's order. Slower than a packed implementation, and right
for every family that transformers knows.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from ..errors import Errors
from .base import PRECISIONS, Encoder

MAX_PADDED_SHARE = 0.05  # share of padding that a group of windows may hold
MAX_GROUP_PIECES = 16384  # padded pieces of one group
# Families whose position table starts behind the padding index.
POSITION_OFFSET_TYPES = frozenset({"roberta", "xlm-roberta", "camembert", "longformer", "mpnet"})


class ForeignEncoder(Encoder):
    """An AutoModel whose rows are packed on the way out. Attention: transformers' sdpa where the family has it."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        model_type = config.get("model_type")
        if not model_type:
            raise ValueError(
                Errors.BC103.format(key="model_type", value=model_type, want="a family of transformers")
            )
        options = {key: value for key, value in config.items() if key != "model_type"}
        hf_config = AutoConfig.for_model(model_type, **options)
        model_class: Any = MODEL_MAPPING.get(type(hf_config), None)
        extra: dict[str, Any] = {}
        if model_class is not None and "add_pooling_layer" in inspect.signature(model_class).parameters:
            extra["add_pooling_layer"] = False
        self.model = AutoModel.from_config(hf_config, trust_remote_code=False, **extra)
        self.config = dict(config)
        self.width = hf_config.hidden_size
        self.context = _context(hf_config)

    def forward(self, ids_T: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode a packed row; see `Encoder.forward`."""
        if any(length < 0 for length in lengths) or sum(lengths) != len(ids_T):
            raise ValueError(
                Errors.BC101.format(
                    n=len(lengths), total=sum(lengths), given=len(ids_T), least=min(lengths, default=0)
                )
            )
        starts = [0]
        for length in lengths:
            starts.append(starts[-1] + length)
        rows: list[Tensor | None] = [None] * len(lengths)
        for group in length_groups(lengths):
            longest = max(lengths[i] for i in group)
            ids_BL = ids_T.new_full((len(group), longest), self.model.config.pad_token_id or 0)
            mask_BL = torch.zeros_like(ids_BL)
            for row, i in enumerate(group):
                ids_BL[row, : lengths[i]] = ids_T[starts[i] : starts[i + 1]]
                mask_BL[row, : lengths[i]] = 1
            with torch.autocast(
                ids_T.device.type,
                PRECISIONS[self.precision],
                enabled=self.precision != "fp32",
                cache_enabled=False,
            ):
                hidden_BLD = self.model(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
            for row, i in enumerate(group):
                rows[i] = hidden_BLD[row, : lengths[i]].float()
        present = [row for row in rows if row is not None]
        return torch.cat(present) if present else torch.zeros(0, self.width, device=ids_T.device)


def _context(config: Any) -> int:
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        raise ValueError(
            Errors.BC103.format(key="max_position_embeddings", value=positions, want="a positive number")
        )
    if config.model_type in POSITION_OFFSET_TYPES:
        return positions - (config.pad_token_id or 0) - 1
    return positions


def length_groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of non-empty windows in groups of similar length, longest first.

    Each group holds at most `MAX_PADDED_SHARE` padding and `MAX_GROUP_PIECES` padded pieces (or one window).
    """
    group: list[int] = []
    total = 0
    for i in sorted((i for i, length in enumerate(lengths) if length), key=lambda i: -lengths[i]):
        if group:
            padded = lengths[group[0]] * (len(group) + 1)
            if padded > MAX_GROUP_PIECES or 1 - (total + lengths[i]) / padded > MAX_PADDED_SHARE:
                yield group
                group, total = [], 0
        group.append(i)
        total += lengths[i]
    if group:
        yield group
