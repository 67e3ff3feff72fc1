"""Text pictures, character by character."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from etude.errors import ScheduleError
from etude.plots.chart import Chart, Mark, Rule, Series, Shade
from etude.plots.terminal import sparkline, to_text

NAN = math.nan


def shows(chart: Chart, width: int, height: int, picture: str) -> None:
    """See that the chart is drawn as the golden picture, which begins and ends with a line break."""
    assert "\n" + to_text(chart, width, height) + "\n" == picture


def test_a_jump_is_vertical() -> None:
    shows(
        Chart("steps", "epoch", "lr", [Series("lr", [0, 10, 10, 20], [1, 1, 0.1, 0.1])]),
        30,
        4,
        """
            steps
lr
  1 ┤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⡆
    │            ⡇
0.5 ┤            ⡇
    │            ⠧⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤
    └┬───────────┬───────────┬
     0           10         20
               epoch
""",
    )


def test_several_curves_carry_letters_and_a_legend() -> None:
    chart = Chart(
        "two",
        "",
        "",
        [Series("rise", [0, 1], [0, 1]), Series("fall", [0, 1], [1, 0])],
        [Shade(0, 0.1, "warmup"), Shade(0.1, 1, "cosine")],
        [Mark(0.5, "restart"), Mark(0.75, "restart")],
        [Rule(0.5, "best")],
    )
    shows(
        chart,
        30,
        5,
        """
             two
   ▏ ▏cosine
1 ┤⠒⠢⠤⣀⡀        ⡁      ⡁ ⢀⣀⠤⠔⠒
  │    ⠈⠉⠒⠢⠤⣀⡀  ⠄  ⢀⣀⠤⠔⠖⠉⠁
  │⠄⠠ ⠄⠠ ⠄⠠ ⠄⢨⣉⠶⠶⠶⣍⡡ ⠄⠠⠂⠄⠠ ⠄⠠
  │    ⢀⣀⠤a⠒⠉⠁  ⡁  ⠈⠉⠒⠢b⣀⡀
0 ┤⠤⠔⠒⠉⠁        ⠄      ⠄ ⠈⠉⠒⠢⠤
  └┬────────────┬────────────┬
   0           0.5           1
   a  rise
   b  fall
   ▏  warmup 0 to 0.1
   ⋮  restart at 0.5, 0.75
   ┄  best at 0.5
""",
    )


def test_a_band_is_dotted_and_a_gap_is_a_gap() -> None:
    shows(
        Chart("", "x", "", [Series("a", [0, 1, 2, 3], [2, NAN, 2, 3], low=[1] * 4, high=[3] * 4)]),
        30,
        4,
        """
3 ┤⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⠠⣠⠤⠴⠲
  │⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⣡⠥⠵⠫⠩⠡⠡⠡⠡
2 ┤⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠩⠡⠡⠡⠡⠡⠡⠡⠡⠡
1 ┤⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡⠡
  └┬────────────────┬─────────
   0                2
                x
""",
    )


def test_points_on_a_log_axis() -> None:
    shows(
        Chart("", "x", "", [Series("a", [1, 10, 100], [1, 2, 3], style="points")], x_scale="log"),
        30,
        4,
        """
3 ┤                         ⠐
  │
2 ┤             ⠁
1 ┤ ⠄
  └─┬───────────┬───────────┬─
    1           10         100
                x
""",
    )


def test_nothing_to_see_is_said() -> None:
    shows(
        Chart("", "", "", []),
        24,
        3,
        """
1 ┤
  │   nothing to draw
0 ┤
  └┬─────────┬─────────┬
   0        0.5        1
