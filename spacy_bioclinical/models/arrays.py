"""The two views of one weight: torch's tensor, and the array that Thinc's optimizers work on."""

from typing import Any

import numpy as np
import torch
from thinc.api import CupyOps, get_current_ops
from torch import Tensor


def to_xp(tensor: Tensor) -> Any:
    """View a tensor as the array that Thinc's optimizer works on: cupy on a GPU with cupy, else numpy."""
    if tensor.device.type == "cuda" and isinstance(get_current_ops(), CupyOps):
        import cupy

        return cupy.from_dlpack(tensor.detach().contiguous())
    return np.ascontiguousarray(tensor.detach().cpu().numpy())


def copy_from_xp(tensor: Tensor, array: Any) -> None:
    """Write an array into a tensor of as many cells, unless it is the tensor's own memory."""
    source = torch.as_tensor(array) if isinstance(array, np.ndarray) else torch.from_dlpack(array)
    if source.data_ptr() != tensor.data_ptr():
        tensor.copy_(source.reshape(tensor.shape))
