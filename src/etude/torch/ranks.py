"""What processes that train together must agree on before it decides a rate."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from etude.torch.scalars import metric

__all__ = ["mean_over_ranks"]


def mean_over_ranks(value: float | Tensor) -> float:
    """Return the mean of a metric over all processes; the value itself where there is only one.

    Every process sees its own validation loss, and a Plateau that is fed with those cuts the rate at
    different times on each: ``scheduler.observe(val_loss=mean_over_ranks(loss))`` is the same on all. It
    communicates, so every process has to call it.

    Args:
        value: this process's metric: a number, or a tensor of one element.

    Raises:
        ScheduleError: for what is no number, before anything is communicated.

    >>> mean_over_ranks(0.5)
    0.5
    """
    own = metric("value", value)
    if not (dist.is_available() and dist.is_initialized()):
        return own
    # NCCL only sums what lies on the GPU; gloo takes what lies on the CPU.
    device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
    # In float64, so that the sum of a few floats is exact enough; all processes get the same bits.
    total = torch.tensor(own, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return float(total) / dist.get_world_size()
