"""How long a table takes: beside NumPy's bare expression, beside stepping torch, and for the longest runs.

python benchmarks/tables.py [--quick] [--json FILE]
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from report import Row, main
from timing import least
from torch.nn import Parameter
from torch.optim import SGD, lr_scheduler

import etude as et
from etude import BASE

STEPS = 1_000_000
# torch is stepped less far, and its time multiplied.
STEPPED = 100_000
SHORT, LONG = 10**3, 10**12
ASKED = 1_000

SHAPES: dict[str, tuple[et.Schedule, Callable[[Any], Any]]] = {
    "linear": (et.Linear(1.0, 0.1, over="100%"), lambda t: 1.0 + (0.1 - 1.0) * (t / STEPS)),
    "cosine": (et.Cosine(1.0, 0.1, over="100%"), lambda t: 0.1 + 0.9 * (1 + np.cos(np.pi * t / STEPS)) / 2),
    "geometric": (et.Geometric(1.0, 0.001, over="100%"), lambda t: 0.001 ** (t / STEPS)),
    "polynomial": (et.Polynomial(1.0, 0.0, over="100%", power=2), lambda t: (1 - t / STEPS) ** 2),
    "exponential": (et.exponential(0.99999), lambda t: 0.99999**t),
    "time": (et.time_decay(0.001), lambda t: 1 / (1 + 0.001 * t)),
    "step": (et.step(1000, 0.99), lambda t: 0.99 ** np.floor(t / 1000)),
    "triangular": (
        et.cyclic(2000, low=0.1, high=1.0),
        lambda t: 0.1 + 0.9 * np.maximum(0, 1 - np.abs(t / 2000 - 2 * np.floor(1 + t / 4000) + 1)),
    ),
    "restarts": (et.sgdr(1000), lambda t: (1 + np.cos(np.pi * (t % 1000) / 1000)) / 2),
    "warmup, cosine": (
        et.Linear(0.0, 1.0, over=10_000) >> et.Cosine(1.0, 0.0, over=STEPS - 10_000),
        lambda t: np.where(t < 10_000, t / 10_000, (1 + np.cos(np.pi * (t - 10_000) / (STEPS - 10_000))) / 2),
    ),
}

LENGTHS: dict[str, et.Schedule] = {
    "warmup, cosine": et.Linear(0.0, BASE, over="1%") >> et.Cosine(BASE, 0.0, over="99%"),
    "restarts every 100 steps": et.sgdr(100),
    "restarts ever farther apart": et.sgdr(100, stretch=2),
    "triangular": et.cyclic(50, low=0.1, high=1.0),
}
NOTES = {
    "restarts ever farther apart": "Restarts ever farther apart are laid out one by one, exactly: "
    "there are 34 of them in 10¹² steps and 4 in 10³."
}


def beside_numpy(*, quick: bool) -> list[Row]:
    """Every shape beside its expression, which must give the same numbers."""
    steps = np.arange(STEPS)
    found = []
    for name, (schedule, expression) in SHAPES.items():
        table = schedule.on(et.Horizon(total=STEPS))
        np.testing.assert_allclose(table(steps), expression(steps), rtol=1e-9, atol=1e-12)
        calls = [partial(table, steps), partial(expression, steps)]
        ours, bare = least([(call, 1) for call in calls], repeats=1 if quick else 15)
        found.append(Row(f"{STEPS:,} values", name, "NumPy's expression", 1e3 * ours, 1e3 * bare, "ms"))
    return found


def beside_stepping(*, quick: bool) -> list[Row]:
    """A table of the whole run, built and asked for, beside torch's scheduler walking through it."""
    stepped = STEPPED // 100 if quick else STEPPED
    steps = np.arange(STEPS)
    plan = et.Cosine(0.1, 0.0, over="100%")

    def walk() -> None:
        optimizer = SGD([Parameter(torch.zeros(1))], lr=0.1)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        optimizer.step()
        rates = []
        for _ in range(stepped):
            rates.append(scheduler.get_last_lr()[0])
            scheduler.step()
        np.testing.assert_allclose(rates, plan.on(et.Horizon(total=STEPS))(range(stepped)))

    def table() -> None:
        plan.on(et.Horizon(total=STEPS))(steps)

    ours, theirs = least([(table, 1), (walk, 1)], repeats=1 if quick else 5)
    note = f"torch was stepped {stepped:,} times, reading the rate, and the time multiplied."
    theirs *= STEPS / stepped
    what = f"a table of {STEPS:,} steps"
    return [Row(what, "cosine", "stepping torch", 1e3 * ours, 1e3 * theirs, "ms", 0.01, note=note)]


def beside_short(*, quick: bool) -> list[Row]:
    """A table of the longest of runs beside a short one's, in time and in memory at its peak."""
    found = []
    for name, schedule in LENGTHS.items():
        calls = [partial(asked, schedule, total) for total in (LONG, SHORT)]
        long, short = least([(call, 1 if quick else 20) for call in calls], repeats=1 if quick else 9)
        what = f"{ASKED:,} values of {LONG:.0e} steps"
        beside = f"{ASKED:,} values of {SHORT:,} steps"
        note = NOTES.get(name, "")
        found.append(Row(what, name, beside, 1e3 * long, 1e3 * short, "ms", 2, note=note))
        long, short = (peak(call) for call in calls)
        found.append(Row(what, name, beside, long / 2**10, short / 2**10, "KiB", 2, note=note))
    return found


def asked(schedule: et.Schedule, total: int) -> None:
    """Lay a schedule over a run and ask for values all over it, and for the last step's value and phase."""
    table = schedule.on(et.Horizon(total=total))
    table(np.linspace(0, total - 1, ASKED))
    table(total - 1)
    table.phase(total - 1)


def peak(work: Callable[[], object]) -> int:
    """The bytes that a work holds at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def rows(*, quick: bool) -> list[Row]:
    """All of these."""
    torch.set_num_threads(1)
    return beside_stepping(quick=quick) + beside_short(quick=quick) + beside_numpy(quick=quick)


if __name__ == "__main__":
    main(__doc__, [("Tables", rows)])
