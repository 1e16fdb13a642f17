"""The Thinc shim around an encoder and its tokenizer: compute, train, serialise. Safetensors inside, never pickle.

Differs from Thinc's PyTorchShim where clinical pipelines need it: bf16 on CPU and CUDA, a GPU without cupy,
averaged weights that work, and settings (context, overlap, kernel, precision …) that travel with the weights.
"""

import contextlib
import copy
import logging
from collections.abc import Callable, Iterator
from typing import Any

import srsly
import torch
from numpy.typing import NDArray
from thinc.api import Optimizer, get_torch_default_device
from thinc.shims.shim import Shim
from torch import Tensor

from ..encoder import Encoder, encoder_from_config
from ..encoder.checkpoint import state_from_bytes, state_to_bytes
from ..encoder.foreign import ForeignEncoder
from ..errors import Errors
from ..pieces.tokenizer import PieceTokenizer
from .arrays import copy_from_xp, to_xp
from .fine_tuning import FineTuning, layers_above
from .memory import advise_out_of_memory, budget_groups, first_group, is_out_of_memory
from .threads import settle_threads

logger = logging.getLogger(__name__)

# What shapes the result and therefore travels with the weights. None in a config means "as stored, else this".
DEFAULTS: dict[str, Any] = {
    "context": None,
    "overlap": 128,
    "on_overflow": "window",
    "kernel": "auto",
    "precision": "auto",
}


