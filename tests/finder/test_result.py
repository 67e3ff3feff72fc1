from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etude import Horizon, parse, plots
from etude.errors import ScheduleError
from etude.finder import (
    Curve,
    Divergence,
    NoAnswer,
    RangeTest,
    RangeTestGrid,
    Suggestion,
    ramp,
    smooth,
    suggest,
)
from tests.finder.test_suggestions import RATES, accuracy, noise, sigmoid

LOSS = sigmoid() + noise(0.05)
ALONE = RangeTest(Curve(RATES, LOSS))
WITH_ACCURACY = RangeTest(Curve(RATES, LOSS, {"accuracy": accuracy() + noise(0.01)}))
FLAT = RangeTest(Curve(RATES, np.full(len(RATES), 2.3)))
HORIZON = Horizon(steps_per_epoch=10, total="16ep")


def value(found: RangeTest, rule: str) -> float:
    answer = found.suggestions[rule]
    assert isinstance(answer, Suggestion)
    return answer.value


def bounds_of(text: str, base: float = 1.0) -> tuple[float, float]:
    """The lowest and the highest rate of a plan."""
    facts = parse(text).on(HORIZON).facts(base)
    return facts.floor, facts.peak


def test_plans_are_texts_with_the_rates_that_were_found() -> None:
    plans = ALONE.plans()
    peak = value(ALONE, "peak")
    assert bounds_of(plans["one_cycle"])[1] == pytest.approx(peak, rel=0.01)
    assert bounds_of(plans["cyclic"]) == pytest.approx((peak / 4, peak), rel=0.01)
    assert plans["cyclic"].startswith("cyclic('4ep', ")


def test_the_papers_bounds_make_the_cycle_where_accuracy_was_measured() -> None:
    plans = WITH_ACCURACY.plans(stepsize="2ep")
    bounds = value(WITH_ACCURACY, "base"), value(WITH_ACCURACY, "max")
    assert bounds_of(plans["cyclic"]) == pytest.approx(bounds, rel=0.01)
    assert bounds_of(plans["one_cycle"])[1] == pytest.approx(value(WITH_ACCURACY, "peak"), rel=0.01)
    assert plans["cyclic"].startswith("cyclic('2ep', ")


def test_a_rule_can_be_chosen() -> None:
    plans = WITH_ACCURACY.plans(by="steepest")
    steepest = value(WITH_ACCURACY, "steepest")
    assert bounds_of(plans["one_cycle"])[1] == pytest.approx(steepest, rel=0.01)
    assert bounds_of(plans["cyclic"]) == pytest.approx((steepest / 4, steepest), rel=0.01)
    with pytest.raises(ScheduleError, match=r"by must be one of 'steepest', .*; got 'best'"):
        ALONE.plans(by="best")


def test_groups_of_several_rates_keep_their_ratios() -> None:
    found = RangeTest(Curve(RATES, LOSS, base=0.01, alike=False))
    assert "* BASE" in found.plans()["one_cycle"]
    low, high = bounds_of(found.plans()["cyclic"], base=0.01)
    assert high == pytest.approx(value(found, "peak"), rel=0.01)
    assert low == pytest.approx(high / 4, rel=0.01)


def test_without_an_answer_there_is_no_plan() -> None:
    """T62."""
    with pytest.raises(
        ScheduleError, match=r"no schedule can be written from this test: peak: no answer, beca"
    ):
        FLAT.plans()
    with pytest.raises(ScheduleError, match="base: no answer, because no accuracy was measured"):
        ALONE.plans(by="base")
    with pytest.raises(ScheduleError, match="plans are of the learning rate; this test was of 'momentum'"):
        RangeTest(Curve(RATES, LOSS, of="momentum")).plans()


def test_its_text_names_every_rule_and_why_it_ended() -> None:
    loss = LOSS.copy()
    loss[190:] = np.nan
    text = str(RangeTest(Curve(RATES, loss, ended=["3 losses in a row were not finite"])))
    lines = text.splitlines()
    assert lines[0] == "range test of lr, 211 steps, 1 repeat(s)"
    assert lines[1] == "  ended early: 3 losses in a row were not finite"
    assert [line.split(":")[0].strip() for line in lines[2:]] == list(ALONE.suggestions)
    assert "max: no answer, because no accuracy was measured" in text


