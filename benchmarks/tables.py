"""How long a table of a million steps takes, beside the bare NumPy expression of the same shape.

python benchmarks/tables.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

import etude as et

STEPS = 1_000_000
REPEATS = 15

CASES: dict[str, tuple[et.Schedule, Callable[[Any], Any]]] = {
    "linear": (et.Linear(1.0, 0.1, over="100%"), lambda t: 1.0 + (0.1 - 1.0) * (t / STEPS)),
    "cosine": (et.Cosine(1.0, 0.1, over="100%"), lambda t: 0.1 + 0.9 * (1 + np.cos(np.pi * t / STEPS)) / 2),
    "geometric": (et.Geometric(1.0, 0.001, over="100%"), lambda t: 0.001 ** (t / STEPS)),
    "polynomial": (et.Polynomial(1.0, 0.0, over="100%", power=2), lambda t: (1 - t / STEPS) ** 2),
    "exponential": (et.exponential(0.99999), lambda t: 0.99999**t),
    "time": (et.time_decay(0.001), lambda t: 1 / (1 + 0.001 * t)),
    "step": (et.step(1000, 0.99), lambda t: 0.99 ** np.floor(t / 1000)),
    "triangular": (
        et.cyclic(0.1, 1.0, 2000),
        lambda t: 0.1 + 0.9 * np.maximum(0, 1 - np.abs(t / 2000 - 2 * np.floor(1 + t / 4000) + 1)),
    ),
    "restarts": (et.sgdr(1000), lambda t: (1 + np.cos(np.pi * (t % 1000) / 1000)) / 2),
    "warmup, cosine": (
        et.Linear(0.0, 1.0, over=10_000) >> et.Cosine(1.0, 0.0, over=STEPS - 10_000),
        lambda t: np.where(t < 10_000, t / 10_000, (1 + np.cos(np.pi * (t - 10_000) / (STEPS - 10_000))) / 2),
    ),
}


def fastest(work: Callable[[], object]) -> float:
    """The least of several times, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main() -> None:
    """Time every case and print the ratios."""
    steps = np.arange(STEPS)
    grid = Grid(title=f"{STEPS:,} steps, the fastest of {REPEATS}")
    for name in ("schedule", "table, ms", "NumPy, ms", "ratio"):
        grid.add_column(name, justify="left" if name == "schedule" else "right")
    for name, (schedule, expression) in CASES.items():
        table = schedule.on(et.Horizon(total=STEPS))
        np.testing.assert_allclose(table(steps), expression(steps), rtol=1e-9, atol=1e-12)
        ours, bare = fastest(partial(table, steps)), fastest(partial(expression, steps))
        grid.add_row(name, f"{ours:.2f}", f"{bare:.2f}", f"{ours / bare:.2f}")
    Console().print(grid)


if __name__ == "__main__":
    main()