class EncoderShim(Shim):
    """Holds an encoder with its tokenizer and settings.

    chosen (dict): settings given in the config; they win over stored ones. Keys of `DEFAULTS`.
    device (str): "auto", "cpu", "cuda" or "cuda:N"; where the encoder computes. Never stored.
    fine_tuning (FineTuning): what is trained, and what is recomputed in training. Never stored.
    pieces_trained (int): pieces that training has read so far, special ones included; for logs.
    """

    _tokenizer: PieceTokenizer | None = None
    _fitting: int | None = (
        None  # pieces that fit in memory at once, known once memory ran out; for this process only
    )

    def __init__(self, chosen: dict[str, Any], device: str = "auto", fine_tuning: FineTuning | None = None):
        super().__init__(None, dict(DEFAULTS))
        self.fine_tuning = fine_tuning or FineTuning()
        self.pieces_trained = 0
        self.chosen = {key: value for key, value in chosen.items() if value is not None}
        self.device_name = device
        self.cfg.update(self.chosen)

    @property
    def has_encoder(self) -> bool:
        """Whether weights are there."""
        return self._model is not None

    @property
    def encoder(self) -> Encoder:
        """The encoder. RAISES (ValueError): BC301 before initialisation."""
        if self._model is None:
            raise ValueError(Errors.BC301)
        return self._model

    @property
    def tokenizer(self) -> PieceTokenizer:
        """The encoder's tokenizer. RAISES (ValueError): BC301 before initialisation."""
        if self._tokenizer is None:
            raise ValueError(Errors.BC301)
        return self._tokenizer

    @property
    def context(self) -> int:
        """Most pieces of one window, special pieces included."""
        return self.cfg["context"] or self.encoder.context

    @property
    def capacity(self) -> int:
        """Most pieces of text in one window."""
        return self.context - len(self.tokenizer.prefix_ids) - len(self.tokenizer.suffix_ids)

    def set_encoder(self, encoder: Encoder, tokenizer: PieceTokenizer) -> None:
        """Take an encoder with its tokenizer, on the device and in the precision that the settings ask for.

        RAISES (ValueError): BC302 if the context is out of range, BC303 if the tokenizer has ids that the encoder
            lacks, BC102 for an unknown kernel or precision, BC304 if the device is not there, BC445 for settings of
            training that this encoder cannot follow.
        """
        n_special = len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids)
        context = self.cfg["context"]
        if context is not None and not n_special < context <= encoder.context:
            raise ValueError(Errors.BC302.format(given=context, least=n_special + 1, most=encoder.context))
        if self.cfg["on_overflow"] not in ("window", "error"):
            raise ValueError(
                Errors.BC102.format(what="on_overflow", given=self.cfg["on_overflow"], known="window, error")
            )
        capacity = (context or encoder.context) - n_special
        if not 0 <= self.cfg["overlap"] < capacity:
            raise ValueError(Errors.BC305.format(given=self.cfg["overlap"], capacity=capacity))
        n_ids = encoder.config.get("vocab_size")
        if isinstance(n_ids, int) and tokenizer.vocab_size > n_ids:
            raise ValueError(Errors.BC303.format(tokenizer=tokenizer.vocab_size, encoder=n_ids))
        self.fine_tuning.apply(encoder)
        self._model = encoder.to(torch_device(self.device_name)).eval()
        encoder.set_compute(precision=self.cfg["precision"], kernel=self.cfg["kernel"])
        self._tokenizer = tokenizer

    @property
    def device(self) -> torch.device:
        """Where the encoder's weights are."""
        return next(self.encoder.parameters()).device

    def fit(self, budget: int) -> int:
        """Return the budget of pieces for one forward pass, lowered to what has proved to fit in memory."""
        return budget if self._fitting is None else min(budget, self._fitting)

    def __call__(
        self, inputs: tuple[NDArray, list[int], int], is_train: bool
    ) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Encode windows; see `predict` and `begin_update`."""
        return self.begin_update(inputs) if is_train else (self.predict(inputs), lambda d_rows: None)

    def predict(self, inputs: tuple[NDArray, list[int], int]) -> Tensor:
        """Encode without gradients, a bounded number of pieces at a time; fewer where memory runs out.

        inputs (tuple): piece ids (T,) of all windows, pieces of each window, budget of pieces for one forward pass.
        RETURNS (Tensor): rows (T, D), fp32, on the encoder's device.
        RAISES (ValueError): BC310 if not even one window fits in memory.
        """
        ids, lengths, budget = inputs
        self.encoder.eval()
        settle_threads()
        rows: list[Tensor] = []
        n_done = start = 0
        with torch.inference_mode():
            ids_T = torch.as_tensor(ids, dtype=torch.long).to(self.device)
            while n_done < len(lengths):
                group = first_group(lengths, n_done, self.fit(budget))
                n_pieces = sum(group)
                encoded = self._encode_if_it_fits(ids_T[start : start + n_pieces], group)
                if encoded is None:
                    self._lower_budget(group)
                    continue
                rows.append(encoded)
                n_done, start = n_done + len(group), start + n_pieces
            return self._join(rows)

    def _encode_if_it_fits(self, ids_T: Tensor, lengths: list[int]) -> Tensor | None:
        """Encode, or return None where memory ran out; by then everything the attempt had taken is free again."""
        try:
            return self.encoder(ids_T, lengths)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _lower_budget(self, group: list[int]) -> None:
        """Halve what is encoded at once, for the rest of the process. RAISES (ValueError): BC310 at one window."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(group) == 1:
            raise ValueError(Errors.BC310.format(length=group[0], half=group[0] // 2, device=self.device))
        n_pieces = sum(group)
        level = logging.WARNING if self._fitting is None else logging.INFO
        self._fitting = max(n_pieces // 2, 1)
        logger.log(
            level,
            Errors.BC312.format(
                n_windows=len(group), n_pieces=n_pieces, budget=self._fitting, device=self.device
            ),
        )

    def begin_update(self, inputs: tuple[NDArray, list[int], int]) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Encode with gradients; return rows and the callback that takes their gradient, (T, D).

        RAISES (ValueError): BC311 if memory runs out, here or in the callback: smaller groups would not help, since
            all are kept for the backward pass.
        """
        ids, lengths, budget = inputs
        self.encoder.train()
        self.encoder.forget_casts()
        settle_threads()
        self.pieces_trained += len(ids)
        recomputing = self.fine_tuning.recomputing(self.encoder)
        with torch.enable_grad(), advise_out_of_memory(lengths, self.device), recomputing:
            groups = list(budget_groups(lengths, budget))
            ids_T = torch.as_tensor(ids, dtype=torch.long).to(self.device)
            parts = ids_T.split([sum(group) for group in groups])
            rows_TD = self._join(
                [self.encoder(part, group) for part, group in zip(parts, groups, strict=True)]
            )

        def backprop(d_rows_TD: Tensor) -> None:
            if not rows_TD.requires_grad:  # every layer is frozen
                return
            with advise_out_of_memory(lengths, self.device):
                torch.autograd.backward([rows_TD], [d_rows_TD.to(rows_TD.device, rows_TD.dtype)])

        return rows_TD, backprop

    def _join(self, rows: list[Tensor]) -> Tensor:
        if not rows:
            return torch.zeros(0, self.encoder.width, device=self.device)
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Let a Thinc optimizer change the weights in place, then clear the gradients.

        One with a method `take_tensor` (`spacy-bioclinical.AdamW.v1`) gets the tensors themselves, wherever they lie,
        and how many layers are above theirs; it changes them at the end of the step.
        """
        take_tensor = getattr(optimizer, "take_tensor", None)
        parameters = self._parameters()
        above = layers_above([name for name, _ in parameters])
        for name, parameter in parameters:
            if parameter.grad is None:
                continue
            key = (self.id, name)
            if take_tensor is not None:
                take_tensor(key, parameter, parameter.grad, layers_above=above[name])
            else:
                copy_from_xp(parameter.data, optimizer(key, to_xp(parameter.data), to_xp(parameter.grad))[0])
            parameter.grad = None
        self.encoder.forget_casts()

    @contextlib.contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Compute with other weights for a while, such as an optimizer's averages: keys (shim id, parameter name)."""
        given = {name: params[(self.id, name)] for name, _ in self._parameters() if (self.id, name) in params}
        if not given:
            yield
            return
        backup = {name: p.data.clone() for name, p in self._parameters() if name in given}
        try:
            for name, parameter in self._parameters():
                if name in given:
                    copy_from_xp(parameter.data, given[name])
            self.encoder.forget_casts()
            yield
        finally:
            for name, parameter in self._parameters():
                if name in backup:
                    parameter.data.copy_(backup[name])
            self.encoder.forget_casts()

    def _parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        return list(self._model.named_parameters()) if self._model is not None else []

    def copy(self) -> "EncoderShim":
        """Copy weights and settings under an identity of its own, so that no optimizer mixes up the two."""
        copied = copy.deepcopy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        return copied

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the encoder; called when Thinc's ops change. A device named in the config stays."""
        if self._model is not None and self.device_name == "auto":
            self._model.to("cpu" if device_type == "cpu" else f"cuda:{device_id}")
            self._model.set_compute(precision=self.cfg["precision"], kernel=self.cfg["kernel"])

    def to_bytes(self) -> bytes:
        """Serialise settings, config, tokenizer and weights."""
        msg: dict[str, Any] = {"settings": self.cfg}
        if self._model is not None:
            msg["config"] = self.encoder.config
            msg["tokenizer"] = self.tokenizer.to_bytes()
            msg["weights"] = state_to_bytes(_weights_module(self.encoder))
        return srsly.msgpack_dumps(msg)

    def from_bytes(self, data: bytes) -> "EncoderShim":
        """Restore `to_bytes`; settings given in the config win over stored ones.

        RAISES (ValueError): BC105, BC107 for damaged data, and what `set_encoder` raises.
        """
        msg = srsly.msgpack_loads(data)
        self.cfg = {**DEFAULTS, **msg["settings"], **self.chosen}
        if "weights" in msg:
            encoder = encoder_from_config(msg["config"])
            state_from_bytes(_weights_module(encoder), msg["weights"], "the serialised pipeline")
            self.set_encoder(encoder, PieceTokenizer.from_bytes(msg["tokenizer"]))
        return self


def torch_device(name: str) -> torch.device:
    """Turn a device setting into a device: "auto" follows Thinc's GPU, else takes CUDA if it is there, else the CPU.

    RAISES (ValueError): BC304 if the device is not there.
    """
    if name == "auto":
        chosen = get_torch_default_device()
        if chosen.type == "cpu" and torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return chosen
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(Errors.BC304.format(given=name)) from error
    if device.type == "cuda" and not (
        torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    ):
        raise ValueError(Errors.BC304.format(given=name))
    return device


def _weights_module(encoder: Encoder) -> torch.nn.Module:
    return encoder.model if isinstance(encoder, ForeignEncoder) else encoder
