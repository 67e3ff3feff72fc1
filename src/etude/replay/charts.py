"""The pictures of recorded runs, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import ArrayLike

from etude.eases import Array
from etude.errors import StoreError
from etude.plots import Chart, Series, Unit
from etude.plots.chart import Style
from etude.readings import Reading
from etude.replay.recorded import Recorded, same

__all__ = ["loss_against_rate", "metric_over_seeds", "metrics", "over_seeds", "rates"]

# A curve of more values is drawn as their means and extremes in so many stretches of the run.
STRETCHES = 200
MOST_GROUPS = 8
# Fewer readings are seen as such.
FEW = 60
# Where the highest rate is so many times the middle one, the axis is logarithmic.
DECADES_APART = 30.0


def rates(run: Recorded, title: str | None = None) -> Chart:
    """The learning rates that a run used, with its plan, and the plan's phases and restarts.

    The plan is left out where a run has ended and each of its many readings is as planned.

    Args:
        run: the run.
        title: the run's name where it is not given.
    """
    groups = run.groups[:MOST_GROUPS]
    few = len(run.readings) <= FEW
    series = []
    for group in groups:
        steps, values = run.rates(group)
        name = "used" if len(groups) < 2 else f"used by {group}"
        series.append(Series(name, steps, values, style="points" if few else "line"))
    plan = _plan(run)
    if plan is not None and (few or run.record.status == "running" or not _as_planned(run)):
        [curve] = plan.series
        name = "planned" if len(groups) < 2 else f"planned for {groups[0]}"
        series.insert(0, Series(name, curve.x, run.scale(run.first) * np.asarray(curve.y)))
    return Chart(
        title=run.name if title is None else title,
        x_label="step",
        y_label="learning rate",
        series=series,
        shades=() if plan is None else plan.shades,
        marks=() if plan is None else plan.marks,
        above=_epochs(run),
    )


def metrics(run: Recorded, *names: str, title: str | None = None) -> Chart:
    """What a run has measured, over its steps.

    Long runs are drawn as the mean of each of 200 stretches, with a band from the lowest to the highest
    value: no smoothing that would lag or start from 0, and a constant stays one.

    Args:
        run: the run.
        names: the metrics; ``loss`` where none is given, or the first there is.
        title: the run's name where it is not given.

    Raises:
        StoreError: for a metric that was not measured.
    """
    chosen = names or _first_loss(run)
    series = []
    for name in chosen:
        steps, values = run.metric(name)
        series.append(_stretched(name, steps, values))
    plan = _plan(run)
    return Chart(
        title=run.name if title is None else title,
        x_label="step",
        y_label=chosen[0] if len(chosen) == 1 else "value",
        series=series,
        shades=() if plan is None else plan.shades,
        marks=() if plan is None else plan.marks,
        above=_epochs(run),
    )


def loss_against_rate(run: Recorded, metric: str | None = None, title: str | None = None) -> Chart:
    """A metric against the learning rate at which it was measured, one colour for each phase in turn.

    Of the first parameter group. Where there are many values, each point is the mean of a stretch of steps.

    Args:
        run: the run.
        metric: ``loss`` where it is not given, or the first there is.
        title: the run's name where it is not given.

    Raises:
        StoreError: for a metric that was not measured, or a run without rates.
    """
    [name] = (metric,) if metric is not None else _first_loss(run)
    run.metric(name)  # which tells of one that was not measured
    if not run.groups:
        raise StoreError(f"run {run.record.id} has no readings yet, so there is nothing to draw")
    group = run.groups[0]
    seen = [one for one in run.readings if name in one.metrics and group in one.rates]
    series: list[Series] = []
    # Few enough to be seen as points.
    style: Style = "line+points" if len(seen) <= FEW else "line"
    for (phase, _), together in groupby(seen, lambda one: _phase(run, one)):
        own = list(together)
        at = np.array([one.rates[group] for one in own])
        values = np.array([one.metrics[name] for one in own])
        pieces = _pieces(len(own), max(STRETCHES * len(own) // len(seen), 1))
        label = phase or name
        times = sum(one.label.partition(" (")[0] == label for one in series)
        label = f"{label} ({times + 1})" if times else label
        series.append(Series(label, _means(at, pieces), _means(values, pieces), style=style))
    used = np.concatenate([one.x for one in series])
    # Rates that are spread over decades, not those of which a few are small.
    apart = float(np.median(used)) > 0 and used.max() > DECADES_APART * np.median(used)
    return Chart(
        title=run.name if title is None else title,
        x_label="learning rate" if len(run.groups) < 2 else f"learning rate of {group}",
        y_label=name,
        series=series,
        x_scale="log" if apart else "linear",
    )


def metric_over_seeds(runs: Mapping[str, Sequence[Recorded]], metric: str, title: str = "") -> Chart:
    """The mean of a metric over seeds ± its standard error, for each of several sets of runs.

    Args:
        runs: the runs of each set, by the set's name; at least one of each.
        metric: the metric.
        title: the picture's.

    Returns:
        A chart with one curve for each set, at the steps at which all of its runs were measured.

    Raises:
        StoreError: for a metric that a run has not measured, or a set whose runs share no step.
    """
    series = []
    for name, own in runs.items():
        curves = [dict(zip(*map(np.ndarray.tolist, run.metric(metric)), strict=True)) for run in own]
        steps = sorted(set[int].intersection(*(set(curve) for curve in curves))) if curves else []
        if not steps:
            raise StoreError(f"the runs of {name!r} share no step at which {metric!r} was measured")
        values = np.array([[curve[step] for step in steps] for curve in curves])
        series.append(over_seeds(f"{name} ({len(own)} seeds)" if len(own) > 1 else name, steps, values))
    return Chart(title, "step", metric, series)


def over_seeds(label: str, steps: ArrayLike, values: Array) -> Series:
    """A curve of the mean over seeds with a band of its standard error; a run that diverged breaks it.

    Args:
        label: its name.
        steps: where the values are.
        values: runs × steps.
    """
    finite = np.where(np.isfinite(values), values, np.nan)
    middle = finite.mean(axis=0)
    if len(finite) < 2:
        return Series(label, steps, middle)
    reach = finite.std(axis=0, ddof=1) / math.sqrt(len(finite))
    return Series(label, steps, middle, middle - reach, middle + reach)


def _phase(run: Recorded, reading: Reading) -> tuple[str, float]:
    """The phase of a reading, which its begin tells from others of its name."""
    table = run.table(run.first)
    return reading.phase, 0.0 if table is None else table.phase(reading.step).start


def _plan(run: Recorded) -> Chart | None:
    """The picture of the first group's plan, where that is known."""
    table, base = run.table(run.first), _base(run)
    if table is None or (base is None and table.depends_on_base):
        return None
    return table.chart(1.0 if base is None else base)


