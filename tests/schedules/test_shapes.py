"""Shapes: step → value tables, exact ends, what holds before, in between and after them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Cosine,
    Geometric,
    Horizon,
    Hyperbolic,
    Linear,
    Points,
    Polynomial,
    Ramp,
    Rex,
    Tanh,
)
from etude.errors import HorizonError, ScheduleError
from tests import strategies

RUN = Horizon(steps_per_epoch=4, total=40)
KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Cosine,
        Geometric,
        Linear,
        Polynomial,
        Rex,
        Tanh,
    )
}
KINDS |= {
    f"Ramp, {ease}": functools.partial(Ramp, ease=ease)
    for ease in ("mirror_cosine", "one_minus_sqrt", "one_minus_square", "quarter_cosine", "quarter_sine")
}
# Shapes with a parameter, bent so far that rounding would show.
KINDS |= {
    "Cosine, power": functools.partial(Cosine, power=2.5),
    "Cosine, k": functools.partial(Cosine, k=0.3),
    "Polynomial, power": functools.partial(Polynomial, power=0.3),
    "Polynomial, power and k": functools.partial(Polynomial, power=7.0, k=3.0),
    "Rex, beta": functools.partial(Rex, beta=0.99),
    "Tanh, bounds": functools.partial(Tanh, lower=-9.0, upper=0.1),
    "Hyperbolic": functools.partial(Hyperbolic, upper=10**6),
    "Hyperbolic, geometric": functools.partial(Hyperbolic, upper=10**6, geometric=True),
}
FORMULAS = {
    "Linear": lambda p: p,
    "Cosine": lambda p: (1 - np.cos(np.pi * p)) / 2,
    "Ramp, one_minus_sqrt": np.sqrt,
    "Ramp, one_minus_square": np.square,
    "Ramp, mirror_cosine": lambda p: p - (np.sin(np.pi * (p - 0.5)) - (2 * p - 1)) / 2,
    "Ramp, quarter_cosine": lambda p: 1 - np.cos(np.pi * p / 2),
    "Ramp, quarter_sine": lambda p: np.sin(np.pi * p / 2),
    "Rex": lambda p: 1 - (1 - p) / (1 - p / 2),
    "Rex, beta": lambda p: 1 - (1 - p) / (1 - 0.99 * p),
    "Cosine, power": lambda p: 1 - np.cos(np.pi * p / 2) ** 5,
    "Cosine, k": lambda p: np.sin(np.pi * p**0.3 / 2) ** 2,
    "Polynomial": lambda p: 1 - (1 - p) ** 1.0,
    "Polynomial, power and k": lambda p: 1 - (1 - p**3) ** 7,
    "Tanh": lambda p: (np.tanh(9 * p - 6) + np.tanh(6)) / (np.tanh(3) + np.tanh(6)),
}


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        # One value for each step from 0, and one far past the end.
        (Linear(over=4), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        (Linear(0.1, 0.5, over=4), [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]),
        (Linear(over="1ep"), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        (Linear(over="10%"), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        (Linear(over=2.5), [1.0, 0.6, 0.2, 0.0, 0.0, 0.0]),  # it ends between two steps
        (Linear(over=5, inclusive=True), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),  # ends on its own last step
        (Linear(over=1, inclusive=True), [0.0, 0.0, 0.0]),  # its only step is its last
        (Linear(over=0), [0.0, 0.0, 0.0]),
        (Linear(0.2, 0.7, over=0), [0.7, 0.7, 0.7]),
        (Linear(over=2, after="repeat"), [1.0, 0.5, 1.0, 0.5, 1.0, 1.0]),
        (Linear(over=3, after="repeat", inclusive=True), [1.0, 0.5, 0.0, 1.0, 0.5, 0.5]),
        (Cosine(over=4), [1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0]),
        (Cosine(0.1, 0.5, over=4), [0.1, 0.158579, 0.3, 0.441421, 0.5, 0.5]),
        (Geometric(1.0, 0.01, over=4), [1.0, 0.316228, 0.1, 0.031623, 0.01, 0.01]),
        (Geometric(0.01, 1.0, over=2), [0.01, 0.1, 1.0, 1.0]),
        (Polynomial(over=4, power=2), [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]),
        (Polynomial(over=4, power=0.5), [1.0, 0.866025, 0.707107, 0.5, 0.0, 0.0]),
        (Polynomial(over=4), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        (Ramp(over=4, ease="one_minus_sqrt"), [1.0, 0.5, 0.292893, 0.133975, 0.0, 0.0]),
        (Rex(over=4), [1.0, 0.857143, 0.666667, 0.4, 0.0, 0.0]),
        (Rex(over=4, beta=0.9), [1.0, 0.967742, 0.909091, 0.769231, 0.0, 0.0]),
        (Rex(over=4, beta=0), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        (Cosine(over=4, power=2), [1.0, 0.728553, 0.25, 0.021447, 0.0, 0.0]),
        (Cosine(over=4, k=2), [1.0, 0.990393, 0.853553, 0.402455, 0.0, 0.0]),
        (Polynomial(over=4, k=2), [1.0, 0.9375, 0.75, 0.4375, 0.0, 0.0]),
        (Polynomial(over=4, power=0.5, k=2), [1.0, 0.968246, 0.866025, 0.661438, 0.0, 0.0]),
        (Ramp(over=4, ease="one_minus_square"), [1.0, 0.9375, 0.75, 0.4375, 0.0, 0.0]),
        (Ramp(over=4, ease="mirror_cosine"), [1.0, 0.646447, 0.5, 0.353553, 0.0, 0.0]),
        (Ramp(over=3, ease="quarter_cosine"), [1.0, 0.866025, 0.5, 0.0, 0.0]),
        (Ramp(0.0, 1.0, over=3, ease="quarter_sine"), [0.0, 0.5, 0.866025, 1.0, 1.0]),
        (Ramp(over=4, inclusive=True, ease="quarter_cosine"), [1.0, 0.866025, 0.5, 0.0, 0.0]),
        (Tanh(over=4), [1.0, 0.999452, 0.952462, 0.1804, 0.0, 0.0]),
        (Tanh(over=2, lower=-1, upper=1), [1.0, 0.5, 0.0, 0.0]),
        (Hyperbolic(over=4, upper=4), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        (Hyperbolic(over=4, upper=8), [1.0, 0.852045, 0.692992, 0.508975, 0.133975, 0.133975]),
        (
            Hyperbolic(1.0, 0.01, over=4, upper=8, geometric=True),
            [1.0, 0.505929, 0.243211, 0.10422, 0.018533, 0.018533],
        ),
        (Points([(0, 0.0), (4, 1.0)], ease="cosine"), [0.0, 0.146447, 0.5, 0.853553, 1.0, 1.0]),
        (Points([(0, 0.1), (2, 0.5), (4, 0.0)]), [0.1, 0.3, 0.5, 0.25, 0.0, 0.0]),
        (Points([(2, 0.5), (4, 0.0)]), [0.5, 0.5, 0.5, 0.25, 0.0, 0.0]),  # the first is held before it
        (Points([(0, 1.0), (2, 0.5), (2, 0.1), (4, 0.1)]), [1.0, 0.75, 0.1, 0.1, 0.1]),  # a jump
        (Points([(3, 0.3)]), [0.3, 0.3, 0.3, 0.3, 0.3]),
        (Points([(0, 0.3), (0, 0.4)]), [0.4, 0.4]),
        (Points([(1, 1.0), (1, 0.5)]), [1.0, 0.5, 0.5]),  # a jump right away, after the first level
        (Points([(2, 1.0), (2, 0.5), (2, 0.4), (4, 0.0)]), [1.0, 1.0, 0.4, 0.2, 0.0, 0.0]),
        (Points([(0, 0.3), (0, 0.4)]).shift(2), [0.4, 0.4, 0.4]),
        (Constant(0.1, over=1) >> Points([(1, 1.0), (1, 0.5)]), [0.1, 1.0, 0.5, 0.5]),
    ],
    ids=strategies.expression,
)
def test_values(shape: Any, values: list[float]) -> None:
    table = shape.on(RUN)
    *early, late = values
    assert table(range(len(early))) == pytest.approx(np.array(early), abs=1e-6)
    assert table(10**6) == pytest.approx(late, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in KINDS if "yperbolic" not in name])
@given(start=st.floats(1e-9, 10), stop=st.floats(1e-9, 10), over=st.integers(1, 10**6))
def test_both_ends_are_exact(name: str, start: float, stop: float, over: int) -> None:
    kind = KINDS[name]
    assert kind(start, stop, over=over).on(RUN)([0, over, over + 1, 10**9]).tolist() == [
        start,
        stop,
        stop,
        stop,
    ]
    inclusive = kind(start, stop, over=over + 1, inclusive=True).on(RUN)
    assert inclusive([0, over, over + 1]).tolist() == [start, stop, stop]


@pytest.mark.parametrize("geometric", [False, True])
def test_a_hyperbola_without_length_is_its_stop_at_once(geometric: bool) -> None:
    table = Hyperbolic(1.0, 0.01, over=0, upper=8, geometric=geometric).on(Horizon(total=4))
    assert table([0, 1]).tolist() == [0.01, 0.01]


def test_an_inclusive_hyperbola_of_one_step_comes_as_far_as_any_of_its_length() -> None:
    for kind in (Hyperbolic, functools.partial(Hyperbolic, geometric=True)):
        plain = kind(1.0, 0.01, over=1, upper=8).on(Horizon(total=4))
        inclusive = kind(1.0, 0.01, over=1, upper=8, inclusive=True).on(Horizon(total=4))
        assert inclusive([0, 1]) == pytest.approx([plain(1), plain(1)], rel=1e-12)


@pytest.mark.parametrize(("start", "stop"), [("148/3st", 148), ("7/3st", 10), ("20/7st", 10), ("32/5st", 10)])
def test_the_last_value_is_exact_after_a_start_that_is_no_whole_step(start: str, stop: int) -> None:
    steep = Polynomial(1.0, 0.25, over=f"{stop}st - {start}", power=0.1)
    table = (Constant(1.0, over=start) >> steep).on(Horizon())
    assert table([stop, stop + 1]).tolist() == [0.25, 0.25]


@pytest.mark.parametrize("geometric", [False, True])
@given(
    start=st.floats(1e-9, 10), stop=st.floats(1e-9, 10), over=st.integers(1, 10**6), more=st.integers(0, 9)
)
def test_a_hyperbola_holds_what_it_comes_to(
    geometric: bool, start: float, stop: float, over: int, more: int
) -> None:
    plan = Hyperbolic(start, stop, over=over, upper=over + more, geometric=geometric)
    values = plan.on(RUN)([0, over, over + 1, 10**9])
    assert values[0] == start
    assert values[1] == values[2] == values[3]
    assert more or values[3] == stop


@pytest.mark.parametrize("name", KINDS)
@given(start=st.floats(1e-6, 10), stop=st.floats(1e-6, 10))
def test_it_goes_one_way_between_its_ends(name: str, start: float, stop: float) -> None:
    values = KINDS[name](start, stop, over=37).on(RUN)(range(40))
    low, high = sorted((start, stop))
    margin = 1e-15 * high  # of one rounding in each of the two terms
    assert ((values >= low - margin) & (values <= high + margin)).all()
    steps = np.diff(values) * (1 if stop > start else -1)
    assert (steps >= -margin).all()


@pytest.mark.parametrize("name", FORMULAS)
@given(start=st.floats(0, 10), stop=st.floats(0, 10), over=st.integers(1, 100))
def test_formula(name: str, start: float, stop: float, over: int) -> None:
    shape = KINDS[name](start, stop, over=over)
    p = np.arange(over) / over
    expected = start + (stop - start) * FORMULAS[name](p)
    # The tolerance is for values that cancel near 0.
    assert shape.on(RUN)(range(over)) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@given(start=st.floats(1e-6, 10), stop=st.floats(1e-6, 10), over=st.integers(1, 100))
def test_geometric_is_a_straight_line_in_the_logarithm(start: float, stop: float, over: int) -> None:
    values = Geometric(start, stop, over=over).on(RUN)(range(over + 1))
    assert np.log(values) == pytest.approx(np.linspace(np.log(start), np.log(stop), over + 1), abs=1e-12)


def test_geometric_half_way_is_the_same_alone_among_steps_and_among_groups() -> None:
    start, stop = 5.6040747844724565, 9.069395138118978
    table = Geometric(start * BASE, stop * BASE, over=42).on(RUN)
    alone = table(21)
    assert table(range(42))[21] == table(range(42), base=[1.0, 1.0, 1.0])[21, 2] == alone


@given(st.floats(0.05, 10), st.integers(1, 50))
def test_polynomial_to_zero_is_a_power_of_what_is_left(power: float, over: int) -> None:
    values = Polynomial(2.0, 0.0, over=over, power=power).on(RUN)(range(over + 1))
    assert values == pytest.approx(2.0 * (1 - np.arange(over + 1) / over) ** power, rel=1e-12, abs=1e-15)


def test_start_and_stop_have_defaults() -> None:
    assert Linear(over=4) == Linear(BASE, 0.0, over=4)
    assert Linear(0.5, over=4) == Linear(0.5, 0.0, over=4)


def test_levels_follow_each_groups_base_rate() -> None:
    table = Linear(0.1 * BASE, BASE + 0.5, over=4).on(RUN)
    assert table([0, 4], base=[1.0, 0.1]).tolist() == [[0.1, 0.010000000000000002], [1.5, 0.6]]
    geometric = Geometric(BASE, 0.01 * BASE, over=2).on(RUN)
    assert geometric(1, base=[1.0, 0.2, 0.0]).tolist() == pytest.approx([0.1, 0.02, 0.0])


def test_after_raise_lets_the_loop_step_once_past_its_last_update() -> None:
    table = Linear(over=4, after="raise").on(RUN)
    assert table(4) == 0.0
    message = r"step 5 is past the end of linear at 4, and it was written with after='raise'"
    with pytest.raises(ScheduleError, match=message):
        table(5)
    with pytest.raises(ScheduleError, match="past the end"):
        table(range(6))
    between = Linear(over="10/3st", after="raise").on(RUN)  # its end is no float
    assert between(between.length) == 0.0
    with pytest.raises(ScheduleError, match="step 4 is past the end"):
        between(4)


@given(strategies.EVERY_KIND["Points"])
def test_points_are_met(points: Points) -> None:
    table = points.on(RUN)
    last_at = dict(points.points)
    for when, level in last_at.items():
        expected = Constant(level).on(RUN)(0)  # type: ignore[arg-type]
        assert table(float(RUN.steps(when))) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Linear(over=-4), r"Linear\(over=\) must be at least 0; got -4"),
        (lambda: Linear(-0.1, over=4), r"Linear\(start=\) must be at least 0; got -0.1"),
        (lambda: Cosine(1.0, -0.1, over=4), r"Cosine\(stop=\) must be at least 0; got -0.1"),
        (lambda: Rex(over=4, inclusive=1), r"Rex\(inclusive=\) must be True or False; got 1"),
        (
            lambda: Rex(over=4, after="rase"),
            r"Rex\(after=\) must be one of 'hold', 'raise', 'repeat'; got 'rase'; did",
        ),
        (
            lambda: Geometric(0.0, 1.0, over=4),
            r"Geometric\(start=\) must be more than 0, for no factor leads to 0",
        ),
        (lambda: Geometric(over=4), r"Geometric\(stop=\) must be more than 0"),
        (
            lambda: Polynomial(over=4, power=0),
            r"Polynomial\(power=\) must be a finite number, more than 0; got 0",
        ),
        (lambda: Points([]), r"Points\(points=\) must be a list of \(when, level\) pairs; got \[\]"),
        (lambda: Points("ab"), r"Points\(points=\) must be a list of .*; got 'ab'"),
        (lambda: Points([(1,)]), r"Points\(points=\) must hold \(when, level\) pairs; got \(1,\)"),
        (lambda: Points([(1, -2)]), r"Points\(points=\) must be at least 0; got -2"),
        (lambda: Points([(-1, 2)]), r"Points\(points=\) must be at least 0; got -1"),
        (lambda: Points([("x", 2)]), r"Points\(points=\) must be a duration"),
        (
            lambda: Ramp(ease="linear"),
            r"Ramp\(ease=\) must be one without a shape of its own; got 'linear': write Linear\(...\)",
        ),
        (
            lambda: Ramp(ease="cosine"),
            r"Ramp\(ease=\) must be one without a shape of its own; got 'cosine': write Cosine\(...\)",
        ),
        (
            lambda: Ramp(ease="rex"),
            r"Ramp\(ease=\) must be one without a shape of its own; got 'rex': write Rex\(...\)",
        ),
        (
            lambda: Ramp(ease="quarter_sin"),
            r"Ramp\(ease=\) must be one of 'linear', .*; got 'quarter_sin'; did you mean",
        ),
        (lambda: Ramp(ease="geometric"), r"Ramp\(ease=\) must be one of .*; got 'geometric'"),
        (
            lambda: Hyperbolic(upper=8, geometric=True),
            r"Hyperbolic\(stop=\) must be more than 0, for no factor leads to 0",
        ),
        (lambda: Hyperbolic(upper=8, geometric=1), r"Hyperbolic\(geometric=\) must be True or False; got 1"),
        (
            lambda: Linear(after="repeat"),
            r"Linear\(over=\) must be a length of its own with after='repeat', .*; got 'rest': write",
        ),
    ],
)
def test_what_is_refused_when_it_is_written(build: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        build()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            Points([(4, 0.1), (2, 0.2)]),
            r"Points\(points=\) must come at rising times; on this horizon .* 4st, 2st",
        ),
        (Points([("1ep", 0.1), (2, 0.2)]), r"rising times; on this horizon they are at 4st, 2st"),
        (Linear(over="5tok"), r"Linear\(over=\) is 5tok, in tokens, but the horizon has no tokens_per_step"),
        (
            Linear(over="1ep - 5st"),
            r"Linear\(over=\) is 1ep - 5st = -1 steps on this horizon .* less than none",
        ),
        (Linear(over="4st - 1ep", after="repeat"), r"has no length on this horizon, so it cannot repeat"),
    ],
    ids=strategies.expression,
)
def test_what_is_refused_on_a_horizon(shape: Any, message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        shape.on(RUN)
