"""Laws: step → value tables, units of time, what an end holds, and user functions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Custom,
    Exponential,
    ExponentialWarmup,
    Horizon,
    InverseSqrt,
    InverseTime,
    Noise,
    PolynomialCycles,
    PowerLaw,
    RAdamWarmup,
    Schedule,
    Sigmoid,
    Steps,
    adafactor,
    chebyshev,
    cosine,
    from_json,
    infinite,
    noam,
    parse,
    power_scheduler,
    sgdr,
)
from etude.errors import HorizonError, ScheduleError
from tests import strategies

RUN = Horizon(steps_per_epoch=4, total=40)
seen: list[float] = []


def noting(step: float) -> float:
    """A user's function that remembers what it was asked."""
    seen.append(step)
    return 1 / (1 + step)


def negative(step: float) -> float:
    return 1.0 - step


def text(step: float) -> str:
    return "0.1"


class Nested:
    @staticmethod
    def half(step: float) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("law", "values"),
    [
        # One value for each step from 0.
        (Exponential(0.5), [1.0, 0.5, 0.25, 0.125]),
        (Exponential(0.25, per=2), [1.0, 0.5, 0.25, 0.125]),
        (Exponential(0.5, per="1ep"), [1.0, 0.840896, 0.707107, 0.594604, 0.5]),
        (Exponential(2.0, start=0.1), [0.1, 0.2, 0.4, 0.8]),
        (Exponential(0.5, over=2), [1.0, 0.5, 0.25, 0.25, 0.25]),  # held from its end on
        (InverseTime(0.5), [1.0, 0.666667, 0.5, 0.4]),
        (InverseTime(1, per="1ep"), [1.0, 0.8, 0.666667, 0.571429, 0.5]),
        (InverseTime(0), [1.0, 1.0, 1.0]),
        (PowerLaw(2, timescale=1), [1.0, 0.25, 0.111111, 0.0625]),
        (PowerLaw(0.5, timescale=3), [1.0, 0.866025, 0.774597, 0.707107]),
        (InverseSqrt(4, start=0.1), [0.1, 0.089443, 0.08165, 0.075593]),
        (Steps(2, 0.5), [1.0, 1.0, 0.5, 0.5, 0.25]),
        (Steps(1.5, 0.5), [1.0, 1.0, 0.5, 0.25, 0.25, 0.125]),  # at 1.5, 3, 4.5
        (Steps("1ep", 0.5), [1.0, 1.0, 1.0, 1.0, 0.5]),
        (Steps(2, 0.5, over=3), [1.0, 1.0, 0.5, 0.5, 0.5]),
        (Steps(2, 0.5, over=4), [1.0, 1.0, 0.5, 0.5, 0.5]),  # the stair at its end is not taken
        (Steps(at=[1, 3]), [1.0, 0.1, 0.1, 0.01]),
        (Steps(at=[3, 1]), [1.0, 0.1, 0.1, 0.01]),  # in any order
        (Steps(at=[1, 1, 3]), [1.0, 0.01, 0.01, 0.001]),  # one given twice counts twice
        (Steps(at=[0]), [0.1, 0.1]),
        (Steps(at=[2], over=2), [1.0, 1.0, 1.0]),
        (Steps(gamma=0.0, at=[1]), [1.0, 0.0, 0.0]),
        (Steps(2, 0.0), [1.0, 1.0, 0.0, 0.0]),
        (Steps(gamma=10.0, at=[1, 2], start=0.001), [0.001, 0.01, 0.1]),
        (Sigmoid(1.0, middle=4), [1.0, 0.970021, 0.896929, 0.744448, 0.509158]),
        (Sigmoid(2.0, middle=4, per="1ep"), [1.0, 0.928221, 0.829997, 0.7067, 0.567668]),
        (Sigmoid(1.0, middle=0, start=0.5), [0.5, 0.268941, 0.119203, 0.047426]),
        (Sigmoid(1.0, middle=4, over=2), [1.0, 0.970021, 0.896929, 0.896929]),
        (PolynomialCycles(2), [1.0, 0.5, 0.0, 0.25, 0.0, 1 / 6, 0.0]),  # 0 at its multiples, then up again
        (PolynomialCycles(4, power=2), [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.140625, 0.0625]),
        (PolynomialCycles(1.5), [1.0, 1 / 3, 1 / 3, 0.0, 1 / 9, 1 / 6, 0.0]),  # 1.5, 3, 4.5, 6
        (PolynomialCycles("1ep", start=0.4), [0.4, 0.3, 0.2, 0.1, 0.0, 0.15, 0.1, 0.05]),
        (ExponentialWarmup(2), [0.393469, 0.632121, 0.77687, 0.864665]),
        (ExponentialWarmup("1ep"), [0.221199, 0.393469, 0.527633, 0.632121]),
        (ExponentialWarmup(2, over=1), [0.393469, 0.632121, 0.632121]),
        (RAdamWarmup(0.9), [0.156111, 0.255177, 0.330107, 0.392261]),
        (RAdamWarmup(0.9, over=1), [0.156111, 0.255177, 0.255177]),
        (Custom("math:exp", start=0.1), [0.1, 0.271828, 0.738906]),
        (Custom("math:exp", start=0.1, over=1), [0.1, 0.271828, 0.271828]),
        (Custom("tests.schedules.test_laws:Nested.half"), [0.5, 0.5]),
    ],
    ids=strategies.expression,
)
def test_values(law: Schedule, values: list[float]) -> None:
    assert law.on(RUN)(range(len(values))) == pytest.approx(np.array(values), abs=1e-6)


