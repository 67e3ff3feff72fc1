"""Pictures for the pages, as SVG that reads on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from etude import Plateau, Schedule
from etude.plots import Chart, Series, to_svg
from etude.tables import Table

__all__ = ["chart", "figure", "small"]


def figure(value: Any) -> str:
    """The HTML of a picture of a schedule, a table, a chart, a list of rates, or a dict of lists by name.

    After a list or dict, the labels of x and y may follow.
    """
    return f'<figure class="curve">{_svg(value)}</figure>'


def chart(table: Table) -> Chart:
    """The chart of a table; of one with feedback, under a metric that never gets better."""
    drawn = table.chart()
    if not any(isinstance(part, Plateau) for part in table.schedule.walk()):
        return drawn
    values = table.replay([1.0] * int(table.steps / (table.horizon.steps_per_epoch or 1)))
    return replace(drawn, series=[Series(drawn.y_label, np.arange(float(len(values))), values)])


def small(table: Table) -> str:
    """A thumbnail: the curve and its scale, without titles and names."""
    return to_svg(replace(chart(table), title="", x_label="", y_label="", shades=()), 300, 150)


def _svg(value: Any) -> str:
    if isinstance(value, Schedule):
        svg = value._repr_svg_()
        if svg is None:
            raise ValueError(f"{value!r} cannot be drawn without a horizon")
        return svg
    if isinstance(value, Table):
        return to_svg(value.chart(), 720, 280)
    if isinstance(value, Chart):
        return to_svg(value, 720, 280)
    curves, *labels = value if isinstance(value, tuple) else (value,)
    return to_svg(_chart(curves if isinstance(curves, Mapping) else {"": curves}, *labels), 720, 280)


def _chart(curves: Mapping[str, Any], x_label: str = "epoch", y_label: str = "learning rate") -> Chart:
    """Recorded values against their places; several by their names."""
    # A few values, one for each epoch, are seen as such.
    series = [
        Series(
            name,
            np.arange(float(len(values))),
            values,
            style="line+points" if len(values) <= 60 else "line",
        )
        for name, values in curves.items()
    ]
    return Chart("", x_label, y_label, series)
