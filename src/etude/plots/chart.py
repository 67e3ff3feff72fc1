"""The numbers of a picture: what is drawn, before anything draws it.

A Chart is plain data. The terminal, the SVG and the matplotlib drawing all read the same one, so a test
can check the numbers without looking at pixels, and every medium shows the same picture.

One rule covers gaps: a point that has no place on the axes breaks the line there. That is a NaN, a magnitude
beyond 1e300, and on a log axis anything below 1e-300.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etude.errors import ScheduleError

__all__ = ["Chart", "FloatArray", "Mark", "Rule", "Scale", "Series", "Shade", "Style"]

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
        if style not in get_args(Style):
            raise ScheduleError(f"style of {owner} must be one of {get_args(Style)}; got {style!r}")
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
    """A vertical line at x (finite), such as a restart."""

    x: float
    label: str

    def __post_init__(self) -> None:
        _require_finite(self.x, f"x of the mark {self.label!r}")


@dataclass(frozen=True)
class Rule:
    """A horizontal dashed line at y (finite), such as the best result of a fixed rate."""

    y: float
    label: str

    def __post_init__(self) -> None:
        _require_finite(self.y, f"y of the rule {self.label!r}")


@dataclass(frozen=True)
class Chart:
    """A whole picture.

    Args:
        title, x_label, y_label: its words, with units where there are any; may be empty.
        series: the curves, in the order of the legend; may be empty.
        shades, marks, rules: stretches of x, vertical lines, horizontal lines.
        x_scale, y_scale: "linear" or "log".

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

    def __post_init__(self) -> None:
        for name, kind in {"series": Series, "shades": Shade, "marks": Mark, "rules": Rule}.items():
            given = getattr(self, name)
            items = tuple(given) if isinstance(given, Iterable) else (None,)
            if not all(isinstance(item, kind) for item in items):
                raise ScheduleError(f"{name} must be a list of {kind.__name__}; got {given!r}")
            object.__setattr__(self, name, items)
        for name in ("x_scale", "y_scale"):
            if getattr(self, name) not in get_args(Scale):
                raise ScheduleError(f"{name} must be one of {get_args(Scale)}; got {getattr(self, name)!r}")


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
