"""The one formula of a schedule, on NumPy's arrays, beside the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from numpy.typing import NDArray

from etude import (
    BASE,
    Constant,
    Cosine,
    Custom,
    Exponential,
    Horizon,
    Linear,
    Noise,
    Plateau,
    Schedule,
    piecewise_constant,
    sgdr,
)
from etude.errors import HorizonError, ScheduleError
from etude.tracing import formula
from tests.strategies import HORIZON, STEPS, schedules
from tests.tracing.graphs import operations

SOON = np.arange(3.0 * STEPS)
LATE = np.array([2.0**20, 2.0**24 + 1, 2.0**31 - 1])


def compilable(schedule: Schedule) -> bool:
    return not any(isinstance(part, Custom | Plateau) for part in schedule.walk())


def assert_equal_to_the_table(plan: Schedule, steps: NDArray[np.float64]) -> None:
    try:
        expected = plan.on(HORIZON)(steps, 0.3)
    except ScheduleError:  # a value is too large for a float
        reject()
    with np.errstate(all="ignore"):
        values = formula(plan, HORIZON, 0.3, "formula")(steps)
    # A table weighs both ends of a way, which near 0 leaves a rounding of the larger one.
    assert values == pytest.approx(expected, rel=1e-12, abs=1e-14 * expected.max())


@given(schedules.filter(compilable))
@settings(max_examples=200)
def test_every_schedule_has_one_formula(plan: Schedule) -> None:
    assert_equal_to_the_table(plan, SOON)


@given(schedules.filter(compilable))
def test_it_is_right_far_out(plan: Schedule) -> None:
    assert_equal_to_the_table(plan, LATE)


WARM_RESTARTS = Linear(0.0, BASE, over=5) >> Cosine(over=20) >> Exponential(0.9, over=3)


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (sgdr(10, stretch=1.1, cycles=3), sgdr(10, stretch=1.1, cycles=200)),
        (WARM_RESTARTS.repeat(2, stretch="3/2"), WARM_RESTARTS.repeat(30, stretch="3/2")),
        (
            piecewise_constant([1, 2], rates=[1.0, 0.5, 0.25]),
            piecewise_constant(list(range(1, 900)), rates=[1 / (1 + i) for i in range(900)]),
        ),
    ],
    ids=["cosines", "warm restarts", "stairs"],
)
def test_more_parts_of_a_kind_are_no_more_operations(few: Schedule, many: Schedule) -> None:
    assert operations(many) == operations(few)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("seed", [0, 7, 2**40, 2**53])
def test_noise_is_the_same_noise(seed: int, distribution: Any) -> None:
    plan = Noise(seed, 0.7, distribution=distribution) * 1.0
    steps = np.arange(100_000.0)
    assert np.array_equal(formula(plan, Horizon(), 1.0, "formula")(steps), plan.on(Horizon())(steps))


REFUSED: list[tuple[Any, Any, Any, type[Exception], str]] = [
    ("cosine()", Horizon(total=9), 1.0, ScheduleError, r"f\(plan=\) must be a schedule.*etude\.parse"),
    (
        Constant(1.0),
        Horizon(),
        -0.1,
        ScheduleError,
        r"f\(base=\) must be a finite number, at least 0; got -0\.1",
    ),
    (
        Constant(1.0),
        Horizon(),
        "x",
        ScheduleError,
        r"f\(base=\) must be a finite number, at least 0; got 'x'",
    ),
    (
        Constant(1.0),
        100,
        1.0,
        HorizonError,
        r"on\(\) takes a Horizon, such as Horizon\(total=1000\).*; got 100",
    ),
    (Cosine(over="5ep"), Horizon(total=9), 1.0, HorizonError, "write Horizon\\(steps_per_epoch=..., ...\\)"),
    (Constant(BASE - 0.5), Horizon(), 0.1, ScheduleError, "a rate cannot be negative"),
    (
        Cosine(over=3) * Plateau("loss"),
        Horizon(),
        1.0,
        ScheduleError,
        r"f cannot follow a metric inside compiled code, and the plan has Plateau\('loss'\); leave it out",
    ),
    (
        Constant(1.0) * Custom("math:exp"),
        Horizon(),
        1.0,
        ScheduleError,
        r"f cannot call Custom\('math:exp'\) inside compiled code; write it with the shapes",
    ),
    (
        Linear(over=3, after="raise"),
        Horizon(),
        1.0,
        ScheduleError,
        r"f cannot raise an error inside compiled code, and Linear\(.*\) has after='raise'; leave after= out",
    ),
]


@pytest.mark.parametrize(("plan", "horizon", "base", "error", "message"), REFUSED)
def test_what_cannot_be_compiled_is_refused_when_it_is_built(
    plan: Any, horizon: Any, base: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        formula(plan, horizon, base, "f")
