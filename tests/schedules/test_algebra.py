"""The algebra: what each combinator does to time and to values, and the laws that hold for any schedule."""

from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import etude as et
from etude import (
    BASE,
    Constant,
    Cosine,
    Custom,
    Exponential,
    Geometric,
    Horizon,
    InverseTime,
    Level,
    Linear,
    Plateau,
    Points,
    PolynomialCycles,
    Schedule,
    Steps,
    from_json,
    maximum,
    minimum,
    multistep,
    parse,
    warmup,
    wsd,
)
from etude.errors import EtudeError, HorizonError, ScheduleError
from etude.schedules.algebra import Maximum, Minimum, Product, Repeat, Sequence, Sum
from etude.timeline import Clock
from tests.strategies import (
    HORIZON,
    STEPS,
    expression,
    finite,
    fits,
    followed,
    left_after,
    numbers,
    schedules,
    whole_schedules,
)

RUN = Horizon(steps_per_epoch=10, total=100)
EVERY = range(STEPS)
START = Clock(HORIZON)
stairs = Constant(1.0, over=2) >> Constant(0.5, over=2)


@pytest.mark.parametrize(
    ("plan", "values"),
    [
        # One value for each step from 0, and one far past the end.
        (Constant(0.5, over=3) >> Constant(0.3, over=3), [0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3]),
        (Constant(0.5, over=0) >> Linear(0.1, 1.0, over=5), [0.1, 0.28, 0.46, 0.64, 0.82, 1.0, 1.0]),
        (Linear(0.0, 1.0, over=2) >> Linear(over=2), [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]),  # the peak, once
        (Constant(1.0, over=2) >> 0.5, [1.0, 1.0, 0.5, 0.5]),
        (stairs >> 0.1 * BASE, [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]),
        (Constant(1.0, over=2) >> Steps(1, 0.5), [1.0, 1.0, 1.0, 0.5, 0.25, 0.0]),  # its own zero
        (stairs * 0.5, [0.5, 0.5, 0.25, 0.25, 0.25]),
        (0.5 * stairs, [0.5, 0.5, 0.25, 0.25, 0.25]),
        (stairs * BASE, [1.0, 1.0, 0.5, 0.5, 0.5]),
        (stairs + 1, [2.0, 2.0, 1.5, 1.5, 1.5]),
        (stairs + stairs.shift(1), [2.0, 2.0, 1.5, 1.0, 1.0, 1.0]),
        # Cut: on a whole step, between two, at once, past the end, in the middle of a restart.
        (Exponential(0.5).until(2) >> 0.1, [1.0, 0.5, 0.1, 0.1]),
        (Linear(1.0, 0.0, over=4).until(2.5), [1.0, 0.75, 0.5, 0.375, 0.375, 0.375]),
        (stairs.until(0) >> stairs, [1.0, 1.0, 0.5, 0.5, 0.5]),
        (stairs.until(6) >> 0.1, [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1]),
        (Linear(1.0, 0.0, over=2).repeat().until(3).repeat(2), [1.0, 0.5, 1.0, 1.0, 0.5, 1.0, 0.5, 0.5]),
        (Steps(2, 0.5).until(4), [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]),
        (Linear(over=4, after="repeat").until(5) >> 0.1, [1.0, 0.75, 0.5, 0.25, 1.0, 0.1]),
        (minimum(stairs, 0.7), [0.7, 0.7, 0.5, 0.5, 0.5]),
        (maximum(stairs, 0.7, 0.2), [1.0, 1.0, 0.7, 0.7, 0.7]),
        (stairs.clip(0.6, 0.8), [0.8, 0.8, 0.6, 0.6, 0.6]),
        (stairs.clip(high=0.8), [0.8, 0.8, 0.5, 0.5, 0.5]),
        (stairs.clip(0.1 * BASE, 0.5 * BASE), [0.5, 0.5, 0.5, 0.5, 0.5]),
        (stairs.repeat(2), [1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 0.5]),
        (stairs.repeat(2, gain=0.5), [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]),
        (stairs.repeat(2, stretch=2), [1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]),
        (stairs.repeat(2, stretch="1/2"), [1.0, 1.0, 0.5, 0.5, 1.0, 0.5, 0.5]),
        (stairs.repeat(gain=0), [1.0, 1.0, 0.5, 0.5, 0.0, 0.0, 0.0]),
        (stairs.shift(2), [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]),
        # What is entered in its middle begins there, however late.
        (stairs.shift(-2).shift(1), [0.5, 0.5, 0.5, 0.5]),
        (Linear(0.0, 1.0, over=4).shift(-1).shift(2), [0.25, 0.25, 0.25, 0.5, 0.75, 1.0, 1.0]),
        (wsd(6, warmup=3, cooldown=2).shift(2), [0.25, 0.25, 0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0, 0.0]),
        (wsd(6, warmup=3, cooldown=2).shift(2).shift(-3), [0.5, 0.75, 1.0, 1.0, 0.5, 0.0, 0.0]),
        (stairs.shift(-1), [1.0, 0.5, 0.5, 0.5]),
        (stairs.shift("-1ep"), [0.5, 0.5]),
        (stairs.shift(-2) >> Constant(0.1), [0.5, 0.5, 0.1, 0.1]),  # what is left of it has two steps
        (stairs.stretch(2), [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]),
        (stairs.stretch("1/2") >> Constant(0.1), [1.0, 0.5, 0.1, 0.1]),
        (Linear(over=2, inclusive=True).stretch(2), [1.0, 0.5, 0.0, 0.0]),
        (Constant(1.0).cooldown(2, over=2), [1.0, 1.0, 1.0, 0.5, 0.0, 0.0]),
        (Constant(1.0).cooldown(2, over=2, stop=0.2), [1.0, 1.0, 1.0, 0.6, 0.2, 0.2]),
        (Constant(1.0).cooldown(2, over=0), [1.0, 1.0, 0.0, 0.0]),
        (Constant(1.0).cooldown(1, over=2, ease="cosine", stop=2 * BASE), [1.0, 1.0, 1.5, 2.0, 2.0]),
        (Constant(1.0).cooldown(1, over=2, stop=0.01, ease="geometric"), [1.0, 1.0, 0.1, 0.01, 0.01]),
        (
            stairs.cooldown(2, over=2, stop=2 * BASE, ease="geometric"),
            [1.0, 1.0, 0.5, 1.0, 2.0, 2.0],
        ),  # and up
        (Constant(0.0).cooldown(1, over=2, stop=0.01, ease="geometric"), [0.0, 0.0, 0.0, 0.01, 0.01]),
        (Constant(1.0).cooldown(0, over=4, ease="one_minus_square"), [1.0, 0.9375, 0.75, 0.4375, 0.0, 0.0]),
        (
            Constant(1.0).cooldown(0, over=4, ease="one_minus_sqrt"),
            [1.0, 0.5, 1 - math.sqrt(0.5), 1 - math.sqrt(0.75), 0.0, 0.0],
        ),
        (Constant(1.0).cooldown(0, over=3, ease="rex"), [1.0, 0.8, 0.5, 0.0, 0.0]),
        (Constant(1.0).cooldown(0, over=2, ease="mirror_cosine"), [1.0, 0.5, 0.0, 0.0]),
        (Constant(1.0).cooldown(0, over=2, ease="quarter_cosine"), [1.0, math.sqrt(0.5), 0.0, 0.0]),
        (Constant(1.0).cooldown(0, over=2, ease="quarter_sine"), [1.0, 1 - math.sqrt(0.5), 0.0, 0.0]),
        (stairs.cooldown(2, over=2), [1.0, 1.0, 0.5, 0.25, 0.0, 0.0]),  # from the later value
        (Exponential(0.5).cooldown(1, over=2), [1.0, 0.5, 0.25, 0.0, 0.0]),
        (Constant(1.0).cooldown(2, over=2).shift(-3), [0.5, 0.0, 0.0]),
        (Constant(1.0).cooldown(2, over=2) >> 0.3, [1.0, 1.0, 1.0, 0.5, 0.3, 0.3]),
    ],
    ids=expression,
)
def test_values(plan: Schedule, values: list[float]) -> None:
    table = plan.on(RUN)
    *early, late = values
    assert table(range(len(early))).tolist() == pytest.approx(early, rel=1e-15)
    assert table(10**6) == pytest.approx(late, rel=1e-15)


