"""Pictures of schedules and curves: the numbers first, then a drawing of them.

A Chart holds the numbers; `to_text` draws it in a terminal, `to_svg` in a notebook, and `draw`, `save` and
`to_png` with matplotlib, which is imported only when one of these three is called.
"""

from __future__ import annotations

from etude.plots.chart import Chart, Mark, Rule, Series, Shade, Unit, overlay
from etude.plots.figures import COLUMN, SLIDE, check_path, draw, save, to_png
from etude.plots.svg import to_svg
from etude.plots.terminal import sparkline, to_text

__all__ = [
    "COLUMN",
    "SLIDE",
    "Chart",
    "Mark",
    "Rule",
    "Series",
    "Shade",
    "Unit",
    "check_path",
    "draw",
    "overlay",
    "save",
    "sparkline",
    "to_png",
    "to_svg",
    "to_text",
]
