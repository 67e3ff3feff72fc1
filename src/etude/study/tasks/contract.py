"""What a task is given: one run under one schedule.

A task is a plain function ``train(run) -> {"validation": accuracy, "test": accuracy}``. It builds its model
and optimizer, does exactly ``run.updates`` updates under ``run.bind(optimizer)``, and draws everything random
from ``run.seed``, so that its result depends on the schedule, the peak, the budget and the seed alone.
"""

from __future__ import annotations

from typing import Protocol

from torch.optim import Optimizer

__all__ = ["Bound", "Run"]


class Bound(Protocol):
    """A schedule bound to one optimizer: call ``step()`` after every ``optimizer.step()``."""

    def step(self) -> None:
        """Write the rates of the next update into the optimizer's groups."""


class Run(Protocol):
    """One training run: a schedule, laid over its own number of updates, from one seed."""

    @property
    def updates(self) -> int:
        """The budget: how many optimizer updates to do; at least 1."""

    @property
    def seed(self) -> int:
        """What everything random in the run derives from: initial weights, order, augmentation."""

    @property
    def peak(self) -> float | None:
        """The rate that the schedule multiplies; None keeps the rate the optimizer was built with."""

    @property
    def device(self) -> str:
        """Where to train, as torch names it: ``"cpu"``, ``"cuda"``, ``"cuda:1"``."""

    def bind(self, optimizer: Optimizer) -> Bound:
        """Set every group's rate to the peak and put the schedule in charge of it."""

    def report(self, step: int, **metrics: float) -> None:
        """Record what was measured after update ``step``, counted from 0; once an epoch is enough."""
