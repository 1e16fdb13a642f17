"""Score single pieces under the masked language model: log-probability and rank of the right one, packed.

Logits are made for a block of predicted pieces at a time (2^25 numbers, 128 MB), so memory does not grow with
the row: all 4,900 predictions of a row of 32,768 pieces would be 1 GB of logits at a vocabulary of 50,368.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pretrain.batches import Row
from pretrain.clinicalbert.instances import PairRow
from pretrain.masking import IGNORED
from pretrain.packing import pack
from spacy_bioclinical.encoder.base import PRECISIONS
from spacy_bioclinical.encoder.bert_pretraining import BertForPretraining
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM

Model = ModernBertForMaskedLM | BertForPretraining
BLOCK_LOGITS = 2**25  # numbers of one block of logits
ROW_PIECES = 16384  # pieces of one forward pass


@dataclass(frozen=True)
class PieceScores:
    """Scores of predicted pieces, in their order.

    places (np.ndarray): int64 (M,), place in the row (or sequence).
    losses (np.ndarray): float64 (M,), minus log-probability of the right piece, in nats.
    ranks (np.ndarray): int64 (M,), how many pieces come before the right one when pieces are sorted by
        probability (those of equal probability by id); 0 is a right answer at first.
    """

    places: np.ndarray
    losses: np.ndarray
    ranks: np.ndarray


def row_tensors(row: Row | PairRow, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a row's ids and labels as int64 tensors (T,) on a device."""
    return torch.from_numpy(row.ids).to(device), torch.from_numpy(row.labels).to(device)


def row_inputs(row: Row | PairRow, device: torch.device) -> tuple[Any, ...]:
    """Return what a model is called with: ids, lengths, labels; for pairs also token types and answers (or None)."""
    ids_T, labels_T = row_tensors(row, device)
    if not isinstance(row, PairRow):
        return ids_T, row.lengths, labels_T
    answers = row.next_sentence
    answers_B = None if answers is None else torch.from_numpy(answers).to(device)
    return ids_T, row.lengths, labels_T, torch.from_numpy(row.token_types).to(device), answers_B


def piece_logits(model: Model, hidden_MD: torch.Tensor) -> torch.Tensor:
    """Predict pieces from the encoder's rows, (M, D) to (M, V), fp32."""
    dtype = PRECISIONS[model.model.precision]
    if isinstance(model, BertForPretraining):
        return model.predictions(hidden_MD, dtype)
    return model.decoder(model.head(hidden_MD, dtype)).float()


@torch.no_grad()
def score_row(model: Model, row: Row | PairRow) -> PieceScores:
    """Score the predicted pieces of a packed row. The model's mode (train, eval) is the caller's affair."""
    ids_T, lengths, labels_T, *more = row_inputs(row, next(model.parameters()).device)
    predicted = labels_T != IGNORED
    places = predicted.nonzero().squeeze(1)
    hidden_MD = model.model(ids_T, lengths, *more[:1])[predicted]  # pairs: with token types
    labels_M = labels_T[predicted]
    block = max(1, BLOCK_LOGITS // model.settings.vocab_size)
    losses, ranks = [], []
    for begin in range(0, len(labels_M), block):
        labels = labels_M[begin : begin + block, None]
        logits = piece_logits(model, hidden_MD[begin : begin + block])
        right = logits.gather(1, labels)
        losses.append((logits.logsumexp(dim=1, keepdim=True) - right).squeeze(1))
        before = (logits > right).sum(dim=1)
        ties = logits == right
        if int(ties.sum()) > len(labels):
            before += (ties & (torch.arange(logits.shape[1], device=logits.device) < labels)).sum(dim=1)
        ranks.append(before)
    if not losses:
        return PieceScores(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    return PieceScores(
        places.cpu().numpy(), torch.cat(losses).double().cpu().numpy(), torch.cat(ranks).cpu().numpy()
    )


@torch.no_grad()
def score_pairs(model: Model, row: Row | PairRow) -> tuple[float, int, int]:
    """Score the next-sentence predictions of a row.

    RETURNS (tuple): sum of losses in nats, right ones, and pairs; all 0 for rows without answers.
    """
    if not isinstance(row, PairRow) or not row.n_pairs:
        return 0.0, 0, 0
    ids_T, lengths, labels_T, types_T, answers_B = row_inputs(row, next(model.parameters()).device)
    output = model(ids_T, lengths, torch.full_like(labels_T, IGNORED), types_T, answers_B)
    right = output.next_sentence_logits_B2.argmax(dim=-1) == answers_B
    return float(output.next_sentence_loss) * output.n_pairs, int(right.sum()), output.n_pairs


def score_sequences(
    model: Model,
    sequences: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    row_pieces: int = ROW_PIECES,
    on_row: Callable[[int], object] = lambda n_pieces: None,
) -> list[PieceScores]:
    """Score many masked sequences, packed into rows of `row_pieces`; packed or alone, scores are the same.

    sequences (Sequence): (ids, labels), both int64 (P,), special pieces included; labels -100 where nothing
        is predicted.
    on_row (Callable): called with the number of pieces of every row that is done, for a progress bar.
    RETURNS (list[PieceScores]): one a sequence, places counted from its beginning. The model is left in the
        mode it was in.
    """
    lengths = [len(ids) for ids, _ in sequences]
    found: list[PieceScores | None] = [None] * len(lengths)
    was_training = model.training
    model.eval()
    for members in pack(lengths, max([row_pieces, *lengths])):
        ids, labels = (np.concatenate([sequences[index][part] for index in members]) for part in (0, 1))
        row = Row(ids, labels, [lengths[index] for index in members], list(members))
        scores = score_row(model, row)
        ends = np.cumsum(row.lengths)
        bounds = np.searchsorted(scores.places, [0, *ends])
        for index, end, low, high in zip(members, ends, bounds, bounds[1:]):
            places = scores.places[low:high] - (end - lengths[index])
            found[index] = PieceScores(places, scores.losses[low:high], scores.ranks[low:high])
        on_row(len(ids))
    model.train(was_training)
    return [scores for scores in found if scores is not None]
