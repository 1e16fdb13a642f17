"""Nothing is timed before all contestants compute the same: losses piece by piece, their mean, and gradients.

The mean loss alone is a weak witness: errors of single pieces cancel. So each predicted piece is compared, and
the gradient of all parameters, each contestant in its own batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from pretrain.benchmarking.contestants import OURS, Contestant, Engines, Sizes, make_step, plan_for
from pretrain.benchmarking.documents import Document
from pretrain.benchmarking.engines import Engine
from pretrain.benchmarking.plans import Plan
from pretrain.masking import IGNORED
from spacy_bioclinical.errors import Errors

# Most that contestants may differ: mean loss and mean |difference| of single pieces (nats), gradient (relative).
# In bf16 both implementations round differently, hence its own tolerances, behind those of fp32.
TOLERANCES = {
    "fp32": {"the mean loss": 1e-3, "the loss of single pieces": 1e-3, "the gradient": 1e-2},
    "bf16": {"the mean loss": 1e-2, "the loss of single pieces": 1e-1, "the gradient": 3e-1},
}


@dataclass(frozen=True)
class Computed:
    """What a contestant computed on all documents: loss of each predicted piece in their order, gradients by name."""

    losses: np.ndarray
    gradients: dict[str, torch.Tensor]

    @property
    def mean(self) -> float:
        """Mean loss over all predicted pieces, nats."""
        return float(self.losses.mean())


def compute(engine: Engine, documents: Sequence[Document], plan: Plan) -> Computed:
    """Run forward and backward over a plan without changing weights, as one accumulated step."""
    engine.model.zero_grad(set_to_none=True)
    n_labelled = sum(document.n_labelled for document in documents)
    found: dict[int, np.ndarray] = {}
    for step in plan:
        for batch, (made, count) in zip(step, make_step(engine, documents, step)):
            predicted = engine.predict(made)
            (predicted.loss * (count / n_labelled)).backward()
            labels = [
                document.labels[document.labels != IGNORED] for document in (documents[i] for i in batch)
            ]
            logits_MV = predicted.logits_MV().float()
            targets_M = torch.from_numpy(np.concatenate(labels)).to(logits_MV.device)
            losses = F.cross_entropy(logits_MV, targets_M, reduction="none").cpu().numpy()
            bounds = np.cumsum([len(part) for part in labels])[:-1]
            found.update(zip(batch, np.split(losses, bounds)))
    gradients = {
        name: parameter.grad.detach().float().cpu()
        for name, parameter in engine.model.named_parameters()
        if parameter.grad is not None
    }
    engine.model.zero_grad(set_to_none=True)
    return Computed(np.concatenate([found[index] for index in range(len(documents))]), gradients)


def difference(one: Computed, other: Computed) -> dict[str, float]:
    """How far two contestants are apart; names as in `TOLERANCES`."""
    if one.losses.shape != other.losses.shape or one.gradients.keys() != other.gradients.keys():
        return dict.fromkeys(TOLERANCES["fp32"], float("inf"))
    squares = [
        (float((one.gradients[name] - gradient).square().sum()), float(gradient.square().sum()))
        for name, gradient in other.gradients.items()
    ]
    return {
        "the mean loss": abs(one.mean - other.mean),
        "the loss of single pieces": float(np.abs(one.losses - other.losses).mean()),
        "the gradient": (sum(a for a, _ in squares) / max(sum(b for _, b in squares), 1e-30)) ** 0.5,
    }


def gate(
    contestants: Sequence[Contestant],
    engines: Engines,
    documents: Sequence[Document],
    sizes: Sizes,
    *,
    seed: int,
    precision: str,
) -> dict[str, dict[str, float]]:
    """Compare all contestants with ours, each in its own batches; in fp32 first, then in the race's precision.

    documents (Sequence[Document]): few and short ones do (`gate_documents`).
    RETURNS (dict): mean loss and differences of each, for the record.
    RAISES (ValueError): BC775 for the first that differs by more than `TOLERANCES`, or by something not finite.
    """
    report: dict[str, dict[str, float]] = {}
    precisions = ["fp32", precision] if precision != "fp32" and engines.has_fp32 else [precision]
    for current in precisions:
        engines.set_precision(current)
        for key, found in _gate(contestants, engines, documents, sizes, seed, current).items():
            report[key if current == precision else f"{key}, {current}"] = found
    return report


def _gate(
    contestants: Sequence[Contestant],
    engines: Engines,
    documents: Sequence[Document],
    sizes: Sizes,
    seed: int,
    precision: str,
) -> dict[str, dict[str, float]]:
    """Gate in the precision that is set."""
    lengths = np.array([len(document.ids) for document in documents])
    computed: dict[str, Computed] = {}
    report: dict[str, dict[str, float]] = {}
    for contestant in contestants:
        if contestant.is_same_model:
            plan = plan_for(contestant, lengths, sizes, seed, 0)
            computed[contestant.key] = compute(engines.of(contestant), documents, plan)
    for key, result in computed.items():
        apart = difference(result, computed[OURS])
        for what, most in TOLERANCES[precision].items():
            if not apart[what] <= most:  # also when it is no number
                raise ValueError(
                    Errors.BC775.format(key=key, reference=OURS, what=what, found=apart[what], most=most)
                )
        report[key] = {"loss": result.mean, **{f"difference of {what}": apart[what] for what in apart}}
    return report


def gate_documents(documents: Sequence[Document], n: int, most_pieces: int) -> list[Document]:
    """Take documents for the gate: the first n that are not longer than `most_pieces`, else the shortest n."""
    fitting = [document for document in documents if len(document.ids) <= most_pieces][:n]
    return fitting or sorted(documents, key=lambda document: len(document.ids))[:n]