def _base(run: Recorded) -> float | None:
    return run.bases.get(run.first) if run.groups else run.record.key.peak


def _as_planned(run: Recorded) -> bool:
    """Whether the first group's recorded rates are all those of the plan."""
    table, base = run.table(run.first), _base(run)
    assert table is not None
    steps, used = run.rates(run.first)
    planned = run.scale(run.first) * table(steps, 1.0 if base is None else base)
    return all(map(same, planned.tolist(), used.tolist()))


def _first_loss(run: Recorded) -> tuple[str, ...]:
    if not run.metrics:
        raise StoreError(f"run {run.record.id} has no metric: nothing was measured in it")
    return ("loss",) if "loss" in run.metrics else run.metrics[:1]


def _stretched(label: str, steps: ArrayLike, values: Array) -> Series:
    """Few values as they are; many as means with a band."""
    at = np.asarray(steps, dtype=np.float64)
    finite = np.where(np.isfinite(values), values, np.nan)
    if at.size <= 2 * STRETCHES:
        return Series(label, at, finite, style="line+points" if at.size <= FEW else "line")
    pieces = _pieces(at.size, STRETCHES)
    low, high = (np.array([found(finite[piece]) for piece in pieces]) for found in (np.min, np.max))
    return Series(label, _means(at, pieces), _means(finite, pieces), low, high)


def _pieces(size: int, most: int) -> list[slice]:
    """At most so many stretches of equal length."""
    edges = np.unique(np.linspace(0, size, min(size, most) + 1).astype(int)).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _means(values: Array, pieces: Sequence[slice]) -> Array:
    return np.array([values[piece].mean() for piece in pieces])


def _epochs(run: Recorded) -> Unit | None:
    per_epoch = run.horizon.steps_per_epoch
    return None if per_epoch is None else Unit("epoch", float(per_epoch))