def test_the_picture_has_the_losses_the_smooth_curve_and_the_suggestions() -> None:
    chart = ALONE.chart()
    points, smooth = chart.series
    assert np.array_equal(points.y[:160], LOSS[:160])
    assert np.isnan(points.y[-20:]).all()  # what is far above the start would leave no room for the rest
    assert np.isnan(smooth.y[-20:]).all()
    assert np.array_equal(points.x, RATES)
    assert np.abs(smooth.y[:150] - sigmoid()[:150]).max() < 0.15
    rules = ["steepest", "fixed", "peak"]
    assert {mark.label: mark.x for mark in chart.marks} == {rule: value(ALONE, rule) for rule in rules}
    answers = [ALONE.suggestions[rule] for rule in rules]
    intervals = [(one.low, one.high) for one in answers if isinstance(one, Suggestion)]
    assert [(shade.start, shade.stop) for shade in chart.shades] == intervals
    assert (chart.x_scale, chart.y_scale) == ("log", "linear")


def test_the_picture_of_a_metric_is_the_right_way_up() -> None:
    points, smooth = WITH_ACCURACY.chart("accuracy").series
    assert points.label == "accuracy"
    assert np.nanmax(smooth.y) == pytest.approx(0.9, abs=0.05)
    assert [mark.label for mark in WITH_ACCURACY.chart("accuracy").marks] == ["base", "max"]
    with pytest.raises(ScheduleError, match="no metric called 'f1' was measured"):
        WITH_ACCURACY.chart("f1")


def test_repeats_have_a_curve_each() -> None:
    losses = [sigmoid() + noise(0.1, seed) for seed in range(3)]
    chart = RangeTest(Curve(RATES, losses)).chart()
    assert [series.label for series in chart.series] == [
        "loss, repeat 1", "loss, repeat 2", "loss, repeat 3", "smooth",
    ]  # fmt: skip


def test_a_constant_loss_is_drawn_as_a_constant() -> None:
    chart = FLAT.chart()
    assert all(np.abs(series.y - 2.3).max() < 1e-12 for series in chart.series)
    assert not chart.marks
    assert all(isinstance(answer, NoAnswer) for answer in FLAT.suggestions.values())


def test_a_straight_ramp_is_drawn_on_a_straight_axis() -> None:
    rates = np.linspace(0.0, 3.0, 100)
    assert RangeTest(Curve(rates, sigmoid(0.5, 2.0, np.maximum(rates, 1e-9)))).chart().x_scale == "linear"


def test_it_can_be_drawn_in_every_medium(tmp_path: Path) -> None:
    WITH_ACCURACY.plot(tmp_path / "test.png")
    assert (tmp_path / "test.png").stat().st_size > 5_000
    assert WITH_ACCURACY._repr_svg_().startswith("<svg")
    assert "Range test of the learning rate" in plots.to_text(WITH_ACCURACY.chart())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda found: RangeTest(3), "curve must be a Curve; got 3"),
        (lambda found: suggest(3), "curve must be a Curve; got 3"),
        (lambda found: RangeTest(found.curve, 3), "no metric called 3 was measured"),
        (lambda found: suggest(found.curve, metric=[]), "no metric called [] was measured"),
        (lambda found: suggest(found.curve, edge_over="4"), "edge_over must be a finite number, at least 1"),
        (lambda found: found.plans(by=["max"]), "by must be one of 'steepest'"),
        (lambda found: found.plans(stepsize=[4]), "stepsize must be "),
        (lambda found: found.chart(3), "no metric called 3 was measured"),
        (lambda found: found.plot(3), "path must be where to save the picture; got 3"),
        (lambda found: RangeTest.from_json(3), "text must be the JSON of a range test; got 3"),
        (lambda found: RangeTest.from_json("[" * 100_000), "this is no JSON of a range test: it is nested"),
        (lambda found: RangeTestGrid(3, {}), "across must be the name of a hyperparameter; got 3"),
        (lambda found: RangeTestGrid("momentum", [found]), "tests must be a RangeTest for each value of"),
        (lambda found: RangeTestGrid("momentum", {0.1: 3, 0.2: 3}), "tests must be RangeTests; got 3"),
        (lambda found: RangeTestGrid("momentum", {"a": found}), "values of momentum must be a finite number"),
        (lambda found: smooth(3), "values must be 5 numbers or more, in one row; got array(3)"),
        (lambda found: smooth("12345"), "values must be 5 numbers or more"),
        (lambda found: smooth([1.0, 2.0]), "values must be 5 numbers or more"),
        (lambda found: smooth([1.0] * 9 + [float("nan")]), "values must be finite"),
        (lambda found: Divergence(None), "diverge must be a finite number, more than 1; got None"),
        (lambda found: ramp([], 1.0, 20), "start must be a finite number, at least 0; got []"),
    ],
)
def test_d7_every_function_tells_what_was_wrong(call: Any, words: str) -> None:
    found = RangeTest(Curve(RATES, 2.0 - 1.5 / (1 + (0.001 / RATES) ** 2) + (RATES / 0.1) ** 2))
    with pytest.raises(ScheduleError, match=f"^{re.escape(words)}"):
        call(found)
