"""What a packed batch's attention needs to know about its documents: lengths, positions, RoPE rows, band masks.

Everything here depends on the lengths alone (never on the weights), so it is built once per forward pass and
shared by all layers. Shape letters: T packed pieces, B documents, H head width, Q query block, K key block.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import Errors


@dataclass(frozen=True)
class Band:
    """The key blocks of sliding-window attention: block b holds queries b*Q … b*Q+Q-1 and keys b*Q-w … b*Q+Q-1+w.

    n_blocks (int): number of query blocks, ceil(T / Q).
    block (int): Q, queries in a block.
    window (int): w, pieces seen on either side.
    mask (Tensor): additive mask (n_blocks, 1, Q, Q + 2w): 0 where a query may look, -inf elsewhere. Size O(T * w).
    """

    n_blocks: int
    block: int
    window: int
    mask: Tensor

    @property
    def n_keys(self) -> int:
        """Keys in a block, K = Q + 2w."""
        return self.block + 2 * self.window


@dataclass
class Layout:
    """Lengths of the documents in one packed row of T pieces, with what attention derives from them.

    lengths (tuple[int, …]): pieces of each document, in order; they sum to T; none is zero.
    device (torch.device): where the derived tensors live.
    """

    lengths: tuple[int, ...]
    device: torch.device
    _cache: dict = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, lengths: Sequence[int], n_pieces: int, device: torch.device) -> "Layout":
        """Check lengths against the packed row and drop empty documents (they own no rows)."""
        if any(length < 0 for length in lengths) or sum(lengths) != n_pieces:
            raise ValueError(
                Errors.BC101.format(
                    n=len(lengths), total=sum(lengths), given=n_pieces, least=min(lengths, default=0)
                )
            )
        return cls(tuple(int(length) for length in lengths if length > 0), device)

    @property
    def n_pieces(self) -> int:
        """T, all pieces of the packed row."""
        return sum(self.lengths)

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Neighbouring documents of equal length as (first piece, number of documents, length)."""
        runs: list[tuple[int, int, int]] = []
        start = 0
        for length in self.lengths:
            if runs and runs[-1][2] == length:
                first, count, _ = runs[-1]
                runs[-1] = (first, count + 1, length)
            else:
                runs.append((start, 1, length))
            start += length
        return runs

    def document_T(self) -> Tensor:
        """Index of the document that each piece belongs to, (T,)."""
        lengths = torch.tensor(self.lengths, device=self.device)
        return torch.repeat_interleave(torch.arange(len(self.lengths), device=self.device), lengths)

    def position_T(self) -> Tensor:
        """Position of each piece in its own document, (T,), starting at 0."""
        if not self.lengths:
            return torch.zeros(0, dtype=torch.long, device=self.device)
        return torch.cat([torch.arange(length, device=self.device) for length in self.lengths])

    def scratch(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return memory to write into, used again by all layers (fresh pages cost more than the arithmetic).

        Its content is whatever the last user left. Only without gradients, and only until the same name is asked for.
        """
        key = ("scratch", name, dtype)
        n_items = math.prod(shape)
        if key not in self._cache or self._cache[key].numel() < n_items:
            self._cache[key] = torch.empty(n_items, dtype=dtype, device=self.device)
        return self._cache[key][:n_items].view(*shape)

    def cumulative(self) -> Tensor:
        """First piece of each document and T, (B + 1,), int32: what un-padded GPU kernels call cu_seqlens."""
        if "cumulative" not in self._cache:
            starts = torch.tensor((0, *self.lengths), dtype=torch.int64).cumsum(0)
            self._cache["cumulative"] = starts.to(device=self.device, dtype=torch.int32)
        return self._cache["cumulative"]

    def rope(self, inv_freq: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of RoPE's angles (Su et al. 2021, eq. 34), each (T, 1, 1, H/2), always fp32.

        inv_freq (Tensor): inverse frequencies (H/2,), fp32.
        """
        key = ("rope", id(inv_freq))
        if key not in self._cache:
            angle = self.position_T().float()[:, None] * inv_freq.to(self.device)[None, :]
            self._cache[key] = (angle.cos()[:, None, None, :], angle.sin()[:, None, None, :])
        return self._cache[key]

    def band(self, window: int, dtype: torch.dtype) -> Band:
        """Blocks and mask for attention within `window` pieces on either side, inside one document."""
        key = ("band", window, dtype)
        if key not in self._cache:
            self._cache[key] = self._build_band(window, dtype)
        return self._cache[key]

    def _build_band(self, window: int, dtype: torch.dtype) -> Band:
        # Short blocks waste little on keys out of reach (CPU); GPUs want fewer, larger ones.
        block = max(32, min(window // 2, 256)) if self.device.type == "cpu" else max(64, min(window, 256))
        n_blocks = -(-self.n_pieces // block)
        n_padded = n_blocks * block
        # Documents outside the row are -1 (before) and -2 (after): no query belongs to them.
        document = torch.full((n_padded + 2 * window,), -1, dtype=torch.long, device=self.device)
        document[window : window + self.n_pieces] = self.document_T()
        query_document = document[window : window + n_padded].view(n_blocks, block, 1)
        key_document = document.unfold(0, block + 2 * window, block).unsqueeze(1)
        row = torch.arange(block, device=self.device)[:, None] + window
        column = torch.arange(block + 2 * window, device=self.device)[None, :]
        near = (row - column).abs() <= window
        allowed = near & (query_document == key_document) & (query_document >= 0)
        # A padding query looks at itself only: a row without any key would turn into NaN, also in backward.
        allowed |= (row == column) & (query_document < 0)
        mask = torch.zeros(allowed.shape, dtype=dtype, device=self.device).masked_fill_(
            ~allowed, float("-inf")
        )
        return Band(n_blocks, block, window, mask.unsqueeze(1))
