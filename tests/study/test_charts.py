"""The numbers of the three pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import etude as et
from etude import plots
from etude.plots import Chart, Series
from etude.readings import Reading
from etude.record import SqliteStore, open_store
from etude.study import TUTORIALS, Arm, charts
from etude.study.plan import Plan
from etude.study.rank import Ranking, rank

from .synthetic import ABSOLUTE, COSINE, FIXED, plan_of, rank_tests, records_of

NAN, INF = math.nan, math.inf


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "runs.sqlite") as store:
        yield store


def series(chart: Chart, label: str) -> Series:
    return next(series for series in chart.series if series.label == label)


def labels(chart: Chart) -> list[str]:
    return [series.label for series in chart.series]


# The schedules


def test_schedules_are_drawn_as_multiples_of_their_peak_over_the_share_of_the_run() -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100, 400))

    chart = charts.rates(plan)

    assert labels(chart) == ["fixed", "cosine"]
    cosine = series(chart, "cosine")
    assert cosine.x[[0, 200, 399]].tolist() == [0, 50, 99.75]
    assert cosine.y[[0, 200]].tolist() == pytest.approx([1, 0.5])
    assert set(series(chart, "fixed").y) == {1.0}


def test_a_jump_is_drawn_upright() -> None:
    plan = plan_of(FIXED, Arm("step", et.step("30%", 0.5)), budgets=(1000,))

    step = series(charts.rates(plan), "step")

    [first, *_] = np.flatnonzero(np.diff(step.y))
    assert step.x[first : first + 2].tolist() == pytest.approx([30, 30])
    assert step.y[first : first + 2].tolist() == [1.0, 0.5]


def test_a_schedule_in_absolute_rates_is_no_multiple_of_a_peak() -> None:
    assert labels(charts.rates(plan_of(FIXED, ABSOLUTE))) == ["fixed"]


def test_all_of_the_tutorials_can_be_drawn() -> None:
    assert len(charts.rates(plan_of(*TUTORIALS, budgets=(1680,))).series) == len(TUTORIALS)


# While training


def ranked(plan: Plan, store: SqliteStore, curves: dict[tuple[str, int], dict[int, float]]) -> Ranking:
    """A ranking whose runs have these validation curves, by label and seed."""
    records = {}
    for key, record in records_of(plan, lambda *_: (0.5, 0.5)).items():
        run_id = store.start(key, label=record.label, fingerprint="", versions={})
        curve = curves.get((record.label, key.seed), {})
        store.append(
            run_id,
            [
                Reading(step, {"0": 0.1}, "", {"loss": 9.0, "validation": value})
                for step, value in curve.items()
            ],
        )
        store.append(run_id, [Reading(99, {"0": 0.1}, "", {"loss": 9.0})])
        store.finish(run_id, record.results)
        records[key] = store.run(run_id)
    ranking = rank(plan, records, {})
    assert ranking is not None
    return ranking


def test_curves_are_means_over_seeds_with_their_standard_error(store: SqliteStore) -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100,), peaks=(0.1,), seeds=3)
    ranking = ranked(
        plan,
        store,
        {
            ("fixed", 0): {19: 0.2, 39: 0.4},
            ("fixed", 1): {19: 0.3, 39: 0.5},
            # It was not measured in between.
            ("fixed", 2): {19: 0.4, 29: 0.9, 39: 0.6},
        },
    )

    chart = charts.by_update(ranking, plan, store)

    # cosine's runs reported no validation score.
    assert labels(chart) == ["fixed"]
    [fixed] = chart.series
    assert fixed.x.tolist() == [20, 40]
    assert fixed.y.tolist() == pytest.approx([30, 50])
    reach = 10 / math.sqrt(3)
    assert fixed.low is not None
    assert fixed.high is not None
    assert fixed.low.tolist() == pytest.approx([30 - reach, 50 - reach])
    assert fixed.high.tolist() == pytest.approx([30 + reach, 50 + reach])
    assert chart.y_label == "validation accuracy (%)"


def test_the_curve_of_one_seed_has_no_band(store: SqliteStore) -> None:
    plan = plan_of(FIXED, budgets=(100,), peaks=(0.1,), seeds=1, tuning_seeds=1, percent=False)

    [fixed] = charts.by_update(ranked(plan, store, {("fixed", 0): {0: -2.5}}), plan, store).series

    assert (fixed.x.tolist(), fixed.y.tolist()) == ([1], [-2.5])
    assert (fixed.low, fixed.high) == (None, None)


@pytest.mark.parametrize("diverged", [NAN, INF, -INF])
def test_a_run_that_diverged_breaks_the_curve(store: SqliteStore, diverged: float) -> None:
    plan = plan_of(FIXED, budgets=(100,), peaks=(0.1,), seeds=2)
    ranking = ranked(plan, store, {("fixed", 0): {0: 0.5, 9: diverged}, ("fixed", 1): {0: 0.5, 9: 0.5}})

    chart = charts.by_update(ranking, plan, store)

    assert chart.series[0].y.tolist() == pytest.approx([50, NAN], nan_ok=True)
    assert plots.to_png(chart)


# By budget


def test_scores_of_ended_runs_by_the_length_of_the_run() -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100, 400), seeds=2)
    ranking = rank_tests(
        plan, {"fixed": {100: [0.6, 0.8], 400: [0.7, 0.7]}, "cosine": {100: [0.5, 0.5], 400: [0.8, 1.0]}}
    )

    chart = charts.by_budget(ranking, plan)

    # In the order of the plan, not of the answer: a schedule has one colour in all pictures.
    assert labels(chart) == ["fixed", "cosine"]
    cosine = series(chart, "cosine")
    assert (cosine.x.tolist(), cosine.y.tolist()) == ([100, 400], pytest.approx([50, 90]))
    assert cosine.low is not None
    assert cosine.low.tolist() == pytest.approx([50, 80])
    assert [rule.y for rule in chart.rules] == pytest.approx([70])
    assert (chart.x_scale, chart.y_label) == ("log", "test accuracy (%)")


def test_a_mean_of_diverged_runs_is_a_gap() -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100, 400), seeds=2)
    ranking = rank_tests(
        plan, {"fixed": {100: [-INF, 0.8], 400: [0.7, 0.7]}, "cosine": {100: [-INF] * 2, 400: [-INF] * 2}}
    )

    chart = charts.by_budget(ranking, plan)

    assert series(chart, "fixed").y.tolist() == pytest.approx([NAN, 70], nan_ok=True)
    assert series(chart, "cosine").y.tolist() == pytest.approx([NAN, NAN], nan_ok=True)
    assert plots.to_png(chart)


def test_a_fixed_rate_that_diverged_has_no_rule() -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100,), seeds=2)
    ranking = rank_tests(plan, {"fixed": {100: [-INF, 0.8]}, "cosine": {100: [0.5, 0.6]}})

    chart = charts.by_budget(ranking, plan)

    assert chart.rules == ()
    assert plots.to_png(chart)


def test_one_seed_has_no_band() -> None:
    plan = plan_of(FIXED, budgets=(100,), seeds=1, tuning_seeds=1, percent=False)
    ranking = rank_tests(plan, {"fixed": {100: [-2.5]}})

    chart = charts.by_budget(ranking, plan)

    [fixed] = chart.series
    assert fixed.low is not None
    assert (fixed.y.tolist(), fixed.low.tolist()) == ([-2.5], [-2.5])
    assert chart.y_label == "test score"
