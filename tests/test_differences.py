"""Where two tables differ: the places, the stretches, and what was looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given

from etude import BASE, Constant, Cosine, Horizon, Linear, Schedule, parse
from etude.differences import EXACT_STEPS, Differences, Place, differences
from etude.errors import EtudeError, HorizonError, ScheduleError
from tests.strategies import HORIZON, schedules

RUN = Horizon(total=100)


def compared(first: Schedule, second: Schedule, horizon: Horizon = RUN, **how: Any) -> Differences:
    return differences(first.on(horizon), second.on(horizon), **how)


@given(schedules)
def test_a_schedule_is_equal_to_itself_read_again(plan: Schedule) -> None:
    try:
        plan.on(HORIZON)(range(210))
    except EtudeError:
        assume(False)
    found = compared(plan, parse(repr(plan)), HORIZON)

    assert found.equal
    assert (found.differing, found.first, found.largest, found.stretches) == (0, None, None, ())


@given(schedules, schedules)
def test_what_is_told_is_what_the_values_say(first: Schedule, second: Schedule) -> None:
    try:
        a, b = (plan.on(HORIZON)(range(210)) for plan in (first, second))
        found = compared(first, second, HORIZON, close=1e-9)
    except EtudeError:
        assume(False)
    wrong = np.abs(a - b) > 1e-9 * np.maximum(a, b) + 1e-12 * max(a.max(), b.max())
    told = np.zeros(210, dtype=bool)
    for stretch in found.stretches:
        told[stretch.start : stretch.stop] = True
        assert stretch.start <= stretch.largest.step < stretch.stop
    np.testing.assert_array_equal(told, wrong)
    assert found.differing == wrong.sum()
    if found.first is not None and found.largest is not None:
        assert found.first.step == wrong.argmax()
        assert abs(found.largest.first - found.largest.second) == np.abs(a - b).max()


def test_stretches_are_told_apart() -> None:
    steps = Constant(1.0, over=10) >> Constant(0.5, over=10)

    found = compared(steps >> steps >> Constant(1.0), Constant(1.0))

    assert [(part.start, part.stop) for part in found.stretches] == [(10, 20), (30, 40)]
    assert found.first == found.largest == Place(10, 0.5, 1.0)


def test_rounding_is_no_difference_unless_digits_are_asked_for() -> None:
    third, sum_of_three = Constant(0.3), Constant(0.1 + 0.1 + 0.1)

    assert compared(third, sum_of_three).equal
    assert compared(third, sum_of_three, close=0).differing == 100


def test_a_long_run_is_compared_around_every_boundary() -> None:
    run = Horizon(total=1e9)
    blip = Constant(1.0, over=123_456_789) >> Constant(2.0, over=1) >> Constant(1.0)

    found = compared(blip, Constant(1.0), run)

    assert not found.exact
    assert EXACT_STEPS <= found.compared < EXACT_STEPS + 9
    assert [(part.start, part.stop) for part in found.stretches] == [(123_456_789, 123_456_790)]


def test_the_length_of_the_longer_one_is_the_run() -> None:
    found = compared(Linear(over=10), Linear(over=20), Horizon())

    assert found.steps == 20
    assert compared(Linear(over=10), Constant(BASE), Horizon()).steps == 10


def test_the_picture_shows_both_and_where_they_are_farthest_apart() -> None:
    chart = compared(Cosine(over=100), Linear(over=100)).chart

    assert [series.label for series in chart.series] == [
        "Cosine(BASE, 0.0, over=100)",
        "Linear(BASE, 0.0, over=100)",
    ]
    assert [(mark.x, mark.label) for mark in chart.marks] == [(22, "largest difference")]


@pytest.mark.parametrize(
    ("second", "how", "kind", "message"),
    [
        (Constant(1.0).on(Horizon(total=5)), {}, HorizonError, "two tables are compared on one horizon; got"),
        (
            Constant(1.0).on(RUN),
            {"close": -1},
            ScheduleError,
            "differences(close=) must be at least 0; got -1",
        ),
        (Constant(1.0).on(RUN), {"close": float("nan")}, ScheduleError, "must be at least 0; got nan"),
    ],
)
def test_what_is_refused(second: Any, how: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as refusal:
        differences(Constant(1.0).on(RUN), second, **how)
    assert message in str(refusal.value)


def test_two_endless_ones_need_a_run() -> None:
    with pytest.raises(HorizonError, match="neither schedule ends; say how long the run is"):
        compared(Constant(1.0), Constant(2.0), Horizon())
