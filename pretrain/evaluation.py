"""Held-out loss and accuracy of the masked language model, on fixed rows with fixed masks."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from pretrain.batches import Row
from pretrain.masking import IGNORED
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM


@dataclass(frozen=True)
class Evaluation:
    """Scores on held-out documents.

    loss (float): mean cross-entropy over the predicted pieces, in nats. accuracy (float): share of them whose
        most
    likely piece is the right one. n_labelled, n_pieces (int): predicted pieces, and all pieces seen.
    """

    loss: float
    accuracy: float
    n_labelled: int
    n_pieces: int

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready data."""
        return asdict(self)


def row_tensors(row: Row, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a row's ids and labels as int64 tensors (T,) on a device."""
    return torch.from_numpy(row.ids).to(device), torch.from_numpy(row.labels).to(device)


@torch.no_grad()
def evaluate(model: ModernBertForMaskedLM, rows: Iterable[Row]) -> Evaluation | None:
    """Score a model on rows; None if there are no rows. Leaves the model in the mode it was in."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    loss, n_right, n_labelled, n_pieces = 0.0, 0, 0, 0
    for row in rows:
        ids_T, labels_T = row_tensors(row, device)
        output = model(ids_T, row.lengths, labels_T)
        loss += output.loss.item() * output.n_labelled
        n_right += int((output.logits_MV.argmax(dim=-1) == labels_T[labels_T != IGNORED]).sum())
        n_labelled += output.n_labelled
        n_pieces += len(row.ids)
    model.train(was_training)
    if not n_labelled:
        return None
    return Evaluation(loss / n_labelled, n_right / n_labelled, n_labelled, n_pieces)
