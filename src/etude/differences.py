"""Where two tables differ: the steps, the values of both, and a picture of the two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.durations import Horizon
from etude.eases import Array
from etude.errors import HorizonError, ScheduleError
from etude.plots import Chart, Mark, Series
from etude.tables import Table

__all__ = ["Differences", "Place", "Stretch", "differences"]

# Above this many steps, the run is compared at as many evenly spaced ones and around every boundary.
EXACT_STEPS = 1 << 20
CLOSE = 1e-12


@dataclass(frozen=True, slots=True)
class Place:
    """A step, and the values that the two tables have there."""

    step: int
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps that all differ, ``[start, stop)``, with the place where they differ most."""

    start: int
    stop: int
    largest: Place


@dataclass(frozen=True)
class Differences:
    """What two tables have in common over ``steps`` updates, of which ``compared`` were looked at."""

    steps: int
    compared: int
    differing: int
    first: Place | None
    largest: Place | None
    stretches: tuple[Stretch, ...]
    chart: Chart

    @property
    def equal(self) -> bool:
        """Whether no compared step differs."""
        return not self.stretches

    @property
    def exact(self) -> bool:
        """Whether every step of the run was compared."""
        return self.compared == self.steps


def differences(first: Table, second: Table, base: float = 1.0, *, close: float = CLOSE) -> Differences:
    """Compare two tables at every step of the longer run.

    Values a and b are equal where |a - b| ≤ close · max(a, b), or both are 0 but for rounding.

    Args:
        first: a table.
        second: another, on the same horizon.
        base: the base rate.
        close: ≥ 0; 0 asks for equal digits.

    Returns:
        the differences; a run of more than 2²⁰ steps is compared at as many evenly spaced ones and on both
        sides of every boundary, and ``exact`` is then False.

    >>> run = Horizon(total=10)
    >>> found = differences(Linear(over=10).on(run), Linear(over=5).on(run))
    >>> found.first, found.largest.step, [(part.start, part.stop) for part in found.stretches]
    (Place(step=1, first=0.9, second=0.8), 5, [(1, 10)])
    """
    if first.horizon != second.horizon:
        raise HorizonError(
            f"two tables are compared on one horizon; got {first.horizon} and {second.horizon}"
        )
    if not close >= 0:
        raise ScheduleError(f"differences(close=) must be at least 0; got {close!r}")
    steps = _steps(first, second)
    if first.horizon.total is None:
        first, second = (_over(table, steps) for table in (first, second))
    places = _places(first, second, steps)
    a, b = first(places, base), second(places, base)
    apart = np.abs(a - b)
    rounding = 1e-3 * close * max(float(a.max()), float(b.max()))
    differ = apart > close * np.maximum(a, b) + rounding
    stretches = tuple(_stretches(places, a, b, differ))
    worst = int(np.argmax(np.where(differ, apart, -1.0)))
    return Differences(
        steps=steps,
        compared=len(places),
        differing=int(differ.sum()),
        first=_place(places, a, b, int(differ.argmax())) if stretches else None,
        largest=_place(places, a, b, worst) if stretches else None,
        stretches=stretches,
        chart=_chart(first, second, base, steps, None if not stretches else int(places[worst])),
    )


def _steps(first: Table, second: Table) -> int:
    """The length of the run, or where that is unknown of the longer schedule."""
    if first.horizon.total_steps is not None:
        return first.steps
    lengths = [table.length for table in (first, second) if table.length is not None]
    if not lengths:
        raise HorizonError("neither schedule ends; say how long the run is, such as Horizon(total=1000)")
    return max(math.ceil(max(lengths)), 1)


def _over(table: Table, steps: int) -> Table:
    """The table on a run of so many steps, where its own horizon says no length."""
    own = table.horizon
    return table.schedule.on(
        Horizon(
            own.steps_per_epoch,
            steps,
            samples_per_step=own.samples_per_step,
            tokens_per_step=own.tokens_per_step,
        )
    )


def _places(first: Table, second: Table, steps: int) -> NDArray[np.int64]:
    if steps <= EXACT_STEPS:
        return np.arange(steps)
    even = np.linspace(0, steps - 1, EXACT_STEPS).round().astype(np.int64)
    edges = np.array([edge for table in (first, second) for edge in _edges(table, steps)], dtype=np.int64)
    near = np.concatenate([edges - 1, edges, edges + 1])
    return np.unique(np.concatenate([even, near[(near >= 0) & (near < steps)]]))


def _edges(table: Table, steps: int) -> Iterator[int]:
    """The first whole steps of its phases, as far as there are not too many."""
    edge = 0.0
    for _ in range(10_000):
        edge = table.phase(edge).stop
        if edge >= steps:
            return
        yield math.ceil(edge)


def _stretches(places: NDArray[np.int64], a: Array, b: Array, differ: NDArray[np.bool_]) -> Iterator[Stretch]:
    turns = np.flatnonzero(np.diff(np.concatenate([[False], differ, [False]])))
    for low, high in zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True):
        worst = low + int(np.abs(a[low:high] - b[low:high]).argmax())
        yield Stretch(int(places[low]), int(places[high - 1]) + 1, _place(places, a, b, worst))


def _place(places: NDArray[np.int64], a: Array, b: Array, index: int) -> Place:
    return Place(int(places[index]), float(a[index]), float(b[index]))


def _chart(first: Table, second: Table, base: float, steps: int, worst: int | None) -> Chart:
    """Both curves, each with its jumps upright, and a mark where they are farthest apart."""
    charts = [table.chart(base) for table in (first, second)]
    places = np.unique(np.concatenate([chart.series[0].x for chart in charts]))
    return Chart(
        title="where two schedules differ" if worst is not None else "two equal schedules",
        x_label=charts[0].x_label,
        y_label=charts[0].y_label,
        series=[Series(table.text, places, table(places, base)) for table in (first, second)],
        marks=() if worst is None else (Mark(worst, "largest difference"),),
    )
