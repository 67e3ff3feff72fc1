"""The SVG: well-formed XML whose coordinates are the numbers of the chart."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from etude.errors import ScheduleError
from etude.plots.chart import Chart, Mark, Rule, Series, Shade, Unit
from etude.plots.svg import to_svg

NAN = math.nan
NAMESPACE = "{http://www.w3.org/2000/svg}"


def parse(chart: Chart, width: int = 640, height: int = 280) -> ElementTree.Element:
    return ElementTree.fromstring(to_svg(chart, width, height))


def chart_of(*series: Series, **more: object) -> Chart:
    return Chart("title", "step", "rate", series, **more)  # type: ignore[arg-type]


def of_kind(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if element.get("class") == kind]


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{NAMESPACE}text")]


def subpaths(path: ElementTree.Element) -> list[NDArray[np.float64]]:
    """The corners of each unbroken piece of a path, as rows of x and y in pixels."""
    pieces = re.findall(r"M([-\d. ]+)", path.get("d", ""))
    return [np.array(piece.split(), dtype=float).reshape(-1, 2) for piece in pieces]


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.get(name, "nan"))


def test_a_line_goes_through_its_points() -> None:
    root = parse(chart_of(Series("lr", [0, 50, 100], [0.0, 1.0, 0.5])))
    ((start, peak, end),) = subpaths(of_kind(root, "line")[0])
    axis = of_kind(root, "axis")[0]
    assert start[0] == number(axis, "x1")
    assert end[0] == number(axis, "x2")
    assert peak[0] == pytest.approx((start[0] + end[0]) / 2, abs=0.1)
    # Up the page is a smaller y.
    assert (start[1] - end[1]) / (start[1] - peak[1]) == pytest.approx(0.5, abs=0.01)


def test_ticks_stand_beside_their_values() -> None:
    root = parse(chart_of(Series("lr", [0, 4000], [0.0, 1e-5])))
    y_ticks, x_ticks = ["0", "2e-6", "4e-6", "6e-6", "8e-6", "1e-5"], ["0", "1000", "2000", "3000", "4000"]
    assert texts(root) == [*y_ticks, *x_ticks, "title", "step", "rate"]
    ((start, end),) = subpaths(of_kind(root, "line")[0])
    heights = [number(line, "y1") for line in of_kind(root, "grid")]
    assert heights == pytest.approx(np.linspace(start[1], end[1], 6), abs=0.1)


def test_a_jump_is_vertical() -> None:
    root = parse(chart_of(Series("steps", [0, 10, 10, 20], [1.0, 1.0, 0.1, 0.1])))
    ((_, before, after, _),) = subpaths(of_kind(root, "line")[0])
    assert before[0] == after[0]
    assert after[1] - before[1] > 150


def test_a_million_points_keep_jumps_and_extremes_in_little_space() -> None:
    steps = np.arange(1_000_000)
    rates = np.where(steps < 500_000, 0.1, 0.01)
    rates[123_456], rates[765_432] = 0.2, 0.0
    text = to_svg(chart_of(Series("lr", steps, rates)))
    assert len(text) < 40_000
    root = ElementTree.fromstring(text)
    (corners,) = subpaths(of_kind(root, "line")[0])
    axis = of_kind(root, "axis")[0]
    left, right = number(axis, "x1"), number(axis, "x2")
    assert len(corners) <= 2 * (right - left) + 10

    # The spike and the dip are where they were, and no piece is wide enough to slant.
    highest, lowest = corners[corners[:, 1].argmin()], corners[corners[:, 1].argmax()]
    assert (highest[0] - left) / (right - left) == pytest.approx(0.123456, abs=0.002)
    assert (lowest[0] - left) / (right - left) == pytest.approx(0.765432, abs=0.002)
    assert np.diff(corners[:, 0]).max() < 1.1


def test_gaps_break_the_line_and_a_lone_point_is_a_dot() -> None:
    root = parse(chart_of(Series("a", range(7), [1, 2, NAN, 3, NAN, 2, 1])))
    path = of_kind(root, "line")[0]
    assert [len(piece) for piece in subpaths(path)] == [2, 1, 2]
    assert path.get("d", "").count("h0") == 1
    assert path.get("stroke-linecap") == "round"


@pytest.mark.parametrize(
    ("style", "kinds"),
    [("line", ["line"]), ("points", ["points"]), ("line+points", ["line", "points"])],
)
def test_styles(style: str, kinds: list[str]) -> None:
    series = Series("a", [0, 1, 2], [1, 3, 2], style=style)  # type: ignore[arg-type]
    root = parse(chart_of(series, series))
    for kind in ("line", "points"):
        expected = 2 if kind in kinds else 0
        assert len(of_kind(root, kind)) == len(of_kind(root, f"key {kind}")) == expected
    if "points" in kinds:
        assert [piece.shape for piece in subpaths(of_kind(root, "points")[0])] == [(1, 2)] * 3


def test_a_band_goes_there_and_back_beneath_the_lines() -> None:
    first = Series("a", [0, 1, 2], [1, 2, 3], low=[0, 1, NAN], high=[2, 3, 4])
    second = Series("b", [0, 1, 2], [1, 2, 3], low=[0, 1, 2], high=[2, 3, 4])
    root = parse(chart_of(first, second))
    short, long = of_kind(root, "band")
    assert [len(piece) for piece in subpaths(short)] == [4]
    (outline,) = subpaths(long)
    assert outline[:3, 0].tolist() == outline[:2:-1, 0].tolist()
    assert np.all(outline[:3, 1] < outline[:2:-1, 1])
    kinds = [element.get("class") for element in root]
    assert kinds.index("line") > kinds.index("band") + 1


def test_shades_marks_and_rules_are_named_where_they_are() -> None:
    root = parse(
        chart_of(
            Series("lr", [0, 1000], [0, 1]),
            shades=[Shade(250, 1000, "cosine"), Shade(0, 250, "warmup")],
            marks=[Mark(500, "restart")],
            rules=[Rule(0.5, "best fixed rate")],
        )
    )
    ((start, end),) = subpaths(of_kind(root, "line")[0])
    warmup, cosine = of_kind(root, "shade")
    assert number(warmup, "x") == start[0]
    assert number(cosine, "x") == pytest.approx(start[0] + (end[0] - start[0]) / 4, abs=0.1)
    assert number(cosine, "x") + number(cosine, "width") == pytest.approx(end[0], abs=0.1)
    assert number(of_kind(root, "mark")[0], "x1") == pytest.approx((start[0] + end[0]) / 2, abs=0.1)
    assert number(of_kind(root, "rule")[0], "y1") == pytest.approx((start[1] + end[1]) / 2, abs=0.1)
    assert {"warmup", "cosine", "restart", "best fixed rate"} <= set(texts(root))
    assert [cosine[0].text, warmup[0].text] == ["cosine", "warmup"]


def test_names_without_room_are_left_to_tooltips() -> None:
    cycles = [Shade(start, start + 1, f"cycle {start}") for start in range(100)]
    root = parse(chart_of(Series("lr", [0, 100], [0, 1]), shades=cycles))
    shown = [text for text in texts(root) if text.startswith("cycle")]
    assert 5 <= len(shown) <= 15
    assert [shade[0].text for shade in of_kind(root, "shade")] == [cycle.label for cycle in cycles]


def test_a_phase_from_zero_begins_at_the_edge_of_a_log_axis() -> None:
    root = parse(
        chart_of(
            Series("a", [1, 100], [1, 2]),
            shades=[Shade(0, 10, "warmup")],
            marks=[Mark(0, "start")],
            x_scale="log",
        )
    )
    shade, axis = of_kind(root, "shade")[0], of_kind(root, "axis")[0]
    assert number(shade, "x") == number(axis, "x1")
    assert number(shade, "width") == pytest.approx((number(axis, "x2") - number(axis, "x1")) / 2, abs=0.1)
    assert not of_kind(root, "mark")


def test_only_several_series_have_a_legend() -> None:
    assert "a" not in texts(parse(chart_of(Series("a", [0, 1], [0, 1]))))
    root = parse(chart_of(*(Series(name, [0, 1], [0, 1]) for name in "ab")))
    assert {"a", "b"} <= set(texts(root))
    assert number(of_kind(root, "axis")[0], "x2") < 640 - 38


def test_fourteen_series_differ_in_colour_or_dash() -> None:
    root = parse(chart_of(*(Series(f"s{index}", [0, 1], [0, index]) for index in range(14))))
    looks = [(line.get("stroke"), line.get("stroke-dasharray")) for line in of_kind(root, "line")]
    assert len(set(looks)) == 14
    assert looks == [(key.get("stroke"), key.get("stroke-dasharray")) for key in of_kind(root, "key line")]


def test_a_legend_too_long_says_how_many_are_missing() -> None:
    root = parse(chart_of(*(Series(f"s{index}", [0, 1], [0, index]) for index in range(40))))
    shown = len(of_kind(root, "key line"))
    assert f"+ {40 - shown} more" in texts(root)


def test_text_is_escaped_and_announced() -> None:
    root = parse(Chart("<a> & \"b\"\x00\n'c'", "x", "", [Series("</svg>", [0, 1], [0, 1])]))
    name = "<a> & \"b\"  'c'"
    assert root.get("role") == "img"
    assert root.get("aria-label") == name
    assert root[0].tag == f"{NAMESPACE}title"
    assert root[0].text == name
    assert of_kind(root, "line")[0][0].text == "</svg>"


@pytest.mark.parametrize(
    ("chart", "reason"),
    [
        (Chart("", "", "", []), "nothing to draw"),
        (chart_of(Series("a", [], [])), "nothing to draw"),
        (chart_of(Series("a", [0, 1], [NAN, NAN])), "nothing to draw"),
        (chart_of(Series("a", [0, 1], [0, 0]), y_scale="log"), "no value above 0 to draw on a log axis"),
    ],
)
def test_nothing_to_see_is_said(chart: Chart, reason: str) -> None:
    assert reason in texts(parse(chart))


@pytest.mark.parametrize(
    "series",
    [
        Series("single", [5], [3]),
        Series("origin", [0], [0]),
        Series("constant", [0, 1], [0.1, 0.1]),
        Series("huge", [-1e300, 1e300], [-1e300, 1e300]),
        Series("beyond", [0, 1, 2], [1e308, 1.0, -1e308]),
        Series("tiny", [0, 1e-310], [0, 5e-324]),
        Series("wide", [0, 1, 2], [1e-300, 1, 1e300]),
    ],
)
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_extreme_values_stay_on_the_page(series: Series, scale: str) -> None:
    root = parse(chart_of(series, y_scale=scale))
    for path in root.iter(f"{NAMESPACE}path"):
        for piece in subpaths(path):
            assert np.all((piece >= 0) & (piece <= [640, 280]))
    assert "nan" not in " ".join(element.get("d", "") for element in root.iter())


def test_long_words_are_cut_to_the_page() -> None:
    root = parse(
        Chart(
            "t" * 300,
            "x" * 300,
            "y" * 300,
            [Series("s" * 300, [0, 1], [0, 1])] * 2,
            rules=[Rule(1, "r" * 300)],
        )
    )
    assert max(len(text) for text in texts(root)) < 100
    assert sum(text.endswith("…") for text in texts(root)) == 6
    axis = of_kind(root, "axis")[0]
    assert number(axis, "x2") - number(axis, "x1") > 150


def test_the_least_size() -> None:
    assert parse(chart_of(Series("a", [0, 1], [0, 1])), 240, 120).get("width") == "240"
    with pytest.raises(ScheduleError, match="at least 240 by 120 pixels; got 239 by 120"):
        to_svg(chart_of(), 239, 120)


def test_epochs_are_above_steps_and_intervals_are_bars() -> None:
    chart = Chart(
        "t",
        "step",
        "lr",
        [Series("lr", [0, 1000], [0, 1])],
        marks=[Mark(480, "steepest", 300, 600), Mark(500, "valley", 400, 700), Mark(700, "valley")],
        above=Unit("epoch", 100),
    )
    root = ElementTree.fromstring(to_svg(chart))
    texts = [element.text for element in root.iter(f"{{{root.tag[1:].partition('}')[0]}}}text")]
    assert texts.count("epoch") == 1
    assert texts.count("valley") == 1
    # 0 is on three axes, 200 to 1000 below, and 2 to 10 above.
    assert [text for text in texts if text in ("2", "4", "6", "8", "10")] == ["2", "4", "6", "8", "10"]
    bars = [element for element in root.iter() if element.get("class") == "interval" and element.get("x1")]
    ends = [(float(bar.attrib["x1"]), float(bar.attrib["x2"]), float(bar.attrib["y1"])) for bar in bars]
    assert len(ends) == 2
    assert ends[0][0] < ends[1][0] < ends[0][1] < ends[1][1]
    assert ends[0][2] < ends[1][2]
