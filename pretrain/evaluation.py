"""Held-out loss and accuracy of the masked language model, on fixed rows with fixed masks: whole and by group.

`evaluate` is what the training loop calls between steps. `python -m pretrain.evaluation --help` gives the full
picture of an encoder folder: by source, by length of the document, by position, and by how much context is
given (`pretrain.context`), all with intervals over documents.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pretrain.batches import Row
from pretrain.bootstrap import N_RESAMPLES, Mean, means
from pretrain.context import context_value
from pretrain.log import FIGURES
from pretrain.scoring import Model, row_tensors, score_pairs, score_row

__all__ = [
    "DetailedEvaluation",
    "Evaluation",
    "Group",
    "context_value",
    "evaluate",
    "evaluate_in_detail",
    "row_tensors",
]

TOP = (1, 5, 10, 25)
LENGTHS = (128, 512, 1024, 2048, 4096, 8192)  # upper ends of the groups of documents, in pieces
POSITIONS = (512, 4096)  # bounds between the groups of positions


@dataclass(frozen=True)
class Evaluation:
    """Scores on held-out documents.

    loss (float): mean cross-entropy over the predicted pieces, in nats. accuracy (float): share of them whose
        most likely piece is the right one. n_labelled, n_pieces (int): predicted pieces, and all pieces seen.
    top (dict[int, float]): for each k of `TOP`, share of pieces that are among the k most likely ones.
    by_source (dict[str, dict]): `pretrain.log.FIGURES` and "n_labelled" of each source that has any.
    next_sentence (tuple | None): loss, accuracy and number of sentence pairs, if there are any.
    """

    loss: float
    accuracy: float
    n_labelled: int
    n_pieces: int
    top: dict[int, float] = field(default_factory=dict)
    by_source: dict[str, dict[str, float]] = field(default_factory=dict)
    next_sentence: tuple[float, float, int] | None = None

    def line(self, sources: Sequence[str]) -> tuple[object, ...]:
        """Return the figures of `pretrain.log.evaluation_columns`, without step and pieces; "" where there is none."""
        groups = [self.by_source.get(name, {}) for name in (sources if len(sources) > 1 else ())]
        top = [self.top.get(k, "") for k in TOP[1:]]
        return (
            self.loss,
            self.accuracy,
            self.n_labelled,
            *top,
            *(group.get(name, "") for group in groups for name in FIGURES),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready data."""
        top = {f"top{k}": share for k, share in self.top.items() if k > 1}
        counts = {"n_labelled": self.n_labelled, "n_pieces": self.n_pieces}
        scores = {"loss": self.loss, "accuracy": self.accuracy, **top, **counts, "by_source": self.by_source}
        if self.next_sentence is not None:
            names = ("loss", "accuracy", "n_pairs")
            scores["next_sentence"] = dict(zip(names, self.next_sentence, strict=True))
        return scores


