"""The processes that compute a step together: alone, data-parallel (DDP), or with sharded weights (FSDP).

`accelerate launch` (or torchrun) starts them; which device each takes and how they talk (nccl on GPUs, gloo on
CPUs) is accelerate's PartialState. A step's batch is the same however many they are: rows are dealt out, and
gradients are sums over all rows. Without a launcher there is one process, and nothing here costs anything.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pretrain.compute import layers_of
from pretrain.start import choose_device
from spacy_bioclinical.errors import Errors

Kind = Literal["alone", "ddp", "fsdp"]
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Team:
    """Processes that train one model.

    device (torch.device): this process's. rank, world (int): its number, and how many there are. kind (str):
    "alone"; "ddp": each holds all weights; "fsdp": each holds a share of every weight.
    """

    device: torch.device
    rank: int = 0
    world: int = 1
    kind: Kind = "alone"

    @property
    def is_main(self) -> bool:
        """Whether this process logs, evaluates and saves."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return what to call instead of the model; its parameters are the model's."""
        if self.kind == "ddp":
            ids = [self.device.index or 0] if self.device.type == "cuda" else None
            return nn.parallel.DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)
        if self.kind == "fsdp":
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

            mesh = init_device_mesh(self.device.type, (self.world,))
            for layer in layers_of(model):
                fully_shard(layer, mesh=mesh)
            fully_shard(model, mesh=mesh)
        return model

    @contextmanager
    def backward(self, wrapped: nn.Module, *, is_last: bool) -> Iterator[None]:
        """Compute a row inside; gradients are exchanged once a step, with its last row."""
        if self.kind == "ddp" and not is_last:
            with wrapped.no_sync():  # type: ignore[operator, attr-defined]
                yield
            return
        if self.kind == "fsdp":
            wrapped.set_requires_gradient_sync(is_last)  # type: ignore[operator]
        yield

    def sums(self, *values: float) -> list[float]:
        """Add up values of all processes (exact for integers below 2**53)."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def largest(self, *values: float) -> list[float]:
        """Return the largest of each value over all processes."""
        return self._reduced(values, dist.ReduceOp.MAX)

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.world > 1:
            self.sums(0.0)

    def _reduced(self, values: tuple[float, ...], how: dist.ReduceOp.RedOpType) -> list[float]:
        if self.world == 1:
            return list(values)
        together = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(together, op=how)
        return together.tolist()


def join_team(device: str = "auto") -> Team:
    """Join the processes of this launch; a team of one without a launcher.

    device (str): cpu, cuda, cuda:N or auto; with several processes each takes the GPU of its local rank.
    RAISES (ValueError): BC720. (ImportError): BC757 without accelerate.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Team(choose_device(device))
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError(Errors.BC757) from error
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    if on_cpu and device not in ("cpu", "auto"):
        raise ValueError(Errors.BC720.format(device=device))
    state = PartialState(cpu=on_cpu)
    is_sharded = os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("true", "1", "yes")
    own = torch.device("cpu") if on_cpu else state.device
    return Team(own, state.process_index, state.num_processes, "fsdp" if is_sharded else "ddp")


def leave_team(team: Team) -> None:
    """Take leave of the other processes at the end of the program."""
    if team.world > 1 and dist.is_initialized():
        dist.destroy_process_group()


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with all its shards; every process of an FSDP team must call it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def like(tensor: Tensor, given: Tensor) -> Tensor:
    """Lay a whole tensor out as `given` is, sharded or not."""
    if not hasattr(given, "full_tensor"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(given.device), given.device_mesh, given.placements)  # type: ignore[attr-defined]


def whole_model(model: Model, team: Team) -> Model:
    """Return a model that holds all weights: itself, or with FSDP a new one on the CPU; all processes must call it."""
    if team.kind != "fsdp":
        return model
    state = {name: whole(tensor.detach()).cpu() for name, tensor in model.state_dict().items()}
    heads = {"next_sentence": model.next_sentence} if hasattr(model, "next_sentence") else {}
    gathered = type(model)(model.settings, **heads)
    gathered.load_state_dict(state)
    return gathered
