"""`spacy-bioclinical.batch_by_pieces.v1`: batches by what a step costs, or of so many documents in affordable parts.

An encoder's memory follows pieces, not words and not documents. So a batch is filled up to a number of pieces; or it
has as many documents as a protocol says ("16"), and is cut into parts of so many pieces, whose gradients are added up
with weights such that the sum is the gradient of the whole batch. `python -m spacy bioclinical train` computes parts
one after the other; plain `spacy train` does not know them and computes the batch at once.

The order of the documents is the caller's, and nothing is drawn: the same stream gives the same batches.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from spacy.training import Example

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

Weigh = Literal["documents", "tokens", "none"]


def build_batch_by_pieces_v1(
    *,
    encoder: str | None,
    pieces: int = 16384,
    documents: int | None = None,
    accumulate: int = 1,
    weigh: Weigh = "documents",
) -> Callable[[Iterable[Example]], Iterator[list[Example]]]:
    """Make batches of whole documents; a document longer than `pieces` is a part of its own.

    encoder (str): folder or name of the encoder, whose tokenizer counts the pieces: ${paths.encoder}.
    pieces (int): most pieces that are computed at once.
    documents (Optional[int]): documents of a batch, the last of an epoch may have fewer; null: as many as fit into
        `accumulate` parts.
    accumulate (int): parts of a batch, where `documents` does not decide.
    weigh (str): how the gradients of parts are added: by "documents", as heads need whose loss is a mean over
        documents (text classifiers); by "tokens" for a mean over tokens (`bioclinical_ner`; white space does not
        count); "none" for sums (spaCy's `ner`, `parser`).
    RETURNS (Callable): for `[training.batcher]`.
    RAISES (ValueError): BC444 if a setting is out of range.
    """
    return PieceBatcher(encoder, pieces=pieces, documents=documents, accumulate=accumulate, weigh=weigh)


class Batch(list[Example]):
    """The examples of one step.

    parts (list[list[Example]]): what is computed at once, one after the other.
    weigh (str): see `build_batch_by_pieces_v1`.
    """

    def __init__(self, parts: Sequence[list[Example]], weigh: Weigh):
        super().__init__(eg for part in parts for eg in part)
        self.parts = list(parts)
        self.weigh = weigh

    def shares(self) -> list[float]:
        """The weight of each part's gradient; they sum to 1, unless sums are added."""
        if self.weigh == "none":
            return [1.0] * len(self.parts)
        sizes = [sum(self._size(eg) for eg in part) for part in self.parts]
        return [size / max(sum(sizes), 1) for size in sizes]

    def _size(self, eg: Example) -> int:
        return 1 if self.weigh == "documents" else sum(not token.is_space for token in eg.predicted)


class PieceBatcher:
    """See `build_batch_by_pieces_v1`. The tokenizer is loaded when the first batch is made."""

    def __init__(
        self,
        encoder: str | None,
        *,
        pieces: int = 16384,
        documents: int | None = None,
        accumulate: int = 1,
        weigh: Weigh = "documents",
    ):
        for what, given, is_fine, want in (
            ("pieces", pieces, pieces >= 1, "1 or more"),
            ("documents", documents, documents is None or documents >= 1, "null, or 1 or more"),
            ("accumulate", accumulate, accumulate >= 1, "1 or more"),
            ("accumulate", accumulate, documents is None or accumulate == 1, "1 where documents are given"),
        ):
            if not is_fine:
                raise ValueError(Errors.BC444.format(what=f"batcher.{what}", given=given, want=want))
        self.encoder, self.pieces, self.documents = encoder, pieces, documents
        self.accumulate, self.weigh = accumulate, weigh
        self._tokenizer: PieceTokenizer | None = None
        self._counts: dict[tuple[int, int], int] = {}  # by length and hash of a text, so that no text is kept

    def __call__(self, examples: Iterable[Example]) -> Iterator[Batch]:
        """Cut a stream of examples into batches, in order."""
        parts: list[list[Example]] = []
        n_pieces = n_documents = 0
        for eg in examples:
            cost = self.count(eg)
            is_new = not parts or n_pieces + cost > self.pieces
            is_full = n_documents == self.documents if self.documents else len(parts) == self.accumulate
            if parts and is_full and (is_new or self.documents):
                yield Batch(parts, self.weigh)
                parts, n_documents, is_new = [], 0, True
            if is_new:
                parts.append([])
                n_pieces = 0
            parts[-1].append(eg)
            n_pieces += cost
            n_documents += 1
        if parts:
            yield Batch(parts, self.weigh)

    def count(self, eg: Example) -> int:
        """Pieces of a document with the special pieces of one window; overlaps of long ones are not counted."""
        if self._tokenizer is None:
            self._tokenizer = _tokenizer_of(self.encoder)
        text = eg.predicted.text
        key = (len(text), hash(text))
        if key not in self._counts:
            special = len(self._tokenizer.prefix_ids) + len(self._tokenizer.suffix_ids)
            self._counts[key] = len(self._tokenizer.encode([text])[0].ids) + special
        return self._counts[key]


def _tokenizer_of(encoder: Any) -> PieceTokenizer:
    from spacy_bioclinical.encoder.source import resolve_folder

    if not encoder:
        raise ValueError(Errors.BC444.format(what="batcher.encoder", given=encoder, want="${paths.encoder}"))
    return PieceTokenizer.from_folder(resolve_folder(encoder))
