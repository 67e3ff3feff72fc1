"""The numbers of a picture: what is drawn, before anything draws it.

A Chart is plain data. The terminal, the SVG and the matplotlib drawing all read the same one, so a test
can check the numbers without looking at pixels, and every medium shows the same picture.

One rule covers gaps: a point that has no place on the axes breaks the line there. That is a NaN, a magnitude
beyond 1e300, and on a log axis anything below 1e-300.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etude.errors import ScheduleError
from etude.names import choice

__all__ = ["Chart", "FloatArray", "Mark", "Rule", "Scale", "Series", "Shade", "Style", "Unit", "overlay"]

FloatArray: TypeAlias = NDArray[np.float64]
Style: TypeAlias = Literal["line", "points", "line+points"]
Scale: TypeAlias = Literal["linear", "log"]


# Compared by identity: the generated `==` would ask an array for one truth value.
@dataclass(frozen=True, eq=False, init=False)
class Series:
    """One named curve, with an optional band around it.

    A jump is two points at one x: it is then drawn exactly vertical, however few points there are.

    Args:
        label: its name in the legend.
        x, y: the points, 1-D and of one length; kept as read-only float64 copies.
        low, high: the edges of the band, as long as y; both or neither.
        style: how the points are drawn.

    Raises:
        ScheduleError: naming the field that does not fit, what it must be and what it was.

    >>> Series("warmup", x=[0, 1, 2], y=[0.0, 0.05, 0.1]).y
    array([0.  , 0.05, 0.1 ])
    """

    label: str
    x: FloatArray
    y: FloatArray
    low: FloatArray | None
    high: FloatArray | None
    style: Style

    def __init__(
        self,
        label: str,
        x: ArrayLike,
        y: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        style: Style = "line",
    ) -> None:
        owner = f"the series {label!r}"
        if (low is None) != (high is None):
            raise ScheduleError(f"{owner} has only one edge of a band; give both low= and high=, or neither")
        choice(style, f"style of {owner}", get_args(Style))
        arrays = {
            name: None if values is None else _column(values, f"{name} of {owner}")
            for name, values in {"x": x, "y": y, "low": low, "high": high}.items()
        }
        lengths = {name: values.size for name, values in arrays.items() if values is not None}
        if len(set(lengths.values())) > 1:
            raise ScheduleError(f"the arrays of {owner} must have one length; got {lengths}")
        for name, value in {"label": label, "style": style, **arrays}.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Shade:
    """A stretch of the x axis with a name, such as a phase of the schedule; start ≤ stop, both finite."""

    start: float
    stop: float
    label: str

    def __post_init__(self) -> None:
        if not -math.inf < self.start <= self.stop < math.inf:
            raise ScheduleError(
                f"the shade {self.label!r} must have finite ends with start <= stop; "
                f"got start={self.start!r}, stop={self.stop!r}"
            )


@dataclass(frozen=True)
class Mark:
    """A vertical line at x (finite), such as a restart.

    Args:
        x: where.
        label: its name; of marks that share one, the first alone is named beside the picture.
        low, high: an interval around x, such as that of an estimate; both or neither.

    Raises:
        ScheduleError: for an x that is not finite, or ends that are not around it.
    """

    x: float
    label: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        owner = f"the mark {self.label!r}"
        _require_finite(self.x, f"x of {owner}")
        if (self.low is None) != (self.high is None):
            raise ScheduleError(
                f"{owner} has only one end of an interval; give both low= and high=, or neither"
            )
        if (
            self.interval is not None
            and not -math.inf < self.interval[0] <= self.x <= self.interval[1] < math.inf
        ):
            raise ScheduleError(
                f"{owner} must lie in its interval, with finite ends; "
                f"got low={self.low!r}, x={self.x!r}, high={self.high!r}"
            )

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Rule:
    """A horizontal dashed line at y (finite), such as the best result of a fixed rate."""

    y: float
    label: str

    def __post_init__(self) -> None:
        _require_finite(self.y, f"y of the rule {self.label!r}")


@dataclass(frozen=True)
class Unit:
    """A second unit of the x axis, such as epochs above steps.

    Args:
        label: its name.
        size: how much of the first unit is one of this; > 0, finite.
    """

    label: str
    size: float

    def __post_init__(self) -> None:
        if not 0 < self.size < math.inf:
            raise ScheduleError(
                f"the size of the unit {self.label!r} must be more than 0 and finite; got {self.size!r}"
            )


@dataclass(frozen=True)
class Chart:
    """A whole picture.

    Args:
        title, x_label, y_label: its words, with units where there are any; may be empty.
        series: the curves, in the order of the legend; may be empty.
        shades, marks, rules: stretches of x, vertical lines, horizontal lines.
        x_scale, y_scale: "linear" or "log".
        above: a second unit of x, written along the top; of a linear x only.

    Raises:
        ScheduleError: naming the field, what it must be and what it was.

    >>> chart = Chart("warmup", "step", "learning rate", [Series("lr", [0, 1, 2], [0.0, 0.05, 0.1])])
    >>> chart.series[0].label
    'lr'
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    shades: Sequence[Shade] = ()
    marks: Sequence[Mark] = ()
    rules: Sequence[Rule] = ()
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    above: Unit | None = None

    def __post_init__(self) -> None:
        for name, kind in {"series": Series, "shades": Shade, "marks": Mark, "rules": Rule}.items():
            given = getattr(self, name)
            items = tuple(given) if isinstance(given, Iterable) else (None,)
            if not all(isinstance(item, kind) for item in items):
                raise ScheduleError(f"{name} must be a list of {kind.__name__}; got {given!r}")
            object.__setattr__(self, name, items)
        for name in ("x_scale", "y_scale"):
            choice(getattr(self, name), name, get_args(Scale))
        if self.above is not None and self.x_scale != "linear":
            raise ScheduleError(f"above={self.above!r} needs a linear x axis; got x_scale={self.x_scale!r}")


