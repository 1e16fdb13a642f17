"""Packed transformer output in spacy-transformers' data classes: flat inside, (windows, length, width) per document.

A batch keeps one flat row matrix (T, D). Each document gets the layout that listeners know, n_windows x L x D; only
there, at the edge, windows of one document are padded to the longest of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData, WordpieceBatch
from thinc.api import Ops, torch2xp, xp2torch
from thinc.types import Ints1d, Ragged
from torch import Tensor
from transformers.file_utils import ModelOutput

from ..errors import Errors
from .plan import DocumentPlan, PieceRecord, PlannedDocs, WindowSpans


class PackedTransformerData(TransformerData):
    """A document's rows, which can count their readers and let go of the hidden states after the last one."""

    reads_left: int | None = None

    def count_read(self) -> "TransformerData":
        """Note that one listener has read the rows; RETURNS what the document should hold from now on."""
        if self.reads_left is None:
            return self
        self.reads_left -= 1
        return self if self.reads_left > 0 else ReleasedTransformerData(self.align)


class ReleasedTransformerData(TransformerData):
    """What stays after the last listener has read: the alignment. Reading the hidden states is a clear error."""

    def __init__(self, align: Ragged):
        self.wordpieces = WordpieceBatch.empty()
        self.align = align

    @property
    def model_output(self) -> ModelOutput:  # type: ignore[override]
        """RAISES (ValueError): BC306, always."""
        raise ValueError(Errors.BC306)

    @model_output.setter
    def model_output(self, value: ModelOutput) -> None:
        raise ValueError(Errors.BC306)

    def to_dict(self) -> dict[str, Any]:
        """Serialise without hidden states, so that documents travel light between processes."""
        return {**TransformerData.empty().to_dict(), "align": [self.align.dataXd, self.align.lengths]}


@dataclass
class PackedTransformerBatch(FullTransformerBatch):
    """Output for a batch of documents.

    plans (list[DocumentPlan | None]): how each document was cut into windows; None for an empty document.
    model_output: `last_hidden_state` is the flat (T, D) tensor of all windows, in order.
    is_shared (bool): whether documents may keep views of one matrix. Set where their rows are let go soon; else
        keeping one document would keep the whole batch.
    """

    plans: list[DocumentPlan | None] = field(default_factory=list)
    ops: Ops | None = None
    is_shared: bool = False

    @classmethod
    def of(cls, docs: PlannedDocs, rows_TD: Tensor, ops: Ops, is_train: bool) -> "PackedTransformerBatch":
        """Wrap the encoder's rows."""
        return cls(
            spans=cast(Any, WindowSpans(docs, docs.plans)),
            wordpieces=WordpieceBatch.empty(),
            model_output=ModelOutput(last_hidden_state=rows_TD),
            align=TransformerData.empty().align,
            plans=docs.plans,
            ops=ops,
            is_shared=is_train or len(docs) == 1,
        )

    def split_by_doc(self) -> list[TransformerData]:
        """Give each document its own data, in order."""
        rows_TD = torch2xp(cast(Any, self.model_output).last_hidden_state, ops=self.ops)
        outputs: list[TransformerData] = []
        start = 0
        for plan in self.plans:
            if plan is None:
                outputs.append(TransformerData.empty())
                continue
            rows = rows_TD[start : start + plan.n_rows]
            start += plan.n_rows
            outputs.append(
                PackedTransformerData(
                    wordpieces=PieceRecord(plan),
                    model_output=ModelOutput(last_hidden_state=self._windows(plan, rows)),
                    align=Ragged(cast(Ints1d, plan.align_rows), cast(Ints1d, plan.align_lengths)),
                )
            )
        return outputs

    def _windows(self, plan: DocumentPlan, rows: Any) -> Any:
        lengths = plan.window_lengths
        if len(lengths) == 1:
            return rows[None] if self.is_shared else rows[None].copy()
        assert self.ops is not None
        padded = self.ops.alloc3f(len(lengths), max(lengths), rows.shape[-1])
        start = 0
        for i, length in enumerate(lengths):
            padded[i, :length] = rows[start : start + length]
            start += length
        return padded

    def unsplit_by_doc(self, arrays: Sequence[Sequence[Any]]) -> FullTransformerBatch:
        """Pack the documents' gradients again: one flat (T, D) tensor, empty documents left out."""
        plans = [plan for plan in self.plans if plan is not None]
        gradients = []
        for plan, tensors in zip(plans, arrays, strict=True):
            for i, length in enumerate(plan.window_lengths):
                gradients.append(xp2torch(tensors[0][i, :length]))
        return FullTransformerBatch(
            spans=self.spans,
            wordpieces=self.wordpieces,
            model_output=ModelOutput(last_hidden_state=torch.cat(gradients)),
            align=self.align,
        )
