"""The small training loops that the tests of the Scheduler share."""

from __future__ import annotations

import io
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

from etude.torch import Scheduler

Number: TypeAlias = float | Tensor


def weight() -> Parameter:
    return Parameter(torch.zeros(1))


def sgd(*bases: Number, **options: Any) -> Optimizer:
    """An optimizer with a group for each base rate."""
    return SGD([{"params": [weight()], "lr": base} for base in bases], **options)


def rates(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def advance(scheduler: Scheduler, steps: int) -> list[list[float]]:
    """The rates that so many updates use."""
    used = []
    for _ in range(steps):
        used.append(rates(scheduler.optimizer))
        scheduler.optimizer.step()
        scheduler.step()
    return used


def save(scheduler: Scheduler) -> dict[str, Any]:
    """Both states, through a file."""
    file = io.BytesIO()
    torch.save({"optimizer": scheduler.optimizer.state_dict(), "scheduler": scheduler.state_dict()}, file)
    file.seek(0)
    saved: dict[str, Any] = torch.load(file, weights_only=True)
    return saved