stair = multistep([30, 60])


@pytest.mark.parametrize(
    ("plan", "values"),
    [
        # Step → value, about a jump that lies right where the plan is left.
        (stair.until(60), {59: 0.1, 60: 0.1, 99: 0.1}),
        (stair.until(61), {59: 0.1, 60: 0.01, 61: 0.01}),
        (stair.until(30) >> Constant(0.7), {29: 1.0, 30: 0.7}),
        (Steps(at=[40], start=1.0).until(40), {39: 1.0, 40: 1.0, 99: 1.0}),
        (Steps(10, 0.5).until(20), {19: 0.5, 20: 0.5}),
        (Steps(10, 0.5, over=20).until(20), {19: 0.5, 20: 0.5}),
        ((Constant(1.0, over=20) >> Constant(0.5)).until(20), {19: 1.0, 20: 1.0}),
        ((Constant(1.0, over="1/3st") >> Constant(0.5)).until("1/3st"), {0: 1.0, 1: 1.0}),
        (Points([(0, 0.1), (20, 0.3), (20, 0.2)]).until(20), {10: 0.2, 20: 0.3, 50: 0.3}),
        (maximum(stair, 0.05).until(60), {59: 0.1, 60: 0.1}),
        ((stair * 0.5).until(60), {59: 0.05, 60: 0.05}),
        (stair.stretch(2).until(60), {59: 1.0, 60: 1.0}),
        (stair.shift(10).until(40), {39: 1.0, 40: 1.0}),
        (stair.until(60).until(60), {60: 0.1}),
        (stair.until(60).shift(5), {65: 0.1}),
        (stair.until(60).repeat(2), {59: 0.1, 60: 1.0, 119: 0.1, 120: 0.1}),
        (stair.cooldown(60, over=0).until(60), {59: 0.1, 60: 0.1}),
        (stair.cooldown(50, over=10).until(60), {59: 0.01, 60: 0.0}),
        (Constant(1.0, over=5).repeat(2, gain=0.5).until(5), {4: 1.0, 5: 1.0}),
        (Constant(1.0, over=5).repeat(2, gain=0.5).until(10), {4: 1.0, 5: 0.5, 10: 0.5}),
        (Constant(1.0, over=2).repeat(3, gain=0.5, stretch=2).until(6), {5: 0.5, 6: 0.5}),
        (Linear(over=4, after="repeat").until(8), {7: 0.25, 8: 0.0, 99: 0.0}),
        (PolynomialCycles(4, power=1).until(8), {7: 0.125, 8: 0.0, 99: 0.0}),
        (Custom("math:floor").until(5), {4: 4.0, 5: 4.0, 99: 4.0}),
        # And where nothing jumps, the value to which it has come there.
        (Linear(0.0, 1.0, over=60).until(60), {30: 0.5, 60: 1.0}),
        (Linear(0.0, 1.0, over=60).until(30), {29: 29 / 60, 30: 0.5, 99: 0.5}),
        (Exponential(0.5).until(3), {2: 0.25, 3: 0.125, 99: 0.125}),
    ],
    ids=repr,
)
def test_a2_until_holds_the_last_value_before_a_jump(plan: Schedule, values: dict[int, float]) -> None:
    table = plan.on(Horizon(total=100))
    assert {step: table(step) for step in values} == pytest.approx(values)
    assert table([*values]).tolist() == pytest.approx([*values.values()])


