"""A chart as text for the terminal, drawn with braille dots; and a one-line sparkline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etude.errors import ScheduleError
from etude.plots.axes import Axis, axes, is_constant, number, placeable, vacancy
from etude.plots.chart import Chart, FloatArray, Mark, Series, Shade
from etude.plots.fitting import plain, shorten
from etude.plots.thinning import thin

__all__ = ["sparkline", "to_text"]

# Which dots are set: 4 rows and 2 columns of them to each character.
_Dots: TypeAlias = NDArray[np.bool_]

_BLOCKS = "▁▂▃▄▅▆▇█"
# The bit of each dot of a character, in the order of Unicode's braille patterns.
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
# Blue, red, green, magenta, yellow, cyan in the terminal's own shades, which suit its background.
_COLOURS = (34, 31, 32, 35, 33, 36)


def to_text(chart: Chart, width: int = 78, height: int = 16, *, colour: bool = False) -> str:
    """Draw the chart as lines of text.

    Several curves carry a letter each, explained below the picture, since dots alone look the same.

    Args:
        chart: the picture.
        width: of the whole text, in characters; at least 24.
        height: of the plot itself, in lines; at least 3. Titles, ticks and legend come on top.
        colour: whether to colour the curves with ANSI codes.

    Returns:
        Lines without trailing blanks, joined by newlines, the last without one.

    Raises:
        ScheduleError: when the size is too small.

    >>> print(to_text(Chart("warmup", "step", "", [Series("lr", [0, 2], [0.0, 0.1])]), width=24, height=3))
             warmup
    0.1 ┤             ⣀⣀⠤⠤⠒⠊
        │      ⣀⡠⠤⠔⠒⠊⠉
      0 ┤⡠⠤⠒⠒⠉⠉
        └┬────────┬────────┬
         0        1        2
                 step
    """
    if width < 24 or height < 3:
        raise ScheduleError(f"a chart in text must be at least 24 wide and 3 high; got {width} by {height}")
    y_axis = axes(chart, 1, max(2, height // 4))[1]
    gutter = 2 + max(len(label) for label in ("", *y_axis.labels))
    x_axis = axes(chart, max(2, (width - gutter) // 12), 1)[0]
    page = _Page(x_axis, y_axis, columns=width - gutter, rows=height)

    lines = [shorten(chart.title, width).center(width), shorten(chart.y_label, width)]
    names, unnamed = _shade_names(chart, page)
    lines.append(" " * gutter + names)
    labels = dict(zip((_nearest(page.y(y_axis.ticks)) // 4).tolist(), y_axis.labels, strict=True))
    for row, cells in enumerate(_plot(chart, page, colour)):
        stem = f"{labels[row]} ┤" if row in labels else "│"
        lines.append(stem.rjust(gutter) + "".join(cells))
    columns = (_nearest(page.x(x_axis.ticks)) // 2).tolist()
    lines.append("└".rjust(gutter) + "".join("┬" if c in columns else "─" for c in range(page.columns)))
    lines.append(_tick_labels([gutter + column for column in columns], x_axis.labels, width))
    lines.append(" " * gutter + shorten(chart.x_label, page.columns).center(page.columns))
    lines += [" " * gutter + line for line in _legend(chart, unnamed, page.columns, colour)]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def sparkline(values: ArrayLike, width: int = 40) -> str:
    """Values as one line of block characters, from the lowest to the highest of them.

    Args:
        values: 1-D; where longer than the width, each block shows a mean. A NaN leaves a blank.
        width: the most characters; at least 1.

    Raises:
        ScheduleError: when the width is less than 1, or the values are not 1-D numbers.

    >>> sparkline([0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0])
    '▁▅█▆▅▃▁'
    """
    if width < 1:
        raise ScheduleError(f"width of a sparkline must be at least 1; got {width}")
    column = placeable(values, "linear")
    if column.ndim != 1:
        raise ScheduleError(f"values of a sparkline must be 1-D; got the shape {column.shape}")
    chunks = [chunk[~np.isnan(chunk)] for chunk in np.array_split(column, min(width, column.size) or 1)]
    means = np.array([chunk.mean() for chunk in chunks if chunk.size])
    if not means.size:
        return " " * len(chunks)
    low, high = means.min(), means.max()
    # A constant, up to rounding, is drawn half high: neither at its lowest nor at its highest.
    levels = (
        np.full(means.size, 3)
        if is_constant(low, high)
        else np.rint((means - low) / (high - low) * 7).astype(int)
    )
    blocks = iter(_BLOCKS[level] for level in levels)
    return "".join(next(blocks) if chunk.size else " " for chunk in chunks)


@dataclass(frozen=True)
class _Page:
    """The plot's own characters, and where values lie on its dots."""

    x_axis: Axis
    y_axis: Axis
    columns: int
    rows: int

    def x(self, values: ArrayLike) -> FloatArray:
        return self.x_axis.place(values) * (2 * self.columns - 1)

    def y(self, values: ArrayLike) -> FloatArray:
        return (1 - self.y_axis.place(values)) * (4 * self.rows - 1)

    def blank(self) -> _Dots:
        return np.zeros((4 * self.rows, 2 * self.columns), dtype=bool)


