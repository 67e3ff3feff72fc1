"""matplotlib figures: what they hold, what files they make, and what they leave alone."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from etude.errors import MissingError, ScheduleError, StoreError
from etude.plots import figures
from etude.plots.chart import Chart, Mark, Rule, Series, Shade, Unit
from etude.plots.figures import COLUMN, SLIDE, Size, draw, save, to_png
from etude.plots.palette import OKABE_ITO

NAN = math.nan
WARMUP = Chart(
    "Warmup, then cosine",
    "step",
    "learning rate",
    [Series("lr", [0, 500, 10_000], [0.0, 0.1, 0.0])],
    [Shade(0, 500, "warmup"), Shade(500, 10_000, "cosine")],
    [Mark(500, "peak")],
    [Rule(0.05, "best fixed rate")],
)


def panel_of(chart: Chart, **options: Any) -> Any:
    (panel,) = draw(chart, **options).axes
    return panel


def many(count: int) -> Chart:
    return Chart("", "", "", [Series(f"s{index}", [0, 1], [0, index]) for index in range(count)])


def words(panel: Any) -> list[str]:
    return [text.get_text() for text in panel.texts]


def pixels(png: bytes) -> Any:
    return matplotlib.image.imread(io.BytesIO(png), format="png")


def test_a_figure_holds_the_numbers_in_data_coordinates() -> None:
    panel = panel_of(WARMUP)
    (line,) = (line for line in panel.get_lines() if line.get_label() == "lr")
    x, y = (np.asarray(values)[1:-1] for values in line.get_data())
    assert (x.tolist(), y.tolist()) == ([0, 500, 10_000], [0.0, 0.1, 0.0])
    assert panel.get_xlim() == (0, 10_000)
    assert panel.get_title() == "Warmup, then cosine"
    assert [tick.get_text() for tick in panel.get_xticklabels()][:3] == ["0", "2k", "4k"]
    assert set(words(panel)) == {"warmup", "cosine", "peak", "best fixed rate"}


def test_log_axes_have_plain_labels_and_no_minor_ones() -> None:
    chart = Chart("", "", "", [Series("a", [1e-6, 1e-1], [1e3, 6e4])], x_scale="log", y_scale="log")
    panel = panel_of(chart)
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    assert [tick.get_text() for tick in panel.get_xticklabels()] == [
        "1e-6", "1e-5", "1e-4", "0.001", "0.01", "0.1",
    ]  # fmt: skip
    assert not panel.get_xticklabels(minor=True)


def test_gaps_break_the_line_and_a_lone_point_is_a_dot() -> None:
    panel = panel_of(Chart("", "", "", [Series("a", range(6), [1, 2, NAN, 3, NAN, 2])]))
    *dots, line = panel.get_lines()
    assert [dot.get_data()[0] for dot in dots] == [[3.0], [5.0]]
    np.testing.assert_array_equal(line.get_ydata(), [NAN, 1, 2, NAN, 3, NAN, 2, NAN])


def test_a_long_series_is_thinned_and_keeps_its_extremes() -> None:
    y = np.random.default_rng(0).normal(size=1_000_000)
    (line,) = panel_of(Chart("", "", "", [Series("a", np.arange(y.size), y)])).get_lines()
    drawn = np.asarray(line.get_ydata())
    assert drawn.size < 20_000
    assert (np.nanmin(drawn), np.nanmax(drawn)) == (y.min(), y.max())


def test_fourteen_curves_differ_and_the_legend_stands_outside() -> None:
    panel = panel_of(many(14))
    looks = {(line.get_color(), str(line._dash_pattern)) for line in panel.get_lines()}
    assert len(looks) == 14
    assert [line.get_color() for line in panel.get_lines()[:8]] == list(OKABE_ITO)
    legend = panel.get_legend()
    assert legend is not None
    panel.figure.draw_without_rendering()
    assert legend.get_window_extent().x0 >= panel.get_window_extent().x1
    assert legend.get_window_extent().x1 <= panel.figure.bbox.x1


def test_legends() -> None:
    assert panel_of(many(1)).get_legend() is None
    inside = panel_of(many(5))
    legend = inside.get_legend()
    assert legend is not None
    inside.figure.draw_without_rendering()
    assert legend.get_window_extent().x1 <= inside.get_window_extent().x1


def test_a_legend_too_long_says_how_many_are_missing() -> None:
    legend = panel_of(many(200), width=3.3, height=2.2).get_legend()
    assert legend is not None
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown[-1] == f"+ {200 - len(shown) + 1} more"
    assert shown[0] == "s0"


def test_bands_are_see_through() -> None:
    series = Series("a", [0, 1, 2], [1, 2, 3], low=[0, 1, NAN], high=[2, 3, 4], style="line+points")
    panel = panel_of(Chart("", "", "", [series]))
    (band,) = panel.collections
    assert band.get_alpha() == 0.2
    corners = band.get_paths()[0].vertices
    assert (corners.min(axis=0).tolist(), corners.max(axis=0).tolist()) == ([0, 0], [1, 3])
    assert panel.get_lines()[0].get_marker() == "o"


def test_a_dollar_sign_is_a_dollar_sign() -> None:
    chart = Chart("from $5 to $6", "x", "_y", [Series("_a $", [0, 1], [0, 1]), Series("b\n", [0, 1], [0, 1])])
    to_png(chart)
    legend = panel_of(chart).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["_a $", "b "]


EXTREME = {
    "no series": Chart("", "", "", []),
    "empty": Chart("", "", "", [Series("a", [], [])]),
    "single": Chart("", "", "", [Series("a", [5], [3])]),
    "constant": Chart("", "", "", [Series("a", [0, 1], [0.1, 0.1])]),
    "only gaps": Chart("", "", "", [Series("a", [0, 1], [NAN, NAN])]),
    "huge": Chart("", "", "", [Series("a", [-1e300, 1e300], [-1e300, 1e300])]),
    "beyond": Chart("", "", "", [Series("a", [0, 1, 2], [1e308, 1, -1e308])]),
    "tiny": Chart("", "", "", [Series("a", [0, 1e-310], [0, 5e-324])]),
    "wide": Chart("", "", "", [Series("a", [1e-300, 1e300], [1e-300, 1e300])], x_scale="log", y_scale="log"),
    "zero on log axes": Chart(
        "",
        "",
        "",
        [Series("a", [0, 1], [0, 0])],
        [Shade(0, 1, "s")],
        [Mark(0, "m")],
        [Rule(0, "r")],
        x_scale="log",
        y_scale="log",
    ),
    "long words": Chart(
        "t" * 300, "x" * 300, "y" * 300, [Series("s" * 300, [0, 1], [0, 1])] * 9, rules=[Rule(1, "r" * 300)]
    ),
    "many phases": Chart(
        "", "", "", [Series("a", [0, 99], [0, 1])], [Shade(i, i + 1, f"cycle {i}") for i in range(99)]
    ),
}


@pytest.mark.parametrize("chart", EXTREME.values(), ids=EXTREME)
def test_extreme_charts_are_drawn_at_the_least_size(chart: Chart) -> None:
    assert pixels(to_png(chart, width=3, height=2, dpi=100)).shape == (200, 300, 4)


def test_nothing_to_see_is_said() -> None:
    zeros = Chart("", "", "", [Series("a", [0, 1], [0, 0])], y_scale="log")
    assert words(panel_of(zeros)) == ["no value above 0 to draw on a log axis"]


def test_png_bytes_are_the_same_each_time_and_undated() -> None:
    png = to_png(WARMUP)
    assert png == to_png(WARMUP)
    assert pixels(png).shape == (640, 1280, 4)
    assert b"Software" not in png
    assert b"tEXt" not in png


def test_the_dark_page_is_dark() -> None:
    assert pixels(to_png(WARMUP))[0, 0, :3].tolist() == [1, 1, 1]
    assert pixels(to_png(WARMUP, dark=True))[0, 0, :3].max() < 0.1


def test_the_users_style_is_neither_used_nor_changed() -> None:
    plain = to_png(WARMUP)
    with matplotlib.rc_context({"axes.facecolor": "red", "lines.linewidth": 9, "font.size": 20}):
        before = dict(matplotlib.rcParams)
        assert to_png(WARMUP) == plain
        assert dict(matplotlib.rcParams) == before


def test_drawing_leaves_pyplot_and_the_backend_alone() -> None:
    program = (
        "import sys, etude.plots as plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.to_png(plots.Chart('', '', '', []))\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_the_suffix_chooses_the_format_and_bytes_repeat(tmp_path: Path, suffix: str, start: bytes) -> None:
    first = save(WARMUP, tmp_path / f"first{suffix}")
    second = save(WARMUP, str(tmp_path / f"second{suffix}"))
    assert first == tmp_path / f"first{suffix}"
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(start)
    assert not re.search(rb"Date|20\d\d-\d\d-\d\d", first.read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


def test_a_saved_svg_is_well_formed(tmp_path: Path) -> None:
    root = ElementTree.fromstring(save(WARMUP, tmp_path / "a.svg").read_bytes())
    assert root.tag.endswith("svg")


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (7, 3, 3)]
)
def test_several_charts_stand_in_a_grid(tmp_path: Path, count: int, columns: int, rows: int) -> None:
    path = save([WARMUP] * count, tmp_path / "grid.png", width=3, height=2, dpi=50)
    assert pixels(path.read_bytes()).shape == (100 * rows, 150 * columns, 4)


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.gz", ".png"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScheduleError, match=r"must end in one of \.png, \.svg, \.pdf; got '.*'"):
        save(WARMUP, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_too_small_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError, match=r"at least 3 by 2 inches for type of 8 points; got 1 by 3"):
        draw(WARMUP, width=1, height=3)
    with pytest.raises(ScheduleError, match=r"at least 6 by 4 inches for type of 16 points; got 6.4 by 3.2"):
        draw(WARMUP, font=16)
    with pytest.raises(ScheduleError, match="font must be a size in points, at least 4; got 0"):
        draw(WARMUP, font=0)
    with pytest.raises(ScheduleError, match="at least one chart to save; got none"):
        save([], tmp_path / "a.png")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no folder '.*nowhere'; make it first"):
        save(WARMUP, tmp_path / "nowhere" / "a.png")


def test_a_failed_drawing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(charts: Sequence[Chart], *_: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(figures, "_figure", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        save(WARMUP, path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StoreError, match=r"cannot save '.*a\.png': No space left on device"):
        save(WARMUP, path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    save(WARMUP, path)
    assert path.read_bytes() == to_png(WARMUP)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StoreError, match=r"cannot save '.*folder\.png'"):
        save(WARMUP, tmp_path / "folder.png")


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingError, match=re.escape("run: pip install 'etude[study]'")):
        to_png(WARMUP)


MARKED = Chart(
    "",
    "step",
    "lr",
    [Series("lr", [0, 1000], [0, 1])],
    marks=[Mark(480, "steepest", 300, 600), Mark(500, "valley", 400, 700), Mark(520, "valley")],
    above=Unit("epoch", 100),
)


def test_marks_that_are_close_have_their_names_in_rows_and_one_name_once() -> None:
    panel = panel_of(MARKED, width=3, height=2)
    names = {text.get_text(): text for text in panel.texts}
    assert set(names) == {"steepest", "valley", "epoch"}
    panel.figure.draw_without_rendering()
    boxes = [names[name].get_window_extent() for name in ("steepest", "valley")]
    assert not boxes[0].overlaps(boxes[1])
    assert max(box.y1 for box in boxes) <= panel.figure.bbox.y1


def test_each_interval_is_a_bar_lower_than_the_one_before() -> None:
    bars = [line for line in panel_of(MARKED).get_lines() if line.get_linewidth() == 3]
    assert [list(bar.get_xdata()) for bar in bars] == [[300, 600], [400, 700]]
    heights = [float(bar.get_ydata()[0]) for bar in bars]
    assert 1 > heights[0] > heights[1] > 0


def test_the_second_unit_is_along_the_top_and_moves_with_the_first() -> None:
    panel = panel_of(MARKED)
    (top,) = panel.child_axes
    assert [tick.get_text() for tick in top.get_xticklabels()] == ["0", "2", "4", "6", "8", "10"]
    assert top.get_xlim() == (0, 10)
    panel.set_xlim(0, 500)
    panel.figure.draw_without_rendering()
    assert top.get_xlim() == (0, 5)


@pytest.mark.parametrize(("size", "shape"), [(COLUMN, (240, 335, 4)), (SLIDE, (560, 1000, 4))])
def test_sizes_are_those_of_their_names(size: Size, shape: tuple[int, ...]) -> None:
    assert pixels(to_png(MARKED, **size, dpi=100)).shape == shape


def test_lines_are_as_strong_as_the_type() -> None:
    small, large = (panel_of(WARMUP, width=12, height=6, font=font) for font in (8, 16))
    for panel, times in ((small, 1), (large, 2)):
        (line,) = (line for line in panel.get_lines() if line.get_label() == "lr")
        assert line.get_linewidth() == 1.5 * times
        assert panel.xaxis.label.get_fontsize() == 8 * times
        assert panel.xaxis.get_ticklines()[0].get_markersize() == 3.5 * times
