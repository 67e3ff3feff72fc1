"""Axes: ranges, places, ticks and their texts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from etude.plots.axes import Axis, above, axes, number, vacancy
from etude.plots.chart import Chart, Mark, Rule, Scale, Series, Shade, Unit

NAN, INF = math.nan, math.inf


def y_axis(values: list[float], scale: Scale = "linear", ticks: int = 5) -> Axis:
    return axes(Chart("", "", "", [Series("a", range(len(values)), values)], y_scale=scale), 5, ticks)[1]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0, 0.1], ("0", "0.05", "0.1")),
        ([0.0, 3.0], ("0", "1", "2", "3")),
        ([0.3, 0.9], ("0.4", "0.6", "0.8")),
        ([0.0, 2.5e-6], ("0", "1e-6", "2e-6")),
        ([0.0, 1.2e-5], ("0", "5e-6", "1e-5")),
        ([-1.0, 1.0], ("-1", "-0.5", "0", "0.5", "1")),
        ([0.0, 40_000.0], ("0", "10k", "20k", "30k", "40k")),
        ([0.0, 1.5e6], ("0", "0.5M", "1M", "1.5M")),
        ([0.0, 3e9], ("0", "1e9", "2e9", "3e9")),
        ([1e6, 1e6 + 3], ("1M", "1.000001M", "1.000002M", "1.000003M")),
    ],
)
def test_linear_ticks_are_round(values: list[float], labels: tuple[str, ...]) -> None:
    assert y_axis(values).labels == labels


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1e-6, 1e-2], ("1e-6", "1e-5", "1e-4", "0.001", "0.01")),
        ([1e-7, 1e7], ("1e-6", "0.001", "1", "1k", "1M")),
        ([1e3, 6.4e4], ("1k", "2k", "5k", "10k", "20k", "50k")),
        ([1.0, 10.0], ("1", "2", "5", "10")),
        ([0.93, 0.95], ("0.93", "0.935", "0.94", "0.945", "0.95")),
    ],
)
def test_log_ticks_are_round(values: list[float], labels: tuple[str, ...]) -> None:
    assert y_axis(values, "log").labels == labels


def test_fewer_log_ticks_where_there_is_less_room() -> None:
    assert y_axis([1e3, 6.4e4], "log", ticks=3).labels == ("1k", "3k", "10k", "30k")
    assert y_axis([1e-6, 1.0], "log", ticks=3).labels == ("1e-6", "1e-4", "0.01", "1")


def test_ticks_are_exact_decimals() -> None:
    assert y_axis([0.0, 0.6], ticks=7).ticks == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("span", [1.5, 7.0, 80.0, 1e4, 1e9])
@pytest.mark.parametrize("start", [1e-250, 3e-7, 0.04, 12.0, 5e5, 1e250])
def test_ticks_rise_within_the_axis_and_all_differ(start: float, span: float, scale: Scale) -> None:
    axis = y_axis([start, start * span], scale)
    assert 1 <= len(axis.ticks) <= 9
    assert axis.low <= axis.ticks[0]
    assert axis.ticks[-1] <= axis.high
    assert np.all(np.diff(axis.ticks) > 0)
    assert len(set(axis.labels)) == len(axis.labels)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.1, 0.1], 0.0, 0.2),
        ([0.1, 0.1 + 1e-16], 0.0, 0.2),
        ([-3.0], -6.0, 0.0),
        ([0.0, 0.0], 0.0, 1.0),
        ([5e-324], 0.0, 1.0),
        ([], 0.0, 1.0),
        ([NAN, INF, -INF], 0.0, 1.0),
    ],
)
def test_the_range_of_few_values(values: list[float], low: float, high: float) -> None:
    axis = y_axis(values)
    room = 0.04 * (high - low)
    assert (axis.low, axis.high) == pytest.approx((low - room, high + room))
    assert np.isfinite(axis.ticks).all()


@pytest.mark.parametrize("values", [[0.1, 0.1], [1e300], [1e-300], [1e-300, 1e300], [], [0.0, -1.0]])
def test_a_log_range_stays_positive_and_finite(values: list[float]) -> None:
    axis = y_axis(values, "log")
    assert 0 < axis.low < axis.high < INF
    assert len(axis.ticks) >= 2
    assert np.isfinite(axis.place(axis.ticks)).all()


@pytest.mark.parametrize("values", [[1e300], [-1e300], [-1e300, 1e300], [1e300, 1e308]])
def test_a_huge_range_stops_at_the_largest_place(values: list[float]) -> None:
    axis = y_axis(values)
    assert -1e300 <= axis.low < axis.high <= 1e300
    assert np.isfinite(axis.place([*axis.ticks, axis.low, axis.high])).all()


def test_everything_in_the_chart_is_within_the_axes() -> None:
    band = Series("a", [10, 20], [1, 2], low=[0, 0], high=[5, 3])
    chart = Chart("", "", "", [band], [Shade(0, 15, "s")], [Mark(30, "m")], [Rule(-2, "r")])
    x, y = axes(chart, 5, 5)
    assert (x.low, x.high) == (0, 30)
    assert (y.low, y.high) == pytest.approx((-2 - 0.28, 5 + 0.28))


def test_points_get_a_margin_and_a_line_ends_at_the_frame() -> None:
    line = axes(Chart("", "", "", [Series("a", [0, 100], [0, 1])]), 5, 5)[0]
    points = axes(Chart("", "", "", [Series("a", [0, 100], [0, 1], style="points")]), 5, 5)[0]
    assert (line.low, line.high) == (0, 100)
    assert (points.low, points.high) == (-4, 104)


def test_places() -> None:
    linear, log = Axis("linear", 0, 4, (), ()), Axis("log", 0.1, 10, (), ())
    np.testing.assert_array_equal(linear.place([0, 1, 4, NAN, INF]), [0, 0.25, 1, NAN, NAN])
    np.testing.assert_allclose(log.place([0.1, 1, 10, 0, -1, NAN]), [0, 0.5, 1, NAN, NAN, NAN])
    assert Axis("linear", -1e300, 1e300, (), ()).place(0.0) == 0.5


def test_vacancy_says_why_nothing_can_be_seen() -> None:
    zeros = [Series("a", [1, 2], [0, 0])]
    assert vacancy(Chart("", "", "", zeros)) is None
    assert vacancy(Chart("", "", "", zeros, y_scale="log")) == "no value above 0 to draw on a log axis"
    assert vacancy(Chart("", "", "", [])) == "nothing to draw"
    assert vacancy(Chart("", "", "", [Series("a", [1], [NAN])])) == "nothing to draw"
    assert vacancy(Chart("", "", "", [Series("a", [1], [NAN]), Series("b", [1], [2])])) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.001, "0.001"),
        (0.00025, "2.5e-4"),
        (-2.5e-6, "-2.5e-6"),
        (9999.0, "9999"),
        (12_345.0, "12.345k"),
        (2.5e6, "2.5M"),
        (1e9, "1e9"),
        (1e-300, "1e-300"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_intervals_of_marks_are_within_the_axis() -> None:
    chart = Chart("", "", "", [Series("a", [1, 2], [1, 2])], marks=[Mark(1.5, "m", low=0.5, high=4)])
    assert (axes(chart, 5, 5)[0].low, axes(chart, 5, 5)[0].high) == (0.5, 4)


def test_the_second_axis_has_round_numbers_of_its_own_unit() -> None:
    chart = Chart("", "step", "", [Series("a", [0, 27_370], [0, 1])], above=Unit("epoch", 391))
    found = above(chart, axes(chart, 5, 5)[0], 5)
    assert found is not None
    axis, name = found
    assert (name, axis.low, axis.high, axis.labels) == ("epoch", 0, 70, ("0", "20", "40", "60"))
    np.testing.assert_allclose(axis.place(20), axes(chart, 5, 5)[0].place(20 * 391))


def test_there_is_no_second_axis_without_a_unit_or_room_for_its_numbers() -> None:
    plain = Chart("", "", "", [Series("a", [0, 1], [0, 1])])
    assert above(plain, axes(plain, 5, 5)[0], 5) is None
    tiny = Chart("", "", "", [Series("a", [0, 1e-200], [0, 1])], above=Unit("epoch", 1e200))
    assert above(tiny, axes(tiny, 5, 5)[0], 5) is None


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_what_float32_leaves_of_a_constant_is_drawn_as_a_constant(scale: Scale) -> None:
    values = [2.3025850, 2.3025852, 2.3025848]
    assert np.ptp(y_axis(values, scale).place(values)) < 1e-6
    seen = [2.3025, 2.3035]
    assert np.ptp(y_axis(seen, scale).place(seen)) > 0.9


def test_steps_that_are_far_from_0_are_told_apart() -> None:
    chart = Chart("", "", "", [Series("a", [1e9, 1e9 + 100], [0, 1])])
    assert (axes(chart, 5, 5)[0].low, axes(chart, 5, 5)[0].high) == (1e9, 1e9 + 100)


def test_one_number_is_no_scale() -> None:
    assert y_axis([0.08, 0.9], ticks=4).labels == ("0.2", "0.4", "0.6", "0.8")