@pytest.mark.parametrize(
    ("plan", "values"),
    [
        (Geometric(1e300, 1e-300, over=2), [1e300, 1.0, 1e-300, 1e-300]),
        (Geometric(1e-300, 1e300, over=2), [1e-300, 1.0, 1e300, 1e300]),
        (Constant(1e300).cooldown(0, over=2, stop=1e-300, ease="geometric"), [1e300, 1.0, 1e-300]),
        (Geometric(1e200, 1e-200, over=4), [1e200, 1e100, 1.0, 1e-100, 1e-200]),
    ],
    ids=repr,
)
def test_a13_a_ratio_too_large_for_a_float_gives_the_values_between(
    plan: Schedule, values: list[float]
) -> None:
    assert plan.on(Horizon(total=4))(range(len(values))).tolist() == pytest.approx(values, abs=0)


# Laws of evaluation, for any schedule.


@given(schedules)
def test_seeking_is_walking(plan: Schedule) -> None:
    table = plan.on(HORIZON)
    walk = table(EVERY)
    assert [table(k) for k in EVERY[::3]] == walk[::3].tolist()
    assert (table(EVERY[::-1]) == walk[::-1]).all()
    # A table that was asked for something far away first says the same.
    other = plan.on(HORIZON)
    other(10**7)
    assert (other(EVERY) == walk).all()


