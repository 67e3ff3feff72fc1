"""Adopt: the schedule and the clock of a scheduler that is already there, read without touching it."""

from __future__ import annotations

from typing import Any

from etude.torch.adopted import Adopted

__all__ = ["Adopted", "adopt"]


def adopt(scheduler: Any, *, clock: float | None = None) -> Adopted:
    """Read the schedule that a scheduler follows, and the step at which it stands.

    On the optimizer's base rates, the schedule at ``clock``, ``clock + 1``, ... gives what the scheduler
    would have written. Nothing is changed, neither the scheduler nor the optimizer.

    Args:
        scheduler: one of torch's, nested ones too; a drop-in of Etude's or its Scheduler; what transformers'
            ``get_scheduler`` returns; one of timm's; or Lightning's dict ``{"scheduler": ..., "interval":
            "epoch", "frequency": 1}``.
        clock: for timm's only, which keep none: the epoch or update last given to it.

    Raises:
        ScheduleError: for a class of one's own, a function without a name to import, and whatever else no
            expression says, with what to write instead.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> schedule, clock = adopt(torch.optim.lr_scheduler.StepLR(optimizer, step_size=30))
    >>> schedule, clock
    (Steps(30), 0)
    """
    # What it reads with takes a while to import, and most programs never ask.
    from etude.torch.adopt_torch import read_scheduler

    return read_scheduler(scheduler, clock)
