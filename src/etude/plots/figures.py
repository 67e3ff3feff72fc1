"""A chart as a matplotlib figure, a PNG, an SVG or a PDF: for reports and papers.

matplotlib is imported here alone, and only when something is drawn. Figures are built without pyplot, from
matplotlib's own defaults rather than the user's style: no global state is left changed, and the same chart
gives the same bytes.
"""

from __future__ import annotations

import io
import math
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etude.errors import MissingError, ScheduleError
from etude.files import write_whole
from etude.plots.axes import Axis, axes, vacancy
from etude.plots.chart import Chart, Series
from etude.plots.fitting import apart, in_a_row, plain, shorten
from etude.plots.palette import DASHES, OKABE_ITO, OKABE_ITO_ON_DARK
from etude.plots.thinning import thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["draw", "save", "to_png"]

# In points; widths of text are estimates, since it has none before it is drawn.
_FONT = 8.0
_CHARACTER = 0.58 * _FONT
_LINE = 1.35 * _FONT
_POINTS_PER_INCH = 72
_DPI = 200
# Long series are thinned to this, which is fine enough for print and for zooming into a PDF.
_COLUMNS_PER_INCH = 600
_MOST_SERIES_INSIDE = 5
# What each format writes about itself, emptied of dates and versions.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# The keys are literals to type checkers; Any spares naming their type.
_STYLE: dict[Any, Any] = {
    "font.size": _FONT,
    "axes.titlesize": _FONT + 1,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "legend.labelspacing": 0.35,
    "lines.linewidth": 1.5,
    "lines.markersize": 3.5,
    # So that a line through millions of points in no order can be drawn.
    "agg.path.chunksize": 20_000,
    # A dollar sign in a label is a dollar sign.
    "text.parse_math": False,
    # Fonts that journals accept, and ids that do not change from one drawing to the next.
    "pdf.fonttype": 42,
    "svg.hashsalt": "etude",
}
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_PAPER = ("figure.facecolor", "axes.facecolor")
_LIGHT: dict[Any, Any] = dict.fromkeys(_INKED, "#222222") | dict.fromkeys(_PAPER, "#ffffff")
_DARK: dict[Any, Any] = dict.fromkeys(_INKED, "#dddddd") | dict.fromkeys(_PAPER, "#111111")
_GREY = "#888888"
# rcParams and matplotlib's font cache belong to the whole process.
_LOCK = threading.Lock()


def draw(chart: Chart, *, width: float = 6.4, height: float = 3.2, dark: bool = False) -> Figure:
    """Draw the chart as a matplotlib figure, in data coordinates, ready to be added to.

    Args:
        chart: the picture.
        width, height: in inches; at least 3 by 2.
        dark: light ink on a dark page.

    Raises:
        MissingError: when matplotlib is not installed.
        ScheduleError: when the size is too small.
    """
    with _own_style(dark):
        return _figure([chart], width, height, dark)