@given(schedules, st.lists(st.floats(0, 10), min_size=1, max_size=4))
def test_groups_do_not_touch_each_other(plan: Schedule, bases: list[float]) -> None:
    table = plan.on(HORIZON)
    together = table(EVERY, base=bases)
    assert together.shape == (STEPS, len(bases))
    for group, base in enumerate(bases):
        assert (together[:, group] == table(EVERY, base=base)).all()


@given(schedules)
def test_values_are_never_negative(plan: Schedule) -> None:
    assert (plan.on(HORIZON)(EVERY) >= 0).all()


@given(schedules)
def test_what_ends_holds_its_last_value(plan: Schedule) -> None:
    table = plan.on(HORIZON)
    if table.length is not None:
        held = table([table.length + 1, table.length + 1000, 10**9])
        assert (held == held[0]).all()


@given(whole_schedules, st.integers(0, 30))
def test_what_ends_ends_at_its_length(plan: Schedule, k: int) -> None:
    part = finite(plan)
    length = part.length(START)
    assert length is not None
    after = (part >> Constant(7.0)).on(HORIZON)
    steps = [int(length) - 1 - k, int(length) + k]
    assume(steps[0] >= 0)
    assert after(steps[1]) == 7.0
    assert after(steps[0]) == part.on(HORIZON)(steps[0])


# Laws of time.


@given(schedules, schedules, st.integers(0, 400))
def test_the_later_part_has_its_own_zero(first: Schedule, second: Schedule, k: int) -> None:
    first = followed(first)
    length = first.length(START)
    assert length is not None
    assume(fits(first >> second))
    both = (first >> second).on(HORIZON)
    if length.denominator == 1:
        # Time is shifted exactly; what is rounded is where a fractional boundary lies.
        assert both(int(length) + k) == pytest.approx(left_after(second, length)(k), rel=1e-9, abs=1e-12)
    before = range(min(int(length), STEPS))
    if before:
        assert (both(before) == first.on(HORIZON)(before)).all()


@given(st.integers(1, 40), whole_schedules, st.integers(0, 10**6))
def test_a_sequence_shifts_whole_steps_to_the_last_bit(length: int, plan: Schedule, k: int) -> None:
    assume("shift" not in repr(plan))
    shifted = (Constant(3.0, over=length) >> plan).on(HORIZON)
    whole = not any(isinstance(part, Repeat) and part._stretch.denominator > 1 for part in plan.walk())
    expected = plan.on(HORIZON)(k)
    assert shifted(length + k) == (expected if whole else pytest.approx(expected, rel=1e-9, abs=1e-12))


@given(whole_schedules, st.integers(0, 50), st.integers(0, 300))
def test_shift(plan: Schedule, by: int, k: int) -> None:
    original = plan.on(HORIZON)
    later, earlier = plan.shift(by).on(HORIZON), plan.shift(-by).on(HORIZON)
    assert later(k) == pytest.approx(original(max(k - by, 0)), rel=1e-9, abs=1e-12)
    assert earlier(k) == pytest.approx(original(k + by), rel=1e-9, abs=1e-12)
    assert plan.shift(0).on(HORIZON)(k) == original(k)


@given(whole_schedules, st.sampled_from([2, 3, 7]), st.integers(0, 300))
def test_stretch(plan: Schedule, factor: int, k: int) -> None:
    original = plan.on(HORIZON)
    slower = plan.stretch(factor).on(HORIZON)
    assert slower(factor * k) == pytest.approx(original(k), rel=1e-9, abs=1e-12)
    there_and_back = plan.stretch(factor).stretch(Fraction(1, factor)).on(HORIZON)
    assert there_and_back(k) == pytest.approx(original(k), rel=1e-9, abs=1e-12)