@given(st.floats(0.01, 1.5), st.floats(0, 50))
def test_formulas(rate: float, t: float) -> None:
    for law, expected in [
        (Exponential(rate, per=3, start=2.0), 2 * rate ** (t / 3)),
        (InverseTime(rate, per=3, start=2.0), 2 / (1 + rate * t / 3)),
        (PowerLaw(rate, timescale=3, start=2.0), 2 * (1 + t / 3) ** -rate),
        (InverseSqrt(3, start=2.0), 2 * math.sqrt(3 / (3 + t))),
    ]:
        assert law.on(RUN)(t) == pytest.approx(expected, rel=1e-13)


@given(st.floats(0.61, 0.9999), st.integers(0, 2_000))
def test_the_rectification_of_radam(beta2: float, t: int) -> None:
    # As in the paper's algorithm 2, from its first step with an adaptive rate on, in exact numbers.
    beta = Fraction(beta2)

    def length(step: int) -> float:
        return float(2 / (1 - beta) - 1 - 2 * step / (beta**-step - 1))

    first = next(step for step in itertools.count(1) if length(step) > 4)
    most, rho = float(2 / (1 - beta) - 1), length(first + t)
    expected = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    assert RAdamWarmup(beta2).on(RUN)(t) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("plan", "diverges", "converges"),
    [
        # Continued for ever: whether Σlr = ∞, and whether Σlr² < ∞.
        (Exponential(0.9), False, True),
        (Sigmoid(0.1, middle=10), False, True),
        (InverseTime(0.1), True, True),
        (PowerLaw(0.75, timescale=10), True, True),
        (PowerLaw(1.5, timescale=10), False, True),
        (InverseSqrt(10), True, False),
        (PolynomialCycles(10), True, True),  # 1 - t / (n · period) < 1 / n
        (PolynomialCycles(10, power=0.5), True, False),
        (PolynomialCycles(10, power=2), False, True),
        (PolynomialCycles(10, over=25), True, False),  # held at a fifth
        (Noise(1, 0.5), True, False),
        (Noise(1, 0.5) * InverseTime(0.1), True, True),
        (ExponentialWarmup(10) * InverseTime(0.1), True, True),
        (RAdamWarmup(0.99) * Exponential(0.9), False, True),
        (power_scheduler(peak=0.1, a=4.0, b=0.51, unit="st"), True, True),
        (noam(d_model=64, warmup=10), True, False),
        (adafactor(), True, False),
        (chebyshev(steps=8), True, False),
        (infinite(10, warmup=5), True, False),
        (infinite(10, warmup=5).cooldown(20, over=5), False, True),
        (cosine(20), False, True),
        (Constant().cooldown(10, over=5, stop=0.1, ease="cosine"), True, False),
        (sgdr(10, gain=0.5, up=2), False, True),
    ],
    ids=strategies.expression,
)
def test_robbins_and_monro(plan: Schedule, diverges: bool, converges: bool) -> None:
    facts = plan.on(RUN).facts()
    assert (facts.sum_diverges, facts.sum_of_squares_converges) == (diverges, converges)


def test_an_inverse_square_root_goes_on_from_its_warmup() -> None:
    # After W steps of warmup, √(W / (W + t)): at four times W the rate is half.
    table = InverseSqrt(100).on(RUN)
    assert table(300) == 0.5


def test_it_starts_at_the_base_rate_of_each_group() -> None:
    assert Exponential(0.5).on(RUN)(1, base=[1.0, 0.1]).tolist() == [0.5, 0.05]
    assert Exponential(0.5, start=0.3).on(RUN)(1, base=[1.0, 0.1]).tolist() == [0.15, 0.15]
    assert Steps(1, 0.5, start=0.1 * BASE).on(RUN)(1, base=2.0) == 0.1


def test_a_function_is_asked_for_whole_steps_as_integers() -> None:
    table = Custom("tests.schedules.test_laws:noting").on(RUN)
    seen.clear()
    assert table([0, 2, 2.5]).tolist() == [1.0, 1 / 3, 1 / 3.5]
    assert [(type(step), step) for step in seen] == [(int, 0), (int, 2), (float, 2.5)]


