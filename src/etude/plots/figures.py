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
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from etude.errors import MissingError, ScheduleError
from etude.files import check_writable, write_whole
from etude.names import nearest
from etude.plots.axes import Axis, above, axes, vacancy
from etude.plots.chart import Chart, Mark, Series
from etude.plots.fitting import apart, in_a_row, in_rows, plain, shorten
from etude.plots.palette import DASHES, OKABE_ITO, OKABE_ITO_ON_DARK
from etude.plots.thinning import thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["COLUMN", "SLIDE", "Size", "check_path", "draw", "save", "to_png"]


class Size(TypedDict):
    """The size of a figure, in inches, and of its type, in points."""

    width: float
    height: float
    font: float


COLUMN: Size = {"width": 3.35, "height": 2.4, "font": 8.0}
"""One column of a paper in two: ``save(chart, "figure.pdf", **COLUMN)``."""

SLIDE: Size = {"width": 10.0, "height": 5.6, "font": 17.0}
"""A slide of 16 to 9, to be read from the last row."""

# In points. What follows from the size of the type is in proportion to this.
_FONT = 8.0
_SMALLEST_FONT = 4.0
_POINTS_PER_INCH = 72
_DPI = 200
# Long series are thinned to this, which is fine enough for print and for zooming into a PDF.
_COLUMNS_PER_INCH = 600
_MOST_SERIES_INSIDE = 5
_MOST_ROWS_OF_MARKS = 4
# What each format writes about itself, emptied of dates and versions.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# The keys are literals to type checkers; Any spares naming their type.
_STYLE: dict[Any, Any] = {
    # It comes with matplotlib, so that a picture is the same on every machine.
    "font.family": ["DejaVu Sans"],
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Curves that pass behind it are dimmed.
    "legend.frameon": True,
    "legend.framealpha": 0.8,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "legend.handlelength": 2.8,
    "legend.labelspacing": 0.35,
    # So that a line through millions of points in no order can be drawn.
    "agg.path.chunksize": 20_000,
    # A dollar sign in a label is a dollar sign.
    "text.parse_math": False,
    # Fonts that journals accept, and ids that do not change from one drawing to the next.
    "pdf.fonttype": 42,
    "svg.hashsalt": "etude",
}
# In points, for type of the usual size.
_LENGTHS: dict[Any, float] = {
    "font.size": _FONT,
    "axes.titlesize": _FONT + 1,
    "axes.linewidth": 0.8,
    "axes.labelpad": 4.0,
    "lines.linewidth": 1.5,
    "lines.markersize": 3.5,
    "xtick.major.size": 3.5,
    "xtick.major.pad": 3.5,
    "xtick.major.width": 0.8,
    "ytick.major.size": 3.5,
    "ytick.major.pad": 3.5,
    "ytick.major.width": 0.8,
}
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_PAPER = ("figure.facecolor", "axes.facecolor")
_LIGHT: dict[Any, Any] = dict.fromkeys(_INKED, "#222222") | dict.fromkeys(_PAPER, "#ffffff")
_DARK: dict[Any, Any] = dict.fromkeys(_INKED, "#dddddd") | dict.fromkeys(_PAPER, "#111111")
_GREY = "#888888"
# rcParams and matplotlib's font cache belong to the whole process.
_LOCK = threading.Lock()


def draw(
    chart: Chart, *, width: float = 6.4, height: float = 3.2, font: float = _FONT, dark: bool = False
) -> Figure:
    """Draw the chart as a matplotlib figure, in data coordinates, ready to be added to.

    Args:
        chart: the picture.
        width, height: in inches; at least 3 by 2 for type of 8 points, in proportion for other type.
        font: the size of the type, in points, at least 4; lines are as strong as the type.
        dark: light ink on a dark page.

    Raises:
        MissingError: when matplotlib is not installed.
        ScheduleError: when the size is too small.
    """
    with _own_style(font, dark):
        return _figure([chart], width, height, font, dark)