@dataclass(frozen=True)
class Group:
    """Scores of one group of predicted pieces, with intervals over its documents.

    loss (Mean): cross-entropy in nats. top (dict[int, Mean]): for each k of `TOP`, share of pieces that are
        among the k most likely ones. n_documents, n_labelled (int): documents and predicted pieces.
    """

    n_documents: int
    n_labelled: int
    loss: Mean
    top: dict[int, Mean]

    @property
    def perplexity(self) -> float:
        """The exponential of the loss (infinite where that overflows)."""
        return math.exp(self.loss.value) if self.loss.value < 700 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready data."""
        top = {f"top{k}": mean.to_dict() for k, mean in self.top.items()}
        counts = {"n_documents": self.n_documents, "n_labelled": self.n_labelled}
        return {**counts, "loss": self.loss.to_dict(), "perplexity": self.perplexity, **top}


@dataclass(frozen=True)
class DetailedEvaluation:
    """Scores of all predicted pieces and of every group that holds any, groups in their natural order."""

    whole: Group
    by_source: dict[str, Group]
    by_length: dict[str, Group]
    by_position: dict[str, Group]
    n_pieces: int

    def tables(self) -> dict[str, dict[str, Group]]:
        """Return the groups by what they are grouped by."""
        return {"source": self.by_source, "length": self.by_length, "position": self.by_position}

    def to_dict(self) -> dict[str, Any]:
        """Return all scores as JSON-ready data."""
        groups = {
            f"by_{what}": {name: group.to_dict() for name, group in table.items()}
            for what, table in self.tables().items()
        }
        return {"n_pieces": self.n_pieces, "whole": self.whole.to_dict(), **groups}


def evaluate(
    model: Model,
    rows: Iterable[Row],
    sources: Sequence[str] = (),
    source_of: np.ndarray | None = None,
) -> Evaluation | None:
    """Score a model on rows; None if there is nothing to predict. Leaves the model in the mode it was in.

    sources, source_of: names, and int (n_sequences,) the source of each sequence. Left out: no scores by source.
    """
    was_training = model.training
    model.eval()
    losses, ranks, groups, n_pieces = [], [], [], 0
    pairs = np.zeros(3)
    for row in rows:
        scores = score_row(model, row)
        pairs += score_pairs(model, row)
        losses.append(scores.losses)
        ranks.append(scores.ranks)
        if source_of is not None:
            member = np.searchsorted(np.cumsum(row.lengths), scores.places, side="right")
            groups.append(source_of[np.asarray(row.sequences)[member]])
        n_pieces += len(row.ids)
    model.train(was_training)
    loss_M, rank_M = np.concatenate([*losses, []]), np.concatenate([*ranks, []])
    if not len(loss_M):
        return None
    by_source = {}
    if source_of is not None:
        group_M = np.concatenate(groups)
        for number in np.unique(group_M):
            of_it = group_M == number
            shares = (float((rank_M[of_it] < k).mean()) for k in TOP)
            figures = dict(zip(FIGURES, (float(loss_M[of_it].mean()), *shares), strict=True))
            by_source[sources[number]] = {**figures, "n_labelled": int(of_it.sum())}
    top = {k: float((rank_M < k).mean()) for k in TOP}
    pair_loss, n_right, n_pairs = pairs
    answers = (pair_loss / n_pairs, n_right / n_pairs, int(n_pairs)) if n_pairs else None
    return Evaluation(float(loss_M.mean()), top[1], len(loss_M), n_pieces, top, by_source, answers)


def evaluate_in_detail(
    model: Model,
    rows: Iterable[Row],
    *,
    lengths: np.ndarray | None = None,
    documents: np.ndarray | None = None,
    sources: Sequence[str] = (),
    source_of: np.ndarray | None = None,
    n_special: int = 2,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> DetailedEvaluation | None:
    """Score a model on rows, by source, by length of the document and by position in it.

    lengths, documents (np.ndarray): int (n_sequences,), pieces and document of each sequence of the shards
        (`shards.lengths`, `shards.documents`), given together. Left out: each sequence is a document.
    sources, source_of: names, and int (n_documents,) the source of each document. Left out: no such table.
    n_special (int): special pieces of a sequence; the first of them stands in front.
    seed (int): of the resampling.
    RETURNS (DetailedEvaluation | None): None if there is nothing to predict. Position counts from the beginning
        of the document; where it was cut into several sequences, the model saw one of them at a time.
    """
    n_pieces, found = 0, []
    seen: dict[int, int] = {}  # sequence: its pieces
    was_training = model.training
    model.eval()
    for row in rows:
        scores = score_row(model, row)
        ends = np.cumsum(row.lengths)
        member = np.searchsorted(ends, scores.places, side="right")
        sequence, place = np.array(row.sequences)[member], scores.places - (ends - row.lengths)[member]
        found.append((scores.losses, scores.ranks, sequence, place - min(1, n_special)))
        seen.update(zip(row.sequences, row.lengths))
        n_pieces += len(row.ids)
    model.train(was_training)
    if not sum(len(part[0]) for part in found):
        return None
    losses, ranks, sequence, place = (np.concatenate(parts) for parts in zip(*found))
    if lengths is None or documents is None:
        documents = np.arange(max(seen) + 1)
        lengths = np.array([seen.get(number, n_special) for number in range(len(documents))])
    contents = np.asarray(lengths) - n_special
    _, first, document_of = np.unique(documents, return_index=True, return_inverse=True)
    begins = np.cumsum(contents) - contents
    position = place + (begins - begins[first][document_of])[sequence]
    document = np.asarray(documents)[sequence]
    size = np.bincount(document_of, contents)[document_of][sequence]

    values = np.stack([losses, *(ranks < k for k in TOP)], axis=1)

    def group(members: np.ndarray) -> Group:
        loss, *top = means(values[members], document[members], seed=seed, n_resamples=n_resamples)
        n_documents = len(np.unique(document[members]))
        return Group(n_documents, int(members.sum()), loss, dict(zip(TOP, top)))

    def table(names: Sequence[str], number: np.ndarray) -> dict[str, Group]:
        return {name: group(number == i) for i, name in enumerate(names) if (number == i).any()}

    length_names = [*(f"<={bound}" for bound in LENGTHS), f">{LENGTHS[-1]}"]
    position_names = [*(f"<{bound}" for bound in POSITIONS), f">={POSITIONS[-1]}"]
    return DetailedEvaluation(
        whole=group(np.ones(len(losses), dtype=bool)),
        by_source={} if source_of is None else table(sources, np.asarray(source_of)[document]),
        by_length=table(length_names, np.searchsorted(LENGTHS, size, side="left")),
        by_position=table(position_names, np.searchsorted(POSITIONS, position, side="right")),
        n_pieces=n_pieces,
    )


if __name__ == "__main__":
    import typer

    from pretrain.evaluation_command import main

    typer.run(main)
