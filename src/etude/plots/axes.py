"""Axes: which range a chart spans, where a value lies on it, and the round numbers written along it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from etude.plots.chart import Chart, FloatArray, Scale

__all__ = ["Axis", "above", "axes", "is_constant", "number", "placeable", "vacancy"]

# Room between the curves and the frame, as a fraction of the axis.
_MARGIN = 0.04
# A relative spread below this is rounding, not a curve: drawn full height it would look like noise. Along y
# it is what float32 leaves of a constant loss; along x, steps are exact.
_ROUNDING = 1e-12
_ROUNDING_OF_CURVES = 1e-6
# What lies beyond has no place, so that no range, margin or tick overflows or becomes subnormal.
_LARGEST, _SMALLEST = 1e300, 1e-300


@dataclass(frozen=True)
class Axis:
    """One axis of a picture: its range, and its ticks with their texts.

    Args:
        scale: "linear" or "log".
        low, high: the ends; finite, low < high, and positive on a log axis.
        ticks: round numbers between the ends, rising.
        labels: the text of each tick.
    """

    scale: Scale
    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def place(self, values: ArrayLike) -> FloatArray:
        """Where values lie, as a fraction of the axis: 0 at low, 1 at high, NaN for one with no place.

        >>> Axis("log", 1e-6, 1e-2, (), ()).place([1e-4, 0.0])
        array([0.5, nan])
        """
        placed = placeable(values, self.scale)
        if self.scale == "log":
            low, high = math.log10(self.low), math.log10(self.high)
            return np.asarray((np.log10(placed) - low) / (high - low))
        return np.asarray((placed - self.low) / (self.high - self.low))


def axes(chart: Chart, x_ticks: int, y_ticks: int) -> tuple[Axis, Axis]:
    """The x and y axis that hold everything in the chart.

    The x axis ends with the curves, since a schedule fills its horizon; points get a margin.

    Args:
        chart: the picture.
        x_ticks, y_ticks: about how many ticks there is room for; at least 1.

    >>> from etude.plots.chart import Rule
    >>> chart = Chart("", "step", "lr", (), rules=[Rule(0.1, "peak"), Rule(0.0, "end")], x_scale="log")
    >>> [axis.labels for axis in axes(chart, 6, 6)]
    [('1', '2', '5', '10'), ('0', '0.02', '0.04', '0.06', '0.08', '0.1')]
    """
    x = [item.x for item in chart.series]
    x.append(np.array([end for shade in chart.shades for end in (shade.start, shade.stop)]))
    x.append(np.array([end for mark in chart.marks for end in (mark.x, *(mark.interval or ()))]))
    y = [edge for item in chart.series for edge in (item.y, item.low, item.high) if edge is not None]
    y.append(np.array([rule.y for rule in chart.rules]))
    has_points = any(item.style != "line" for item in chart.series)
    return (
        _axis(np.concatenate(x), chart.x_scale, x_ticks, _MARGIN if has_points else 0.0, _ROUNDING),
        _axis(np.concatenate(y), chart.y_scale, y_ticks, _MARGIN, _ROUNDING_OF_CURVES),
    )


def above(chart: Chart, x_axis: Axis, count: int) -> tuple[Axis, str] | None:
    """The axis along the top, in the chart's second unit, and its name; None where there is none.

    Args:
        chart: the picture.
        x_axis: its first axis.
        count: about how many ticks there is room for; at least 1.

    >>> from etude.plots.chart import Unit
    >>> chart = Chart("", "step", "", (), above=Unit("epoch", 100.0))
    >>> axis, name = above(chart, Axis("linear", 0.0, 400.0, (), ()), 4)
    >>> axis.labels, name
    (('0', '1', '2', '3', '4'), 'epoch')
    """
    unit = chart.above
    if unit is None:
        return None
    low, high = x_axis.low / unit.size, x_axis.high / unit.size
    if not _SMALLEST <= high - low <= _LARGEST:
        return None
    return _linear(low, high, count), unit.label


def is_constant(low: float, high: float) -> bool:
    """Whether values of a curve from low to high differ by no more than the rounding of float32.

    >>> is_constant(2.3025850, 2.3025852), is_constant(2.302, 2.303)
    (True, False)
    """
    return high - low <= _ROUNDING_OF_CURVES * max(abs(low), abs(high))


def vacancy(chart: Chart) -> str | None:
    """Why no curve of the chart can be seen, as a short text to show in its place; None if one can.

    >>> from etude.plots.chart import Series
    >>> vacancy(Chart("", "step", "lr", [Series("off", [1, 2], [0, 0])], y_scale="log"))
    'no value above 0 to draw on a log axis'
    """
    finite = placed = False
    for item in chart.series:
        finite |= bool((np.isfinite(item.x) & np.isfinite(item.y)).any())
        x, y = placeable(item.x, chart.x_scale), placeable(item.y, chart.y_scale)
        placed |= not bool(np.isnan(x + y).all())
    if placed:
        return None
    return "no value above 0 to draw on a log axis" if finite else "nothing to draw"


def number(value: float, peak: float | None = None) -> str:
    """A short text for a number: 0.05, 2.5e-6, 40k, 1.5M.

    Args:
        value: the number; finite.
        peak: the largest magnitude among the numbers written beside it, so that they share one notation;
            the number's own when left out.

    >>> number(2.5e-6), number(0.05), number(391.0), number(40_000.0), number(2e9)
    ('2.5e-6', '0.05', '391', '40k', '2e9')
    >>> number(500_000.0, peak=2e6)
    '0.5M'
    """
    peak = abs(value if peak is None else peak)
    if value == 0:
        return "0"
    if 1e6 <= peak < 1e9:
        return f"{value / 1e6:.12g}M"
    if 1e4 <= peak < 1e6:
        return f"{value / 1e3:.12g}k"
    if 1e-3 <= peak < 1e4 and abs(value) >= 1e-4:
        return f"{value:.12g}"
    mantissa, exponent = f"{value:.11e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def placeable(values: ArrayLike, scale: Scale) -> FloatArray:
    """The values, with a NaN for each that has no place on an axis of this scale.

    >>> placeable([2.0, 0.0, float("inf")], "log")
    array([ 2., nan, nan])
    """
    values = np.asarray(values, dtype=np.float64)
    smallest = _SMALLEST if scale == "log" else -_LARGEST
    return np.where((smallest <= values) & (values <= _LARGEST), values, np.nan)


def _axis(values: FloatArray, scale: Scale, count: int, margin: float, rounding: float) -> Axis:
    values = placeable(values, scale)
    values = values[~np.isnan(values)]
    ends = (float(values.min()), float(values.max())) if values.size else None
    if scale == "log":
        low, high = _log_range(ends or (1.0, 10.0), margin, rounding)
        ticks = _log_ticks(low, high, count)
        # Each tick in its own notation, but not 5000 beside 10k.
        thousands = bool(ticks) and ticks[-1] >= 1e4
        labels = [number(tick, 1e4 if thousands and 1e3 <= tick < 1e4 else tick) for tick in ticks]
        return Axis(scale, low, high, tuple(ticks), tuple(labels))
    return _linear(*_linear_range(ends or (0.0, 1.0), margin, rounding), count)


def _linear(low: float, high: float, count: int) -> Axis:
    ticks = _linear_ticks(low, high, count)
    peak = max((abs(tick) for tick in ticks), default=0.0)
    return Axis("linear", low, high, tuple(ticks), tuple(number(tick, peak) for tick in ticks))


def _linear_range(ends: tuple[float, float], margin: float, rounding: float) -> tuple[float, float]:
    low, high = ends
    peak = max(abs(low), abs(high))
    if peak < _SMALLEST:
        low, high = 0.0, 1.0
    elif high - low < rounding * peak:
        # A constant lies in the middle, between 0 and twice itself.
        low, high = min(0.0, 2 * high), max(0.0, 2 * high)
    room = margin * (high - low)
    return max(low - room, -_LARGEST), min(high + room, _LARGEST)


def _log_range(ends: tuple[float, float], margin: float, rounding: float) -> tuple[float, float]:
    low, high = (math.log10(end) for end in ends)
    if high - low < rounding:
        low, high = low - 1, high + 1
    room = margin * (high - low)
    return max(10.0 ** (low - room), _SMALLEST), min(10.0 ** min(high + room, 308.0), _LARGEST)


def _linear_ticks(low: float, high: float, count: int) -> list[float]:
    rough = (high - low) / count
    exponent = math.floor(math.log10(rough))
    mantissa = next(m for m in (1, 2, 5, 10) if rough <= m * 10.0**exponent * (1 + 1e-9))
    ticks = _multiples(low, high, mantissa, exponent)
    if len(ticks) < 2:
        # One number is no scale.
        finer = {1: (5, exponent - 1), 2: (1, exponent), 5: (2, exponent), 10: (5, exponent)}[mantissa]
        ticks = _multiples(low, high, *finer)
    return ticks


def _multiples(low: float, high: float, mantissa: int, exponent: int) -> list[float]:
    step = mantissa * 10.0**exponent
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Read from decimal text: 3 * 0.1 is 0.30000000000000004, and its label should not be.
    return [float(f"{index * mantissa}e{exponent}") for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    """Decades where the axis shows three of them, else steps within the decades, else even steps."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decades = [exponent for exponent in exponents if low <= float(f"1e{exponent}") <= high]
    if len(decades) >= 3:
        stride = math.ceil(len(decades) / (count + 1))
        return [float(f"1e{exponent}") for exponent in decades if exponent % stride == 0]
    ticks: list[float] = []
    for mantissas in ((1, 2, 5), (1, 3)):
        ticks = [float(f"{mantissa}e{exponent}") for exponent in exponents for mantissa in mantissas]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= count + 1:
            break
    return ticks if len(ticks) >= 3 else _linear_ticks(low, high, count)