""",
    )


def test_colour_is_only_there_when_asked_for() -> None:
    chart = Chart("", "", "", [Series("a", [0, 1], [0, 1]), Series("b", [0, 1], [1, 1])])
    plain, coloured = to_text(chart), to_text(chart, colour=True)
    assert "\x1b" not in plain
    assert set(re.findall(r"\x1b\[(\d+)m", coloured)) == {"34", "31", "0"}
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
    # Where two curves share a character, the later one colours it.
    meeting = coloured.splitlines()[0].split("\x1b")[-2]
    assert meeting.startswith("[31m")


@pytest.mark.parametrize("width", [24, 40, 78, 200])
@pytest.mark.parametrize(
    "chart",
    [
        Chart(
            "t" * 300,
            "x" * 300,
            "y" * 300,
            [Series("s" * 300, [0, 1], [0, 1])] * 3,
            rules=[Rule(1, "r" * 300)],
        ),
        Chart("two\nlines", "", "", [Series("a", [0, 1e9], [1e-9, 1 + 1e-9])], [Shade(0, 1, "s" * 300)]),
        Chart("", "", "", [Series("a", [1e6, 1e6 + 1], [1, 1 + 1e-8])], marks=[Mark(1e6, "m")] * 99),
        Chart("", "", "", [Series("a", [-1e300, 1e300], [-1e300, 1e308])]),
        Chart("", "", "", [Series("a", [1e-300, 1e300], [0, 0])], x_scale="log", y_scale="log"),
    ],
)
def test_no_line_is_wider_than_asked_for(chart: Chart, width: int) -> None:
    lines = to_text(chart, width, 8).splitlines()
    assert max(len(line) for line in lines) <= width
    assert sum("│" in line or "┤" in line for line in lines) == 8
    assert all(line == line.rstrip() for line in lines)


def test_a_million_points_keep_their_extremes() -> None:
    values = np.full(1_000_000, 0.5)
    values[123_456], values[765_432] = 1.0, 0.0
    rows = [
        line[5:] for line in to_text(Chart("", "", "", [Series("a", np.arange(1e6), values)])).splitlines()
    ]
    spike, dip = rows[0].rstrip(), rows[15].rstrip()
    assert len(spike) - 1 == pytest.approx(0.123456 * 73, abs=1)
    assert len(dip) - 1 == pytest.approx(0.765432 * 73, abs=1)


def test_the_least_size() -> None:
    with pytest.raises(ScheduleError, match="at least 24 wide and 3 high; got 23 by 3"):
        to_text(Chart("", "", "", []), 23, 3)


@pytest.mark.parametrize(
    ("values", "blocks"),
    [
        ([], " "),
        ([NAN, NAN], "  "),
        ([3.0], "▄"),
        ([0.0, 0.0, 0.0], "▄▄▄"),
        ([0.1, 0.1 + 1e-17, 0.1], "▄▄▄"),
        ([0.0, NAN, 1.0], "▁ █"),
        ([-1e300, 1e300], "▁█"),
        ([0.0, math.inf, 1.0], "▁ █"),
        ([7, 6, 5, 4, 3, 2, 1, 0], "█▇▆▅▄▃▂▁"),
    ],
)
def test_sparkline(values: list[float], blocks: str) -> None:
    assert sparkline(values) == blocks


def test_a_long_sparkline_shows_means() -> None:
    assert sparkline(np.repeat([0.0, 1.0, 0.5], 1000), width=6) == "▁▁██▅▅"
    assert len(sparkline(np.arange(1e6), width=40)) == 40


def test_sparkline_refuses() -> None:
    with pytest.raises(ScheduleError, match="width of a sparkline must be at least 1; got 0"):
        sparkline([1.0], width=0)
    with pytest.raises(ScheduleError, match=r"must be 1-D; got the shape \(1, 1\)"):
        sparkline([[1.0]])


def test_the_interval_of_a_mark_is_told() -> None:
    chart = Chart("", "", "", [Series("a", [0, 1], [0, 1])], marks=[Mark(1 / 3, "valley", 0.25, 0.5)])
    assert to_text(chart, 40, 3).splitlines()[-1].strip() == "⋮  valley at 0.333 (0.25 to 0.5)"


def test_the_sparkline_of_a_constant_has_no_noise() -> None:
    assert sparkline(np.float32([2.3025851, 2.3025849, 2.3025853])) == "▄▄▄"
