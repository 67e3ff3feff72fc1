"""Runs that the Scheduler itself has made, kept in a store."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

import etude as et
from etude.errors import ScheduleWarning
from etude.record import RunKey, RunRecord, Store
from etude.record.process import this_process
from etude.replay import Recorded
from etude.replay.recorded import in_order
from etude.torch import Scheduler

__all__ = ["HORIZON", "key_of", "loss_at", "record", "recorded", "train"]

HORIZON = et.Horizon(steps_per_epoch=100, total=1000)
BASES = {"body": 0.1, "head": 0.2}


def loss_at(step: int) -> float:
    """A made-up loss."""
    return 2.0 / (1 + step / 100)


def train(
    plan: et.Schedule,
    at: Sequence[int],
    *,
    horizon: et.Horizon = HORIZON,
    meanwhile: Callable[[Scheduler, int], Any] = lambda scheduler, step: None,
) -> list[Any]:
    """The readings of some updates of a run of two groups."""
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": base, "name": name}
        for name, base in BASES.items()
    ]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    with warnings.catch_warnings():
        # What the checker finds in some of these plans is what they are for.
        warnings.simplefilter("ignore", ScheduleWarning)
        scheduler = Scheduler(optimizer, plan, horizon)
    found = []
    for step in range(max(at) + 1):
        meanwhile(scheduler, step)
        optimizer.step()
        if step in at:
            found.append(scheduler.reading(step, {"loss": loss_at(step)}))
        scheduler.step()
    return found


def key_of(plan: et.Schedule, horizon: et.Horizon = HORIZON, seed: int = 0) -> RunKey:
    return RunKey("made up@01234567", repr(plan), 0.1, int(horizon.total_steps or 1), seed)


def record(
    store: Store, plan: et.Schedule, at: Sequence[int], *, label: str = "mine", seed: int = 0, **options: Any
) -> int:
    """Train, and keep what was seen as a finished run."""
    horizon = options.get("horizon", HORIZON)
    run_id = store.start(
        key_of(plan, horizon, seed), label=label, fingerprint=plan.fingerprint, versions={"etude": "0"}
    )
    store.append(run_id, train(plan, at, **options))
    store.finish(run_id, {"validation": 0.9, "test": 0.8})
    return run_id


def recorded(readings: Sequence[Any], plan: et.Schedule, status: Any = "finished", seed: int = 0) -> Recorded:
    """A run of these readings, without a store."""
    ended = None if status == "running" else "2026-01-02T03:04:06.000000+00:00"
    run = RunRecord(
        id=7,
        key=key_of(plan, seed=seed),
        label="mine",
        fingerprint=plan.fingerprint,
        versions={"etude": "0"},
        status=status,
        process=this_process(),
        started="2026-01-02T03:04:05.000000+00:00",
        ended=ended,
        results={},
        error=None,
    )
    return Recorded(run, in_order(readings))