def test_a_function_is_not_imported_to_be_read_or_written() -> None:
    plan = parse("Custom('no.such.module:function')")
    assert from_json(plan.to_json()) == plan
    with pytest.raises(ScheduleError, match=r"cannot be imported: ModuleNotFoundError: No module named 'no'"):
        plan.on(RUN)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("math:no_such", r"Custom\('math:no_such'\) cannot be imported: AttributeError"),
        (".relative:f", r"cannot be imported: TypeError"),
        ("math:pi", r"Custom\('math:pi'\) names no function but 3.14159"),
        (
            "tests.schedules.test_laws:negative",
            r"the value of .*:negative at 2 must be .* at least 0; got -1",
        ),
        ("tests.schedules.test_laws:text", r"the value of .*:text at 0 must be .*; got '0.1'"),
    ],
)
def test_functions_that_do_not_work(function: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Custom(function).on(RUN)(range(3))


def test_a_value_too_large_for_a_float_is_refused() -> None:
    for law in (Exponential(2.0), Steps(1, 2.0), Steps(gamma=1e200, at=[1, 2])):
        with pytest.raises(ScheduleError, match=r"the value at step .* is too large for a float"):
            law.on(RUN)([0, 5000])
    assert Exponential(0.5).on(RUN)(10**6) == 0.0  # too small is 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Exponential(0), r"Exponential\(gamma=\) must be a finite number, more than 0; got 0"),
        (lambda: Exponential(-0.5), r"Exponential\(gamma=\) must be a finite number, more than 0; got -0.5"),
        (lambda: Exponential(math.nan), r"Exponential\(gamma=\) must be finite; got nan"),
        (lambda: Exponential("0.5"), r"Exponential\(gamma=\) must be a finite number, .*; got '0.5'"),
        (lambda: Exponential(True), r"Exponential\(gamma=\) must be a finite number, .*; got True"),
        (lambda: Exponential(0.5, per=0), r"Exponential\(per=\) must be more than 0; got 0"),
        (lambda: Exponential(0.5, start=-1), r"Exponential\(start=\) must be at least 0; got -1"),
        (lambda: Exponential(0.5, over="-1ep"), r"Exponential\(over=\) must be at least 0; got '-1ep'"),
        (lambda: InverseTime(-1), r"InverseTime\(decay_rate=\) must be a finite number, at least 0; got -1"),
        (lambda: PowerLaw(0, timescale=1), r"PowerLaw\(exponent=\) must be .* more than 0; got 0"),
        (lambda: PowerLaw(1, timescale=0), r"PowerLaw\(timescale=\) must be more than 0; got 0"),
        (lambda: InverseSqrt("0ep"), r"InverseSqrt\(timescale=\) must be more than 0; got '0ep'"),
        (lambda: Steps(1, -0.1), r"Steps\(gamma=\) must be a finite number, at least 0; got -0.1"),
        (
            lambda: Steps(0.1),
            r"Steps\(every=\) must be a length, such as '5ep', .*; got 0.1: the share",
        ),
        (lambda: Steps(gamma=0.1), r"Steps takes either every= .* or at= .*; got every=None and at=None"),
        (lambda: Steps(1, at=[2]), r"Steps takes either .*; got every=1 and at=\[2\]"),
        (lambda: Steps(0), r"Steps\(every=\) must be more than 0; got 0"),
        (lambda: Steps(at=[]), r"Steps\(at=\) must be a list of durations; got \[\]"),
        (lambda: Steps(at="30ep"), r"Steps\(at=\) must be a list of durations; got '30ep'"),
        (lambda: Steps(at=30), r"Steps\(at=\) must be a list of durations; got 30"),
        (lambda: Steps(at=[-1]), r"Steps\(at=\) must be at least 0; got -1"),
        (
            lambda: Custom("math.exp"),
            r"Custom\(function=\) must be 'package.module:function'; got 'math.exp'",
        ),
        (lambda: Custom(math.exp), r"Custom\(function=\) must be 'package.module:function'; got <built-in"),
        (lambda: Custom("math:"), r"Custom\(function=\) must be 'package.module:function'; got 'math:'"),
    ],
)
def test_what_is_refused_when_it_is_written(build: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        build()


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (
            Exponential(0.5, per="1ep - 4st"),
            r"Exponential\(per=\) must be more than 0 steps on this horizon \(4 ",
        ),
        (Steps("4st - 1ep", 0.5), r"Steps\(every=\) must be more than 0 steps on this horizon"),
        (Steps(gamma=0.5, at=["1ep - 5st"]), r"Steps\(at=\) is 1ep - 5st = -1 steps on this horizon"),
        (InverseSqrt("5tok"), r"InverseSqrt\(timescale=\) is 5tok, in tokens"),
    ],
    ids=strategies.expression,
)
def test_what_is_refused_on_a_horizon(law: Schedule, message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        law.on(RUN)
