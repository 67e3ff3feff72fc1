"""The pictures of a comparison, as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from etude.plots import Chart, Rule, Series
from etude.record import Store
from etude.replay import over_seeds
from etude.study.plan import Plan
from etude.study.rank import Ranking, Row, Summary

__all__ = ["by_budget", "by_update", "rates"]


def rates(plan: Plan) -> Chart:
    """The schedules, as multiples of their peak over the share of the run."""
    steps = plan.budgets[-1]
    series = []
    for arm in plan.arms:
        if arm.schedule.depends_on_base:
            [curve] = arm.schedule.on(plan.horizon(steps)).chart().series
            series.append(Series(arm.label, 100 * curve.x / steps, curve.y))
    return Chart("The schedules", "% of the run", "learning rate / peak", tuple(series))


def by_update(ranking: Ranking, plan: Plan, store: Store) -> Chart:
    """Validation score against updates of the longest runs: the mean over the seeds ± its standard error."""
    scale, label = _scale(plan)
    series = []
    for row in _in_order(ranking, plan):
        curves = [
            {
                reading.step + 1: reading.metrics["validation"]
                for reading in store.readings(run_id)
                if "validation" in reading.metrics
            }
            for run_id in row.final.runs.values()
        ]
        steps = sorted(set.intersection(*(set(curve) for curve in curves)))
        if not steps:
            continue
        values = scale * np.array([[curve[step] for step in steps] for curve in curves])
        series.append(over_seeds(row.label, steps, values))
    return Chart("Validation score while training", "updates", f"validation {label}", tuple(series))


def by_budget(ranking: Ranking, plan: Plan) -> Chart:
    """Final test score against the length of the run: the mean over the seeds ± its standard error."""
    scale, label = _scale(plan)
    series = [
        Series(
            row.label,
            [summary.budget for summary in row.budgets],
            _means(row.budgets, scale),
            _means(row.budgets, scale) - _errors(row.budgets, scale),
            _means(row.budgets, scale) + _errors(row.budgets, scale),
            style="line+points",
        )
        for row in _in_order(ranking, plan)
    ]
    best = (Rule(scale * ranking.target, "the fixed rate's best"),) if math.isfinite(ranking.target) else ()
    return Chart(
        "Final score of ended runs",
        "updates in the run",
        f"test {label}",
        tuple(series),
        rules=best,
        x_scale="log",
    )


def _in_order(ranking: Ranking, plan: Plan) -> list[Row]:
    """The rows in the order of the plan, so that a schedule has one colour in all pictures."""
    labels = [arm.label for arm in plan.arms]
    return sorted(ranking.rows, key=lambda row: labels.index(row.label))


def _means(summaries: Sequence[Summary], scale: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return scale * np.array([s.mean if math.isfinite(s.mean) else math.nan for s in summaries])


def _errors(summaries: Sequence[Summary], scale: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return scale * np.array([s.standard_error if math.isfinite(s.standard_error) else 0.0 for s in summaries])


def _scale(plan: Plan) -> tuple[float, str]:
    return (100.0, "accuracy (%)") if plan.task.percent else (1.0, "score")
