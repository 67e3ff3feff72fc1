"""The numbers of the pictures of recorded runs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import etude as et
from etude import BASE
from etude.errors import StoreError
from etude.plots import Unit
from etude.readings import Reading
from etude.replay import Recorded, loss_against_rate, metric_over_seeds, metrics, rates

from .trained import HORIZON, loss_at, recorded, train

PLAN = et.Linear(0.1 * BASE, BASE, over="1ep") >> et.Cosine(over="9ep")


def measured(values: list[float], seed: int = 0, name: str = "loss") -> Recorded:
    """A run that measured these values, one at each update."""
    readings = [Reading(step, {"0": 0.1}, "constant", {name: value}) for step, value in enumerate(values)]
    return recorded(readings, et.Constant(), seed=seed)


def test_few_rates_are_points_on_the_plan() -> None:
    chart = rates(recorded(train(PLAN, [0, 50, 500]), PLAN))

    assert [series.label for series in chart.series] == ["planned for body", "used by body", "used by head"]
    planned, body, head = chart.series
    assert (body.x.tolist(), body.style) == ([0, 50, 500], "points")
    np.testing.assert_array_equal(body.y, PLAN.on(HORIZON)([0, 50, 500], 0.1))
    np.testing.assert_array_equal(head.y, PLAN.on(HORIZON)([0, 50, 500], 0.2))
    np.testing.assert_array_equal(planned.y, PLAN.on(HORIZON)(planned.x, 0.1))
    assert [shade.label for shade in chart.shades] == ["linear", "cosine"]
    assert chart.above == Unit("epoch", 100.0)


def test_many_rates_that_are_all_planned_are_drawn_once() -> None:
    many = recorded(train(PLAN, range(0, 1000, 10)), PLAN)

    assert [series.label for series in rates(many).series] == ["used by body", "used by head"]
    going_on = recorded(many.readings, PLAN, "running")
    assert rates(going_on).series[0].label == "planned for body"
    off = replace(many.readings[5], rates={"body": 0.5, "head": 0.5})
    other = recorded([*many.readings, off], PLAN)
    assert rates(other).series[0].label == "planned for body"


def test_restarts_are_marked_under_rates_and_losses() -> None:
    plan = et.sgdr("3ep", stretch=2)
    run = recorded(train(plan, range(0, 1000, 50)), plan)

    for chart in (rates(run), metrics(run)):
        assert [(mark.x, mark.label) for mark in chart.marks] == [(300, "restart"), (900, "restart")]


def test_few_losses_are_as_they_were_measured() -> None:
    chart = metrics(recorded(train(PLAN, [0, 50, 500]), PLAN))

    [series] = chart.series
    assert series.y.tolist() == [loss_at(0), loss_at(50), loss_at(500)]
    assert (series.low, chart.y_label) == (None, "loss")


def test_many_losses_are_means_within_their_extremes() -> None:
    noise = np.random.default_rng(0).normal(size=10_000)
    [series] = metrics(measured((1.0 + noise).tolist())).series

    assert series.y.size == 200
    assert series.low is not None
    assert series.high is not None
    np.testing.assert_allclose(series.y, (1.0 + noise).reshape(200, 50).mean(axis=1))
    np.testing.assert_array_equal(series.low, (1.0 + noise).reshape(200, 50).min(axis=1))
    np.testing.assert_array_equal(series.high, (1.0 + noise).reshape(200, 50).max(axis=1))


@pytest.mark.parametrize("count", [10, 300, 5_000])
def test_a_constant_loss_is_drawn_as_a_constant(count: int) -> None:
    from etude.plots.axes import axes

    # What float32 leaves of a constant.
    noise = np.random.default_rng(0).normal(scale=1e-7, size=count)
    losses = np.float32(2.3025851) * (1 + noise).astype(np.float32)
    chart = metrics(measured(losses.astype(float).tolist()))

    [series] = chart.series
    _, axis = axes(chart, 6, 6)
    places = axis.place(series.y)
    assert np.ptp(places) < 1e-6
    assert places.mean() == pytest.approx(0.5, abs=1e-6)


def test_a_loss_that_is_no_number_breaks_the_curve() -> None:
    [series] = metrics(measured([1.0, math.nan, math.inf, 2.0])).series

    np.testing.assert_array_equal(series.y, [1.0, math.nan, math.nan, 2.0])


def test_loss_against_rate_has_a_curve_for_each_phase_in_turn() -> None:
    plan = et.sgdr("5ep")
    readings = train(plan, range(0, 1000, 50))
    chart = loss_against_rate(recorded(readings, plan))

    assert [series.label for series in chart.series] == ["cosine", "cosine (2)"]
    first, second = chart.series
    assert first.x.tolist() == [reading.rates["body"] for reading in readings[:10]]
    assert second.y.tolist() == [loss_at(step) for step in range(500, 1000, 50)]
    assert (chart.x_label, chart.y_label, chart.x_scale) == ("learning rate of body", "loss", "linear")


def test_rates_over_decades_get_a_logarithmic_axis() -> None:
    plan = et.Geometric(1e-5 * BASE, BASE, over="100%")

    assert loss_against_rate(recorded(train(plan, range(0, 1000, 50)), plan)).x_scale == "log"


def test_bands_over_seeds_are_the_standard_error_of_the_mean() -> None:
    runs = [measured([0.1 * seed, 0.5 + 0.1 * seed], seed, "accuracy") for seed in range(3)]

    chart = metric_over_seeds({"mine": runs, "other": runs[:1]}, "accuracy", "Accuracy")

    mine, other = chart.series
    assert [mine.label, other.label] == ["mine (3 seeds)", "other"]
    np.testing.assert_allclose(mine.y, [0.1, 0.6])
    assert mine.low is not None
    np.testing.assert_allclose(mine.y - mine.low, 0.1 / math.sqrt(3))
    assert other.low is None


def test_only_steps_of_all_seeds_count_and_a_diverged_one_breaks_the_curve() -> None:
    runs = [measured([0.1, 0.2, 0.3]), measured([0.1, math.nan])]

    [series] = metric_over_seeds({"mine": runs}, "loss").series

    assert series.x.tolist() == [0, 1]
    np.testing.assert_array_equal(series.y, [0.1, math.nan])


def test_what_was_not_measured_is_refused() -> None:
    run = measured([1.0])
    with pytest.raises(StoreError, match="run 7 has no metric 'accuracy'; there are 'loss'"):
        metrics(run, "accuracy")
    with pytest.raises(StoreError, match="run 7 has no metric: nothing was measured in it"):
        metrics(recorded([Reading(0, {"0": 0.1}, "constant")], et.Constant()))
    with pytest.raises(StoreError, match="the runs of 'none' share no step at which 'loss' was measured"):
        metric_over_seeds({"none": []}, "loss")