def _plot(chart: Chart, page: _Page, colour: bool) -> list[list[str]]:
    """The characters of the plot, row by row."""
    curves = [_curve(series, page) for series in chart.series]
    dots = np.logical_or.reduce([_backdrop(chart, page), *curves])
    patterns = (_by_cell(dots) * _BITS).sum(axis=(2, 3))
    cells = [[chr(0x2800 + pattern) if pattern else " " for pattern in row] for row in patterns.tolist()]

    inked = np.array([_by_cell(curve).any(axis=(2, 3)) for curve in curves])
    if len(curves) > 1:
        for index, (row, column) in _letter_cells(inked).items():
            cells[row][column] = ascii_letters[index % len(ascii_letters)]
    if colour:
        for index, row, column in np.argwhere(inked).tolist():
            if not inked[index + 1 :, row, column].any():
                cells[row][column] = _coloured(cells[row][column], index)
    if reason := shorten(vacancy(chart) or "", page.columns):
        start = (page.columns - len(reason)) // 2
        cells[page.rows // 2][start : start + len(reason)] = reason
    return cells


def _curve(series: Series, page: _Page) -> _Dots:
    dots = page.blank()
    x, y = page.x(series.x), page.y(series.y)
    for kept in thin(x, y, joined=series.style != "points"):
        piece = np.array([y[kept], x[kept]])
        if series.style != "points":
            # From corner to corner in steps of at most one dot.
            lengths = np.maximum(np.ceil(np.abs(np.diff(piece)).max(axis=0)), 1.0)
            corners = np.concatenate([[0.0], np.cumsum(lengths)])
            steps = np.arange(corners[-1] + 1)
            piece = np.array([np.interp(steps, corners, values) for values in piece])
        rows, columns = _nearest(piece)
        dots[rows, columns] = True
    return dots


def _backdrop(chart: Chart, page: _Page) -> _Dots:
    """Marks and rules as dotted lines, and bands as sparse dots."""
    dots = page.blank()
    for mark in chart.marks:
        if not np.isnan(x := page.x(mark.x)):
            dots[::3, _nearest(x)] = True
    for rule in chart.rules:
        if not np.isnan(y := page.y(rule.y)):
            dots[_nearest(y), ::3] = True
    rows, columns = np.arange(dots.shape[0])[:, np.newaxis], np.arange(dots.shape[1])
    stipple = (rows + 2 * columns) % 4 == 0
    for series in chart.series:
        if series.low is None or series.high is None:
            continue
        x, low, high = page.x(series.x), page.y(series.low), page.y(series.high)
        for kept in thin(x, low, high):
            # Beyond the band's own ends there is none, which a NaN on either side says.
            top, floor = (
                np.interp(columns, x[kept], edge[kept], left=np.nan, right=np.nan) for edge in (high, low)
            )
            dots |= stipple & (rows >= top) & (rows <= floor)
    return dots


def _letter_cells(inked: NDArray[np.bool_]) -> dict[int, tuple[int, int]]:
    """For each curve a character to carry its letter: on the curve, alone if it can be, and spread out."""
    cells = {}
    curves, _, columns = inked.shape
    alone = inked & (inked.sum(axis=0) == 1)
    for index in range(curves):
        choices = np.argwhere(alone[index] if alone[index].any() else inked[index])
        if choices.size:
            wanted = (index + 0.5) / curves * columns
            row, column = choices[np.abs(choices[:, 1] - wanted).argmin()]
            cells[index] = int(row), int(column)
    return cells


def _shade_names(chart: Chart, page: _Page) -> tuple[str, list[Shade]]:
    """A line with a bar where each shade begins and its name where it fits, and the shades without one."""
    line = [" "] * page.columns
    unnamed = []
    for shade in chart.shades:
        ends = np.clip([shade.start, shade.stop], page.x_axis.low, page.x_axis.high)
        start, stop = (_nearest(page.x(ends)) // 2).tolist()
        line[start] = "▏"
        if len(shade.label) < stop - start:
            line[start + 1 : start + 1 + len(shade.label)] = plain(shade.label)
        else:
            unnamed.append(shade)
    return "".join(line), unnamed


def _tick_labels(columns: Sequence[int], labels: Sequence[str], width: int) -> str:
    line = ""
    for column, label in zip(columns, labels, strict=True):
        start = min(column - (len(label) - 1) // 2, width - len(label))
        # A label that would touch the one before is left out.
        if start > len(line):
            line = line.ljust(start) + label
    return line


def _legend(chart: Chart, unnamed: Sequence[Shade], width: int, colour: bool) -> list[str]:
    lines = []
    if len(chart.series) > 1:
        for index, series in enumerate(chart.series):
            letter = ascii_letters[index % len(ascii_letters)]
            key = _coloured(letter, index) if colour else letter
            lines.append(f"{key}  {shorten(series.label, width - 3)}")
    if unnamed:
        stretches = (f"{shade.label} {number(shade.start)} to {number(shade.stop)}" for shade in unnamed)
        lines.append(shorten(f"▏  {', '.join(stretches)}", width))
    for label in dict.fromkeys(mark.label for mark in chart.marks):
        places = (_place(mark) for mark in chart.marks if mark.label == label)
        lines.append(shorten(f"⋮  {label} at {', '.join(places)}", width))
    lines += [shorten(f"┄  {rule.label} at {number(rule.y)}", width) for rule in chart.rules]
    return lines


def _place(mark: Mark) -> str:
    """Where a mark is; estimates have so many digits that two in one interval differ."""
    if mark.interval is None:
        return number(mark.x)
    low, high = mark.interval
    return f"{number(_short(mark.x))} ({number(_short(low))} to {number(_short(high))})"


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _by_cell(dots: _Dots) -> _Dots:
    """The same dots, with one row and column for each character, then its 4 × 2 dots."""
    rows, columns = dots.shape
    return dots.reshape(rows // 4, 4, columns // 2, 2).swapaxes(1, 2)


def _nearest(dots: FloatArray) -> NDArray[np.intp]:
    return np.rint(dots).astype(np.intp)


def _coloured(text: str, index: int) -> str:
    return f"\x1b[{_COLOURS[index % len(_COLOURS)]}m{text}\x1b[0m"
