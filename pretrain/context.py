"""Does context beyond 512 or 4,096 pieces help? The same masked pieces, read with less and with more around them.

Each long held-out document is masked once. Some of its masked pieces are then predicted from the window of w
pieces around each of them, and from the whole document: the same pieces, the same masks, only the context
differs, so that the difference is paired. Cost: per_document x w pieces a document and window (a window that
covers the document is the document, and is computed once).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pretrain.batches import generator_for
from pretrain.bootstrap import CONTEXT, N_RESAMPLES, means
from pretrain.masking import IGNORED, Vocabulary
from pretrain.scoring import ROW_PIECES, Model, score_sequences
from spacy_bioclinical.errors import Errors

WINDOWS = (128, 512, 2048, 8192)
LONG = 1024  # documents of fewer pieces say little about context


def context_value(
    model: Model,
    sequences: Sequence[np.ndarray],
    windows: Sequence[int] = WINDOWS,
    *,
    vocabulary: Vocabulary,
    mask_rate: float = 0.15,
    per_document: int = 32,
    min_length: int = LONG,
    row_pieces: int = ROW_PIECES,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    on_document: Callable[[], object] = lambda: None,
) -> dict[str, Any] | None:
    """Score masked pieces with windows of several sizes around them, and with the whole document.

    sequences (Sequence[np.ndarray]): int64 ids of held-out documents, special pieces around them included;
        those of fewer than `min_length` pieces are passed over.
    windows (Sequence[int]): pieces of a window, special ones included. It is moved, not cut, where it would
        reach over an end of the document.
    mask_rate (float): share of pieces that are hidden, all as [MASK]. per_document (int): how many of them
        are scored.
    RETURNS (dict | None): for each window loss and top-1 accuracy over all scored pieces; and, in `beyond`, over
        documents longer than the window, what the rest of the document brings: the loss it saves and the
        accuracy it adds, with paired intervals. None if no document is long enough.
    RAISES (ValueError): BC765 for a window without room for a piece.
    """
    n_special = max((_n_special(ids, vocabulary) for ids in sequences), default=0)
    for window in windows:
        if window <= n_special:
            raise ValueError(Errors.BC765.format(window=window, least=n_special + 1))
    losses, hits, documents, lengths = [], [], [], []
    for number, ids in enumerate(sequences):
        if len(ids) >= min_length:
            generator = generator_for(seed, CONTEXT, number)
            scored = _score(model, ids, windows, vocabulary, mask_rate, per_document, row_pieces, generator)
            losses.append(scored[0])
            hits.append(scored[1])
            documents.append(np.full(len(scored[0]), number))
            lengths.append(np.full(len(scored[0]), len(ids)))
        on_document()
    if not sum(map(len, losses)):
        return None
    loss, hit, document, length = map(np.concatenate, (losses, hits, documents, lengths))
    rows = []
    figures = means(np.concatenate([loss, hit], axis=1), document, seed=seed, n_resamples=n_resamples)
    for place in range(len(windows) + 1):
        size = windows[place] if place < len(windows) else None
        row: dict[str, Any] = {"window": size, "loss": figures[place].to_dict()}
        row["top1"] = figures[place + len(windows) + 1].to_dict()
        row["beyond"] = None
        is_longer = np.zeros(len(length), bool) if size is None else length > size
        if is_longer.any():
            gains = np.stack([loss[:, place] - loss[:, -1], hit[:, -1] - hit[:, place]], axis=1)[is_longer]
            saved, added = means(gains, document[is_longer], seed=seed, n_resamples=n_resamples)
            n_documents = len(np.unique(document[is_longer]))
            row["beyond"] = {"n_documents": n_documents, "n_labelled": len(gains)}
            row["beyond"].update(loss_saved=saved.to_dict(), top1_added=added.to_dict())
        rows.append(row)
    return {
        "n_documents": len(np.unique(document)),
        "n_labelled": len(loss),
        "min_length": min_length,
        "mask_rate": mask_rate,
        "windows": rows,
    }


def _n_special(ids: np.ndarray, vocabulary: Vocabulary) -> int:
    """Special pieces in front of and behind a sequence."""
    n_before, n_behind = _wrapping(ids, vocabulary)
    return n_before + n_behind


def _wrapping(ids: np.ndarray, vocabulary: Vocabulary) -> tuple[int, int]:
    ordinary = np.flatnonzero(~vocabulary.is_special[ids])
    return (int(ordinary[0]), len(ids) - 1 - int(ordinary[-1])) if len(ordinary) else (len(ids), 0)


def _score(
    model: Model,
    ids: np.ndarray,
    windows: Sequence[int],
    vocabulary: Vocabulary,
    mask_rate: float,
    per_document: int,
    row_pieces: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Losses and hits of one document's scored pieces, (M, n_windows + 1); the whole document comes last."""
    is_hidden = (generator.random(len(ids)) < mask_rate) & ~vocabulary.is_special[ids]
    hidden = np.flatnonzero(is_hidden)
    targets = np.sort(generator.choice(hidden, size=min(per_document, len(hidden)), replace=False))
    masked = np.where(is_hidden, vocabulary.mask_id, ids)
    n_before, n_behind = _wrapping(ids, vocabulary)
    first, last = n_before, len(ids) - n_behind
    wanted: dict[tuple[int, int], list[int]] = {}  # window's bounds: its targets
    bounds = np.zeros((len(targets), len(windows) + 1, 2), dtype=np.int64)
    for row, target in enumerate(targets):
        for column, window in enumerate([*windows, len(ids)]):
            size = min(window - n_before - n_behind, last - first)
            begin = int(np.clip(target - size // 2, first, last - size))
            bounds[row, column] = begin, begin + size
            members = wanted.setdefault((begin, begin + size), [])
            if int(target) not in members:
                members.append(int(target))
    packed = []
    for (begin, end), members in wanted.items():
        parts = (masked[:n_before], masked[begin:end], masked[last:])
        labels = np.full(n_before + end - begin + n_behind, IGNORED, dtype=np.int64)
        places = np.array(members) - begin + n_before
        labels[places] = ids[members]
        packed.append((np.concatenate(parts), labels))
    found = {}
    for (begin, end), scores in zip(wanted, score_sequences(model, packed, row_pieces=row_pieces)):
        for place, loss, rank in zip(scores.places, scores.losses, scores.ranks):
            found[begin, end, int(place) + begin - n_before] = loss, rank == 0
    values = np.zeros((len(targets), len(windows) + 1, 2))
    for row, target in enumerate(targets):
        for column, (begin, end) in enumerate(bounds[row]):
            values[row, column] = found[int(begin), int(end), int(target)]
    return values[:, :, 0], values[:, :, 1]
