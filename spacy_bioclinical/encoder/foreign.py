"""Encoders that are not packed here, through transformers' AutoModel, behind the packed interface.

Windows are sorted by length and padded in groups of similar length, so that batching adds at most `MAX_PADDED_SHARE`
of padding; rows come back packed, in the caller's order. A family that needs more than ids and a mask (Longformer,
BigBird) is a subclass in a file of its own. Right for every family that transformers knows, slower than packed.
Shape letters: T packed pieces, B windows of a group, L pieces of a row, D width.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from ..errors import Errors
from .base import PRECISIONS, Encoder

MAX_PADDED_SHARE = 0.05  # share of padding that batching may add to a group of windows
MAX_GROUP_PIECES = 16384  # padded pieces of one group
# Families whose position table starts behind the padding index.
POSITION_OFFSET_TYPES = frozenset(
    {
        "data2vec-text",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta-prelayernorm",
        "xlm-roberta-xl",
        "xmod",
    }
)


class ForeignEncoder(Encoder):
    """An AutoModel whose rows are packed on the way out. Attention: transformers' sdpa where the family has it.

    model (PreTrainedModel): transformers' model; its weights are what is loaded and stored.
    group_pieces (int): padded pieces of one group (or one window).
    """

    group_pieces = MAX_GROUP_PIECES

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
        # A config that names float16 describes the file, not the computation: weights are fp32 here.
        self.model: Any = AutoModel.from_config(
            hf_config, trust_remote_code=False, torch_dtype=torch.float32, **extra
        )
        self.config = dict(config)
        self.width = hf_config.hidden_size
        self.context = _context(hf_config)

    def forward(self, ids_T: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode a packed row; see `Encoder.forward`.

        RAISES (ValueError): BC101 if the lengths do not fit the row, BC120 if a window is longer than the context.
        """
        longest, least = max(lengths, default=0), min(lengths, default=0)
        if least < 0 or sum(lengths) != len(ids_T):
            raise ValueError(
                Errors.BC101.format(n=len(lengths), total=sum(lengths), given=len(ids_T), least=least)
            )
        if longest > self.context:
            raise ValueError(Errors.BC120.format(longest=longest, context=self.context))
        windows = ids_T.split(list(lengths))
        rows: list[Tensor | None] = [None] * len(lengths)
        for row_length, group in self.groups(lengths):
            ids_BL = ids_T.new_full((len(group), row_length), self.model.config.pad_token_id or 0)
            mask_BL = torch.zeros_like(ids_BL)
            for row, i in enumerate(group):
                ids_BL[row, : lengths[i]] = windows[i]
                mask_BL[row, : lengths[i]] = 1
            with torch.autocast(
                ids_T.device.type,
                PRECISIONS[self.precision],
                enabled=self.precision != "fp32",
                cache_enabled=False,
            ):
                hidden_BLD = self.compute(ids_BL, mask_BL, max(lengths[i] for i in group))
            for row, i in enumerate(group):
                rows[i] = hidden_BLD[row, : lengths[i]].float()
        present = [row for row in rows if row is not None]
        return torch.cat(present) if present else torch.zeros(0, self.width, device=ids_T.device)

    def groups(self, lengths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
        """Put windows of similar length together, longest first; empty windows belong nowhere.

        A group holds windows of one `kind`, at most `MAX_PADDED_SHARE` of padding beyond what its windows need by
        themselves (`row_length`), and at most `group_pieces` padded pieces (or one window).

        lengths (Sequence[int]): pieces of each window.
        YIELDS (tuple[int, list[int]]): pieces of a padded row, and the indices of the windows.
        """
        rows = [self.row_length(length) for length in lengths]
        group: list[int] = []
        needed = 0
        for i in sorted((i for i, length in enumerate(lengths) if length), key=lambda i: -rows[i]):
            if group:
                longest = rows[group[0]]
                padded = longest * (len(group) + 1)
                is_other = self.kind(lengths[i]) != self.kind(lengths[group[0]])
                share = 1 - (needed + rows[i]) / padded
                if is_other or padded > self.group_pieces or share > MAX_PADDED_SHARE:
                    yield longest, group
                    group, needed = [], 0
            group.append(i)
            needed += rows[i]
        if group:
            yield rows[group[0]], group

    def row_length(self, length: int) -> int:
        """Pieces that a window of `length` pieces takes when it is computed alone."""
        return length

    def kind(self, length: int) -> Any:
        """What windows computed together must have in common, so that company changes no row."""
        return None

    def compute(self, ids_BL: Tensor, mask_BL: Tensor, longest: int) -> Tensor:
        """Encode one padded group.

        ids_BL, mask_BL (Tensor): piece ids, and 1 for a piece, 0 for padding, int64.
        longest (int): pieces of the longest window of the group.
        RETURNS (Tensor): (B, L, D).
        """
        return self.model(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state


def _context(config: Any) -> int:
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        raise ValueError(
            Errors.BC103.format(key="max_position_embeddings", value=positions, want="a positive number")
        )
    if config.model_type in POSITION_OFFSET_TYPES:
        return positions - (config.pad_token_id or 0) - 1
    return positions
