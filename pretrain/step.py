"""One step: the gradients of its rows, weighted by predicted pieces over all processes; then the update."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pretrain.batches import DROPOUT, BatchStream, Row, generator_for
from pretrain.clinicalbert.instances import PairRow
from pretrain.clinicalbert.stream import PairStream
from pretrain.devices import Team, whole
from pretrain.masking import IGNORED
from pretrain.optimizer import set_learning_rate
from pretrain.prefetch import Ahead
from pretrain.scoring import row_inputs
from spacy_bioclinical.encoder.bert_pretraining import PretrainingOutput
from spacy_bioclinical.encoder.mlm import MlmOutput

Stream = BatchStream | PairStream | Ahead


@dataclass(frozen=True)
class StepFigures:
    """What a step was: over all processes, but for `sequences`, those of this one."""

    loss: float
    grad_norm: float
    n_pieces: int
    n_labelled: int
    n_rows: int
    mean_length: float
    lr: float
    sequences: list[int]
    seconds: float = 0.0


def _rows(stream: Stream, number: int, team: Team) -> list[Row] | list[PairRow]:
    return stream.step(number) if team.world == 1 else stream.step(number, team.rank, team.world)


def compute_step(
    wrapped: nn.Module,
    optimizer: torch.optim.Optimizer,
    stream: Stream,
    number: int,
    lr: float,
    team: Team,
) -> StepFigures:
    """Compute the gradients of a step, summed over all rows of all processes.

    The loss is the mean over all predicted pieces of the step and, with sentence pairs, the mean over all its pairs
    added, however many rows and processes they lie in.
    """
    rows = _rows(stream, number, team)
    lengths = np.concatenate([np.asarray(row.lengths, dtype=np.float64) for row in rows] or [np.zeros(0)])
    own = (sum(row.n_labelled for row in rows), sum(row.n_pieces for row in rows), len(rows))
    n_own_pairs = sum(row.n_pairs for row in rows if isinstance(row, PairRow))
    totals = team.sums(*own, float(lengths.sum()), float((lengths**2).sum()), n_own_pairs)
    n_pairs = int(totals[5])
    n_labelled, n_pieces, n_rows = (int(total) for total in totals[:3])
    # Every process computes as many rows as the one with the most: they wait for each other in each.
    missing = int(team.largest(float(len(rows)))[0]) - len(rows)
    set_learning_rate(optimizer, lr)
    key = (stream.seed, DROPOUT, number) if team.world == 1 else (stream.seed, DROPOUT, number, team.rank)
    torch.manual_seed(int(generator_for(*key).integers(2**62)))
    loss = 0.0
    computed: list[Row | PairRow] = [*rows, *([_no_pair() if n_pairs else _nothing()] * missing)]
    for place, row in enumerate(computed):
        inputs = row_inputs(row, team.device)
        with team.backward(wrapped, is_last=place == len(computed) - 1):
            share = _share(wrapped(*inputs), n_labelled, n_pairs)
            # Processes' gradients are averaged when they meet; the sum is wanted.
            (share * team.world if team.world > 1 else share).backward()
        loss += share.item()
    loss = team.sums(loss)[0]
    gradients = [parameter.grad for parameter in wrapped.parameters() if parameter.grad is not None]
    grad_norm = torch.stack([whole(gradient.norm()) for gradient in gradients]).norm().item()
    mean_length = totals[4] / max(1.0, totals[3])
    used = [index for row in rows for index in row.sequences]
    return StepFigures(loss, grad_norm, n_pieces, n_labelled, n_rows, mean_length, lr, used)


def update(optimizer: torch.optim.Optimizer, grad_norm: float, grad_clip: float | None) -> None:
    """Change the weights by their gradients, shortened to `grad_clip` if their norm is larger; forget these."""
    if grad_clip is not None and grad_norm > grad_clip:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(grad_clip / (grad_norm + 1e-6))
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _share(output: MlmOutput, n_labelled: int, n_pairs: int) -> Tensor:
    """Return a row's share of the step's loss: its mean losses, weighted by what they are means of."""
    if not isinstance(output, PretrainingOutput):
        return output.loss * (output.n_labelled / max(1, n_labelled))
    share = output.mlm_loss * (output.n_labelled / max(1, n_labelled))
    if output.next_sentence_loss is None:
        return share
    return share + output.next_sentence_loss * (output.n_pairs / max(1, n_pairs))


def _nothing() -> Row:
    """A row that predicts nothing: zero loss and zero gradients, for a process that has none left."""
    return Row(np.zeros(1, dtype=np.int64), np.full(1, IGNORED, dtype=np.int64), [1], [])


def _no_pair() -> PairRow:
    """The same for sentence pairs."""
    row = _nothing()
    return PairRow(row.ids, np.zeros_like(row.ids), row.labels, [1], row.labels, [])
