"""The numbers of a picture: what is kept, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etude.errors import ScheduleError
from etude.plots.chart import Chart, Mark, Rule, Series, Shade, Unit, overlay


def test_a_series_keeps_read_only_float64_copies() -> None:
    y = np.array([1, 2, 3])
    series = Series("a", range(3), y)
    y[0] = 99
    assert series.x.tolist() == [0.0, 1.0, 2.0]
    assert series.y.tolist() == [1.0, 2.0, 3.0]
    assert series.x.dtype == series.y.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        series.y[0] = 0.0


def test_a_series_is_frozen() -> None:
    with pytest.raises(AttributeError, match="label"):
        Series("a", [], []).label = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [1, 2], "y": [1]}, r"arrays of the series 'a' must have one length; got \{'x': 2, 'y': 1\}"),
        ({"x": [1], "y": [1], "low": [1, 2], "high": [1]}, r"must have one length; got .*'low': 2"),
        ({"x": [[1]], "y": [1]}, r"x of the series 'a' must be 1-D; got the shape \(1, 1\)"),
        ({"x": 5, "y": [1]}, r"x of the series 'a' must be 1-D; got the shape \(\)"),
        ({"x": [1], "y": ["one"]}, r"y of the series 'a' must be numbers; got \['one'\]"),
        ({"x": [1], "y": [1], "low": [0]}, "only one edge of a band; give both"),
        ({"x": [1], "y": [1], "style": "bars"}, r"style of the series 'a' must be one of 'line', .*'bars'"),
    ],
)
def test_a_series_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Series("a", **arguments)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Shade(2, 1, "w"), "shade 'w' must have finite ends with start <= stop; got start=2, stop=1"),
        (lambda: Shade(0, float("inf"), "w"), "stop=inf"),
        (lambda: Shade(float("nan"), 1, "w"), "start=nan"),
        (lambda: Mark(float("nan"), "m"), "x of the mark 'm' must be finite; got nan"),
        (lambda: Rule(float("inf"), "r"), "y of the rule 'r' must be finite; got inf"),
        (lambda: Chart("", "", "", [1]), r"series must be a list of Series; got \[1\]"),  # type: ignore[list-item]
        (lambda: Chart("", "", "", Series("a", [], [])), "series must be a list of Series"),  # type: ignore[arg-type]
        (lambda: Chart("", "", "", [], marks=[Rule(0, "r")]), "marks must be a list of Mark"),  # type: ignore[list-item]
        (lambda: Chart("", "", "", [], y_scale="sqrt"), r"y_scale must be one of .*'log'; got 'sqrt'"),  # type: ignore[arg-type]
    ],
)
def test_parts_of_a_chart_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        build()


def test_a_chart_keeps_its_own_tuples() -> None:
    curves = [Series("a", [0], [0])]
    chart = Chart("t", "x", "y", curves, marks=iter([Mark(1, "m")]))  # type: ignore[arg-type]
    curves.clear()
    assert [series.label for series in chart.series] == ["a"]
    assert chart.marks == (Mark(1, "m"),)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Mark(1, "m", low=0),
            "the mark 'm' has only one end of an interval; give both low= and high=",
        ),
        (
            lambda: Mark(1, "m", low=2, high=3),
            "the mark 'm' must lie in its interval, with finite ends; got low=2, x=1, high=3",
        ),
        (lambda: Mark(1, "m", low=0, high=float("inf")), "with finite ends; got low=0, x=1, high=inf"),
        (lambda: Unit("epoch", 0), "the size of the unit 'epoch' must be more than 0 and finite; got 0"),
        (lambda: Unit("epoch", float("nan")), "must be more than 0 and finite; got nan"),
        (
            lambda: Chart("", "", "", [], x_scale="log", above=Unit("epoch", 1)),
            "needs a linear x axis; got x_scale='log'",
        ),
        (lambda: overlay({}), "there must be at least one chart to overlay; got none"),
        (
            lambda: overlay({"a": Chart("", "", "", []), "b": Chart("", "", "", [], y_scale="log")}),
            "charts must have the same scales to be overlaid; got",
        ),
    ],
)
def test_intervals_units_and_overlays_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        build()


def test_an_overlay_has_the_curves_of_all_under_their_names() -> None:
    first = Chart(
        "t", "step", "lr", [Series("lr", [0, 1], [1, 2])], [Shade(0, 1, "s")], above=Unit("epoch", 10)
    )
    second = Chart(
        "u", "step", "loss", [Series("x", [0], [3]), Series("y", [0], [4])], above=Unit("epoch", 20)
    )

    both = overlay({"a": first, "b": second}, "both")

    assert [(series.label, series.y.tolist()) for series in both.series] == [
        ("a", [1, 2]),
        ("b, x", [3]),
        ("b, y", [4]),
    ]
    assert (both.title, both.x_label, both.y_label, both.above, both.shades) == ("both", "step", "", None, ())
    assert overlay({"a": first, "c": first}).above == Unit("epoch", 10)


def test_the_interval_of_a_mark() -> None:
    assert Mark(1, "m").interval is None
    assert Mark(1, "m", 0.5, 2).interval == (0.5, 2)