def save(
    charts: Chart | Sequence[Chart],
    path: str | os.PathLike[str],
    *,
    width: float = 6.4,
    height: float = 3.2,
    dark: bool = False,
    dpi: float = _DPI,
) -> Path:
    """Draw one chart, or several in a grid, into a file; whole or not at all.

    Args:
        charts: the picture or pictures; at least one.
        path: where to; the suffix chooses the format: .png, .svg or .pdf.
        width, height: of each chart, in inches; at least 3 by 2.
        dark: light ink on a dark page.
        dpi: pixels per inch of a PNG.

    Returns:
        The path written.

    Raises:
        ScheduleError: when the suffix names no format, the size is too small, or there is no chart.
        StoreError: when the file cannot be written.
        MissingError: when matplotlib is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise ScheduleError(f"a picture's name must end in one of {', '.join(_METADATA)}; got {str(path)!r}")
    charts = [charts] if isinstance(charts, Chart) else list(charts)
    if not charts:
        raise ScheduleError("there must be at least one chart to save; got none")
    write_whole(path, _render(charts, suffix, width, height, dark, dpi))
    return path


def to_png(
    chart: Chart, *, width: float = 6.4, height: float = 3.2, dark: bool = False, dpi: float = _DPI
) -> bytes:
    """Draw the chart as the bytes of a PNG, to embed in a page.

    Args:
        chart: the picture.
        width, height: in inches; at least 3 by 2.
        dark: light ink on a dark page.
        dpi: pixels per inch.

    Raises:
        MissingError: when matplotlib is not installed.
        ScheduleError: when the size is too small.
    """
    return _render([chart], ".png", width, height, dark, dpi)


@contextmanager
def _own_style(dark: bool) -> Iterator[None]:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingError(
            "drawing a figure needs matplotlib, which is not installed; run: pip install 'etude[study]'"
        ) from error
    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | (_DARK if dark else _LIGHT))
        yield


def _render(
    charts: Sequence[Chart], suffix: str, width: float, height: float, dark: bool, dpi: float
) -> bytes:
    page = io.BytesIO()
    with _own_style(dark):
        figure = _figure(charts, width, height, dark)
        figure.savefig(page, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])
    return page.getvalue()


def _figure(charts: Sequence[Chart], width: float, height: float, dark: bool) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if width < 3 or height < 2:
        raise ScheduleError(f"a figure must be at least 3 by 2 inches; got {width} by {height}")
    # Up to three side by side, so that a grid stays about as wide as it is high.
    columns = min(len(charts), 2 if len(charts) <= 4 else 3)
    rows = -(-len(charts) // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for index, chart in enumerate(charts):
        panel = figure.add_subplot(rows, columns, index + 1)
        _draw(chart, _frame(chart, panel, width, height), OKABE_ITO_ON_DARK if dark else OKABE_ITO)
    return figure


@dataclass(frozen=True)
class _Frame:
    """The frame of one chart: matplotlib's axes, the range they show, and their estimated size in points.

    A name beside the frame is cut to the longest number of characters. The names of the rules take
    rules_room; the legend, where it is outside, has so many columns.
    """

    panel: Axes
    x_axis: Axis
    y_axis: Axis
    across: float
    down: float
    longest: int
    rules_room: float
    columns: int


def _frame(chart: Chart, panel: Axes, width: float, height: float) -> _Frame:
    page, down = _POINTS_PER_INCH * width, _POINTS_PER_INCH * height - 45
    # To the right of the frame: the names of the rules, then the legend where there are many curves.
    longest = int(4 * width)
    names, labels = [rule.label for rule in chart.rules], [series.label for series in chart.series]
    rules_room = 8 + _width_of(names, longest) if names else 0.0
    legend_room, columns = 0.0, 0
    if len(labels) > _MOST_SERIES_INSIDE:
        column = 40 + _width_of(labels, longest)
        # The legend gets no more than half the page.
        columns = max(1, min(math.ceil(len(labels) * _LINE / down), int(page / 2 / column)))
        legend_room = columns * column
    # To the left: ticks and their labels.
    across = max(page - 50 - rules_room - legend_room, 20.0)
    x_axis, y_axis = axes(chart, max(2, int(across / 45)), max(2, int(height * 2)))
    return _Frame(panel, x_axis, y_axis, across, down, longest, rules_room, columns)


def _draw(chart: Chart, frame: _Frame, colours: Sequence[str]) -> None:
    _range_and_titles(chart, frame)
    _shades(chart, frame)
    _marks(chart, frame)
    _rules(chart, frame)
    lines = []
    for index, series in enumerate(chart.series):
        dashes = DASHES[index // len(colours) % len(DASHES)]
        line = _curve(series, frame, colours[index % len(colours)])
        line.set_linestyle("none" if series.style == "points" else (0, dashes) if dashes else "solid")
        lines.append(line)
    if frame.columns:
        _legend_outside(lines, frame)
    elif len(lines) > 1:
        frame.panel.legend(handles=lines)
    if reason := vacancy(chart):
        place = frame.panel.transAxes
        frame.panel.text(0.5, 0.5, reason, transform=place, ha="center", va="center", color=_GREY)


def _range_and_titles(chart: Chart, frame: _Frame) -> None:
    panel, x_axis, y_axis = frame.panel, frame.x_axis, frame.y_axis
    panel.set(xscale=x_axis.scale, yscale=y_axis.scale)
    panel.set(xlim=(x_axis.low, x_axis.high), ylim=(y_axis.low, y_axis.high))
    panel.set_xticks(x_axis.ticks, x_axis.labels)
    panel.set_yticks(y_axis.ticks, y_axis.labels)
    panel.minorticks_off()
    panel.grid(axis="y", color=_GREY, alpha=0.25, linewidth=0.6)
    panel.set_xlabel(shorten(chart.x_label, frame.across / _CHARACTER))
    panel.set_ylabel(shorten(chart.y_label, frame.down / _CHARACTER))
    # Bold and a point larger, and it may reach over the labels on either side.
    title = shorten(chart.title, (frame.across + 80) / (1.25 * _CHARACTER))
    panel.set_title(title, pad=6 + _LINE * (bool(chart.shades) + bool(chart.marks)))


def _curve(series: Series, frame: _Frame, colour: str) -> Line2D:
    panel, place = frame.panel, frame.y_axis.place
    column = frame.x_axis.place(series.x) * frame.across / _POINTS_PER_INCH * _COLUMNS_PER_INCH
    if series.low is not None and series.high is not None:
        for kept in thin(column, place(series.low), place(series.high)):
            x, low, high = (values[kept] for values in (series.x, series.low, series.high))
            panel.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    pieces = thin(column, place(series.y), joined=series.style != "points")
    if series.style == "line":
        # A line has no extent where a point stands alone between two gaps.
        for kept in pieces:
            if kept.size == 1:
                panel.plot(series.x[kept], series.y[kept], color=colour, marker=".")
    # A NaN after each piece breaks the line there.
    x, y = (
        np.concatenate([[np.nan], *(np.append(values[kept], np.nan) for kept in pieces)])
        for values in (series.x, series.y)
    )
    label = shorten(series.label, frame.longest)
    (line,) = panel.plot(x, y, color=colour, marker="" if series.style == "line" else "o", label=label)
    return line


def _shades(chart: Chart, frame: _Frame) -> None:
    shades = sorted(chart.shades, key=lambda shade: shade.start)
    places = []
    for index, shade in enumerate(shades):
        # On a log axis a phase from 0 begins at the left edge.
        start, stop = np.clip([shade.start, shade.stop], frame.x_axis.low, frame.x_axis.high).tolist()
        frame.panel.axvspan(start, stop, facecolor=_GREY, alpha=0.05 if index % 2 else 0.16, linewidth=0)
        places.append((float(frame.x_axis.place(start)), float(frame.x_axis.place(stop))))
    _names_above(frame, [shade.label for shade in shades], places, row=0)


def _marks(chart: Chart, frame: _Frame) -> None:
    marks = [mark for mark in chart.marks if not np.isnan(frame.x_axis.place(mark.x))]
    marks.sort(key=lambda mark: mark.x)
    for mark in marks:
        frame.panel.axvline(mark.x, color=_GREY, linewidth=0.9, linestyle=(0, (2, 2)))
    places = [float(frame.x_axis.place(mark.x)) for mark in marks]
    labels = [mark.label for mark in marks]
    _names_above(frame, labels, [(place, place) for place in places], row=bool(chart.shades))


def _rules(chart: Chart, frame: _Frame) -> None:
    rules = [rule for rule in chart.rules if not np.isnan(frame.y_axis.place(rule.y))]
    places = [float(frame.y_axis.place(rule.y)) for rule in rules]
    for rule, place in zip(rules, apart(places, _LINE / frame.down), strict=True):
        frame.panel.axhline(rule.y, color=_GREY, linewidth=1.0, linestyle=(0, (6, 3)))
        label = shorten(rule.label, frame.longest)
        _write_beside(frame, label, (1.0, place), (4, 0), verticalalignment="center")


def _names_above(
    frame: _Frame, labels: Sequence[str], places: Sequence[tuple[float, float]], row: int
) -> None:
    """Write the names in a row above the frame, as far as there is room."""
    widths = [_CHARACTER * (len(label) + 1) / frame.across for label in labels]
    for label, middle in zip(labels, in_a_row(places, widths, 0.0, 1.0), strict=True):
        if middle is not None:
            above = 3 + _LINE * row
            _write_beside(frame, plain(label), (middle, 1.0), (0, above), horizontalalignment="center")


def _write_beside(
    frame: _Frame, text: str, place: tuple[float, float], points: tuple[float, float], **alignment: Any
) -> None:
    """Write just outside the frame: some points away from a place given in fractions of it."""
    units: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    frame.panel.annotate(text, place, points, **units, **alignment)


def _legend_outside(lines: list[Line2D], frame: _Frame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    room = frame.columns * int(frame.down / _LINE)
    if len(lines) > room:
        rest = Line2D([], [], linestyle="none", label=f"+ {len(lines) - room + 1} more")
        lines = [*lines[: room - 1], rest]
    inches = frame.panel.figure.dpi_scale_trans
    frame.panel.legend(
        handles=lines,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        bbox_transform=frame.panel.transAxes
        + ScaledTranslation(frame.rules_room / _POINTS_PER_INCH, 0, inches),
        ncols=frame.columns,
        borderaxespad=0.0,
    )


def _width_of(labels: Sequence[str], longest: int) -> float:
    return _CHARACTER * min(max(len(label) for label in labels), longest)