def save(
    charts: Chart | Sequence[Chart],
    path: str | os.PathLike[str],
    *,
    width: float = 6.4,
    height: float = 3.2,
    font: float = _FONT,
    dark: bool = False,
    dpi: float = _DPI,
) -> Path:
    """Draw one chart, or several in a grid, into a file; whole or not at all.

    ``COLUMN`` and ``SLIDE`` are sizes: ``save(chart, "figure.pdf", **COLUMN)``.

    Args:
        charts: the picture or pictures; at least one.
        path: where to; the suffix chooses the format: .png, .svg or .pdf.
        width, height: of each chart, in inches; at least 3 by 2 for type of 8 points.
        font: the size of the type, in points; at least 4.
        dark: light ink on a dark page.
        dpi: pixels per inch of a PNG.

    Returns:
        The path written.

    Raises:
        ScheduleError: when the suffix names no format, the size is too small, or there is no chart.
        StoreError: when the file cannot be written.
        MissingError: when matplotlib is not installed.
    """
    path = _path(path)
    suffix = _suffix(path)
    charts = [charts] if isinstance(charts, Chart) else list(charts)
    if not charts:
        raise ScheduleError("there must be at least one chart to save; got none")
    write_whole(path, _render(charts, suffix, width, height, font, dark, dpi))
    return path


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that ``save`` could not write to, before there is anything to draw.

    Raises:
        ScheduleError, StoreError, MissingError: as ``save`` would.
    """
    path = _path(path)
    _suffix(path)
    with _own_style(_FONT, dark=False):
        check_writable(path)


def _path(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ScheduleError(f"path must be where to save the picture; got {path!r}")
    return Path(path)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise ScheduleError(
            f"a picture's name must end in one of {', '.join(_METADATA)}; got {str(path)!r}"
            f"{nearest(suffix, _METADATA) if suffix else ''}"
        )
    return suffix


def to_png(
    chart: Chart,
    *,
    width: float = 6.4,
    height: float = 3.2,
    font: float = _FONT,
    dark: bool = False,
    dpi: float = _DPI,
) -> bytes:
    """Draw the chart as the bytes of a PNG, to embed in a page.

    Args:
        chart: the picture.
        width, height: in inches; at least 3 by 2 for type of 8 points.
        font: the size of the type, in points; at least 4.
        dark: light ink on a dark page.
        dpi: pixels per inch.

    Raises:
        MissingError: when matplotlib is not installed.
        ScheduleError: when the size is too small.
    """
    return _render([chart], ".png", width, height, font, dark, dpi)


@contextmanager
def _own_style(font: float, dark: bool) -> Iterator[None]:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingError(
            "drawing a figure needs matplotlib, which is not installed; run: pip install 'etude[study]'"
        ) from error
    if not _SMALLEST_FONT <= font < math.inf:
        raise ScheduleError(f"font must be a size in points, at least {_SMALLEST_FONT:g}; got {font!r}")
    lengths = {name: length * font / _FONT for name, length in _LENGTHS.items()}
    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | lengths | (_DARK if dark else _LIGHT))
        yield


def _render(
    charts: Sequence[Chart], suffix: str, width: float, height: float, font: float, dark: bool, dpi: float
) -> bytes:
    page = io.BytesIO()
    with _own_style(font, dark):
        figure = _figure(charts, width, height, font, dark)
        figure.savefig(page, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])
    return page.getvalue()


def _figure(charts: Sequence[Chart], width: float, height: float, font: float, dark: bool) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = font / _FONT
    if width < 3 * size or height < 2 * size:
        raise ScheduleError(
            f"a figure must be at least {3 * size:g} by {2 * size:g} inches for type of {font:g} points; "
            f"got {width} by {height}"
        )
    # Up to three side by side, so that a grid stays about as wide as it is high.
    columns = min(len(charts), 2 if len(charts) <= 4 else 3)
    rows = -(-len(charts) // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for index, chart in enumerate(charts):
        panel = figure.add_subplot(rows, columns, index + 1)
        _draw(chart, _frame(chart, panel, width, height, size), OKABE_ITO_ON_DARK if dark else OKABE_ITO)
    return figure


@dataclass(frozen=True)
class _Frame:
    """The frame of one chart: matplotlib's axes, the range they show, and their estimated size in points.

    Widths of text are estimates, since it has none before it is drawn. A name beside the frame is cut to the
    longest number of characters, that of a curve to its own. The names of the rules take rules_room; the
    legend, where it is outside, has so many columns. The size is the type's, in proportion to the usual one.
    """

    panel: Axes
    x_axis: Axis
    y_axis: Axis
    above: tuple[Axis, str] | None
    across: float
    down: float
    longest: int
    longest_curve: int
    rules_room: float
    columns: int
    size: float

    @property
    def character(self) -> float:
        return 0.58 * _FONT * self.size

    @property
    def line(self) -> float:
        return 1.35 * _FONT * self.size

    @property
    def over(self) -> float:
        """How far above the frame the names begin, in points."""
        # Ticks, the blank beside them, and their texts.
        return 3 * self.size + (7 * self.size + self.line if self.above else 0.0)


def _frame(chart: Chart, panel: Axes, width: float, height: float, size: float) -> _Frame:
    # As large as the page would be if the type were of the usual size.
    width, height = width / size, height / size
    page, down = _POINTS_PER_INCH * width, _POINTS_PER_INCH * height - 45
    character, line = 0.58 * _FONT, 1.35 * _FONT
    # To the right of the frame: the names of the rules, then the legend where there are many curves.
    inside = len(chart.series) <= _MOST_SERIES_INSIDE
    longest = int(4 * width)
    names, labels = [rule.label for rule in chart.rules], [series.label for series in chart.series]
    rules_room = 8 + character * _longest(names, longest) if names else 0.0
    legend_room, columns = 0.0, 0
    if not inside:
        column = 40 + character * _longest(labels, longest)
        # The legend gets no more than half the page.
        columns = max(1, min(math.ceil(len(labels) * line / down), int(page / 2 / column)))
        legend_room = columns * column
    # To the left: ticks and their labels.
    across = max(page - 50 - rules_room - legend_room, 20.0)
    x_ticks = max(2, int(across / 45))
    x_axis, y_axis = axes(chart, x_ticks, max(2, int(height * 2)))
    return _Frame(
        panel,
        x_axis,
        y_axis,
        above(chart, x_axis, x_ticks),
        across * size,
        down * size,
        longest,
        int(7 * width) if inside else longest,
        rules_room * size,
        columns,
        size,
    )


def _draw(chart: Chart, frame: _Frame, colours: Sequence[str]) -> None:
    _range(chart, frame)
    _shades(chart, frame)
    rows = _marks(chart, frame)
    _rules(chart, frame)
    _title(chart, frame, rows)
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


def _range(chart: Chart, frame: _Frame) -> None:
    panel, x_axis, y_axis = frame.panel, frame.x_axis, frame.y_axis
    panel.set(xscale=x_axis.scale, yscale=y_axis.scale)
    panel.set(xlim=(x_axis.low, x_axis.high), ylim=(y_axis.low, y_axis.high))
    panel.set_xticks(x_axis.ticks, x_axis.labels)
    panel.set_yticks(y_axis.ticks, y_axis.labels)
    panel.minorticks_off()
    panel.grid(axis="y", color=_GREY, alpha=0.25, linewidth=0.6 * frame.size)
    panel.set_xlabel(shorten(chart.x_label, frame.across / frame.character))
    panel.set_ylabel(shorten(chart.y_label, frame.down / frame.character))
    if frame.above is not None and chart.above is not None:
        axis, name = frame.above
        size = chart.above.size
        top = panel.secondary_xaxis("top", functions=(_Scaled(1 / size), _Scaled(size)))
        top.set_xticks(axis.ticks, axis.labels)
        # Its name beside the ticks: a line of its own would be one less for the curves.
        beside = (-6 * frame.size, 7 * frame.size)
        _write_beside(frame, shorten(name, 12), (0.0, 1.0), beside, ha="right", va="bottom")


@dataclass(frozen=True)
class _Scaled:
    """A conversion from one unit to another: not a closure, so that the figure can be copied."""

    size: float

    def __call__(self, x: Any) -> Any:
        return x * self.size


def _title(chart: Chart, frame: _Frame, rows_of_marks: int) -> None:
    # Bold and a point larger, and it may reach over the labels on either side.
    title = shorten(chart.title, (frame.across + 80 * frame.size) / (1.25 * frame.character))
    rows = bool(chart.shades) + rows_of_marks
    frame.panel.set_title(title, pad=frame.over + 3 * frame.size + frame.line * rows)


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
    label = shorten(series.label, frame.longest_curve)
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
    labels = [shade.label for shade in shades]
    for label, middle in zip(labels, in_a_row(places, _name_widths(frame, labels), 0.0, 1.0), strict=True):
        if middle is not None:
            _write_above(frame, label, middle, row=0)


def _marks(chart: Chart, frame: _Frame) -> int:
    """Draw the marks; return how many rows their names take."""
    marks = [mark for mark in chart.marks if not np.isnan(frame.x_axis.place(mark.x))]
    marks.sort(key=lambda mark: mark.x)
    for mark in marks:
        frame.panel.axvline(mark.x, color=_GREY, linewidth=0.9 * frame.size, linestyle=(0, (2, 2)))
    _intervals([mark for mark in marks if mark.interval], frame)
    labels = list(dict.fromkeys(mark.label for mark in marks))
    firsts = [float(frame.x_axis.place(next(m.x for m in marks if m.label == label))) for label in labels]
    widths = _name_widths(frame, labels)
    named = in_rows([(x, x) for x in firsts], widths, 0.0, 1.0, _MOST_ROWS_OF_MARKS)
    rows = [place[0] for place in named if place is not None]
    for label, place in zip(labels, named, strict=True):
        if place is not None:
            _write_above(frame, label, place[1], place[0] + bool(chart.shades))
    return max(rows) + 1 if rows else 0


def _intervals(marks: Sequence[Mark], frame: _Frame) -> None:
    """A bar for each interval, each lower than the one before, so that all can be seen."""
    for index, mark in enumerate(marks):
        assert mark.low is not None
        assert mark.high is not None
        height = 1 - (0.6 + 0.6 * index % 6) * frame.line / frame.down
        panel = frame.panel
        across = panel.get_xaxis_transform()
        # An end beyond the axis, as 0 is on a log one, lies at its edge.
        ends = np.clip([mark.low, mark.high], frame.x_axis.low, frame.x_axis.high)
        panel.plot(
            ends.tolist(),
            [height] * 2,
            transform=across,
            color=_GREY,
            linewidth=3 * frame.size,
            solid_capstyle="butt",
        )
        panel.plot([mark.x], [height], transform=across, color=_GREY, marker="o", markersize=4.5 * frame.size)


def _rules(chart: Chart, frame: _Frame) -> None:
    rules = [rule for rule in chart.rules if not np.isnan(frame.y_axis.place(rule.y))]
    places = [float(frame.y_axis.place(rule.y)) for rule in rules]
    for rule, place in zip(rules, apart(places, frame.line / frame.down), strict=True):
        frame.panel.axhline(rule.y, color=_GREY, linewidth=frame.size, linestyle=(0, (6, 3)))
        label = shorten(rule.label, frame.longest)
        _write_beside(frame, label, (1.0, place), (4 * frame.size, 0), verticalalignment="center")


def _name_widths(frame: _Frame, labels: Sequence[str]) -> list[float]:
    return [frame.character * (len(label) + 2) / frame.across for label in labels]


def _write_above(frame: _Frame, label: str, middle: float, row: int) -> None:
    points = (0, frame.over + frame.line * row)
    _write_beside(frame, plain(label), (middle, 1.0), points, horizontalalignment="center")


def _write_beside(
    frame: _Frame, text: str, place: tuple[float, float], points: tuple[float, float], **alignment: Any
) -> None:
    """Write just outside the frame: some points away from a place given in fractions of it."""
    units: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    frame.panel.annotate(text, place, points, **units, **alignment)


def _legend_outside(lines: list[Line2D], frame: _Frame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    room = frame.columns * int(frame.down / frame.line)
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


def _longest(labels: Sequence[str], most: int) -> int:
    return min(max(len(label) for label in labels), most)
