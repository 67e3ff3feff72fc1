"""What a step of a drop-in, and of the Scheduler with its schedule, costs beside torch's class of that name.

python benchmarks/dropins.py [--quick] [--json FILE]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from report import Row, main
from stepping import optimizer_of
from timing import least
from torch.optim import Optimizer
from torch.optim import lr_scheduler as theirs

from etude.torch import Scheduler, adopt
from etude.torch import lr_scheduler as ours

LENGTH = 100_000
# How many steps are timed in a row: torch's, and ours, which work out many ahead.
STEPS = {1: (1024, 16384), 100: (256, 4096)}

CLASSES: dict[str, Callable[[Any, Optimizer], Any]] = {
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, LENGTH, 1e-5),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 1000, 2),
    "StepLR": lambda m, o: m.StepLR(o, 1000, 0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [1000, 3000], 0.5),
    "LinearLR": lambda m, o: m.LinearLR(o, total_iters=LENGTH),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.9999),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, LENGTH, 2.0),
    "LambdaLR": lambda m, o: m.LambdaLR(o, math.atan),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, 1.0, LENGTH),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.1, 1.0, 10),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=50), m.CosineAnnealingLR(o, LENGTH)], [50]
    ),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler(
        [m.LinearLR(o, 0.1, total_iters=LENGTH), m.ExponentialLR(o, 0.9999)]
    ),
}
CASES = {
    "1 group, float": (1, False),
    "1 group, tensor": (1, True),
    "100 groups, floats": (100, False),
    "100 groups, tensors": (100, True),
}


def stepped(build: Callable[[Optimizer], Any], groups: int, *, tensor: bool) -> Any:
    """A scheduler past its first step, at which it looks whether the optimizer was stepped."""
    scheduler = build(optimizer_of([0.1] * groups, tensor=tensor))
    scheduler.optimizer.step()
    scheduler.step()
    return scheduler


def rows(*, quick: bool) -> list[Row]:
    """Time every class."""
    torch.set_num_threads(1)
    return [row for name in CLASSES for case in CASES for row in measure(name, case, quick=quick)]


def measure(name: str, case: str, *, quick: bool) -> list[Row]:
    """A class's drop-in, and the Scheduler with its schedule."""
    build, (groups, tensor) = CLASSES[name], CASES[case]
    peer = stepped(lambda optimizer: build(theirs, optimizer), groups, tensor=tensor)
    drop_in = stepped(lambda optimizer: build(ours, optimizer), groups, tensor=tensor)
    plan = adopt(peer).arguments
    scheduler = stepped(lambda optimizer: Scheduler(optimizer, **plan), groups, tensor=tensor)
    few, many = STEPS[groups]
    torchs, *seconds = least(
        [
            (peer.step, 8 if quick else few),
            (drop_in.step, 8 if quick else many),
            (scheduler.step, 8 if quick else many),
        ],
        repeats=1 if quick else 3,
    )
    return [
        Row(what, case, f"torch {name}", 1e6 * time, 1e6 * torchs, "µs")
        for what, time in zip(("drop-in", "Scheduler"), seconds, strict=True)
    ]


if __name__ == "__main__":
    main(__doc__, [("One step of a drop-in", rows)])
