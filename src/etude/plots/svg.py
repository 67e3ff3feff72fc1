"""A chart as SVG text, with the standard library alone: what a notebook shows for a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from etude.errors import ScheduleError
from etude.plots.axes import Axis, above, axes, vacancy
from etude.plots.chart import Chart, FloatArray, Mark, Series
from etude.plots.fitting import apart, in_a_row, in_rows, plain, shorten
from etude.plots.palette import DASHES, MIDTONE_INK, MIDTONES
from etude.plots.thinning import thin

__all__ = ["to_svg"]

_FONT = 11.0
# The mean width of a character in common sans-serif fonts; an SVG cannot measure its own text.
_CHARACTER = 0.62 * _FONT
_LINE = 15.0
_STROKE = 1.8
_MOST_ROWS_OF_MARKS = 4


def to_svg(chart: Chart, width: int = 640, height: int = 280) -> str:
    """Draw the chart as one self-contained SVG element.

    It has no background of its own, and colours that read on a light and on a dark one. Long series are
    thinned to what a pixel can show.

    Args:
        chart: the picture.
        width, height: in pixels; at least 240 by 120.

    Returns:
        Well-formed XML, from ``<svg`` to ``</svg>``.

    Raises:
        ScheduleError: when the size is too small.

    >>> to_svg(Chart("warmup", "step", "lr", [Series("lr", [0, 1], [0.0, 0.1])]))[:33]
    '<svg xmlns="http://www.w3.org/200'
    """
    if width < 240 or height < 120:
        raise ScheduleError(f"an SVG must be at least 240 by 120 pixels; got {width} by {height}")
    frame = _frame(chart, width, height)
    # A picture without a title is still announced as something.
    name = _escaped(chart.title or chart.y_label or "chart")
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{name}" '
        f'font-family="system-ui, sans-serif" font-size="{_FONT:g}" fill="{MIDTONE_INK}">',
        f"<title>{name}</title>",
        *_shades(chart, frame),
        *_ticks(frame),
        *_marks(chart, frame),
        *_rules(chart, frame),
    ]
    # All bands first, so that none dims a line.
    for index, series in enumerate(chart.series):
        elements += _band(series, index, frame)
    for index, series in enumerate(chart.series):
        elements += _curve(series, index, frame)
    elements += _legend(chart, frame)
    if reason := vacancy(chart):
        elements.append(_text(frame.center, frame.middle, reason, "middle"))
    # Centred on the frame, within the page; bold is wider.
    across, down = 2 * min(frame.center, width - frame.center), 2 * min(frame.middle, height - frame.middle)
    title = shorten(chart.title, across / (1.2 * _CHARACTER))
    x_label = shorten(chart.x_label, across / _CHARACTER - 1)
    y_label = shorten(chart.y_label, down / _CHARACTER - 1)
    turned = f'transform="translate({_FONT + 2:g} {frame.middle:.1f}) rotate(-90)"'
    elements += [
        _text(frame.center, _FONT + 4, title, "middle", 'font-weight="600"'),
        _text(frame.center, height - 6, x_label, "middle"),
        _text(0, 0, y_label, "middle", turned),
        "</svg>",
    ]
    return "\n".join(element for element in elements if element)


@dataclass(frozen=True)
class _Frame:
    """Where the axes lie on the page, in pixels from the top left; the legend begins beside them.

    A name beside the axes is cut to the longest number of characters. The names of the marks have their row
    above, counted from 0, and the middle there.
    """

    x_axis: Axis
    y_axis: Axis
    left: float
    right: float
    top: float
    bottom: float
    legend: float
    longest: int
    above: tuple[Axis, str] | None
    names: Mapping[str, tuple[int, float]]

    @property
    def over(self) -> float:
        """How far above the axes the names begin."""
        return 5.0 + (_LINE + 4 if self.above else 0.0)

    @property
    def center(self) -> float:
        return (self.left + self.right) / 2

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def x(self, values: ArrayLike) -> FloatArray:
        return self.left + self.x_axis.place(values) * (self.right - self.left)

    def y(self, values: ArrayLike) -> FloatArray:
        return self.bottom + self.y_axis.place(values) * (self.top - self.bottom)


def _frame(chart: Chart, width: int, height: int) -> _Frame:
    bottom = height - _LINE - 8.0 - _LINE * bool(chart.x_label)
    # Whose height hardly depends on the names above, which depend on the width.
    y_ticks = max(2, int((bottom - 8.0 - _LINE * bool(chart.title)) / 32))
    _, y_axis = axes(chart, 1, y_ticks)
    left = 12.0 + _width_of(y_axis.labels, width // 14) + _LINE * bool(chart.y_label)
    # To the right: the names of the rules, then the legend.
    longest = width // 28
    names, labels = [rule.label for rule in chart.rules], [series.label for series in chart.series]
    rules = 8.0 + _width_of(names, longest) if names else 0.0
    legend = 38.0 + _width_of(labels, longest) if len(labels) > 1 else 0.0
    right = width - max(18.0, rules + legend)
    x_ticks = max(2, int((right - left) / 75))
    x_axis, y_axis = axes(chart, x_ticks, y_ticks)
    second = above(chart, x_axis, x_ticks)
    if second is not None:
        # Its name stands beside its ticks.
        left = max(left, 16.0 + _width_of([second[1]], longest))
    named = _names_of_marks(chart, x_axis, left, right)
    rows = max((row + 1 for row, _ in named.values()), default=0)
    # From the top: the title, rows of names of marks, a row of names of shades, the second axis.
    top = 8.0 + _LINE * (bool(chart.title) + bool(chart.shades) + rows) + (second is not None) * (_LINE + 4)
    return _Frame(x_axis, y_axis, left, right, top, bottom, right + rules, longest, second, named)


def _names_of_marks(chart: Chart, x_axis: Axis, left: float, right: float) -> dict[str, tuple[int, float]]:
    """The row and the middle of the name of each mark that there is room for; the first of each name."""
    firsts: dict[str, float] = {}
    for mark in sorted(chart.marks, key=lambda mark: mark.x):
        place = float(x_axis.place(mark.x))
        if not np.isnan(place):
            firsts.setdefault(mark.label, left + place * (right - left))
    widths = [_CHARACTER * (len(label) + 1) for label in firsts]
    places = in_rows([(x, x) for x in firsts.values()], widths, left, right, _MOST_ROWS_OF_MARKS)
    return {label: place for label, place in zip(firsts, places, strict=True) if place is not None}


def _shades(chart: Chart, frame: _Frame) -> list[str]:
    shades = sorted(chart.shades, key=lambda shade: shade.start)
    elements, places = [], []
    for index, shade in enumerate(shades):
        # On a log axis a phase from 0 begins at the left edge.
        inside = np.clip([shade.start, shade.stop], frame.x_axis.low, frame.x_axis.high)
        start, stop = frame.x(inside).tolist()
        places.append((start, stop))
        opacity = 0.04 if index % 2 else 0.13
        elements.append(
            f'<rect class="shade" x="{start:.1f}" y="{frame.top:.1f}" width="{stop - start:.1f}" '
            f'height="{frame.bottom - frame.top:.1f}" fill-opacity="{opacity}">{_tooltip(shade.label)}</rect>'
        )
    labels = [shade.label for shade in shades]
    widths = [_CHARACTER * (len(label) + 1) for label in labels]
    middles = in_a_row(places, widths, frame.left, frame.right)
    # One for which there is no room is left to its tooltip.
    return elements + [
        _text(middle, frame.top - frame.over, label, "middle")
        for middle, label in zip(middles, labels, strict=True)
        if middle is not None
    ]


def _ticks(frame: _Frame) -> list[str]:
    elements = []
    for y, label in zip(frame.y(frame.y_axis.ticks), frame.y_axis.labels, strict=True):
        elements.append(_line("grid", frame.left, y, frame.right, y, 'stroke-opacity="0.25"'))
        elements.append(_text(frame.left - 6, y + 0.35 * _FONT, label, "end"))
    for x, label in zip(frame.x(frame.x_axis.ticks), frame.x_axis.labels, strict=True):
        elements.append(_line("tick", x, frame.bottom, x, frame.bottom + 4))
        elements.append(_text(x, frame.bottom + _FONT + 6, label, "middle"))
    elements.append(_line("axis", frame.left, frame.bottom, frame.right, frame.bottom))
    if frame.above is not None:
        axis, name = frame.above
        elements.append(_line("axis", frame.left, frame.top, frame.right, frame.top))
        elements.append(_text(frame.left - 10, frame.top - 7, shorten(name, frame.longest), "end"))
        xs = frame.left + axis.place(axis.ticks) * (frame.right - frame.left)
        for x, label in zip(xs.tolist(), axis.labels, strict=True):
            elements.append(_line("tick", x, frame.top, x, frame.top - 4))
            elements.append(_text(x, frame.top - 7, label, "middle"))
    return elements


def _marks(chart: Chart, frame: _Frame) -> list[str]:
    marks = [mark for mark in chart.marks if not np.isnan(frame.x(mark.x))]
    marks.sort(key=lambda mark: mark.x)
    elements = []
    for mark in marks:
        x, dashes = float(frame.x(mark.x)), 'stroke-dasharray="2 2"'
        elements.append(_line("mark", x, frame.top, x, frame.bottom, dashes, _tooltip(mark.label)))
    for index, mark in enumerate(mark for mark in marks if mark.interval):
        # Each lower than the one before, so that all can be seen.
        elements += _interval(mark, frame, frame.top + _LINE * (0.6 + 0.6 * index % 6))
    for label, (row, middle) in frame.names.items():
        y = frame.top - frame.over - _LINE * (row + bool(chart.shades))
        elements.append(_text(middle, y, label, "middle"))
    return elements


def _interval(mark: Mark, frame: _Frame, y: float) -> list[str]:
    ends = np.clip(np.array(mark.interval), frame.x_axis.low, frame.x_axis.high)
    low, high = frame.x(ends).tolist()
    tooltip = _tooltip(mark.label)
    x = float(frame.x(mark.x))
    return [
        _line("interval", low, y, high, y, 'stroke-width="4"', tooltip),
        f'<circle class="interval" cx="{x:.1f}" cy="{y:.1f}" r="4">{tooltip}</circle>',
    ]


def _rules(chart: Chart, frame: _Frame) -> list[str]:
    elements = []
    placed = [rule for rule in chart.rules if not np.isnan(frame.y(rule.y))]
    heights = [float(frame.y(rule.y)) for rule in placed]
    for rule, y, beside in zip(placed, heights, apart(heights, _LINE - 2), strict=True):
        dashes = 'stroke-dasharray="6 3"'
        elements.append(_line("rule", frame.left, y, frame.right, y, dashes, _tooltip(rule.label)))
        label = shorten(rule.label, frame.longest)
        elements.append(_text(frame.right + 5, beside + 0.35 * _FONT, label))
    return elements


def _band(series: Series, index: int, frame: _Frame) -> list[str]:
    if series.low is None or series.high is None:
        return []
    x, low, high = frame.x(series.x), frame.y(series.low), frame.y(series.high)
    outline = "".join(_outline(x[kept], low[kept], high[kept]) for kept in thin(x, low, high))
    return [
        f'<path class="band" d="{outline}" fill="{_colour(index)}" fill-opacity="0.2">'
        f"{_tooltip(series.label)}</path>"
    ]


def _curve(series: Series, index: int, frame: _Frame) -> list[str]:
    x, y = frame.x(series.x), frame.y(series.y)
    pieces = thin(x, y, joined=series.style != "points")
    line = "".join(_polyline(x[kept], y[kept]) for kept in pieces)
    dots = "".join(_dots(x[kept], y[kept]) for kept in pieces)
    return _line_and_points(series, index, line, dots)


def _legend(chart: Chart, frame: _Frame) -> list[str]:
    if len(chart.series) < 2:
        return []
    rows = int((frame.bottom - frame.top) / _LINE)
    shown = len(chart.series) if len(chart.series) <= rows else rows - 1
    x, y = frame.legend + 8, frame.top + _LINE / 2
    elements = []
    for index, series in enumerate(chart.series[:shown]):
        elements += _line_and_points(
            series, index, f"M{x:.1f} {y:.1f}h20", f"M{x + 10:.1f} {y:.1f}h0", "key "
        )
        elements.append(_text(x + 25, y + 0.35 * _FONT, shorten(series.label, frame.longest)))
        y += _LINE
    if shown < len(chart.series):
        elements.append(_text(x + 25, y + 0.35 * _FONT, f"+ {len(chart.series) - shown} more"))
    return elements


def _line_and_points(series: Series, index: int, line: str, dots: str, kind: str = "") -> list[str]:
    """The paths that the style of the series asks for: its line, its points, or both."""
    tooltip = _tooltip(series.label)
    dashes = DASHES[index // len(MIDTONES) % len(DASHES)]
    lengths = " ".join(f"{_STROKE * length:g}" for length in dashes)
    # Round ends would close the gaps of a dashed line.
    ends = f'stroke-dasharray="{lengths}"' if dashes else 'stroke-linecap="round"'
    stroke = f'fill="none" stroke="{_colour(index)}"'
    elements = []
    if series.style != "points":
        elements.append(
            f'<path class="{kind}line" d="{line}" {stroke} stroke-width="{_STROKE:g}" '
            f'stroke-linejoin="round" {ends}>{tooltip}</path>'
        )
    if series.style != "line":
        # A subpath of no length has round ends only, which is the shortest way to write a dot.
        elements.append(
            f'<path class="{kind}points" d="{dots}" {stroke} stroke-width="5" '
            f'stroke-linecap="round">{tooltip}</path>'
        )
    return elements


def _polyline(x: FloatArray, y: FloatArray) -> str:
    # A point between two gaps is a line of no length, which its round ends make visible.
    return f"M{_points(x, y)}" + ("h0" if x.size == 1 else "")


def _dots(x: FloatArray, y: FloatArray) -> str:
    return "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _outline(x: FloatArray, low: FloatArray, high: FloatArray) -> str:
    return f"M{_points(x, high)} {_points(x[::-1], low[::-1])}Z"


def _points(x: FloatArray, y: FloatArray) -> str:
    return " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _colour(index: int) -> str:
    return MIDTONES[index % len(MIDTONES)]


def _line(kind: str, x1: float, y1: float, x2: float, y2: float, more: str = "", content: str = "") -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{kind}" {ends} stroke="{MIDTONE_INK}" {more}>{content}</line>'


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    if not text:
        return ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{_escaped(text)}</text>'


def _tooltip(text: str) -> str:
    return f"<title>{_escaped(text)}</title>"


def _escaped(text: str) -> str:
    return escape(plain(text))


def _width_of(labels: Sequence[str], longest: int) -> float:
    return _CHARACTER * min(max((len(label) for label in labels), default=0), longest)