def overlay(charts: Mapping[str, Chart], title: str = "") -> Chart:
    """Draw the curves of several charts in one.

    Args:
        charts: each with its name in the legend; at least one, of the same scales.
        title: of the whole.

    Returns:
        A chart with all their curves. The words and the second unit that all share are kept; phases and
        marks, which would be one on top of the other, are not.

    Raises:
        ScheduleError: for no chart, or charts of different scales.

    >>> run = Horizon(total=100)
    >>> both = overlay({"a": cosine().on(run).chart(), "b": Linear(over=100).on(run).chart()})
    >>> [series.label for series in both.series], both.x_label
    (['a', 'b'], 'step')
    """
    if not charts:
        raise ScheduleError("there must be at least one chart to overlay; got none")
    first, *others = charts.values()
    scales = list(dict.fromkeys((chart.x_scale, chart.y_scale) for chart in charts.values()))
    if len(scales) > 1:
        raise ScheduleError(f"charts must have the same scales to be overlaid; got {scales}")
    shared = {
        name: all(getattr(other, name) == getattr(first, name) for other in others)
        for name in ("x_label", "y_label", "above")
    }
    series = []
    for name, chart in charts.items():
        for own in chart.series:
            label = name if len(chart.series) == 1 else f"{name}, {own.label}"
            series.append(Series(label, own.x, own.y, own.low, own.high, own.style))
    return Chart(
        title,
        first.x_label if shared["x_label"] else "",
        first.y_label if shared["y_label"] else "",
        series,
        x_scale=first.x_scale,
        y_scale=first.y_scale,
        above=first.above if shared["above"] else None,
    )


def _column(values: ArrayLike, field: str) -> FloatArray:
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ScheduleError(f"{field} must be numbers; got {values!r}") from None
    if column.ndim != 1:
        raise ScheduleError(f"{field} must be 1-D; got the shape {column.shape}")
    column.setflags(write=False)
    return column


def _require_finite(value: float, field: str) -> None:
    if not math.isfinite(value):
        raise ScheduleError(f"{field} must be finite; got {value!r}")