@given(whole_schedules, st.integers(1, 5), st.floats(0.5, 1), st.integers(0, 300))
def test_repeat_is_a_sequence_of_itself(plan: Schedule, times: int, gain: float, k: int) -> None:
    part = finite(plan)
    length = part.length(START)
    assume(length)
    repeated = part.repeat(times, gain=gain).on(HORIZON)
    by_hand = part
    for cycle in range(1, times):
        by_hand = by_hand >> part * gain**cycle
    assert repeated(k) == pytest.approx(by_hand.on(HORIZON)(k), rel=1e-9, abs=1e-12)
    assert repeated.length == by_hand.length(START)
    endless = part.repeat().on(HORIZON)
    assert endless(k) == pytest.approx(part.on(HORIZON)(k % length), rel=1e-9, abs=1e-12)


@given(whole_schedules, st.integers(1, 4), st.sampled_from([2, 3, "3/2", "1/2"]), st.integers(0, 300))
def test_repeat_with_stretch_is_a_sequence_of_stretches(
    plan: Schedule, times: int, stretch: Any, k: int
) -> None:
    part = finite(plan)
    assume(part.length(START))
    repeated = part.repeat(times, stretch=stretch, gain=0.5).on(HORIZON)
    by_hand = part
    for cycle in range(1, times):
        by_hand = by_hand >> part.stretch(Fraction(stretch) ** cycle) * 0.5**cycle
    assert repeated(k) == pytest.approx(by_hand.on(HORIZON)(k), rel=1e-9, abs=1e-12)
    assert repeated.length == pytest.approx(float(by_hand.length(START) or 0))


@given(schedules, st.integers(0, 100), st.integers(1, 50), numbers)
def test_cooldown(plan: Schedule, at: int, over: int, stop: float) -> None:
    trunk, cooled = plan.on(HORIZON), plan.cooldown(at, over=over, stop=stop).on(HORIZON)
    before = range(at + 1)
    assert (cooled(before) == trunk(before)).all()  # the value at its start is the trunk's
    assert cooled([at + over, at + over + 1, 10**6]).tolist() == [stop] * 3
    middle = cooled(at + over / 2)
    assert middle == pytest.approx((trunk(at) + stop) / 2, rel=1e-9, abs=1e-12)


# Laws of values.

OPERATIONS = [
    (lambda a, b: a * b, np.multiply),
    (lambda a, b: a + b, np.add),
    (minimum, np.minimum),
    (maximum, np.maximum),
]


@pytest.mark.parametrize(("join", "ufunc"), OPERATIONS, ids=["*", "+", "minimum", "maximum"])
@given(parts=st.lists(schedules, min_size=3, max_size=3))
def test_joining_commutes_and_associates(join: Any, ufunc: np.ufunc, parts: list[Schedule]) -> None:
    assume(ufunc is not np.multiply or sum(part.depends_on_base for part in parts) <= 1)
    a, b, c = parts
    left, right, turned = join(join(a, b), c), join(a, join(b, c)), join(c, join(b, a))
    assert left == right == turned
    assert hash(left) == hash(turned)
    assert left.fingerprint == right.fingerprint == turned.fingerprint
    values = left.on(HORIZON)(EVERY)
    assert (values == turned.on(HORIZON)(EVERY)).all()
    expected = ufunc(ufunc(*(part.on(HORIZON)(EVERY) for part in (a, b))), c.on(HORIZON)(EVERY))
    assert values == pytest.approx(expected, rel=1e-12)


@given(schedules)
def test_neutral_elements(plan: Schedule) -> None:
    values = plan.on(HORIZON)(EVERY)
    for same in (plan * 1, plan + 0, minimum(plan, plan), maximum(plan, 0.0)):
        assert (same.on(HORIZON)(EVERY) == values).all()
    assert (plan * 0).on(HORIZON)(EVERY).max() == 0


@given(schedules, schedules, schedules)
def test_sequences_associate(first: Schedule, second: Schedule, third: Schedule) -> None:
    first, second = followed(first), followed(second)
    assert (first >> second) >> third == first >> (second >> third)


@given(schedules, numbers, numbers)
def test_clip(plan: Schedule, low: float, rise: float) -> None:
    clipped = plan.clip(low, low + rise).on(HORIZON)(EVERY)
    assert (clipped == np.clip(plan.on(HORIZON)(EVERY), low, low + rise)).all()
    assert plan.clip() == plan


def test_parts_that_are_the_same_operation_are_flattened() -> None:
    a, b, c = Linear(over=1), Linear(over=2), Linear(over=3)
    assert (a >> b >> c).parts == (a, b, c)
    assert (0.5 * (a * 2)).parts == (Constant(0.5), Constant(2.0), a)
    assert len(minimum(a, minimum(b, c)).parts) == 3
    assert len(minimum(a, maximum(b, c)).parts) == 2


