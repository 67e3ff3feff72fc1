"""Tasks that train in milliseconds, well and badly behaved.

Tests that want files beside a task copy this one to a folder of their own.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from etude.study import task
from etude.study.run import Run

HERE = Path(__file__).resolve().parent
PATIENCE_SECONDS = 60
SHAPE = {
    "updates": 20,
    "updates_per_epoch": 5,
    "peaks": (0.03, 0.3),
    "budgets": (0.5, 1.0),
    "seeds": 3,
    "tuning_seeds": 1,
}


def fit(run: Run) -> dict[str, float]:
    """Train two layers to tell on which side of a line a point lies."""
    points = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 64, 2, generator=points)
    labels = (inputs.sum(2) + 0.5 * torch.randn(3, 64, generator=points) > 0).long()
    own = torch.Generator().manual_seed(run.seed)
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.5, generator=own)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = run.bind(optimizer)

    def measured(part: int) -> tuple[float, float]:
        with torch.no_grad():
            logits = model(inputs[part])
            right = (logits.argmax(1) == labels[part]).double().mean().item()
            return right, functional.cross_entropy(logits, labels[part]).item()

    for step in range(run.updates):
        rows = torch.randint(64, (8,), generator=own)
        loss = functional.cross_entropy(model(inputs[0][rows]), labels[0][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 5 == 4:
            validation, validation_loss = measured(1)
            run.report(step, loss=loss.item(), validation=validation, validation_loss=validation_loss)
    return {"validation": measured(1)[0], "test": measured(2)[0]}


@task(**SHAPE, about="On which side of a <line> a point lies.")
def quick(run: Run) -> dict[str, float]:
    return fit(run)


@task(**SHAPE)
def gated(run: Run) -> dict[str, float]:
    """The first run with these numbers says who it is, and waits for the file ``go``."""
    if (run.seed, run.peak, run.updates) == (0, 0.3, 20):
        mine = HERE / f"{os.getpid()}.tmp"
        mine.write_text(str(os.getpid()))
        with suppress(FileExistsError):
            os.link(mine, HERE / "waiting")
            wait_for(HERE / "go")
    return fit(run)


@task(**SHAPE)
def raising(run: Run) -> dict[str, float]:
    raise ValueError(f"no luck with the seed {run.seed}")


@task(**SHAPE)
def leaving(run: Run) -> dict[str, float]:
    sys.exit("had enough")


@task(**SHAPE)
def giving_up(run: Run) -> dict[str, float]:
    raise KeyboardInterrupt


@task(**SHAPE)
def dying(run: Run) -> dict[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process that was killed goes on")


@task(**SHAPE)
def unlucky(run: Run) -> dict[str, float]:
    """The fixed rate's runs, which are the first, fail at the whole length."""
    if run.peak == 0.3 and run.updates == 20 and run.seed == 0:
        raise ValueError("no luck")
    return fit(run)


@task(**SHAPE)
def drawing(run: Run) -> dict[str, float]:
    """It forgets the seed, and draws from what every program shares."""
    scheduler = run.bind(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))
    for _ in range(run.updates):
        scheduler.optimizer.step()
        scheduler.step()
    return {"validation": random.random() + float(np.random.rand()), "test": torch.rand(()).item()}


@task(**SHAPE)
def spending(run: Run) -> dict[str, float]:
    """It reports a loss that never falls, and how much learning rate its updates have used."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = run.bind(optimizer)
    spent = 0.0
    for step in range(run.updates):
        spent += optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()
        if step % 3 == 2:
            run.report(step, validation_loss=1.0)
    return {"validation": 0.5, "test": spent}


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"no file {path} for {PATIENCE_SECONDS} s"
        time.sleep(0.01)
