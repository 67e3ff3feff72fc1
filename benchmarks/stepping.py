"""What one step() costs, beside torch's own scheduler of the same class: ratios, below 1 where it is less.

python benchmarks/stepping.py [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table as Grid
from torch.nn import Parameter
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as theirs

from etude.torch import Scheduler, formulas
from etude.torch import lr_scheduler as ours

# As many as are worked out ahead at once, or more, so that working them out is counted.
STEPS = {1: 1024, 100: 256}
REPEATS = 7
LENGTH = 100_000

CASES: dict[str, Callable[[Any, Optimizer], Any]] = {
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, LENGTH, 1e-5),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 1000, 2),
    "StepLR": lambda m, o: m.StepLR(o, 1000, 0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [1000, 3000], 0.5),
    "LinearLR": lambda m, o: m.LinearLR(o, total_iters=LENGTH),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.9999),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, LENGTH, 2.0),
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda step: 0.9999**step),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, 1.0, LENGTH),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.1, 1.0, 10),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=50), m.CosineAnnealingLR(o, LENGTH)], [50]
    ),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler(
        [m.LinearLR(o, 0.1, total_iters=LENGTH), m.ExponentialLR(o, 0.9999)]
    ),
}


def optimizer(groups: int, *, tensor: bool) -> Optimizer:
    """An optimizer of so many groups."""
    each = [
        {"params": [Parameter(torch.zeros(1))], "lr": torch.tensor(0.1) if tensor else 0.1}
        for _ in range(groups)
    ]
    return SGD(each, lr=0.1, momentum=0.9)


def stepped(build: Callable[[Optimizer], Any], groups: int, *, tensor: bool) -> Any:
    """A scheduler past its first step, at which it looks whether the optimizer was stepped."""
    scheduler = build(optimizer(groups, tensor=tensor))
    scheduler.optimizer.step()
    scheduler.step()
    return scheduler


def microseconds(schedulers: list[Any], steps: int) -> list[float]:
    """The least of several times of one step, for each: taken in turn, for what else the machine does."""
    least = [float("inf")] * len(schedulers)
    gc.disable()
    for _ in range(REPEATS):
        for i, scheduler in enumerate(schedulers):
            step = scheduler.step
            start = time.perf_counter()
            for _ in range(steps):
                step()
            least[i] = min(least[i], (time.perf_counter() - start) / steps)
    gc.enable()
    return [1e6 * seconds for seconds in least]


def measure(name: str, groups: int, *, tensor: bool) -> dict[str, Any]:
    """One line of the table."""
    build = CASES[name]
    peer = stepped(lambda o: build(theirs, o), groups, tensor=tensor)
    drop_in = stepped(lambda o: build(ours, o), groups, tensor=tensor)
    schedules = formulas.of(peer, 0)
    scheduler = stepped(lambda o: Scheduler(o, schedules), groups, tensor=tensor)
    torchs, drop_ins, schedulers = microseconds([peer, drop_in, scheduler], STEPS[groups])
    return {
        "class": name,
        "groups": groups,
        "rates": "tensors" if tensor else "floats",
        "torch_us": torchs,
        "drop_in_us": drop_ins,
        "scheduler_us": schedulers,
        "drop_in_ratio": drop_ins / torchs,
        "scheduler_ratio": schedulers / torchs,
    }


def main() -> None:
    """Time every case and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    arguments = parser.parse_args()
    title = f"One step(), the fastest of {REPEATS}: the time of torch's own, and ratios to it"
    grid = Grid(title=title, box=None, padding=(0, 2, 0, 0))
    for column in ("class", "groups", "rates", "torch, µs", "drop-in", "Scheduler"):
        grid.add_column(column, justify="left" if column in ("class", "rates") else "right", no_wrap=True)
    rows = []
    for name in CASES:
        for groups in STEPS:
            for tensor in (False, True):
                row = measure(name, groups, tensor=tensor)
                rows.append(row)
                numbers = (row["torch_us"], row["drop_in_ratio"], row["scheduler_ratio"])
                grid.add_row(name, str(groups), row["rates"], *(f"{number:.2f}" for number in numbers))
    Console().print(grid)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
