"""Range tests at several values of another hyperparameter: which of them they speak for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from etude.errors import ScheduleError
from etude.finder import Curve, NoAnswer, RangeTest, RangeTestGrid, Suggestion
from tests.finder.test_suggestions import RATES, noise


def curve(low: float, edge: float, *, repeats: int = 1, seed: int = 0, sigma: float = 0.0) -> Curve:
    """From 2 down to about ``low``, and up again so that it is back at 2 at about ``edge``."""
    loss = 2.0 - (2.0 - low) / (1 + (0.001 / RATES) ** 2) + (2.0 - low) * (RATES / edge) ** 2
    rows = [loss + noise(sigma, seed + index) for index in range(repeats)]
    return Curve(RATES, rows, {"accuracy": [1 - row / 4 for row in rows]})


def grid(*curves: Curve, across: str = "weight_decay") -> RangeTestGrid:
    values = (0.0, 1e-5, 1e-4, 1e-3)
    return RangeTestGrid(
        across, {value: RangeTest(each) for value, each in zip(values, curves, strict=False)}
    )


def answer(found: RangeTestGrid, rule: str) -> Suggestion:
    given = found.suggestions[rule]
    assert isinstance(given, Suggestion)
    return given


def test_the_lowest_loss_and_the_largest_stable_rate_may_speak_for_different_values() -> None:
    found = grid(curve(0.5, 0.1), curve(0.3, 0.1), curve(0.4, 0.3), curve(1.5, 0.05))

    lowest, stable = answer(found, "lowest"), answer(found, "stable")
    assert (lowest.value, lowest.low, lowest.high) == (1e-5, 1e-5, 1e-5)
    # Where the fall and the rise of the curve are as steep: the root of their two rates.
    assert lowest.reason.endswith("at lr 0.01")
    assert stable.value == 1e-4
    # A tenth of the fall above the first level is still taken for it.
    assert float(stable.reason.split()[-2]) == pytest.approx(0.3, rel=0.15)


def test_what_noise_cannot_tell_apart_is_in_the_interval() -> None:
    lows = (0.5, 0.5, 0.5, 1.5)
    found = grid(*(curve(low, 0.1, sigma=0.05, seed=7 * index) for index, low in enumerate(lows)))

    for rule in ("lowest", "stable"):
        assert (answer(found, rule).low, answer(found, rule).high) == (
            0.0,
            1e-4 if rule == "lowest" else 1e-3,
        )


def test_three_repeats_that_get_to_different_levels_are_noise_too() -> None:
    def apart(low: float, spread: float) -> Curve:
        rows = [curve(low + off, 0.1).losses[0] for off in (-spread, 0.0, spread)]
        return Curve(RATES, rows)

    close, wide = (grid(apart(0.50, spread), apart(0.52, spread)) for spread in (0.001, 0.1))

    assert (answer(close, "lowest").low, answer(close, "lowest").high) == (0.0, 0.0)
    assert (answer(wide, "lowest").low, answer(wide, "lowest").high) == (0.0, 1e-5)


def test_of_equally_stable_values_the_largest_is_taken_as_in_the_paper() -> None:
    found = grid(curve(0.5, 0.1), curve(0.5, 0.1), curve(0.5, 0.01))

    assert answer(found, "stable").value == 1e-5


def test_a_curve_that_still_falls_has_no_answer_but_for_raise_stop() -> None:
    falling = Curve(RATES, 2.0 - np.log(RATES / RATES[0]) / 10)
    found = grid(curve(0.5, 0.1), falling)

    for rule, why in {
        "lowest": "with weight_decay 1e-05 the loss still falls at the last lr; raise stop",
        "stable": "with weight_decay 1e-05 the loss does not come back to where it began; raise stop",
    }.items():
        none = found.suggestions[rule]
        assert isinstance(none, NoAnswer)
        assert none.reason == why


def test_too_few_points_have_no_answer() -> None:
    short = Curve(RATES[:5], np.ones(5))
    for none in grid(short, short).suggestions.values():
        assert isinstance(none, NoAnswer)
        assert "5 finite values are too few" in none.reason


def test_its_text_has_a_line_for_each_value_and_each_rule() -> None:
    head, first, second, *rules = str(grid(curve(0.5, 0.1), curve(0.3, 0.1))).splitlines()

    assert head == "range tests of lr at 2 values of weight_decay"
    assert first.startswith("  0: loss 0.5")
    assert second.startswith("  1e-05: loss 0.3")
    assert [rule.split(":")[0].strip() for rule in rules] == ["lowest", "stable"]


def test_its_picture_has_one_smooth_line_for_each_value(tmp_path: Path) -> None:
    found = grid(curve(0.5, 0.1, sigma=0.05), curve(0.3, 0.1, sigma=0.05))
    chart = found.chart()

    assert [series.label for series in chart.series] == ["weight decay 0", "weight decay 1e-05"]
    assert {series.style for series in chart.series} == {"line"}
    assert (chart.x_label, chart.y_label, chart.x_scale) == ("learning rate", "loss", "log")
    bare = [curve(low, 0.1).losses.min() for low in (0.5, 0.3)]
    assert [np.nanmin(series.y) for series in chart.series] == pytest.approx(bare, abs=0.03)
    assert found.chart("accuracy").y_label == "accuracy"
    found.plot(tmp_path / "grid.png")
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    assert found._repr_svg_().startswith("<svg")


# JSON


def same(left: RangeTest, right: RangeTest) -> None:
    for name in ("rates", "losses"):
        np.testing.assert_array_equal(getattr(left.curve, name), getattr(right.curve, name))
    assert left.curve.metrics.keys() == right.curve.metrics.keys()
    for name in left.curve.metrics:
        np.testing.assert_array_equal(left.curve.metrics[name], right.curve.metrics[name])
    for name in ("base", "ended", "of", "alike"):
        assert getattr(left.curve, name) == getattr(right.curve, name)
    assert left.suggestions == right.suggestions


def test_a_grid_and_a_test_are_the_same_again_from_their_json() -> None:
    loss = curve(0.5, 0.1, repeats=3, sigma=0.05)
    rows = np.where(RATES > 0.3, np.nan, loss.losses)
    ended = [None, "it diverged", "it diverged"]
    cut = Curve(RATES, rows, loss.metrics, base=0.01, ended=ended, alike=False)
    test = RangeTest(cut, "accuracy")
    text = test.to_json()
    same(RangeTest.from_json(text), test)
    assert "NaN" not in text

    found = grid(cut, curve(0.3, 0.1))
    again = RangeTestGrid.from_json(found.to_json())
    assert (again.across, list(again.tests)) == ("weight_decay", [0.0, 1e-5])
    for value, one in found.tests.items():
        same(again.tests[value], one)
    assert again.suggestions == found.suggestions
    assert again.to_json() == found.to_json()


def lacking(*path: str) -> str:
    document = json.loads(RangeTest(curve(0.5, 0.1)).to_json())
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "this is no JSON of a range test: it is not JSON: Expecting property name"),
        ("[]", 'there must be {"etude": 1, "range test": ...}'),
        (lacking("etude"), 'there must be {"etude": 1, "range test": ...}'),
        (lacking("range test", "curve"), "this JSON of a range test is not whole: 'curve'"),
        (lacking("range test", "curve", "losses"), "is not whole: .*losses"),
        (grid(curve(0.5, 0.1), curve(0.5, 0.1)).to_json(), 'there must be {"etude": 1, "range test": ...}'),
    ],
)
def test_what_is_no_range_test_is_told(text: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words.replace("{", r"\{").replace("...}", r"\.\.\.\}")):
        RangeTest.from_json(text)


# Bad input


def test_grids_of_one_value_or_of_several_ramps_are_none() -> None:
    with pytest.raises(ScheduleError, match=r"two or more values of weight_decay; got \[0.0\]"):
        grid(curve(0.5, 0.1))
    with pytest.raises(ScheduleError, match=r"of one hyperparameter; got \['lr', 'momentum'\]"):
        grid(curve(0.5, 0.1), Curve(RATES, np.ones(len(RATES)), of="momentum"))
