"""The range test of a task: its own training function, taken through a ramp of rates as it is."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from etude.durations import Horizon
from etude.errors import EtudeError, TaskError
from etude.finder import Curve, Divergence, RangeTest, ramp
from etude.levels import BASE
from etude.schedules import Constant, Schedule, bounds
from etude.study.run import Rated
from etude.study.task import Task
from etude.torch import Scheduler

__all__ = ["Update", "find"]


@dataclass(frozen=True, slots=True)
class Update:
    """An update of a range test: which of the repeats it is in, what it used, and what came of it."""

    repeat: int
    step: int
    rate: float
    loss: float