def test_nesting_to_depth() -> None:
    plan: Schedule = Linear(over=3)
    for _ in range(40):
        plan = ((plan * 0.99).shift(1) >> Constant(0.5, over=1)).repeat(2)
    assert parse(repr(plan)) == from_json(plan.to_json()) == plan
    table = plan.on(Horizon())
    # Each level adds two steps and doubles: the length is 2 · (L + 2).
    assert table.length == 2**40 * (3 + 4) - 4
    # Innermost, the line is held for one step at each level.
    assert table(range(41)).tolist() == [pytest.approx(0.99**40)] * 41
    assert table(41) == pytest.approx(0.99**40 * 2 / 3)
    assert table(table.length - 1) == 0.5


def test_lengths() -> None:
    horizon = Horizon(steps_per_epoch=10)
    for plan, length in [
        (stairs, 4),
        (stairs >> Constant(0.1), None),
        (stairs * 0.5, 4),
        (stairs * Constant(0.5, over=9), 9),  # the longest
        (stairs * Exponential(0.9), None),
        (stairs.repeat(), None),
        (stairs.repeat(3, stretch="3/2"), 19),
        (stairs.shift(3), 7),
        (stairs.shift(-9), 0),
        (stairs.stretch("3/2"), 6),
        (stairs.repeat().cooldown("1ep", over=5), 15),
        (Constant(0.1), None),
        (Plateau("loss"), None),
        (Plateau("loss") * stairs, 4),
    ]:
        assert plan.length(Clock(horizon)) == length, plan
        assert plan.on(horizon).length == length


def test_extents() -> None:
    for plan, extent in [
        (Constant(0.1), "timeless"),
        (Constant(0.1) * Plateau("loss"), "timeless"),
        (stairs * Plateau("loss"), "finite"),
        (stairs >> 0.1, "endless"),
        (Exponential(0.9), "endless"),
        (Exponential(0.9, over=5), "finite"),
        (Linear(over=5, after="repeat"), "endless"),
        (stairs.repeat().cooldown(5, over=5), "finite"),
    ]:
        assert plan.extent == extent, plan


def test_whether_values_follow_the_base_rate() -> None:
    for plan, depends in [
        (Constant(0.1), False),
        (Constant(0.1 * BASE), True),
        (Linear(0.0, BASE, over=5), True),
        (Constant(0.1).cooldown(5, over=5), False),
        (Constant(0.1).cooldown(5, over=5, stop=BASE), True),
        (Constant(0.1, over=5) >> Exponential(0.9), True),
        (Steps(5, 0.5, start=1.0) * Custom("math:exp", start=1.0), False),
        (maximum(0.1, BASE), True),
        (stairs.repeat().shift(3).stretch(2), False),
    ]:
        assert plan.depends_on_base is depends, plan


def test_walk_finds_every_part() -> None:
    plateau = Plateau("loss")
    plan = (stairs.repeat(3) * plateau).shift(1) >> Constant(0.1)
    kinds = [type(part).__name__ for part in plan.walk()]
    assert kinds.count("Constant") == 3
    assert plateau in plan.walk()


@given(schedules)
def test_schedules_are_values(plan: Schedule) -> None:
    for twin in (copy.deepcopy(plan), copy.copy(plan), pickle.loads(pickle.dumps(plan))):
        assert twin == plan
        assert hash(twin) == hash(plan)
        assert repr(twin) == repr(plan)
        assert twin.fingerprint == plan.fingerprint
    with pytest.raises(AttributeError):
        plan.anything = 1  # type: ignore[attr-defined]


def test_equal_schedules_have_equal_fingerprints() -> None:
    for one, other in [
        (Constant(0.0), Constant(-0.0)),
        (Constant(1), Constant(np.float32(1.0))),
        (Constant(Level(1, 0)), Constant(BASE)),
        (Linear(over=5), Linear(BASE, 0.0, over="5st")),
        (Linear(over="1ep + 1st"), Linear(over="1st + 1ep")),
        (Steps(1, 1), Steps(1.0, 1.0)),
        (stairs.repeat(2, stretch=1.5), stairs.repeat(2, stretch="3/2")),
        (stairs.repeat(gain=-0.0), stairs.repeat(gain=0)),
        (stairs.repeat(2, stretch=1.5), stairs.repeat(np.int64(2), stretch=Fraction(3, 2))),
    ]:
        assert one == other
        assert hash(one) == hash(other)
        assert one.fingerprint == other.fingerprint
        assert repr(one) == repr(other)


