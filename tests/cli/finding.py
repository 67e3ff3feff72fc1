"""Tasks that a range test takes through its ramp; a test copies this file to a folder of its own."""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from etude.study import task
from etude.study.run import Run

HERE = Path(__file__).resolve().parent
RESULT = {"validation": 0.5, "test": 0.5}


def line(seed: int) -> tuple[torch.nn.Sequential, Tensor, Tensor]:
    """Two layers that are to tell on which side of a line a point lies, the points and their sides."""
    own = torch.Generator().manual_seed(seed)
    inputs = torch.randn(64, 2, generator=own)
    labels = (inputs.sum(1) + 1.5 * torch.randn(64, generator=own) > 0).long()
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.5, generator=own)
    return model, inputs, labels


@task(updates=100, about="Points on either side of a line.")
def sides(run: Run) -> dict[str, float]:
    """A loop as any: it measures now and then, and knows nothing of a range test."""
    model, inputs, labels = line(run.seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = run.bind(optimizer)
    for step in range(run.updates):
        loss = functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 10 == 9:
            with torch.no_grad():
                functional.cross_entropy(model(inputs[:1]), 1 - labels[:1])
            run.report(step, loss=loss.item())
    return RESULT


@task(updates=100)
def halves(run: Run) -> dict[str, float]:
    """Two groups whose rates are 4 to 1, and updates of two batches each; the loss is no cross entropy."""
    model, inputs, labels = line(run.seed)
    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.05}]
    optimizer = torch.optim.SGD(groups, lr=0.2)
    scheduler = run.bind(optimizer)
    for _ in range(run.updates):
        optimizer.zero_grad()
        for rows in (slice(0, 32), slice(32, 64)):
            functional.mse_loss(model(inputs[rows])[:, 0], labels[rows].float()).backward()
        optimizer.step()
        scheduler.step()
        with (HERE / "rates.txt").open("a") as file:
            file.write(f"{' '.join(repr(group['lr']) for group in optimizer.param_groups)}\n")
    return RESULT


@task(updates=100)
def flat(run: Run) -> dict[str, float]:
    """A loss that no rate changes."""
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = run.bind(optimizer)
    for _ in range(run.updates):
        (0.0 * weight.sum() + 1.0).backward()
        optimizer.step()
        scheduler.step()
    return RESULT


def misbehaved(run: Run, *, loss: bool = True, updates: int = 1000, steps: bool = True) -> dict[str, float]:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = run.bind(optimizer)
    for _ in range(min(run.updates, updates)):
        if loss:
            (weight**2).sum().backward()
        optimizer.step()
        if steps:
            scheduler.step()
    return RESULT


@task(updates=100)
def silent(run: Run) -> dict[str, float]:
    return misbehaved(run, loss=False)


@task(updates=100)
def short(run: Run) -> dict[str, float]:
    return misbehaved(run, updates=7)


@task(updates=100)
def standing(run: Run) -> dict[str, float]:
    return misbehaved(run, steps=False)


@task(updates=100)
def leaving(run: Run) -> dict[str, float]:
    raise SystemExit("had enough")


@task(updates=100)
def waiting(run: Run) -> dict[str, float]:
    """It says that it is under way, and takes its time."""
    (HERE / "waiting").touch()
    time.sleep(60)
    return {"validation": math.nan, "test": math.nan}
