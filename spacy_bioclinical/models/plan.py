"""How one document becomes windows of pieces: ids, window lengths, and the rows each token reads.

Built from plain text and offsets; the encoder never sees more than this. Row r of window w stands at w * L + r in
the document's flattened (n_windows * L) matrix, L being the longest window.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import WordpieceBatch

from ..errors import Errors
from ..pieces.alignment import align
from ..pieces.boundaries import boundary_strengths
from ..pieces.tokenizer import Pieces, PieceTokenizer
from ..pieces.windows import Window, owners, plan_windows


@dataclass(frozen=True)
class DocumentPlan:
    """The windows of one document.

    windows (list[Window]): ranges of the document's pieces.
    window_ids (list[NDArray]): ids of each window, special pieces included.
    align_lengths (NDArray): rows each token reads, (n_tokens,), at least 1.
    align_rows (NDArray): those rows, flat.
    n_pieces (int): pieces of the document, special pieces not counted.
    """

    tokenizer: PieceTokenizer
    windows: list[Window]
    window_ids: list[NDArray]
    align_lengths: NDArray
    align_rows: NDArray
    n_pieces: int

    @cached_property
    def window_lengths(self) -> list[int]:
        """Pieces of each window, special pieces included."""
        return [len(ids) for ids in self.window_ids]

    @property
    def n_rows(self) -> int:
        """Rows that the encoder computes for this document."""
        return sum(self.window_lengths)

    @property
    def coverage(self) -> dict[str, int]:
        """Windows, pieces that some window holds, pieces of the document."""
        n_seen = reached = 0
        for window in self.windows:  # they begin and end in ascending order
            n_seen += window.end - max(window.start, min(reached, window.end))
            reached = window.end
        return {"windows": len(self.windows), "pieces_seen": n_seen, "pieces": self.n_pieces}


class PieceRecord(WordpieceBatch):
    """The windows as spacy-transformers' padded record of pieces, each part made when it is first read.

    Hardly anyone reads it; strings alone cost a third as much as the whole tokenisation.
    """

    def __init__(self, plan: DocumentPlan):
        self._plan = plan
        self.lengths = plan.window_lengths
        self.token_type_ids = None

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def strings(self) -> list[list[str]]:  # type: ignore[override]
        """The pieces as strings, per window."""
        return [self._plan.tokenizer.strings(window) for window in self._plan.window_ids]

    @cached_property
    def input_ids(self) -> NDArray:  # type: ignore[override]
        """Ids, padded, int32 (n_windows, L)."""
        ids = np.full((len(self), max(self.lengths)), self._plan.tokenizer.pad_id, dtype="int32")
        for row, window in zip(ids, self._plan.window_ids, strict=True):
            row[: len(window)] = window
        return ids

    @cached_property
    def attention_mask(self) -> NDArray:  # type: ignore[override]
        """1.0 for each piece, 0.0 for padding, float32 (n_windows, L)."""
        return (np.arange(max(self.lengths)) < np.array(self.lengths)[:, None]).astype("float32")


class PlannedDocs(list[Doc]):
    """Documents that bring their plans along, so that the model need not tokenise them a second time.

    plans (list[DocumentPlan | None]): one for each document, as `plan_documents` gives them.
    """

    def __init__(self, docs: Iterable[Doc] = (), plans: Iterable[DocumentPlan | None] = ()):
        super().__init__(docs)
        self.plans = list(plans)

    @property
    def n_rows(self) -> int:
        """Rows that the encoder computes for all of them."""
        return sum(plan.n_rows for plan in self.plans if plan is not None)


def plan_documents(
    docs: Sequence[Doc],
    tokenizer: PieceTokenizer,
    *,
    capacity: int,
    overlap: int,
    on_overflow: str,
    first_index: int = 0,
) -> list[DocumentPlan | None]:
    """Cut documents into windows. All texts are tokenised in one call, which uses all cores.

    docs (Sequence[Doc]): documents; an empty one gets no plan (None).
    tokenizer (PieceTokenizer): the encoder's tokenizer.
    capacity (int): most pieces of text in one window.
    overlap (int): pieces that neighbouring windows share.
    on_overflow (str): "window" to cut longer documents, "error" to refuse them.
    first_index (int): number of the first document, for errors.
    RAISES (ValueError): BC307 if a document is longer and `on_overflow` is "error".
    """
    texts = [doc.text for doc in docs]
    plans: list[DocumentPlan | None] = []
    for i, (doc, pieces) in enumerate(zip(docs, tokenizer.encode(texts), strict=True)):
        if len(doc) == 0:
            plans.append(None)
            continue
        if len(pieces.ids) > capacity and on_overflow == "error":
            raise ValueError(
                Errors.BC307.format(
                    index=first_index + i,
                    id=doc.user_data.get("id", "unknown"),
                    n_pieces=len(pieces.ids),
                    capacity=capacity,
                )
            )
        plans.append(_plan(doc, texts[i], pieces, tokenizer, capacity, overlap))
    return plans


def _plan(
    doc: Doc, text: str, pieces: Pieces, tokenizer: PieceTokenizer, capacity: int, overlap: int
) -> DocumentPlan:
    starts = doc.to_array("IDX").astype("int64")
    ends = starts + doc.to_array("LENGTH").astype("int64")
    lengths, indices = align(pieces, starts, ends)
    strengths = None
    if len(pieces.ids) > capacity:
        sentences = [sent.start_char for sent in doc.sents] if doc.has_annotation("SENT_START") else None
        strengths = boundary_strengths(text, pieces, starts, ends, sentences)
    windows = plan_windows(len(pieces.ids), capacity, overlap, strengths)
    prefix = np.array(tokenizer.prefix_ids, dtype="int32")
    suffix = np.array(tokenizer.suffix_ids, dtype="int32")
    window_ids = [np.concatenate((prefix, pieces.ids[w.start : w.end], suffix)) for w in windows]
    row_of_piece, window_of_piece = _rows(windows, window_ids, len(prefix), lengths, indices)
    longest = max(len(ids) for ids in window_ids)
    align_lengths, align_rows = _fill_gaps(lengths, indices, row_of_piece, window_of_piece * longest)
    return DocumentPlan(tokenizer, windows, window_ids, align_lengths, align_rows, len(pieces.ids))


def _rows(
    windows: list[Window], window_ids: list[NDArray], n_prefix: int, lengths: NDArray, indices: NDArray
) -> tuple[NDArray, NDArray]:
    """Row of each piece in the flattened matrix, and the window it is read from."""
    n_pieces = windows[-1].end
    if len(windows) == 1:
        return np.arange(n_prefix, n_prefix + n_pieces), np.zeros(n_pieces, dtype="int64")
    longest = max(len(ids) for ids in window_ids)
    owner = owners(windows, n_pieces, lengths, indices)
    first_piece = np.array([window.start for window in windows], dtype="int64")
    rows = owner * longest + n_prefix + np.arange(n_pieces) - first_piece[owner]
    return rows, owner


def _fill_gaps(
    lengths: NDArray, indices: NDArray, row_of_piece: NDArray, first_row_of_window: NDArray
) -> tuple[NDArray, NDArray]:
    """Let each token without a piece of its own read the first row ([CLS]) of the window around it.

    Such tokens are white space that the tokenizer swallows, or characters that it drops.
    """
    if lengths.all():
        return lengths.astype("int32"), row_of_piece[indices].astype("int32")
    filled = np.maximum(lengths, 1).astype("int32")
    rows = np.zeros(int(filled.sum()), dtype="int32")
    ends = np.cumsum(filled)
    own = np.repeat(lengths > 0, filled)
    rows[own] = row_of_piece[indices]
    before = np.cumsum(lengths)[lengths == 0] - 1  # position in `indices` of the last piece before the gap
    gap_rows = np.zeros(len(before), dtype="int32")
    if len(indices):
        gap_rows = first_row_of_window[indices[np.maximum(before, 0)]].astype("int32")
    rows[ends[lengths == 0] - 1] = gap_rows
    return filled, rows


class WindowSpans(Sequence):
    """The tokens that each window of each document reaches, for callbacks that ask a batch for its spans.

    Found when asked for: none of our own code does.
    """

    def __init__(self, docs: Sequence[Doc], plans: Sequence[DocumentPlan | None]):
        self._docs = docs
        self._plans = plans

    def __len__(self) -> int:
        return len(self._docs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return window_spans(self._docs[index], self._plans[index])


def window_spans(doc: Doc, plan: DocumentPlan | None) -> list[Span]:
    """Return the tokens that are read from each window, as one span from the first to the last."""
    if plan is None:
        return []
    if len(plan.windows) == 1:
        return [doc[:]]
    longest = max(plan.window_lengths)
    window_of_token = plan.align_rows[np.cumsum(plan.align_lengths) - plan.align_lengths] // longest
    tokens = np.argsort(window_of_token, kind="stable")
    ends = np.cumsum(np.bincount(window_of_token, minlength=len(plan.windows)))
    groups = np.split(tokens, ends[:-1])
    return [doc[int(own[0]) : int(own[-1]) + 1] if len(own) else doc[0:0] for own in groups]
