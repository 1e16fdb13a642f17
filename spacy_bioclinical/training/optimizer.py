"""`spacy-bioclinical.AdamW.v1`: AdamW as torch and transformers compute it, inside spaCy's training loop.

Differs from Thinc's Adam where the published protocol does: decay is decoupled (Loshchilov & Hutter 2019, arXiv
1711.05101, algorithm 2) and leaves norms and biases alone; the gradient is clipped by its norm over all parameters of
encoder and heads together, where Thinc clips each array by itself.

A common norm is known only when all gradients are. spaCy hands them over one array at a time, and calls
`step_schedules` when it is through: so `__call__` only collects, and `step_schedules` clips, updates the weights in
place, and then moves the schedules. Whoever calls `nlp.update(sgd=…)` in a loop of their own must call
`step_schedules` too; without it the next update applies what was collected, one step late.

Cost: two moments for each weight (8 bytes), as with every Adam, and a copy of the heads' gradients.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from thinc.api import Optimizer, xp2torch
from thinc.optimizers import FloatOrSeq
from thinc.types import FloatsXd
from torch import Tensor

from spacy_bioclinical.errors import Errors

Key = tuple[int, str]

# Last parts of the names of biases and norms in torch and Thinc; some of Thinc's biases are no vectors.
_NO_DECAY = frozenset({"b", "bias", "beta", "g", "G", "gamma"})
_SMALL = 1e-6  # added to the norm before dividing by it, as torch.nn.utils.clip_grad_norm_ does


def build_adamw_v1(
    *,
    learn_rate: FloatOrSeq = 5e-5,
    head_learn_rate: FloatOrSeq | None = None,
    weight_decay: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    grad_clip: float = 1.0,
    layer_decay: float = 1.0,
) -> Optimizer:
    """Build AdamW with bias correction. The defaults for betas and eps are those of torch and transformers.

    learn_rate (float or schedule): of encoder and heads.
    head_learn_rate (float, schedule or None): of everything but packed encoders; None: `learn_rate`.
    weight_decay (float): decoupled, multiplied by the learn rate; not on norms, biases and other vectors.
    beta1, beta2, eps (float): of the moments.
    grad_clip (float): largest norm of the gradient over all parameters; 0 for no limit.
    layer_decay (float): factor on the learn rate from one layer of an encoder to the one below, in (0, 1]: the
        highest learns at `learn_rate`, the one n below it at `learn_rate` × layer_decay^n, embeddings as one layer
        below the lowest (ELECTRA's scheme: Clark et al. 2020, arXiv 2003.10555, appendix B).
    RETURNS (Optimizer): for `[training.optimizer]`.
    RAISES (ValueError): BC444 if a setting is out of range.
    """
    return AdamW(
        learn_rate,
        head_learn_rate=head_learn_rate,
        weight_decay=weight_decay,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        layer_decay=layer_decay,
    )


@dataclass
class Collected:
    """A parameter with its gradient, waiting for the end of the step."""

    weights: Tensor
    gradient: Tensor
    factor: float  # on the learn rate
    decays: bool
    is_head: bool


class AdamW(Optimizer):
    """See `build_adamw_v1`.

    grad_norm (float): norm of the last step's gradient before clipping; not a number before the first step.
    used_rate (float): learn rate of the last step.
    n_steps (int): steps taken.
    """

    def __init__(
        self,
        learn_rate: FloatOrSeq,
        *,
        head_learn_rate: FloatOrSeq | None = None,
        weight_decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        grad_clip: float = 1.0,
        layer_decay: float = 1.0,
    ):
        for what, given, is_fine, want in (
            ("weight_decay", weight_decay, weight_decay >= 0, "0 or more"),
            ("beta1", beta1, 0 <= beta1 < 1, "in [0, 1)"),
            ("beta2", beta2, 0 <= beta2 < 1, "in [0, 1)"),
            ("eps", eps, eps > 0, "above 0"),
            ("grad_clip", grad_clip, grad_clip >= 0, "0 or more"),
            ("layer_decay", layer_decay, 0 < layer_decay <= 1, "in (0, 1]"),
        ):
            if not is_fine:
                raise ValueError(Errors.BC444.format(what=f"optimizer.{what}", given=given, want=want))
        super().__init__(
            learn_rate,
            L2=weight_decay,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            grad_clip=grad_clip,
            use_averages=False,
            L2_is_weight_decay=True,
        )
        self.head_learn_rate: float | None = None
        if head_learn_rate is not None:
            self._set_attr_or_schedule("head_learn_rate", head_learn_rate)
        self.layer_decay = layer_decay
        self.grad_norm = math.nan
        self.used_rate = self.learn_rate
        self.n_steps = 0
        self._collected: dict[Key, Collected] = {}

    def __call__(
        self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Collect the gradient of an array that Thinc holds: a part of a head.

        key (tuple[int, str]): identity and name of the parameter.
        weights, gradient (FloatsXd): the weights are changed in place by `step_schedules`, the gradient is copied
            and cleared.
        lr_scale (float): factor on the learn rate.
        RETURNS (tuple): both arrays.
        """
        if len(gradient) < 1:
            return weights, gradient
        if key in self._collected:
            self.apply()
        self._collected[key] = Collected(
            weights=xp2torch(weights).detach(),
            gradient=xp2torch(gradient.copy()),
            factor=lr_scale,
            decays=_decays(key[1], weights.ndim),
            is_head=True,
        )
        gradient *= 0
        return weights, gradient

    def take_tensor(self, key: Key, weights: Tensor, gradient: Tensor, *, layers_above: int = 0) -> None:
        """Collect the gradient of an encoder's tensor, wherever it lies; `EncoderShim` calls this.

        key (tuple[int, str]): identity and name of the parameter.
        weights, gradient (Tensor): the weights are changed in place by `step_schedules`; the gradient belongs to
            the optimizer from now on.
        layers_above (int): layers between the parameter's layer and the encoder's output; see `layer_decay`.
        """
        if key in self._collected:
            self.apply()
        self._collected[key] = Collected(
            weights=weights.detach(),
            gradient=gradient.detach(),
            factor=self.layer_decay**layers_above,
            decays=_decays(key[1], weights.ndim),
            is_head=False,
        )

    def step_schedules(self) -> None:
        """Update all weights whose gradients were collected, then move the schedules one step on.

        RAISES (ValueError): BC442 if the gradient is not finite; no weight has changed then.
        """
        self.apply()
        super().step_schedules()

    @torch.no_grad()
    def apply(self) -> None:
        """Clip the gradient by its norm over all that was collected, and update the weights in place."""
        if not self._collected:
            return
        taken, self._collected = self._collected, {}
        self.grad_norm = _norm([one.gradient for one in taken.values()])
        if not math.isfinite(self.grad_norm):
            raise ValueError(Errors.BC442.format(step=self.n_steps + 1, norm=self.grad_norm))
        clip = min(1.0, self.grad_clip / (self.grad_norm + _SMALL)) if self.grad_clip else 1.0
        for key, one in taken.items():
            if clip < 1.0:
                one.gradient.mul_(clip)
            self._update(key, one)
        self.n_steps += 1
        self.used_rate = self.learn_rate

    def _update(self, key: Key, one: Collected) -> None:
        """One step of algorithm 2, in the order of torch.optim.AdamW."""
        weights, gradient = one.weights, one.gradient.to(one.weights.dtype)
        if key not in self.mom1:
            states: Any = (self.mom1, self.mom2)
            for moments in states:
                moments[key] = torch.zeros_like(weights, memory_format=torch.contiguous_format)
        mom1, mom2 = _as_tensor(self.mom1[key]), _as_tensor(self.mom2[key])
        self.nr_update[key] += 1
        n = self.nr_update[key]
        rate = self.head_learn_rate if one.is_head and self.head_learn_rate is not None else self.learn_rate
        rate *= one.factor
        if one.decays and self.L2:
            weights.mul_(1.0 - rate * self.L2)
        mom1.lerp_(gradient, 1.0 - self.b1)
        mom2.mul_(self.b2).addcmul_(gradient, gradient, value=1.0 - self.b2)
        denominator = mom2.sqrt().div_(math.sqrt(1.0 - self.b2**n)).add_(self.eps)
        weights.addcdiv_(mom1, denominator, value=-rate / (1.0 - self.b1**n))


def _decays(name: str, n_dims: int) -> bool:
    return n_dims > 1 and name.rpartition(".")[2] not in _NO_DECAY


def _norm(gradients: list[Tensor]) -> float:
    """The Euclidean norm over all tensors, as torch.nn.utils.clip_grad_norm_ computes it."""
    norms = [torch.linalg.vector_norm(gradient.float()) for gradient in gradients]
    return float(torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms])))


def _as_tensor(moments: Any) -> Tensor:
    return moments if isinstance(moments, Tensor) else xp2torch(moments)