def test_different_schedules_have_different_fingerprints() -> None:
    plans = [
        Linear(over=5),
        Linear(over="5ep"),
        Linear(over=5, inclusive=True),
        Cosine(over=5),
        Linear(0.5, over=5),
        Linear(over=5) >> Linear(over=5),
        Linear(over=5) + Linear(over=5),
        Linear(over=5).repeat(),
        Linear(over=5).repeat(2),
        Linear(over=5).shift(1),
    ]
    assert len({plan.fingerprint for plan in plans}) == len(set(plans)) == len(plans)


def test_a_fingerprint_is_the_same_in_every_version() -> None:
    # It stands in checkpoints and in stores: changing it orphans them.
    assert (Linear(0.01 * BASE, BASE, over="5ep") >> Cosine(over="85ep")).fingerprint == "f9adb2ffcf7a2974"


def test_a_schedule_shows_itself_in_a_notebook() -> None:
    for plan in (
        stairs,
        stairs.repeat(),
        Constant(0.1),
        wsd(warmup="1ep", cooldown="1ep"),
        Linear(over="100%") * 0.5,
    ):
        svg = plan._repr_svg_()
        assert svg is not None
        assert svg.startswith("<svg")
    # What does not fit on the nominal run of 10 epochs, or is not here, is left to its text.
    assert wsd(warmup="5ep", cooldown="20ep")._repr_svg_() is None
    assert Custom("no.such.module:function")._repr_svg_() is None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Constant(0.1) >> stairs,
            r"Constant\(0.1\) has no length of its own, so nothing can follow it; say",
        ),
        (
            lambda: Exponential(0.9) >> stairs,
            r"Exponential\(0.9\) never ends, so nothing can follow it; say how long",
        ),
        (lambda: stairs.repeat() >> stairs, r"never ends, so nothing can follow it"),
        (lambda: Plateau("loss") >> warmup(3), r"has no length of its own, so nothing can follow it"),
        (
            lambda: Linear(over=5, after="raise") >> stairs,
            r"says what happens after its end, but another part follows it; leave out after=",
        ),
        (
            lambda: Linear(over=5, after="raise").repeat(2),
            r"says what .*, but the next cycle follows it; leave",
        ),
        (lambda: Exponential(0.9).repeat(), r"Exponential\(0.9\) never ends, so it cannot be repeated"),
        (lambda: Constant(0.1).repeat(), r"has no length of its own, so it cannot be repeated"),
        (lambda: stairs.repeat(0), r"Repeat\(times=\) must be a whole number, at least 1; got 0"),
        (lambda: stairs.repeat(2.0), r"Repeat\(times=\) must be a whole number, at least 1; got 2.0"),
        (lambda: stairs.repeat(True), r"Repeat\(times=\) must be a whole number, at least 1; got True"),
        (lambda: stairs.repeat(stretch=0), r"Repeat\(stretch=\) must be more than 0; got 0"),
        (
            lambda: stairs.repeat(stretch="x"),
            r"Repeat\(stretch=\) must be a number, or text such as '3/2'; got 'x'",
        ),
        (lambda: stairs.repeat(gain=-1), r"Repeat\(gain=\) must be a finite number, at least 0; got -1"),
        (
            lambda: stairs.repeat(1001, stretch=2),
            r"Repeat\(times=\) must be at most 1,000 with a stretch other than 1",
        ),
        (lambda: stairs.stretch(0), r"Stretch\(factor=\) must be more than 0; got 0"),
        (
            lambda: stairs.cooldown(2, over=2, ease="geometric"),
            r"Cooldown\(stop=\) must be more than 0 with ease='geometric', .*; write stop=0.001 \* BASE",
        ),
        (lambda: stairs.until(-1), r"Until\(at=\) must be at least 0; got -1"),
        (lambda: stairs.shift("x"), r"Shift\(by=\) must be a duration"),
        (lambda: stairs.cooldown(-1, over=2), r"Cooldown\(at=\) must be at least 0; got -1"),
        (lambda: stairs.cooldown(1, over=-2), r"Cooldown\(over=\) must be at least 0; got -2"),
        (lambda: stairs.cooldown(1, over=2, stop=-1), r"Cooldown\(stop=\) must be at least 0; got -1"),
        (
            lambda: stairs.cooldown(1, over=2, ease="cos"),
            r"Cooldown\(ease=\) must be one of .* did you mean 'cosine'",
        ),
        (lambda: stairs.clip(0.5, 0.1), r"clip\(high=\) less clip\(low=\) must be at least 0; got -0.4"),
        (lambda: stairs.clip(-1), r"clip\(low=\) must be at least 0; got -1"),
        (lambda: stairs.clip(False), r"clip\(low=\) must be a number"),
        (
            lambda: Linear(over=5) * Cosine(over=5),
            r"both .* and .* are multiples of BASE, .* rate squared; write",
        ),
        (lambda: (Linear(over=5) * 2) * BASE, r"are multiples of BASE"),
        (lambda: stairs * -1, r"Constant\(level=\) must be at least 0; got -1"),
        (
            lambda: minimum(0.5),
            r"Minimum\(together=\) must be two schedules or more; got \(Constant\(0.5\),\)",
        ),
        (maximum, r"Maximum\(together=\) must be two schedules or more; got \(\)"),
        (lambda: Sequence((stairs,)), r"Sequence\(sequence=\) must be two schedules or more"),
        (lambda: Sum((stairs, 1)), r"Sum\(together=\) must hold schedules; got 1"),  # type: ignore[arg-type]
        (lambda: Repeat(0.5), r"Repeat\(schedule=\) must be a schedule; got 0.5"),  # type: ignore[arg-type]
    ],
)
def test_what_is_refused_when_it_is_written(build: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        build()


@pytest.mark.parametrize("other", ["0.5", None, True, [1.0]])
def test_schedules_are_joined_with_schedules_levels_and_numbers(other: Any) -> None:
    for operation in (
        lambda: stairs * other,
        lambda: stairs + other,
        lambda: stairs >> other,
        lambda: other * stairs,
    ):
        with pytest.raises(TypeError):
            operation()


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), np.int64(2)])
def test_numbers_of_every_kind_join(number: Any) -> None:
    assert stairs * number == number * stairs == Product((stairs, Constant(2.0)))
    assert stairs + number == number + stairs
    assert isinstance(stairs * number, Product)
    assert minimum(stairs, number) == Minimum((stairs, Constant(2.0)))
    assert maximum(stairs, number) == Maximum((stairs, Constant(2.0)))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (stairs.shift("-100%").repeat(), r"has no length on this horizon .*, so it cannot be repeated"),
        (InverseTime(0.1, over="5tok"), r"InverseTime\(over=\) is 5tok, in tokens"),
        (
            Constant(0.1, over="1ep - 20st"),
            r"Constant\(over=\) is 1ep - 20st = -10 steps .* lengthen the run",
        ),
        (Constant(0.1).cooldown("1ep - 20st", over=1), r"Cooldown\(at=\) is 1ep - 20st = -10 steps"),
    ],
    ids=expression,
)
def test_what_is_refused_on_a_horizon(plan: Schedule, message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        plan.on(RUN)


@pytest.mark.parametrize("horizon", [None, 100, "90ep"])
def test_on_takes_a_horizon(horizon: Any) -> None:
    with pytest.raises(HorizonError, match=r"on\(\) takes a Horizon, such as Horizon\(total=1000\)"):
        stairs.on(horizon)


def test_all_errors_are_etudes_own() -> None:
    with pytest.raises(EtudeError):
        stairs.repeat(0)
    with pytest.raises(ValueError, match="at least 1"):
        stairs.repeat(0)


def test_d8_under_is_what_a_schedule_leaves_of_a_level() -> None:
    plan = et.cyclic(2, low=0.0, high=0.1, mode="triangular2").under(0.95)
    assert plan.on(Horizon(total=8))(range(8)) == pytest.approx(
        [0.95, 0.9, 0.85, 0.9, 0.95, 0.925, 0.9, 0.925], rel=1e-15
    )
    assert et.parse(repr(plan)) == et.from_json(plan.to_json()) == plan
    with pytest.raises(ScheduleError, match="negative"):
        Constant(0.5).under(0.25).on(Horizon(total=1))(0)
