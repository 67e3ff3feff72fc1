"""Composer: its schedulers' formulas, written down from its source, since the package needs a whole trainer.

Each gives the multiplier of the optimizer's rate at the batch t, with all lengths in batches, which is what
its time strings are turned into.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Cosine,
    Horizon,
    Linear,
    Polynomial,
    Schedule,
    cosine,
    exponential,
    multistep,
    sgdr,
    step,
)
from tests.peers.compare import STEPS, assert_same, lengths, rates, shares

BATCHES = 7  # of an epoch
Multiplier = Callable[[int], float]

warmups = st.integers(1, 20)
ends = st.floats(0, 1)


def assert_multiplies(ours: Schedule, theirs: Multiplier, base: float, steps: int = STEPS) -> None:
    horizon = Horizon(steps_per_epoch=BATCHES, total=steps)
    assert_same(ours, [base * theirs(t) for t in range(steps)], base=base, horizon=horizon)


def part(t: float, length: float) -> float:
    return min(t / length, 1.0)


def annealed(p: float, floor: float) -> float:
    return floor + (1 - floor) * (1 + math.cos(math.pi * p)) / 2


def warmed(warmup: int, peak: float, after: Multiplier) -> Multiplier:
    """The WithWarmup schedulers: from 0 to the peak, and then what follows, at the time since."""
    return lambda t: peak * t / warmup if t < warmup else after(t - warmup)


@given(st.integers(1, 5), shares, rates)
def test_step(epochs: int, gamma: float, base: float) -> None:
    assert_multiplies(step(f"{epochs}ep", gamma), lambda t: gamma ** (t // (epochs * BATCHES)), base)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=4), shares, rates)
def test_multi_step(at: list[int], gamma: float, base: float) -> None:
    ours = multistep([f"{epoch}ep" for epoch in at], gamma)
    assert_multiplies(ours, lambda t: gamma ** sum(t >= epoch * BATCHES for epoch in at), base)


@given(st.floats(0.5, 1), rates)
def test_exponential(gamma: float, base: float) -> None:
    assert_multiplies(exponential(gamma, per="1ep"), lambda t: gamma ** (t / BATCHES), base)


@given(ends, lengths, rates)
def test_constant_lets_go_at_its_end(alpha: float, length: int, base: float) -> None:
    # Past t_max it is 1 again, and not alpha.
    ours = Constant(alpha * BASE, over=length) >> BASE
    assert_multiplies(ours, lambda t: alpha if t < length else 1.0, base)


@given(ends, ends, lengths, rates)
def test_linear(first: float, last: float, length: int, base: float) -> None:
    ours = Linear(first * BASE, last * BASE, over=length)
    assert_multiplies(ours, lambda t: first + part(t, length) * (last - first), base)


@given(ends, lengths, rates)
def test_cosine_annealing(floor: float, length: int, base: float) -> None:
    assert_multiplies(cosine(length, floor=floor * BASE), lambda t: annealed(part(t, length), floor), base)


@given(ends, st.floats(0.2, 4), lengths, rates)
def test_polynomial(floor: float, power: float, length: int, base: float) -> None:
    ours = Polynomial(BASE, floor * BASE, over=length, power=power)
    assert_multiplies(ours, lambda t: floor + (1 - part(t, length)) ** power * (1 - floor), base)


def restarts(first: int, stretch: float, floor: float) -> Multiplier:
    def multiplier(t: int) -> float:
        start, length = 0, first
        while t >= start + length:
            start, length = start + length, int(stretch * length)  # whole batches, cut off anew each time
        return annealed((t - start) / length, floor)

    return multiplier


@given(lengths, st.integers(1, 4), ends, rates)
def test_cosine_annealing_warm_restarts(first: int, stretch: int, floor: float, base: float) -> None:
    ours = sgdr(first, stretch=stretch, floor=floor * BASE)
    assert_multiplies(ours, restarts(first, stretch, floor), base, 3 * STEPS)


def test_their_restarts_come_early_where_the_stretch_is_no_whole_number() -> None:
    # Cycles of 3, 4.5, 6.75, 10.125 batches, of which theirs keeps 3, 4, 6, 9.
    theirs = restarts(3, 1.5, 0.0)
    assert [t for t in range(22) if theirs(t) == 1] == [0, 3, 7, 13]
    ours = sgdr(3, stretch=1.5).on(Horizon(total=25))
    assert [float(phase.start) for phase in ours.phases] == [0, 3, 7.5, 14.25, 24.375]


@given(warmups, st.lists(st.integers(21, 60), min_size=1, max_size=4), shares, rates)
def test_multi_step_with_warmup(warmup: int, at: list[int], gamma: float, base: float) -> None:
    ours = Linear(0.0, BASE, over=warmup) >> multistep([when - warmup for when in at], gamma)
    stairs = warmed(warmup, 1.0, lambda t: gamma ** sum(t + warmup >= when for when in at))
    assert_multiplies(ours, stairs, base)


@given(warmups, ends, rates)
def test_constant_with_warmup(warmup: int, alpha: float, base: float) -> None:
    # Its text says that 1 follows t_max; its code, a line from alpha to alpha, stays there.
    ours = Linear(0.0, alpha * BASE, over=warmup) >> Constant(alpha * BASE)
    assert_multiplies(ours, warmed(warmup, alpha, lambda t: alpha), base)


@given(warmups, ends, ends, lengths, rates)
def test_linear_with_warmup(warmup: int, first: float, last: float, decay: int, base: float) -> None:
    ours = Linear(0.0, first * BASE, over=warmup) >> Linear(first * BASE, last * BASE, over=decay)
    line = warmed(warmup, first, lambda t: first + part(t, decay) * (last - first))
    assert_multiplies(ours, line, base)


@given(warmups, ends, lengths, rates)
def test_cosine_annealing_with_warmup(warmup: int, floor: float, decay: int, base: float) -> None:
    ours = Linear(0.0, BASE, over=warmup) >> cosine(decay, floor=floor * BASE)
    assert_multiplies(ours, warmed(warmup, 1.0, lambda t: annealed(part(t, decay), floor)), base)


@given(warmups, ends, lengths, rates)
def test_polynomial_with_warmup(warmup: int, floor: float, decay: int, base: float) -> None:
    ours = Linear(0.0, BASE, over=warmup) >> Polynomial(BASE, floor * BASE, over=decay, power=2)
    curve = warmed(warmup, 1.0, lambda t: floor + (1 - part(t, decay)) ** 2 * (1 - floor))
    assert_multiplies(ours, curve, base)


@pytest.mark.parametrize("ratio", ["1/2", "2", "3/2"])
@given(st.integers(1, 10).map(lambda half: 2 * half), lengths.map(lambda half: 2 * half), rates)
def test_a_scale_schedule_ratio_leaves_the_warmup_as_it_is(
    ratio: str, warmup: int, decay: int, base: float
) -> None:
    scaled = int(Fraction(ratio) * (warmup + decay))
    left = max(scaled - warmup, 1)
    theirs = warmed(warmup, 1.0, lambda t: annealed(part(t, left), 0.0))
    assert_multiplies(Linear(0.0, BASE, over=warmup) >> cosine(left), theirs, base)


@pytest.mark.parametrize("ratio", ["1/2", "2", "3/2"])
@given(lengths, shares, rates)
def test_a_schedule_without_warmup_is_stretched_by_a_ratio(
    ratio: str, length: int, gamma: float, base: float
) -> None:
    # Theirs cuts what is stretched to whole batches.
    stretched = Fraction(ratio) * 2 * length
    ours = step(2 * length, gamma).stretch(ratio)
    assert_multiplies(ours, lambda t: gamma ** (t // int(stretched)), base)


def test_scale_warmup_of_theirs_leaves_a_flat_stretch() -> None:
    # scale_warmup=True, warmup 10, run 20, ratio 0.5: the ramp is over at 5, the decay starts at 10, its end.
    def theirs(t: int) -> float:
        return part(t, 0.5 * 10) if t < 10 else annealed(1.0, 0.0)

    assert [theirs(t) for t in (0, 4, 5, 9, 10)] == [0.0, 0.8, 1.0, 1.0, 0.0]
    whole = (Linear(0.0, 1.0, over=10) >> Cosine(1.0, over=10)).stretch(0.5).on(Horizon(total=10))
    assert whole([0, 4, 5, 10]).tolist() == [0.0, 0.8, 1.0, 0.0]
